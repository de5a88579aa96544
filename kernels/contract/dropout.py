"""Dropout by a counter-based generator."""

from __future__ import annotations

from .types import Array, Mask


def dropout_forward(x: Array, p: float, seed: int, offset: int, out: Array, mask: Mask) -> None:
    """mask = (u >= p); out = x / (1 - p) where mask else 0 (chosen, not multiplied: inf gives 0). 0 <= p < 1.

    x, out, mask (uint8): equal shapes, counted flat. Element i has u = word(i % 4) * 2**-32 of Philox-4x32-7
    (Salmon et al. 2011) with key (seed mod 2**32, seed >> 32) and counter block offset + i // 4, a 64-bit count in
    words 0 and 1 (words 2 and 3 are zero), compared as integers: keep where word >= floor(p * 2**32). out may be x.
    """
    raise NotImplementedError


def dropout_backward(grad: Array, mask: Mask, p: float, grad_x: Array) -> None:
    """grad_x = grad / (1 - p) where mask else 0. Equal shapes; grad_x may be grad."""
    raise NotImplementedError
