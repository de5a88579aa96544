"""The examples' command lines: each says its help; one is run, stopped, and taken up again."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

for library in ("tqdm", "matplotlib", "sklearn", "safetensors"):
    pytest.importorskip(library)

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem not in ("common", "run_all"))


def test_run_all_knows_them() -> None:
    assert sorted(runpy.run_path(str(EXAMPLES / "run_all.py"))["NAMES"]) == SCRIPTS
    assert len(SCRIPTS) == 9


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--help"])
    monkeypatch.syspath_prepend(str(EXAMPLES))
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(EXAMPLES / f"{script}.py"), run_name="__main__")
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--epochs", "--backend", "--seed", "--resume", "--quick", "--data", "--download", "--out"):
        assert option in shown


def run(*options: str) -> tuple[int, str]:
    command = [sys.executable, str(EXAMPLES / "regularisation.py"), "--quick", "--seeds", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_run_and_its_resumption(tmp_path: Path) -> None:
    code, out = run("--epochs", "1", "--out", str(tmp_path / "a"))
    assert "data: digits from scikit-learn" in out
    rows = json.loads((tmp_path / "a" / "regularisation" / "result.json").read_text())
    assert code == (0 if all(row["ok"] for row in rows) else 1)
    assert re.search(r"^regularisation: .* in \d+ s; plots in ", out.splitlines()[-1])
    assert (tmp_path / "a" / "regularisation" / "validation.png").stat().st_size > 1000
    run("--epochs", "2", "--out", str(tmp_path / "a"), "--resume")
    run("--epochs", "2", "--out", str(tmp_path / "b"))
    for kind in ("none-0", "augmentation-0"):
        one, two = (
            [line.rpartition(",")[0] for line in (tmp_path / x / "regularisation" / kind / "history.csv").open()]
            for x in ("a", "b")
        )
        assert one == two and len(one) == 3  # all but the seconds


def test_bad_options(tmp_path: Path) -> None:
    """A backend without a kernel that the script needs is refused as one that does not exist."""
    for script, *options in (
        ("activations", "--epochs", "0"),
        ("activations", "--backend", "cuda"),
        ("cnn", "--backend", "numba"),
    ):
        command = [sys.executable, str(EXAMPLES / f"{script}.py"), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and options[0] in done.stderr
