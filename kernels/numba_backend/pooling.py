"""Pooling: one compiled loop over the windows of some planes, driven by tables of where windows lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..contract import Array, Labels
from ..numpy_backend import pooling_checks as checks
from ._jit import CONTRACT, jit
from ._loop import GRAIN, chunked, flat

Three = tuple[int, int, int]


@jit()
def _largest(
    x: Array,
    size: Three,
    steps: Three,
    counts: Three,
    first: Array,
    taps: Array,
    out: Array,
    indices: Labels,
    start: int,
    end: int,
) -> None:
    """Planes [start, end). first and taps hold the three axes' tables one behind the other."""
    plane = size[0] * size[1] * size[2]
    place = start * counts[0] * counts[1] * counts[2]
    for m in range(start, end):
        base = m * plane
        for d in range(counts[0]):
            for h in range(counts[1]):
                hh = counts[0] + h
                for w in range(counts[2]):
                    ww = counts[0] + counts[1] + w
                    where = (first[d] * size[1] + first[hh]) * size[2] + first[ww]
                    best = x.dtype.type(-np.inf)
                    for i in range(taps[d]):
                        for j in range(taps[hh]):
                            row = ((first[d] + i * steps[0]) * size[1] + first[hh] + j * steps[1]) * size[2] + first[ww]
                            for k in range(taps[ww]):
                                value = x[base + row + k * steps[2]]
                                if value > best or value != value:
                                    best = value
                                    where = row + k * steps[2]
                    out[place] = best
                    if len(indices):
                        indices[place] = where
                    place += 1


@jit(CONTRACT)
def _means(
    x: Array, size: Three, counts: Three, first: Array, taps: Array, divisors: Array, out: Array, start: int, end: int
) -> None:
    plane = size[0] * size[1] * size[2]
    windows = counts[0] * counts[1] * counts[2]
    for m in range(start, end):
        base, place = m * plane, 0
        for d in range(counts[0]):
            for h in range(counts[1]):
                hh = counts[0] + h
                for w in range(counts[2]):
                    ww = counts[0] + counts[1] + w
                    total = 0.0
                    for i in range(taps[d]):
                        for j in range(taps[hh]):
                            row = base + ((first[d] + i) * size[1] + first[hh] + j) * size[2] + first[ww]
                            for k in range(taps[ww]):
                                total += x[row + k]
                    out[m * windows + place] = total / divisors[place]
                    place += 1


@jit(CONTRACT)
def _spread(
    grad: Array,
    size: Three,
    counts: Three,
    first: Array,
    taps: Array,
    divisors: Array,
    out: Array,
    start: int,
    end: int,
) -> None:
    plane = size[0] * size[1] * size[2]
    windows = counts[0] * counts[1] * counts[2]
    out[start * plane : end * plane] = 0
    for m in range(start, end):
        base, place = m * plane, 0
        for d in range(counts[0]):
            for h in range(counts[1]):
                hh = counts[0] + h
                for w in range(counts[2]):
                    ww = counts[0] + counts[1] + w
                    share = out.dtype.type(grad[m * windows + place] / divisors[place])
                    for i in range(taps[d]):
                        for j in range(taps[hh]):
                            row = base + ((first[d] + i) * size[1] + first[hh] + j) * size[2] + first[ww]
                            for k in range(taps[ww]):
                                out[row + k] += share
                    place += 1


@jit()
def _scatter(grad: Array, indices: Labels, windows: int, plane: int, out: Array, start: int, end: int) -> None:
    out[start * plane : end * plane] = 0
    for m in range(start, end):
        for i in range(m * windows, (m + 1) * windows):
            out[m * plane + indices[i]] += grad[i]


@jit()
def _outside(indices: Labels, plane: int) -> int:
    """The place of an index outside of [0, plane), or -1."""
    for i in range(len(indices)):
        if indices[i] < 0 or indices[i] >= plane:
            return i
    return -1


def _tables(spans: checks.Windows) -> tuple[Three, Array, Array]:
    """How many windows an axis has, where they begin, and how many places they have."""
    axes = [(np.zeros((1, 1), np.int64), np.ones((1, 1), bool))] * (3 - len(spans)) + list(spans)
    first = [at[np.arange(len(at)), inside.argmax(1)] for at, inside in axes]
    d, h, w = (len(table) for table in first)
    return (d, h, w), np.concatenate(first), np.concatenate([inside.sum(1) for _, inside in axes])


def _three(values: Sequence[int], fill: int = 1) -> Three:
    d, h, w = (fill,) * (3 - len(values)) + tuple(int(v) for v in values)
    return d, h, w


def _grain(size: Sequence[int], windows: int) -> int:
    return max(1, GRAIN // (math.prod(size) + windows))


def _maxima(
    x: Array, spans: checks.Windows, size: Sequence[int], dilation: Sequence[int], out: Array, indices: Labels | None
) -> None:
    counts, first, taps = _tables(spans)
    places = np.empty(0, np.int64) if indices is None else indices.reshape(-1)
    arrays = flat(first), flat(taps), out.reshape(-1), places
    chunked(_largest, len(x), _grain(size, out.shape[1]), flat(x), _three(size), _three(dilation), counts, *arrays)


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
    _maxima(x, spans, size, dilation, out, indices)


def adaptive_max_pool_forward(
    x: Array, size: Sequence[int], out_size: Sequence[int], out: Array, indices: Labels
) -> None:
    spans = checks.adaptive_windows(size, out_size)
    checks.planes(("x", x), size, ("out", out), out_size, "out")
    checks.places(indices, out.shape, True)
    _maxima(x, spans, size, (1,) * len(size), out, indices)


def max_pool_backward(grad: Array, indices: Labels, size: Sequence[int], grad_x: Array) -> None:
    checks.extents(size)
    checks.planes(("grad_x", grad_x), size, ("grad", grad), grad.shape[1:], "grad_x")
    checks.places(indices, grad.shape, False)
    plane, places = math.prod(size), flat(indices)
    wrong = _outside(places, plane)
    if wrong >= 0:
        raise IndexError(f"indices: expected places in [0, {plane}), got {places[wrong]}")
    windows = grad.shape[1]
    chunked(_scatter, len(grad), _grain(size, windows), flat(grad), places, windows, plane, grad_x.reshape(-1))


def _average(
    loop: Callable[..., object], x: Array, spans: checks.Windows, size: Sequence[int], divisors: Array, out: Array
) -> None:
    counts, first, taps = _tables(spans)
    arrays = flat(first), flat(taps), flat(divisors.reshape(-1).astype(np.float64)), out.reshape(-1)
    chunked(loop, len(x), _grain(size, divisors.size), flat(x), _three(size), counts, *arrays)


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
    _average(_means, x, spans, size, divisors, out)


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
    _average(_spread, grad, spans, size, divisors, grad_x)


def adaptive_avg_pool_forward(x: Array, size: Sequence[int], out_size: Sequence[int], out: Array) -> None:
    spans = checks.adaptive_windows(size, out_size)
    checks.planes(("x", x), size, ("out", out), out_size, "out")
    _average(_means, x, spans, size, checks.divisors(size, size, spans, False, 0), out)


def adaptive_avg_pool_backward(grad: Array, size: Sequence[int], out_size: Sequence[int], grad_x: Array) -> None:
    spans = checks.adaptive_windows(size, out_size)
    checks.planes(("grad_x", grad_x), size, ("grad", grad), out_size, "grad_x")
    _average(_spread, grad, spans, size, checks.divisors(size, size, spans, False, 0), grad_x)
