"""Elements of one array or of another."""

from __future__ import annotations

from .types import Array, Mask


def where(mask: Mask, a: Array, b: Array, out: Array) -> None:
    """out = a where mask is not 0, else b. mask: out's size, of uint8; a and b: out's size, or one number.

    out may be a or b where that has out's size.
    """
    raise NotImplementedError
