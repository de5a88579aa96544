"""Rows of the sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from .table import Arguments, Generator, add_row, blank, normal


def add_rows() -> None:
    for label, shape, size in (
        ("1000x1000-rows", (1, 1000, 1000), "large"),
        ("1000x1000-columns", (1000, 1000, 1), "large"),
        ("1000000-all", (1, 1_000_000, 1), "large"),
        ("64x128-rows", (1, 64, 128), "small"),
        ("none", (3, 0, 4), None),
        ("no-outer", (0, 3, 4), None),
        ("no-inner", (3, 4, 0), None),
        ("one", (1, 1, 1), None),
        ("middle", (3, 65, 7), None),
        ("odd", (2, 1023, 33), None),
    ):
        make = lambda rng, dtype, s=shape: (normal(rng, dtype, *s), blank(dtype, s[0], s[2]))  # noqa: E731 - one row
        # Rounding of a sum of normal terms: in proportion to the size of the partial sums.
        add_row("sum_forward", label, make, "out", rtol=8, atol=4 * max(shape[1], 1) ** 0.5, size=size)

    def absorbed(shape: tuple[int, int, int]) -> Callable[[Generator, DTypeLike], Arguments]:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            x = np.ones(shape, dtype)
            x[:, 0] = 2**24  # a lone float32 accumulator would stay there
            return x, blank(dtype, shape[0], shape[2])

        return make

    for shape in ((1, 100_001, 1), (1, 100_001, 2), (2, 30_001, 17)):
        add_row("sum_forward", f"absorbed-{shape}", absorbed(shape), "out", rtol=16)

    def nasty(rng: Generator, dtype: DTypeLike) -> Arguments:
        x = normal(rng, dtype, 4, 70, 3)
        x[0, 3, 0], x[1, 3, 0], x[1, 66, 0], x[2, 69, 2], x[3, 0, 1] = np.nan, np.inf, -np.inf, -np.inf, np.inf
        return x, blank(dtype, 4, 3)

    add_row("sum_forward", "nasty", nasty, "out", rtol=8, atol=64)
