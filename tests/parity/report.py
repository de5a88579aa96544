"""The table of a run, for the terminal and for docs/parity.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .outcome import KINDS, Outcome

_HEAD = """# Parity with PyTorch

PyTorch's wheel ships the samples with which PyTorch tests itself: `module_db` (each module of `torch.nn`), `op_db`
(each operation) and `optim_db` (each optimizer). `make parity` runs them through both and writes this page:

    make parity                                                   # everything: about five minutes on two cores
    python -m tests.parity --kind ops --only '^cumsum'            # one kind, names that match: prints, writes no page
    python -m tests.parity --kind modules --only LSTM --verbose   # each reason with the first sample that shows it

It needs torch 2.13.0 beside fastnn. Each sample is translated (tensors by memory and strides, functions, dtypes and
classes by name), run in float32 and float64 (integers where an operation takes no others) and compared:

* the value: structure, dtype, shape and numbers, and what the call did to its arguments. Where PyTorch draws random
  numbers, or leaves memory uninitialised, shape and dtype alone ("random");
* the gradient to every tensor of the sample and every parameter, for the same random weights of the outputs, and
  whether an output requires a gradient;
* the second gradient, where PyTorch has one. fastnn may raise NotImplementedError there ("refused"), except for
  linear, convolutions, softmax, norms and activations, where that is a failure;
* the error inputs of the databases: fastnn has to raise PyTorch's type of exception;
* forms: an operation's method and its in-place form on the same samples.

Numbers agree when they differ by at most 1e-4 of the element or 1e-5 of the array's largest element (float32; 1e-7 and
1e-8 for float64). Two optimizers magnify rounding: LBFGS is compared within ten times of how far PyTorch's own runs
end apart that start a few units in the last place apart, Muon, which works in bfloat16, to 5 bits of the way it went.
The run fails where it does not reach 95 % of the names and 99 % of their samples (modules), 90 % and 99 % (ops), all
(optimizers). "Left out" counts the samples that ask for what fastnn has not got on purpose, with the reason.
"""


# What a whole run has to reach, kind by kind: the share of the names that are offered, and of the samples of those that
# pass.
BARS = {"modules": (0.95, 0.99), "ops": (0.90, 0.99), "optimizers": (1.0, 1.0)}


def below_bars(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each bar that a whole run does not reach."""
    lines = []
    for kind, (names, samples) in BARS.items():
        rows = [outcome for outcome in outcomes if outcome.kind == kind]
        there = [outcome for outcome in rows if outcome.offered]
        passed, failed = _sum(there, "passed"), _sum(there, "failed")
        if len(there) < names * len(rows):
            lines.append(f"{kind}: {len(there)} of {len(rows)} names offered, {100 * names:g} % wanted")
        if passed < samples * (passed + failed):
            lines.append(f"{kind}: {passed} of {passed + failed} samples passed, {100 * samples:g} % wanted")
    return lines


def _sum(outcomes: Iterable[Outcome], field: str) -> int:
    return sum(int(getattr(outcome, field)) for outcome in outcomes)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """One line a kind: names offered, samples passed, and the other columns."""
    lines = [
        "| kind | names offered | samples passed | of those offered | error inputs | forms | second gradients |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        rows = [outcome for outcome in outcomes if outcome.kind == kind]
        if not rows:
            continue
        there = [outcome for outcome in rows if outcome.offered]
        cells = [kind, f"{len(there)} of {len(rows)} ({_share(len(there), len(rows))})"]
        for group in (rows, there):
            passed, failed = _sum(group, "passed"), _sum(group, "failed")
            cells.append(f"{passed} of {passed + failed} ({_share(passed, passed + failed)})")
        for part in ("errors_", "forms_"):
            passed, failed = _sum(there, f"{part}passed"), _sum(there, f"{part}failed")
            cells.append(f"{passed} of {passed + failed} ({_share(passed, passed + failed)})")
        cells.append(f"{_sum(there, 'second_passed')} equal, {_sum(there, 'second_refused')} refused")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _reasons(counter: Counter[str], most: int) -> str:
    text = "; ".join(f"{count} x {reason}" for reason, count in counter.most_common(most))
    rest = len(counter) - most
    return text + (f"; and {rest} more" if rest > 0 else "")


def table(outcomes: Sequence[Outcome], kind: str) -> list[str]:
    """One line a name: passed, failed, error inputs, forms, left out, and why."""
    lines = [
        "| name | passed | failed | errors | forms | second | left out | reasons |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in outcomes:
        if row.kind != kind:
            continue
        why = [] if row.offered else ["**not offered**"]
        if row.offered and row.failures:
            why.append(_reasons(row.failures, 3))
        if row.left_out:
            why.append("left out: " + _reasons(row.left_out, 4))
        if row.random:
            why.append(f"{row.random} random")
        cells = [
            row.name,
            str(row.passed),
            str(row.failed),
            f"{row.errors_passed}/{row.errors_passed + row.errors_failed}",
            f"{row.forms_passed}/{row.forms_passed + row.forms_failed}",
            f"{row.second_passed}" + (f" ({row.second_refused} refused)" if row.second_refused else ""),
            str(sum(row.left_out.values())),
            "; ".join(why).replace("|", "\\|").replace("<", "\\<"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """Every reason of every failing name with the first sample that shows it."""
    lines = []
    for row in outcomes:
        if row.clean:
            continue
        state = "" if row.offered else " NOT OFFERED"
        lines.append(f"{row.kind} {row.name}:{state} {row.failed + row.errors_failed + row.forms_failed} failed")
        if not row.offered:
            continue
        for reason, count in row.failures.most_common():
            lines.append(f"    {count} x {reason}")
            lines.append(f"        e.g. {row.examples[reason]}")
    return lines


def page(outcomes: Sequence[Outcome], left_out: dict[str, str], versions: str) -> str:
    """docs/parity.md."""
    lines = [_HEAD, f"Versions of this run: {versions}.", "", "## Totals", "", *summary(outcomes)]
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(reason, []).append(name)
    lines += ["", "## Entries that are left out", ""]
    lines += [f"* {reason}: {', '.join(f'`{name}`' for name in names)}" for reason, names in reasons.items()]
    for kind in KINDS:
        lines += ["", f"## {kind.capitalize()}", "", *table(outcomes, kind)]
    return "\n".join(lines) + "\n"
