"""The main job: its suite times every kernel in every backend, its report is complete, and it runs start to end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fastnn.kernels import BACKENDS, contract

for _module in ("matplotlib", "numba", "pytest_benchmark", "rich", "sklearn", "tqdm"):
    pytest.importorskip(_module, reason='the benchmarks need "fastnn-cpu[bench]"')

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks/ is not installed

from benchmarks import __main__ as job  # noqa: E402
from benchmarks import report, suite  # noqa: E402
from benchmarks.results import KernelTime, Results, Training, machine, speedup  # noqa: E402
from benchmarks.test_kernels import LACKING, TIMINGS  # noqa: E402


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The ids of the timings that pytest finds in the suite."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(suite.SUITE)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"::test_kernel\[(.*)\]", output))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kernel", contract.KERNELS)
def test_every_kernel_is_timed_in_every_backend(kernel: str, backend: str, collected: set[str]) -> None:
    if kernel in LACKING[backend]:
        pytest.skip(f"{kernel} is not in the {backend} backend")
    timed = {each.id for each in TIMINGS if each.case.kernel == kernel and each.backend == backend}
    assert timed & collected, f"{kernel} has no benchmark row (a row of kernels/cases with a size) for {backend}"


def test_the_backends_of_a_row_follow_each_other() -> None:
    turns = list(dict.fromkeys((timing.case, timing.backend) for timing in TIMINGS))
    rows = list(dict.fromkeys(case for case, _ in turns))
    assert turns == [(case, name) for case in rows for name in BACKENDS if case.kernel not in LACKING[name]]


def test_products_are_timed_with_blas_on_one_thread_too() -> None:
    assert suite.selected(["cython"], "^matmul-64x128x64$") == [
        "matmul-64x128x64-numpy",
        "matmul-64x128x64-numpy-blas1",
        "matmul-64x128x64-cython",
    ]


def test_the_quicker_timing_counts(tmp_path: Path) -> None:
    def timing(best: float, blas_threads: int | None) -> dict[str, object]:
        about = {"row": "matmul", "size": "small", "backend": "numpy", "blas_threads": blas_threads, "error": 1.0}
        return {"extra_info": about, "stats": {"min": best, "median": best, "rounds": 9}}

    file = tmp_path / "times.json"
    file.write_text(json.dumps({"benchmarks": [timing(2.0, None), timing(1.0, 1)]}), encoding="utf-8")
    (time,) = suite.read(file)
    assert (time.best, time.blas_threads) == (1.0, 1)
    run = Training("numpy", 1.0, [3.0, 3.0, 1.0, 2.0, 3.0, 3.0], [1.0] * 6, 2, 0.0, 0.0, 0.0)
    assert run.quicker_times == [1.0, 2.0]


def test_selection() -> None:
    assert suite.selected(["cython"], "^add-10$") == ["add-10-numpy", "add-10-cython"]
    assert len(suite.selected(BACKENDS, None)) == len(TIMINGS)
    with pytest.raises(ValueError, match="--only 'nonesuch' matches no row"):
        suite.selected(BACKENDS, "nonesuch")
    with pytest.raises(ValueError, match="not a regular expression"):
        suite.selected(BACKENDS, "(")


def test_the_suite_times_a_row() -> None:
    times = suite.run(["cython"], "^add-10$")
    assert [(time.row, time.backend, time.size) for time in times] == [
        ("add-10", "numpy", "small"),
        ("add-10", "cython", "small"),
    ]
    for time in times:
        assert 0 < time.best <= time.median < 1
        assert time.rounds >= suite.MIN_ROUNDS
        assert 0 <= time.error <= 1


def sample(kernels: bool = True) -> Results:
    def run(backend: str, seconds: float, accuracy: float) -> Training:
        losses = [2.0, 1.0, 0.5, 0.25]
        return Training(backend, accuracy, [seconds] * 4, losses, 2, 1e-7, 1e-6, 1e-5)

    def time(row: str, size: str, backend: str, best: float) -> KernelTime:
        return KernelTime(row, size, backend, best, 2 * best, 9, None, 0.5)

    training = [run("numpy", 4e-3, 0.97), run("numba", 2e-3, 0.96), run("cython", 1e-3, 0.5)]
    rows = [("relu<10>", "small"), ("add-1000", "large")]
    seconds = {"numpy": 8e-6, "numba": 16e-6, "cython": 2e-6}
    timed = [time(row, size, name, best) for row, size in rows for name, best in seconds.items()]
    timed += [time("norm-8", "small", name, seconds[name]) for name in ("numpy", "cython")]  # not in every backend
    return Results(machine(), training, timed if kernels else [])


class _Page(HTMLParser):
    """The addresses a page refers to, and the text of its table cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.cells: list[str] = []
        self.in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]
        if tag == "td":
            self.cells.append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self.in_cell = False

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.cells[-1] += data


def test_the_report(tmp_path: Path) -> None:
    results = sample()
    index = report.write(results, tmp_path / "new" / "report")
    page = _Page(index.read_text(encoding="utf-8"))
    assert page.addresses == ["results.json", "losses.png", "steps.png", "kernels.png"]
    for address in page.addresses:  # all beside the page: nothing is loaded from elsewhere
        assert (index.parent / address).stat().st_size > 0
    for picture in index.parent.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert {
        "numpy",
        "numba",
        "cython",
        "0.9700",
        "4.00\u00d7",
        "0.50\u00d7",
        "relu<10>",
        "add-1000",
        "8.0",
        "16.0",
        "norm-8",
        "-",
    } <= set(page.cells)

    written = json.loads((index.parent / "results.json").read_text(encoding="utf-8"))
    assert [run["accuracy"] for run in written["training"]] == [0.97, 0.96, 0.5]
    assert [run["speedup"] for run in written["training_summary"]] == [1.0, 2.0, 4.0]
    assert len(written["kernels"]) == 8


def test_speedups_and_verdict() -> None:
    results = sample()
    assert [results.training_speedup(run) for run in results.training] == [1.0, 2.0, 4.0]
    times = results.rows()["add-1000"]
    assert [speedup(times, name) for name in ("numpy", "numba", "cython")] == [1.0, 0.5, 4.0]
    assert results.training[0].epoch_losses == [1.5, 0.375]
    line = report.verdict(results, Path("index.html"))
    assert "reached by: numpy 0.9700, numba 0.9600." in line
    assert "NOT reached by: cython 0.5000." in line
    assert str(Path("index.html").resolve()) in line


def test_a_small_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = job.main(["--epochs", "1", "--no-kernels", "--report", str(tmp_path)])
    assert {file.name for file in tmp_path.iterdir()} == {"index.html", "results.json", "losses.png", "steps.png"}
    runs = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["training"]
    assert [run["backend"] for run in runs] == ["numpy", "numba", "cython"]
    for run in runs:
        assert len(run["step_losses"]) == len(run["step_times"]) == run["steps_per_epoch"]
        assert run["first_epoch_difference"] < 1e-4  # the same weights, batches and dropout masks
        assert run["step_losses"][-1] < run["step_losses"][0]
    assert status == (0 if all(run["accuracy"] >= 0.95 for run in runs) else 1)
    assert str(tmp_path / "index.html") in capsys.readouterr().out.splitlines()[-1]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(job, "EXTRA", (*job.EXTRA, "nonesuch"))
    assert job.main(["--no-kernels"]) == 2
    assert capsys.readouterr().err == 'missing: nonesuch; install them with: pip install "fastnn-cpu[bench]"\n'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "0 is not at least 1"),
        (["--backend", "cuda"], "invalid choice: 'cuda'"),
        (["--no-kernels", "--only", "add"], "--only names kernels to time"),
    ],
)
def test_wrong_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        job.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
