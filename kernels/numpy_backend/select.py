"""Elements of one array or of another."""

from __future__ import annotations

import numpy as np

from ..contract import Array, Mask
from . import checks


def check_where(mask: Mask, a: Array, b: Array, out: Array) -> None:
    """Raises ValueError unless mask has out's size, and a and b have that or one element, all of out's dtype."""
    dtype = checks.floating("out", out)
    checks.expect("out", out, out.shape, dtype, written=True)
    checks.expect("mask", mask.reshape(-1), (out.size,), checks.UINT8)
    for name, array in (("a", a), ("b", b)):
        checks.expect(name, array.reshape(-1), (1 if array.size == 1 else out.size,), dtype)


def where(mask: Mask, a: Array, b: Array, out: Array) -> None:
    check_where(mask, a, b, out)
    out.reshape(-1)[...] = np.where(mask.reshape(-1), a.reshape(-1), b.reshape(-1))
