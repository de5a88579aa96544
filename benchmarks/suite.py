"""Runs the pytest-benchmark suite in a process of its own, under a progress bar, and reads the times it wrote."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from benchmarks.results import REFERENCE, KernelTime
from benchmarks.test_kernels import TIMINGS

ROOT = Path(__file__).resolve().parents[1]
SUITE = Path(__file__).with_name("test_kernels.py")

# Seconds of timing for each row and backend; with some 900 of them the whole suite takes about a minute and a half,
# and half a minute more where Numba still has to compile.
SECONDS_EACH = 0.06
MIN_ROUNDS = 7
# A round repeats a quick kernel until it takes this long, so that the clock does not count.
ROUND_SECONDS = 0.0005


def selected(backends: Sequence[str], only: str | None) -> list[str]:
    """The timings of the suite to run, as pytest calls them: rows whose id matches the pattern ``only``.

    Raises ValueError where the pattern matches none, or is not a regular expression.
    """
    try:
        pattern = re.compile(only or "")
    except re.error as error:
        raise ValueError(f"--only {only!r} is not a regular expression: {error}") from error
    wanted = {REFERENCE, *backends}
    found = [timing.id for timing in TIMINGS if timing.backend in wanted and pattern.search(timing.case.id)]
    if not found:
        raise ValueError(f"--only {only!r} matches no row of kernels/cases")
    return found


def run(backends: Sequence[str], only: str | None = None) -> list[KernelTime]:
    """Times the rows chosen. RuntimeError with pytest's output where one fails."""
    rows = selected(backends, only)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "times.json"
        options = [
            f"--benchmark-json={file}",
            f"--benchmark-max-time={SECONDS_EACH}",
            f"--benchmark-min-rounds={MIN_ROUNDS}",
            f"--benchmark-min-time={ROUND_SECONDS}",
            "--benchmark-disable-gc",
            "--benchmark-quiet",
            "--verbose",
            "-p",
            "no:cacheprovider",
        ]
        command = [sys.executable, "-m", "pytest", *options, *(f"{SUITE}::test_kernel[{row}]" for row in rows)]
        _follow(command, len(rows))
        return read(file)


def _follow(command: list[str], timings: int) -> None:
    """Runs pytest, moving a progress bar by one for each of its verdicts."""
    output: list[str] = []
    # Called from a test that pytest-xdist runs, pytest-benchmark would take this run for one of its workers.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    environment = {**own, "PYTHONUNBUFFERED": "1"}
    with (
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
        tqdm(total=timings, desc="kernels", unit="timing", mininterval=0.5) as bar,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line)
            if re.search(r"::test_kernel\[.* (PASSED|FAILED|ERROR)", line):
                bar.update()
    if process.returncode:
        raise RuntimeError(f"the kernel suite failed:\n{''.join(output)}")


def read(file: Path) -> list[KernelTime]:
    """The times in a file that pytest-benchmark wrote; of a row's timings in one backend the quicker."""
    times = [
        KernelTime(
            **benchmark["extra_info"],
            best=benchmark["stats"]["min"],
            median=benchmark["stats"]["median"],
            rounds=benchmark["stats"]["rounds"],
        )
        for benchmark in json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
    ]
    quickest: dict[tuple[str, str], KernelTime] = {}
    for time in times:
        kept = quickest.setdefault((time.row, time.backend), time)
        if time.best < kept.best:
            quickest[time.row, time.backend] = time
    return list(quickest.values())
