"""Resampling one axis by a sparse matrix: what every mode of interpolate comes down to.

Row p of the matrix says which input places output p is made of. The transposed matrix is as sparse, so value and
gradient are the same loop over taps (places a row): take, multiply, add. Rows with many taps become a dense product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

MANY_TAPS = 12  # from here on a dense product of matrices is quicker than the loop over taps


class Taps(NamedTuple):
    """out[p] = sum over k of weight[p, k] * in[place[p, k]], along one axis of ``size`` numbers; both are (P, K)."""

    place: Array
    weight: Array
    size: int

    def transposed(self) -> Taps:
        """The gradient's taps: for each input place the outputs that read it, padded with weights of 0."""
        outputs, taps = self.place.shape
        source, weight = self.place.reshape(-1), self.weight.reshape(-1)
        target = np.repeat(np.arange(outputs), taps)
        used = weight != 0
        source, target, weight = source[used], target[used], weight[used]
        order = np.argsort(source, kind="stable")
        source, target, weight = source[order], target[order], weight[order]
        counts = np.bincount(source, minlength=self.size)
        starts = np.cumsum(counts) - counts
        rank = np.arange(source.size) - starts[source]
        most = max(int(counts.max(initial=0)), 1)
        first = target[np.minimum(starts, target.size - 1)] if target.size else np.zeros(self.size, np.int64)
        place = np.repeat(first[:, None], most, 1)  # what pads a row names its own place, so that a NaN stays local
        weights = np.zeros((self.size, most))
        place[source, rank], weights[source, rank] = target, weight
        return Taps(place, weights, outputs)


def resample(input: Tensor, axis: int, taps: Taps) -> Tensor:
    """input with the axis resampled; float16 is summed in float32."""
    x = input._array
    exact = taps.place.shape[1] == 1 and bool((taps.weight == 1).all())
    if exact:
        out = x.take(taps.place[:, 0], axis)
    else:
        out = _weighted(x, axis % x.ndim, taps)
    extra = (axis % x.ndim, taps)
    return _core.record("UpsampleBackward0", _backward, (input,), np.ascontiguousarray(out), (), False, extra)


def _weighted(x: Array, axis: int, taps: Taps) -> Array:
    dtype = np.dtype(np.float32) if x.dtype == np.float16 else x.dtype
    outputs, count = taps.place.shape
    with np.errstate(invalid="ignore", over="ignore"):
        if count >= MANY_TAPS:
            matrix = np.zeros((outputs, taps.size), dtype)
            np.add.at(matrix, (np.arange(outputs)[:, None], taps.place), taps.weight.astype(dtype))
            moved = np.moveaxis(x.astype(dtype, copy=False), axis, -1) @ matrix.T
            return np.moveaxis(moved, -1, axis).astype(x.dtype, copy=False)
        shape = (outputs,) + (1,) * (x.ndim - 1 - axis)
        weights = taps.weight.astype(dtype).reshape(outputs, count)
        total: Array | None = None
        for k in range(count):
            part = x.take(taps.place[:, k], axis).astype(dtype, copy=False)
            part *= weights[:, k].reshape(shape)
            total = part if total is None else np.add(total, part, total)
    assert total is not None
    return total.astype(x.dtype, copy=False)


def _backward(ctx: Node, grad: Tensor) -> Tensor:
    axis, taps = ctx.extra
    return resample(grad, axis, taps.transposed())
