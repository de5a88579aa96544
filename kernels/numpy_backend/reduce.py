"""Sums along an axis: of float32 in float64, of float64 by blocks."""

from __future__ import annotations

import numpy as np

from ..contract import Array
from . import checks
from .elementwise import quiet


@quiet
def sum_forward(x: Array, out: Array) -> None:
    checks.sum_forward(x, out)
    if x.dtype == np.float64:
        # NumPy sums by blocks along the last axis only.
        np.ascontiguousarray(x.swapaxes(1, 2)).sum(axis=2, out=out)
    else:
        out[...] = x.sum(axis=1, dtype=np.float64)
