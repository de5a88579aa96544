"""Plots written to files with matplotlib, which needs no display and no global figure for it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnn.training.extras import need
from fastnn.training.history import History


def _figure(columns: int = 1, height: float = 4.0) -> Any:
    figure = need("matplotlib.figure", "plots").Figure(figsize=(6.0 * columns, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _write(figure: Any, path: str | os.PathLike[str]) -> Path:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(place, dpi=110)
    return place


def plot_history(history: History, path: str | os.PathLike[str]) -> Path:
    """A panel for each quantity of the history, training and validation in one; returns the path of the picture."""
    skipped = {"epoch", "seconds"}
    names = [c for c in history.columns if c not in skipped and not c.startswith("val_")]
    names += [c[4:] for c in history.columns if c.startswith("val_") and c[4:] not in names]
    if not names:
        raise ValueError("plot_history(): the history holds no quantity")
    figure, panels = _figure(len(names))
    for panel, name in zip(panels, names, strict=True):
        for column, label in ((name, "training"), (f"val_{name}", "validation")):
            if column in history.columns:
                panel.plot(history["epoch"], history[column], marker=".", label=label)
        panel.set(title=name, xlabel="epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
        panel.legend()
    return _write(figure, path)


def plot_curves(
    curves: Mapping[str, ArrayLike],
    path: str | os.PathLike[str],
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    log: bool = False,
    x: ArrayLike | None = None,
) -> Path:
    """Named curves side by side, over ``x`` or their indices; log: a logarithmic scale of values."""
    figure, (panel,) = _figure()
    for index, (name, values) in enumerate(curves.items()):
        y = np.asarray(values)
        style = ("-", "--", ":", "-.")[index // 10 % 4]  # there are ten colours
        panel.plot(np.arange(len(y)) if x is None else np.asarray(x), y, style, label=name)
    panel.set(title=title, xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    panel.grid(alpha=0.3)
    if len(curves) > 6:
        panel.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5))
    elif len(curves) > 1:
        panel.legend(fontsize="small")
    return _write(figure, path)


def plot_confusion_matrix(
    matrix: ArrayLike, path: str | os.PathLike[str], classes: Sequence[str] | None = None
) -> Path:
    """Counts of true (rows) against predicted classes, coloured by the share of their row.

    ValueError for a matrix that is not square, or another number of class names.
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"plot_confusion_matrix(): expected a square matrix, got shape {counts.shape}")
    names = [str(index) for index in range(len(counts))] if classes is None else list(classes)
    if len(names) != len(counts):
        raise ValueError(f"plot_confusion_matrix(): {len(names)} names for {len(counts)} classes")
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, (panel,) = _figure(height=5.4)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:
            color = "white" if shares[row, column] > 0.5 else "black"
            panel.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=7)
    panel.set(xlabel="predicted", ylabel="true")
    panel.set_xticks(range(len(names)), names, rotation=90)
    panel.set_yticks(range(len(names)), names)
    return _write(figure, path)
