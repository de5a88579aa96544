"""What `import fastnn` brings at once, and what it brings when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fastnn

LATER = ("backends", "cuda", "func", "nn", "optim", "utils")


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_an_array_program_does_not_wait_for_layers_and_optimizers() -> None:
    program = (
        "import sys, fastnn; fastnn.ones(3) + 1; print(*sorted(m for m in sys.modules if m.startswith('fastnn.')))"
    )
    loaded = run(program).split()
    assert "fastnn.tensor" in loaded
    for name in (*LATER[:-1], "serialization", "utils.data"):
        assert f"fastnn.{name}" not in loaded


@pytest.mark.parametrize("name", [*LATER, "save", "load"])
def test_a_name_is_there_without_an_import_of_its_own(name: str) -> None:
    kind = "function" if name in ("save", "load") else "module"
    assert run(f"import fastnn; print(type(fastnn.{name}).__name__, {name!r} in dir(fastnn))") == f"{kind} True"


def test_parts_of_parts_are_there_too() -> None:
    program = "import fastnn as torch; print(torch.nn.functional.relu, torch.optim.lr_scheduler.StepLR, torch.utils.data.DataLoader, torch.utils.checkpoint.checkpoint)"  # noqa: E501
    assert len(run(program).splitlines()) == 1


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'fastnn' has no attribute 'no_such_name'"):
        _ = fastnn.no_such_name
    with pytest.raises(AttributeError, match=r"module 'fastnn\.utils' has no attribute 'no_such_name'"):
        _ = fastnn.utils.no_such_name  # type: ignore[attr-defined]
