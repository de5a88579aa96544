"""``python -m benchmarks``: trains, times the kernels, prints the tables and writes the report."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

# The modules of the extra "bench", by the names they are imported by.
EXTRA = ("matplotlib", "numba", "pytest", "pytest_benchmark", "rich", "sklearn", "tqdm")
REPORT = Path(__file__).with_name("report")


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Trains the article's network on scikit-learn's digits and times every kernel, in each backend"
        " against the NumPy reference; prints tables and writes a report. Exit status 0 if every backend reached the"
        " test accuracy wanted (0.95), else 1.",
    )
    parser.add_argument(
        "--backend",
        action="append",
        choices=("numpy", "numba", "cython"),
        help="a backend to measure, beside the reference numpy, which always runs; may be repeated (default: all)",
    )
    parser.add_argument("--epochs", type=_positive, default=20, help="epochs of training (default: %(default)s)")
    parser.add_argument("--only", metavar="REGEX", help="time only the rows of kernels/cases whose id matches")
    parser.add_argument("--no-kernels", action="store_true", help="train only")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", default=REPORT, help="where to write (default: %(default)s)"
    )
    chosen = parser.parse_args(arguments)
    if chosen.no_kernels and chosen.only is not None:
        parser.error("--only names kernels to time, --no-kernels times none")
    return chosen


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the job; returns the exit status."""
    chosen = options(arguments)
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        print(f'missing: {", ".join(missing)}; install them with: pip install "fastnn-cpu[bench]"', file=sys.stderr)
        return 2

    from rich.console import Console

    from benchmarks import digits, report, suite
    from benchmarks.results import Results, machine

    backends = chosen.backend or ["numpy", "numba", "cython"]
    if chosen.only is not None:
        try:
            suite.selected(backends, chosen.only)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
    training = digits.train(backends, chosen.epochs)
    kernels = [] if chosen.no_kernels else suite.run(backends, chosen.only)
    results = Results(machine(), training, kernels)
    index = report.write(results, chosen.report)
    terminal = Console()
    # Away from a terminal, as in a log, there is no width to keep to.
    report.show(results, terminal if terminal.is_terminal else Console(width=140))
    print(report.verdict(results, index))
    return 0 if all(run.reached for run in training) else 1


if __name__ == "__main__":
    sys.exit(main())
