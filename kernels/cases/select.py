"""Rows of where."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from .pairs import NASTY, NOT_FINITE
from .table import Arguments, Generator, add_row, blank, normal


def _row(label: str, shape: tuple[int, ...], a: bool = True, b: bool = True, size: str | None = None) -> None:
    """a and b: whether the operand has out's shape, and not one number."""

    def make(rng: Generator, dtype: DTypeLike) -> Arguments:
        mask = rng.integers(0, 2, shape).astype(np.uint8)
        return (
            mask,
            normal(rng, dtype, *(shape if a else ())),
            normal(rng, dtype, *(shape if b else ())),
            blank(dtype, *shape),
        )

    add_row("where", label, make, "out", rtol=0, size=size)


def _nasty(rng: Generator, dtype: DTypeLike) -> Arguments:
    values = np.concatenate([NASTY, NOT_FINITE]).astype(dtype)
    return rng.integers(0, 2, values.shape).astype(np.uint8), values, values[::-1].copy(), blank(dtype, *values.shape)


def add_rows() -> None:
    _row("64x128", (64, 128), size="small")
    _row("1000x1000", (1000, 1000), size="large")
    _row("1000x1000-number", (1000, 1000), b=False, size="large")
    _row("number", (5, 7), a=False)
    _row("numbers", (3, 43), a=False, b=False)
    for shape in ((), (0,), (1,), (2, 3, 37)):
        _row("x".join(map(str, shape)) or "0-d", shape)
    add_row("where", "nasty", _nasty, "out", rtol=0)
