"""The report's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from benchmarks.results import REFERENCE, KernelTime, Results, speedup

# Told apart without colour vision too (Okabe & Ito 2008).
COLOURS = {"numpy": "#7f7f7f", "numba": "#e69f00", "cython": "#0072b2"}
LINES = {"numpy": "-", "numba": "--", "cython": ":"}
DPI = 110


class Picture(NamedTuple):
    file: str
    caption: str


def draw(results: Results, folder: Path) -> list[Picture]:
    """Draws all pictures into a folder; returns their files' names and captions."""
    losses = "Loss by epoch, and how far each step's loss is from NumPy's."
    steps = "Time of a training step: median, quartiles, and whiskers from 5 to 95 %."
    pictures = [
        _save(_losses(results), folder, "losses.png", losses),
        _save(_steps(results), folder, "steps.png", steps),
    ]
    if results.kernels:
        caption = "Speed-up of every kernel over the NumPy reference; right of the line at 1 is faster."
        pictures.append(_save(_speedups(results), folder, "kernels.png", caption))
    return pictures


def _save(figure: Figure, folder: Path, name: str, caption: str) -> Picture:
    # A Figure made without pyplot draws with Agg, whatever display there is.
    figure.savefig(folder / name, dpi=DPI)
    return Picture(name, caption)


def _losses(results: Results) -> Figure:
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    curves, differences = figure.subplots(1, 2)
    reference = next(run for run in results.training if run.backend == REFERENCE)
    for run in results.training:
        style = {"color": COLOURS[run.backend], "linestyle": LINES[run.backend], "linewidth": 2.2}
        epochs = np.arange(1, len(run.epoch_losses) + 1)
        curves.plot(epochs, run.epoch_losses, label=f"{run.backend} (test accuracy {run.accuracy:.3f})", **style)
        if run is not reference:
            distance = np.abs(np.subtract(run.step_losses, reference.step_losses))
            largest = distance.reshape(-1, run.steps_per_epoch).max(1)
            # Equal losses have no place on a logarithmic axis: the curve has a gap there.
            shown = np.where(largest > 0, largest, np.nan)
            differences.plot(epochs, shown, label=run.backend, color=COLOURS[run.backend], marker="o", markersize=4)
    curves.set(title="Training loss", xlabel="epoch", ylabel="mean cross-entropy", yscale="log")
    curves.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    curves.legend()
    title = "Largest difference from NumPy's loss in a step"
    differences.set(title=title, xlabel="epoch", ylabel="absolute difference", yscale="log")
    if len(results.training) > 1:
        differences.legend()
    for axes in (curves, differences):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    return figure


def _steps(results: Results) -> Figure:
    figure = Figure(figsize=(9, 1.4 + 0.7 * len(results.training)), layout="constrained")
    axes = figure.subplots()
    runs = results.training[::-1]
    boxes = axes.boxplot(
        [np.multiply(run.quicker_times, 1e3) for run in runs],
        orientation="horizontal",
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        widths=0.6,
        tick_labels=[f"{run.backend}\n{run.step_seconds * 1e3:.2f} ms" for run in runs],
        medianprops={"color": "black", "linewidth": 2},
    )
    for box, run in zip(boxes["boxes"], runs, strict=True):
        box.set_facecolor(COLOURS[run.backend])
    axes.set(title="Time of a training step (batch of 64)", xlabel="milliseconds", xlim=(0, None))
    axes.grid(axis="x", alpha=0.3)
    return figure


def _speedups(results: Results) -> Figure:
    compiled = [name for name in results.backends() if name != REFERENCE]
    rows = results.rows()
    panels: dict[str, dict[str, dict[str, KernelTime]]] = {}
    for size in ("small", "large"):
        chosen = {row: times for row, times in rows.items() if times[REFERENCE].size == size}
        if chosen:
            panels[size] = chosen
    height = 1.6 + 0.26 * max(len(chosen) for chosen in panels.values())
    figure = Figure(figsize=(7.5 * len(panels), height), layout="constrained")
    figure.suptitle("Speed-up over the NumPy reference, float32")
    places = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    for axes, (size, chosen) in zip(places, panels.items(), strict=True):
        _bars(axes, chosen, compiled)
        axes.set_title(f"{size} arrays")
    if compiled:
        figure.legend(*places[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(compiled))
    return figure


def _bars(axes: Axes, rows: dict[str, dict[str, KernelTime]], backends: list[str]) -> None:
    """Horizontal bars from 1 to each speed-up, on a logarithmic axis, the first row on top."""
    places = np.arange(len(rows))
    thickness = 0.8 / max(len(backends), 1)
    for i, name in enumerate(backends):
        factors = np.array([speedup(times, name) for times in rows.values()])
        measured = ~np.isnan(factors)  # Numba has some kernels only
        factors, at = factors[measured], places[measured] + (i - (len(backends) - 1) / 2) * thickness
        axes.barh(at, factors - 1, thickness, left=1, color=COLOURS[name], label=name)
        for y, factor in zip(at, factors, strict=True):
            left = factor < 1
            offset = (-3, 0) if left else (3, 0)
            axes.annotate(
                f"{factor:.2f}" if factor < 2 else f"{factor:.1f}" if factor < 10 else f"{factor:.0f}",
                (factor, y),
                offset,
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                fontsize=7,
            )
    axes.axvline(1, color="black", linewidth=1.2)
    axes.set(xscale="log", yticks=places, ylim=(len(rows) - 0.4, -0.6), xlabel="times faster than NumPy")
    axes.set_yticklabels(list(rows), fontsize=8)
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", alpha=0.3)
