"""Elements of one array or of another."""

from __future__ import annotations

import numpy as np

from ..contract import Array, Mask
from ..numpy_backend.select import check_where


def where(mask: Mask, a: Array, b: Array, out: Array) -> None:
    """By NumPy: its loop waits for memory already."""
    check_where(mask, a, b, out)
    out.reshape(-1)[...] = np.where(mask.reshape(-1), a.reshape(-1), b.reshape(-1))
