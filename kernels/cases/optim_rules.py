"""Rows of the other optimizers and of clipping."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from ..contract import RULE_STATES, Array
from .table import Arguments, Generator, add_row, normal

OPTIONS = {
    "rmsprop": (0.99, 1e-8, 0.9, 0.0),
    "adagrad": (1e-10, 0.0, 0.0, 0.0),
    "adadelta": (0.9, 1e-6, 0.0, 0.0),
    "adamax": (0.9, 0.999, 1e-8, 0.0),
    "nadam": (0.9, 0.999, 1e-8, 0.0),
    "radam": (0.9, 0.999, 1e-8, 0.0),
    "lion": (0.9, 0.99, 0.0, 1.0),
}
Shapes = Sequence[tuple[int, ...]]
FEW: Shapes = [(3, 4), (7,), (0,), (1,), (2, 3, 5)]
SIZES: list[tuple[str, Shapes, str | None]] = [("1x1M", [(1_000_000,)], "large"), ("100x1k", [(1000,)] * 100, "small")]


def _arrays(rng: Generator, dtype: DTypeLike, shapes: Shapes) -> list[Array]:
    return [normal(rng, dtype, *shape) for shape in shapes]


def _step(
    rule: str,
    label: str,
    shapes: Shapes,
    states: int,
    decay: float = 0.0,
    decoupled: float | None = None,
    maximize: bool = False,
    size: str | None = None,
) -> None:
    def make(rng: Generator, dtype: DTypeLike) -> Arguments:
        params, grads = _arrays(rng, dtype, shapes), _arrays(rng, dtype, shapes)
        held = [[np.abs(v) for v in _arrays(rng, dtype, shapes)] for _ in range(3)]
        if states == 3:  # a mean whose square is below the mean square
            held[2] = [v * np.asarray(0.5, dtype) for v in _arrays(rng, dtype, shapes)]
            held[0] = [v + c * c * 2 + 1 for v, c in zip(held[0], held[2], strict=True)]
        if rule == "lion":  # a direction well away from 0, whose sign rounding could change
            held[0] = [np.where(g > 0, 1 + v, -1 - v) for g, v in zip(grads, held[0], strict=True)]
        lists = [held[k] if k < states else None for k in range(3)]
        factors = np.array([[0.01 + 0.001 * i, float(i % 2), 1.25] for i in range(len(shapes))]).reshape(-1, 3)
        options = list(OPTIONS[rule])
        if decoupled is not None:
            options[3] = decoupled
        return rule, params, grads, *lists, factors, 0.01, decay, tuple(options), maximize

    add_row("rule_step", f"{rule}-{label}", make, "params first second third", rtol=64, atol=64, size=size)


def add_rows() -> None:
    for rule, (least, most) in RULE_STATES.items():
        for label, shapes, size in SIZES:
            _step(rule, label, shapes, least, size=size)
        _step(rule, "plain", FEW, least)
        _step(rule, "decay", FEW, least, 0.05, 0.0, maximize=True)
        _step(rule, "decoupled", FEW, least, 0.05, 1.0)
        _step(rule, "none", [], least)
        if most > least:
            _step(rule, "momentum", FEW, 2, 0.05)
            _step(rule, "centered", FEW, 3)

    for order in (1.0, 2.0, math.inf):
        for label, shapes, size in (*SIZES, ("few", FEW, None), ("odd", [(40_003,), (3, 3)], None), ("none", [], None)):

            def norm(rng: Generator, dtype: DTypeLike, s: Shapes = shapes, o: float = order) -> Arguments:
                return _arrays(rng, dtype, s), o

            add_row("gradient_norm", f"{order}-{label}", norm, "", size=size)

    def nasty(rng: Generator, dtype: DTypeLike) -> Arguments:
        return [np.array([1.0, np.nan, 3.0], dtype), np.array([np.inf, 1.0, 2.0], dtype)], math.inf

    add_row("gradient_norm", "nasty", nasty, "")

    for label, shapes, size in (*SIZES, ("few", FEW, None)):
        for limit in (math.inf, 0.5):

            def scale(rng: Generator, dtype: DTypeLike, s: Shapes = shapes, b: float = limit) -> Arguments:
                return _arrays(rng, dtype, s), 0.75, b

            add_row("scale_gradients", f"{label}-{limit}", scale, "grads", size=size, rtol=1)

    def few_nasty(rng: Generator, dtype: DTypeLike) -> Arguments:
        return [np.array([np.inf, -np.inf, np.nan, 1.0, 0.0], dtype), np.array([np.nan, 0.25, -1.0], dtype)], 2.0, 1.5

    add_row("scale_gradients", "nasty", few_nasty, "grads")
