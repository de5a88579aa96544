"""Rows of embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .table import Arguments, Generator, Gradient, add_row, blank, normal


def _index(rng: Generator, count: int, rows: int) -> Array:
    """Half of them among the first tenth of the table, so that many come more than once."""
    index = rng.integers(0, rows, count) if count else np.empty(0, np.int64)
    index[::2] = index[::2] % max(rows // 10, 1)
    return np.asarray(index, np.int64)


def _gradient(count: int, rows: int, width: int, padding: int) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        weight, index, seed = normal(rng, "f8", rows, width), _index(rng, count, rows), normal(rng, "f8", count, width)

        def loss(values: Any) -> float:
            out = blank("f8", count, width)
            backend.embedding_forward(values[0], index, out)
            return float((out * seed)[index != padding].sum())

        def gradients() -> list[Array]:
            grad_weight = np.zeros((rows, width))
            backend.embedding_backward(seed, index, padding, True, grad_weight)
            return [grad_weight]

        return Gradient([weight], loss, gradients)

    return build


def add_rows() -> None:
    def row(
        count: int, rows: int, width: int, padding: int = -1, zeroed: bool = False, size: str | None = None
    ) -> None:
        def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
            return normal(rng, dtype, rows, width), _index(rng, count, rows), blank(dtype, count, width)

        def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
            table = np.zeros((rows, width), dtype) if zeroed else blank(dtype, rows, width)
            return normal(rng, dtype, count, width), _index(rng, count, rows), padding, zeroed, table

        label = f"{count}-of-{rows}x{width}" + (f"-{padding}" if padding >= 0 else "") + "-zeroed" * zeroed
        add_row("embedding_forward", label, forward, "out", rtol=0, size=size)
        slope = _gradient(count, rows, width, padding) if 0 < count * rows * width < 100_000 else None
        atol = 8 + count  # a running sum of n terms, each rounded
        add_row("embedding_backward", label, backward, "grad_weight", rtol=8, atol=atol, size=size, gradient=slope)

    row(64, 100, 32, size="small")
    row(4096, 10_000, 256, size="large")
    row(37, 10, 5)
    row(37, 10, 5, padding=0)
    row(37, 10, 5, padding=0, zeroed=True)
    row(1, 1, 1)
    row(0, 3, 4)
    row(5, 3, 0)
    row(3000, 7, 3, padding=6)
