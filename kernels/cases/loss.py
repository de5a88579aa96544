"""Rows of the losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .table import Arguments, Generator, Gradient, add_row, blank, normal


class Loss(NamedTuple):
    """What a cross-entropy is asked for."""

    m: int
    n: int
    reduction: str = "mean"
    smoothing: float = 0.0
    weighted: bool = False
    ignored: int = 0  # the first so many targets
    grad: bool = True


def _loss_inputs(loss: Loss, rng: Generator, dtype: DTypeLike) -> tuple[Array, Array, Array | None]:
    target = rng.integers(0, max(loss.n, 1), loss.m)
    target[: loss.ignored] = -100
    weight = rng.uniform(0.5, 2, loss.n).astype(dtype) if loss.weighted else None
    return normal(rng, dtype, loss.m, loss.n) * np.asarray(3, dtype), target, weight


def _loss_gradient(loss: Loss) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        logits, target, weight = _loss_inputs(loss, rng, "f8")

        def run(logits: Array) -> tuple[float, Array]:
            losses, grad = blank("f8", loss.m), blank("f8", loss.m, loss.n)
            options = -100, loss.smoothing, loss.reduction
            value = backend.cross_entropy_forward(logits, target, weight, *options, losses, grad)
            return float(losses.sum()) if loss.reduction == "none" else value, grad

        return Gradient([logits], lambda values: run(values[0])[0], lambda: [run(logits)[1]])

    return build


def add_rows() -> None:
    def row(label: str, loss: Loss, size: str | None = None, nasty: bool = False) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            logits, target, weight = _loss_inputs(loss, rng, dtype)
            if nasty:
                logits[0, 0], logits[1, 1], logits[2, 2], logits[3], target[3] = np.nan, np.inf, -np.inf, -np.inf, 0
                logits[4, 0], logits[4, 1], logits[5, 0] = 3e38, -3e38, np.nan
                target[5] = -100
            grad = blank(dtype, loss.m, loss.n) if loss.grad else None
            return logits, target, weight, -100, loss.smoothing, loss.reduction, blank(dtype, loss.m), grad

        gradient = _loss_gradient(loss) if loss.grad and 0 < loss.m * loss.n < 1000 and loss.ignored < loss.m else None
        add_row("cross_entropy_forward", label, make, "losses grad", rtol=64, atol=64, size=size, gradient=gradient)

    row("64x10", Loss(64, 10), "small")
    row("256x1000", Loss(256, 1000), "large")
    for reduction in ("none", "sum", "mean"):
        row(f"{reduction}-plain", Loss(7, 5, reduction))
        row(f"{reduction}-all", Loss(9, 17, reduction, smoothing=0.1, weighted=True, ignored=3))
    row("no-grad", Loss(8, 6, grad=False, weighted=True))
    row("all-ignored", Loss(4, 3, ignored=4))
    row("no-rows", Loss(0, 3))
    row("no-rows-sum", Loss(0, 3, "sum"))
    row("one", Loss(1, 1))
    row("nasty", Loss(8, 19, "sum"), nasty=True)
