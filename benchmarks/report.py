"""The report: tables on the terminal, and a folder with results.json, pictures and index.html."""

from __future__ import annotations

import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import page, plots
from benchmarks.results import ACCURACY_WANTED, REFERENCE, Results, cells, speedup


def write(results: Results, folder: Path) -> Path:
    """Writes the report into a folder, made where it is missing; returns its index.html."""
    folder.mkdir(parents=True, exist_ok=True)
    results.write_json(folder / "results.json")
    pictures = plots.draw(results, folder)
    index = folder / "index.html"
    index.write_text(page.page(results, pictures), encoding="utf-8")
    return index


def show(results: Results, console: Console) -> None:
    """Prints the tables."""
    console.print(training_table(results))
    if results.kernels:
        console.print(kernel_table(results))
    for name, value in results.machine.items():
        console.print(f"[bold]{name}:[/bold] {value}", highlight=False)


def training_table(results: Results) -> Table:
    table = Table(title="Training the article's network on scikit-learn's digits", caption=page.TRAINING_NOTE)
    table.add_column("backend")
    headings = ["test accuracy", "final loss", "ms a step", "quickest tenth", "speed-up"]
    headings += ["loss, epoch 1", "loss, at the end", "test logits"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for run in results.training:
        table.add_row(
            run.backend,
            f"{run.accuracy:.4f}",
            f"{run.epoch_losses[-1]:.4f}",
            f"{run.step_seconds * 1e3:.3f}",
            f"{run.quick_step_seconds * 1e3:.3f}",
            f"{results.training_speedup(run):.2f}x",
            *(f"{value:.1e}" for value in (run.first_epoch_difference, run.loss_difference, run.logits_difference)),
        )
    return table


def kernel_table(results: Results) -> Table:
    backends = results.backends()
    compiled = [name for name in backends if name != REFERENCE]
    table = Table(title="Kernels, float32", caption=page.KERNEL_NOTE)
    table.add_column("row", no_wrap=True)
    for name in backends:
        table.add_column(f"{name}, us", justify="right")
    for name in compiled:
        table.add_column(f"{name} speed-up", justify="right")
    for name in backends:
        table.add_column(f"{name} error", justify="right")
    for row, times in results.rows().items():
        table.add_row(
            row,
            *cells(times, backends)[0],
            *(_coloured(speedup(times, name)) for name in compiled),
            *cells(times, backends)[1],
        )
    return table


def _coloured(factor: float) -> str:
    if math.isnan(factor):
        return "-"
    colour = "green" if factor >= 1 else "red"
    return f"[{colour}]{factor:.2f}x[/{colour}]"


def verdict(results: Results, index: Path) -> str:
    """The last line: where the report is, and which backends reached the accuracy wanted."""
    runs = ", ".join(f"{run.backend} {run.accuracy:.4f}" for run in results.training if run.reached)
    failed = ", ".join(f"{run.backend} {run.accuracy:.4f}" for run in results.training if not run.reached)
    reached = f"Test accuracy of {ACCURACY_WANTED} reached by: {runs or 'none'}."
    missed = f" NOT reached by: {failed}." if failed else ""
    return f"{reached}{missed} Report: {index.resolve()}"
