"""Run PyTorch's own samples through fastnn and PyTorch, print a table, write docs/parity.md: see that page's head."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "parity.md"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    arguments.add_argument("--only", default="", metavar="REGEX", help="names in which the pattern is found")
    arguments.add_argument("--kind", choices=("modules", "ops", "optimizers"), help="one database; all three if absent")
    arguments.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    arguments.add_argument("--limit", type=float, default=300.0, help="seconds that one name may take")
    arguments.add_argument("--verbose", action="store_true", help="every reason, with the first sample that shows it")
    arguments.add_argument("--output", type=Path, default=PAGE, help="the page that a whole run writes")
    options = arguments.parse_args()
    try:
        import torch
    except ImportError:
        print("the comparison needs PyTorch: pip install torch==2.13.0", file=sys.stderr)
        return 2
    import numpy as np

    import fastnn

    from . import modules, ops, optimizers, pool, report
    from .outcome import KINDS

    names = {"modules": modules.NAMES, "ops": ops.NAMES, "optimizers": optimizers.NAMES}
    entries = [
        (kind, name)
        for kind in KINDS
        if options.kind in (None, kind)
        for name in names[kind]
        if re.search(options.only, name)
    ]
    if not entries:
        print(f"no name matches {options.only!r}", file=sys.stderr)
        return 2
    place = {entry: number for number, entry in enumerate(entries)}
    outcomes = []
    for outcome in pool.run_all(entries, options.workers, options.limit):
        outcomes.append(outcome)
        if options.verbose:
            print(*report.failures([outcome]), sep="\n", end="\n" * (not outcome.clean), flush=True)
        if sys.stderr.isatty():
            print(f"\r{len(outcomes)}/{len(entries)} {outcome.name:60}", end="", file=sys.stderr, flush=True)
    outcomes.sort(key=lambda outcome: place[outcome.kind, outcome.name])
    for kind in KINDS:
        if any(outcome.kind == kind for outcome in outcomes):
            print("\n".join(report.table(outcomes, kind)))
    print("\n".join(report.summary(outcomes)))
    if not options.only and options.kind is None:
        versions = f"fastnn {fastnn.__version__}, torch {torch.__version__}, numpy {np.__version__}"
        versions += f", Python {platform.python_version()}"
        options.output.write_text(report.page(outcomes, {**ops.LEFT_OUT, **optimizers.LEFT_OUT}, versions))
        short = report.below_bars(outcomes)
        print(*short, sep="\n", end="\n" * bool(short), file=sys.stderr)
        return 1 if short else 0
    return 0 if all(outcome.clean for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
