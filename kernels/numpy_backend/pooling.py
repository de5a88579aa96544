"""Pooling: every window gathered, then one reduction over its places."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..contract import Array, Labels
from . import pooling_checks as checks
from .elementwise import quiet


def _grid(spans: checks.Windows, size: Sequence[int]) -> tuple[Array, Array]:
    """The flat place in the plane of every tap of every window, (P, taps), and which are in the plane."""
    place, inside = np.zeros((1, 1), np.int64), np.ones((1, 1), bool)
    for (at, valid), extent in zip(spans, size, strict=True):
        windows, taps = place.shape
        place = place[:, None, :, None] * extent + np.where(valid, at, 0)[None, :, None, :]
        inside = inside[:, None, :, None] & valid[None, :, None, :]
        place = place.reshape(windows * len(at), taps * at.shape[1])
        inside = inside.reshape(place.shape)
    return place, inside


def _largest(x: Array, spans: checks.Windows, size: Sequence[int], out: Array, indices: Labels | None) -> None:
    place, inside = _grid(spans, size)
    best = np.full(out.shape, -np.inf, x.dtype)
    where = np.broadcast_to(place[np.arange(len(place)), inside.argmax(1)], out.shape).copy()
    for tap in range(place.shape[1]):
        value = x[:, place[:, tap]]
        wins = inside[:, tap] & ((value > best) | np.isnan(value))
        np.copyto(best, value, where=wins)
        np.copyto(where, np.broadcast_to(place[:, tap], where.shape), where=wins)
    out[...] = best
    if indices is not None:
        indices[...] = where


@quiet
def max_pool_forward(
    x: Array,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    out_size: Sequence[int],
    out: Array,
    indices: Labels | None,
) -> None:
    spans = checks.windows(size, kernel, stride, padding, dilation, out_size)
    checks.planes(("x", x), size, ("out", out), out_size, "out")
    if indices is not None:
        checks.places(indices, out.shape, True)
    _largest(x, spans, size, out, indices)


@quiet
def adaptive_max_pool_forward(
    x: Array, size: Sequence[int], out_size: Sequence[int], out: Array, indices: Labels
) -> None:
    spans = checks.adaptive_windows(size, out_size)
    checks.planes(("x", x), size, ("out", out), out_size, "out")
    checks.places(indices, out.shape, True)
    _largest(x, spans, size, out, indices)


@quiet
def max_pool_backward(grad: Array, indices: Labels, size: Sequence[int], grad_x: Array) -> None:
    checks.extents(size)
    checks.planes(("grad_x", grad_x), size, ("grad", grad), grad.shape[1:], "grad_x")
    checks.places(indices, grad.shape, False)
    wrong = (indices < 0) | (indices >= math.prod(size))
    if wrong.any():
        raise IndexError(f"indices: expected places in [0, {math.prod(size)}), got {indices[wrong][0]}")
    grad_x[...] = 0
    np.add.at(grad_x, (np.arange(len(grad))[:, None], indices), grad)


def _average(x: Array, spans: checks.Windows, size: Sequence[int], divisors: Array, out: Array) -> None:
    place, inside = _grid(spans, size)
    total = np.zeros(out.shape, x.dtype)
    for tap in range(place.shape[1]):
        total += np.where(inside[:, tap], x[:, place[:, tap]], 0)
    np.divide(total, divisors.reshape(-1), out=out, casting="same_kind")


def _spread(grad: Array, spans: checks.Windows, size: Sequence[int], divisors: Array, grad_x: Array) -> None:
    place, inside = _grid(spans, size)
    share = (grad / divisors.reshape(-1)).astype(grad.dtype)
    grad_x[...] = 0
    for tap in range(place.shape[1]):
        valid = inside[:, tap]
        np.add.at(grad_x.T, place[valid, tap], share[:, valid].T)


@quiet
def avg_pool_forward(
    x: Array,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    count_include_pad: bool,
    divisor: int,
    out_size: Sequence[int],
    out: Array,
) -> None:
    spans = checks.windows(size, kernel, stride, padding, [1] * len(size), out_size)
    divisors = checks.divisors(size, padding, spans, count_include_pad, divisor)
    checks.planes(("x", x), size, ("out", out), out_size, "out")
    _average(x, spans, size, divisors, out)


@quiet
def avg_pool_backward(
    grad: Array,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    count_include_pad: bool,
    divisor: int,
    out_size: Sequence[int],
    grad_x: Array,
) -> None:
    spans = checks.windows(size, kernel, stride, padding, [1] * len(size), out_size)
    divisors = checks.divisors(size, padding, spans, count_include_pad, divisor)
    checks.planes(("grad_x", grad_x), size, ("grad", grad), out_size, "grad_x")
    _spread(grad, spans, size, divisors, grad_x)


@quiet
def adaptive_avg_pool_forward(x: Array, size: Sequence[int], out_size: Sequence[int], out: Array) -> None:
    spans = checks.adaptive_windows(size, out_size)
    checks.planes(("x", x), size, ("out", out), out_size, "out")
    _average(x, spans, size, checks.divisors(size, size, spans, False, 0), out)


@quiet
def adaptive_avg_pool_backward(grad: Array, size: Sequence[int], out_size: Sequence[int], grad_x: Array) -> None:
    spans = checks.adaptive_windows(size, out_size)
    checks.planes(("grad_x", grad_x), size, ("grad", grad), out_size, "grad_x")
    _spread(grad, spans, size, checks.divisors(size, size, spans, False, 0), grad_x)
