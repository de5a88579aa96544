"""The report's index.html: one page that explains itself and loads nothing but the pictures beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from benchmarks.plots import Picture
from benchmarks.results import REFERENCE, Results, cells, speedup

TRAINING_NOTE = (
    "A step is zero_grad, forward, loss, backward and update of one batch of 64: its median time, and the time that a"
    " tenth of the steps undercut, which other work on the machine disturbs least and the speed-up over the NumPy"
    " reference is made of. NumPy's BLAS has all threads in every other epoch and one in the rest: the quicker half"
    " counts. The last three columns are the largest differences from the reference: of the first epoch's"
    " losses, of the last epoch's mean loss (rounding grows with every step), and of the logits of the test set."
)
KERNEL_NOTE = (
    "The best time of a call in microseconds, and the speed-up over the NumPy reference: above 1 is faster. An error is"
    " the largest difference from the reference computed in float64, in units of float32's epsilon (1.2e-7) of the"
    " largest element. Products by NumPy's BLAS are timed on all its threads and on one: the quicker counts."
)

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2733; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
img { max-width: 100%; height: auto; border: 1px solid #d5dce3; border-radius: 4px; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.75rem; border-bottom: 1px solid #d5dce3; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { background: #eef2f6; border-bottom: 2px solid #9aa9b8; }
tbody tr:hover { background: #f5f8fa; }
.faster { color: #116b37; } .slower { color: #a3261d; }
.note, figcaption { color: #4d5c6b; max-width: 60rem; }
figure { margin: 1.5rem 0; }
"""


def page(results: Results, pictures: Iterable[Picture]) -> str:
    """The page's text."""
    shown = "".join(
        f'<figure><img src="{escape(picture.file)}" alt="{escape(picture.caption)}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>\n"
        for picture in pictures
    )
    kernels = _section("Kernels", KERNEL_NOTE, _kernels(results)) if results.kernels else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>fastnn benchmarks</title><style>{STYLE}</style></head>
<body>
<h1>fastnn benchmarks</h1>
<p>The backends are compared with fastnn's own plain NumPy reference (<b>{REFERENCE}</b>): <b>numba</b> is compiled at
run time, <b>cython</b>, the default, ahead of time. All of them use the same number of threads unless the table of the
machine says otherwise. The raw numbers are in <a href="results.json">results.json</a>.</p>
{_section("Training", TRAINING_NOTE, _training(results))}
{_section("Pictures", "", shown)}
{kernels}
{_section("The machine", "", _machine(results))}
</body></html>
"""


def _section(title: str, note: str, content: str) -> str:
    remark = f'<p class="note">{escape(note)}</p>\n' if note else ""
    return f"<h2>{escape(title)}</h2>\n{remark}{content}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    return f'<div class="table"><table><thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _factor(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f'<span class="{"faster" if value >= 1 else "slower"}">{value:.2f}&times;</span>'


def _training(results: Results) -> str:
    first = len(results.training[0].epoch_losses)
    head = ["backend", "test accuracy", f"loss of epoch {first}", "ms a step", "quickest tenth", "speed-up"]
    head += ["difference of losses, epoch 1", "of the last epoch's loss", "of the test logits"]
    return _table(
        head,
        (
            [
                escape(run.backend),
                f"{run.accuracy:.4f}",
                f"{run.epoch_losses[-1]:.4f}",
                f"{run.step_seconds * 1e3:.3f}",
                f"{run.quick_step_seconds * 1e3:.3f}",
                _factor(results.training_speedup(run)),
                *(f"{value:.1e}" for value in (run.first_epoch_difference, run.loss_difference, run.logits_difference)),
            ]
            for run in results.training
        ),
    )


def _kernels(results: Results) -> str:
    backends = results.backends()
    compiled = [name for name in backends if name != REFERENCE]
    head = ["row", *(f"{name}, µs" for name in backends), *(f"{name}, speed-up" for name in compiled)]
    head += [f"{name}, error" for name in backends]
    return _table(
        head,
        (
            [
                escape(row),
                *cells(times, backends)[0],
                *(_factor(speedup(times, name)) for name in compiled),
                *cells(times, backends)[1],
            ]
            for row, times in results.rows().items()
        ),
    )


def _machine(results: Results) -> str:
    return _table(("what", "measured on"), ([escape(name), escape(value)] for name, value in results.machine.items()))
