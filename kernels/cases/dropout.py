"""Rows of dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .table import Arguments, Generator, Gradient, add_row, blank, normal


def add_rows() -> None:
    def gradient(shape: tuple[int, ...], p: float) -> Callable[[Any, Generator], Gradient]:
        def build(backend: Any, rng: Generator) -> Gradient:
            x, seed, mask = normal(rng, "f8", *shape), normal(rng, "f8", *shape), np.full(shape, 77, np.uint8)

            def forward(x: Array) -> Array:
                out = blank("f8", *shape)
                backend.dropout_forward(x, p, 5, 6, out, mask)
                return out

            def gradients() -> list[Array]:
                forward(x)
                grad_x = blank("f8", *shape)
                backend.dropout_backward(seed, mask, p, grad_x)
                return [grad_x]

            return Gradient([x], lambda values: float((forward(values[0]) * seed).sum()), gradients)

        return build

    def row(shape: tuple[int, ...], p: float, size: str | None = None, nasty: bool = False, offset: int = 3) -> None:
        def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
            x = normal(rng, dtype, *shape)
            if nasty:
                x.flat[::3], x.flat[1::3] = np.inf, np.nan
            return x, p, 2**40 + 12345, offset, blank(dtype, *shape), np.full(shape, 77, np.uint8)

        def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
            return normal(rng, dtype, *shape), (rng.random(shape) >= p).astype(np.uint8), p, blank(dtype, *shape)

        label = f"{'x'.join(map(str, shape))}-{p}" + ("-nasty" if nasty else "") + (f"-{offset}" if offset != 3 else "")
        add_row("dropout_forward", label, forward, "out mask", size=size)
        slope = gradient(shape, p) if np.prod(shape) < 1000 else None
        add_row("dropout_backward", label, backward, "grad_x", size=size, gradient=slope)

    row((64, 128), 0.5, "small")
    row((1000, 1000), 0.5, "large")
    for p in (0.0, 0.1, 0.999):
        row((7, 9), p)
    for shape in ((0,), (1,), (3,), (5,)):
        row(shape, 0.3)
    row((11, 3), 0.5, nasty=True)
    row((4, 33), 0.5, offset=2**32 - 5)  # the counter carries into its second word
