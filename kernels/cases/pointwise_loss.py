"""Rows of the losses element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..contract import LOSS_KINDS, Array
from .table import Arguments, Generator, Gradient, add_row, blank

A = {"smooth_l1": 0.75, "huber": 1.25}


def _inputs(kind: str, rng: Generator, dtype: DTypeLike, shape: tuple[int, ...]) -> tuple[Array, Array]:
    x, target = rng.standard_normal(shape) * 2, rng.standard_normal(shape)
    if kind.startswith("bce"):
        target = np.where(target > 1, 1, np.where(target < -1, 0, rng.uniform(0, 1, shape)))
    if kind == "bce":
        x = rng.uniform(0.01, 0.99, shape)
    elif kind == "kl":
        target = np.abs(target)
    elif kind in ("l1", "smooth_l1", "huber"):  # clear of the kink at 0 and of the joints at ±a
        e = x - target
        x = np.where(np.abs(e) < 0.05, target + 0.05, x)
    return np.asarray(x, dtype), np.asarray(target, dtype)


def _gradient(kind: str, weighted: bool) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        x, target = _inputs(kind, rng, "f8", (5, 11))
        weight, positive = (rng.uniform(0.5, 2, x.shape) if weighted else None for _ in range(2))

        def run(values: Array, grad: Array | None) -> float:
            rest = target, weight, positive, A.get(kind, 0.0), "mean", None, grad
            return float(backend.pointwise_loss(kind, values, *rest))

        def gradients() -> list[Array]:
            grad = blank("f8", *x.shape)
            run(x, grad)
            return [grad]

        return Gradient([x], lambda values: run(values[0], None), gradients)

    return build


def add_rows() -> None:
    def row(
        kind: str,
        label: str,
        shape: tuple[int, ...],
        reduction: str = "mean",
        weighted: bool = False,
        size: str | None = None,
        grad: bool = True,
    ) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            x, target = _inputs(kind, rng, dtype, shape)
            weight, positive = (rng.uniform(0.5, 2, shape).astype(dtype) if weighted else None for _ in range(2))
            losses = blank(dtype, *shape) if reduction == "none" else None
            out = blank(dtype, *shape) if grad else None
            return kind, x, target, weight, positive, A.get(kind, 0.0), reduction, losses, out

        slope = _gradient(kind, weighted) if label in ("mean", "weighted") else None
        add_row("pointwise_loss", f"{kind}-{label}", make, "losses grad", size=size, gradient=slope, rtol=32, atol=8)

    def nasty(rng: Generator, dtype: DTypeLike) -> Arguments:
        inf = np.inf
        x = np.array([-inf, inf, inf, -inf, 0, 1e4, -1e4, np.nan, 3e38, 1, -1, 0, 5], dtype)
        target = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, np.nan, 0.5], dtype)
        return "bce_with_logits", x, target, None, None, 0.0, "none", blank(dtype, 13), blank(dtype, 13)

    def ends(rng: Generator, dtype: DTypeLike) -> Arguments:
        x = np.array([0, 1, 0, 1, 1e-30, 1e-7, 0.5], dtype)
        target = np.array([0, 1, 1, 0, 0, 0, 1], dtype)
        return "bce", x, target, None, None, 0.0, "none", blank(dtype, 7), blank(dtype, 7)

    def kl(rng: Generator, dtype: DTypeLike) -> Arguments:
        x, target = np.array([-np.inf, 0, -1, -np.inf, np.nan], dtype), np.array([0, 0, 1, 0.5, 0.25], dtype)
        return "kl", x, target, None, None, 0.0, "none", blank(dtype, 5), blank(dtype, 5)

    for kind in LOSS_KINDS:
        row(kind, "64x10", (64, 10), size="small")
        row(kind, "1000x1000", (1000, 1000), size="large")
        row(kind, "mean", (5, 11))
        row(kind, "sum", (3, 7), "sum")
        row(kind, "none", (2, 3, 5), "none")
        row(kind, "weighted", (5, 11), weighted=True)
        row(kind, "weighted-none", (5, 11), "none", weighted=True)
        row(kind, "no-grad", (37,), grad=False)
        row(kind, "empty-sum", (0, 3), "sum")
        row(kind, "empty-mean", (0,))
    for label, make in (("bce_with_logits-nasty", nasty), ("bce-ends", ends), ("kl-nasty", kl)):
        add_row("pointwise_loss", label, make, "losses grad", rtol=32, atol=8)
