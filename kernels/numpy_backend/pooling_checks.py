"""What pooling kernels check before they write, and where their windows lie; for the numpy and numba backends."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..contract import Array, Labels
from .checks import INT64, expect, floating

# The places of each window along one axis: (P, taps), and which of them are in the plane.
Windows = list[tuple[Array, Array]]


def extents(size: Sequence[int], **others: Sequence[int]) -> None:
    """One to three axes, as many in all; ValueError otherwise, or where an extent is below 1 (a padding below 0)."""
    if not 1 <= len(size) <= 3:
        raise ValueError(f"size: expected one to three extents, got {tuple(size)}")
    for name, values in (("size", size), *others.items()):
        least = 0 if name == "padding" else 1
        if len(values) != len(size) or min(values) < least:
            raise ValueError(f"{name}: expected {len(size)} numbers of at least {least}, got {tuple(values)}")


def planes(
    x: tuple[str, Array], size: Sequence[int], out: tuple[str, Array], out_size: Sequence[int], written: str
) -> None:
    """x is (M, prod(size)), out (M, prod(out_size)); ``written`` names the one that is written."""
    dtype = floating(*x, 2)
    expect(*x, (x[1].shape[0], math.prod(size)), dtype, written == x[0])
    expect(*out, (x[1].shape[0], math.prod(out_size)), dtype, written == out[0])


def places(indices: Labels, shape: tuple[int, ...], written: bool) -> None:
    expect("indices", indices, shape, INT64, written)


def windows(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    out_size: Sequence[int],
) -> Windows:
    """The windows along each axis; ValueError for one without any place in the plane."""
    extents(size, kernel=kernel, stride=stride, padding=padding, dilation=dilation, out_size=out_size)
    found = []
    for extent, taps, step, before, spread, count in zip(
        size, kernel, stride, padding, dilation, out_size, strict=True
    ):
        at = (np.arange(count) * step - before)[:, None] + np.arange(taps) * spread
        inside = (at >= 0) & (at < extent)
        if not inside.any(1).all():
            raise ValueError(
                f"out_size: expected windows that meet the plane of {extent}, got {count} windows of {taps}"
            )
        found.append((at, inside))
    return found


def adaptive_windows(size: Sequence[int], out_size: Sequence[int]) -> Windows:
    """The adaptive windows along each axis."""
    extents(size, out_size=out_size)
    found = []
    for extent, count in zip(size, out_size, strict=True):
        first = np.arange(count) * extent // count
        last = -(-(np.arange(1, count + 1) * extent) // count)
        at = first[:, None] + np.arange((last - first).max())
        found.append((at, at < last[:, None]))
    return found


def divisors(
    size: Sequence[int], padding: Sequence[int], spans: Windows, count_include_pad: bool, divisor: int
) -> Array:
    """What each window's sum is divided by: (*P)."""
    if divisor < 0:
        raise ValueError(f"divisor: expected a positive number, or 0 for the number of places, got {divisor}")
    total = np.ones((), np.int64)
    for extent, pad, (at, inside) in zip(size, padding, spans, strict=True):
        counted = (at < extent + pad) if count_include_pad else inside
        total = np.multiply.outer(total, counted.sum(1))
    return np.full_like(total, divisor) if divisor else total
