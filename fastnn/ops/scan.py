"""Running sums and products, and sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.dtypes import to_numpy_dtype
from fastnn.ops.dims import Array, integer, wrap_dim
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.reduce_extrema import Extremum, pick

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["argsort", "cumprod", "cumsum", "sort", "topk"]


# ------------------------------------------------------------------------------------------------ cumsum, cumprod


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """out[i] = x[0] + ... + x[i] along dim. Integers and bools give int64; dtype casts first."""
    input, axis = _scanned(input, dim, dtype, "cumsum")
    out = _accumulate(np.add, input._array, axis)
    return _core.record("CumsumBackward0", _cumsum_backward, (input,), out, extra=axis)


def _cumsum_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _reversed_cumsum(grad, ctx.extra)


def _reversed_cumsum(input: Tensor, axis: int) -> Tensor:
    from fastnn.ops.join import flip

    if input._array.ndim == 0:
        return input
    return flip(cumsum(flip(input, axis), axis), axis)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """out[i] = x[0] * ... * x[i] along dim. Integers and bools give int64. The gradient is right with zeros too."""
    input, axis = _scanned(input, dim, dtype, "cumprod")
    out = _accumulate(np.multiply, input._array, axis)
    return _core.record("CumprodBackward0", _cumprod_backward, (input,), out, (input,), True, axis)


def _cumprod_backward(ctx: Node, grad: Tensor) -> Tensor:
    """With p the products before x[k]: the gradient is p[k] * s[k], s[k] = grad[k] + x[k+1] * s[k+1].

    Where no x is 0, that is the sum of grad * out from k on, divided by x[k].
    """
    from fastnn.ops.join import cat, stack
    from fastnn.ops.pieces import narrow, select

    axis = ctx.extra
    x, out = ctx.saved
    if x._array.ndim == 0:
        return grad
    if x._array.all():
        return _reversed_cumsum(grad * out, axis) / x
    n = x._array.shape[axis]
    sums = [select(grad, axis, n - 1)]
    for k in range(n - 2, -1, -1):
        sums.append(select(grad, axis, k) + select(x, axis, k + 1) * sums[-1])
    first = narrow(x, axis, 0, 1)
    ones: Tensor = _core.wrap(np.ones(first._array.shape, x._array.dtype))
    before = cat([ones, narrow(cumprod(x, axis), axis, 0, n - 1)], axis)
    return before * stack(sums[::-1], axis)


def _scanned(input: Tensor, dim: int, dtype: Any, function: str) -> tuple[Tensor, int]:
    x = tensor_argument(input, function)._array
    axis = wrap_dim(dim, x.ndim, function)
    if dtype is not None:
        return cast(input, to_numpy_dtype(dtype, function)), axis
    return (input if x.dtype.kind == "f" else cast(input, np.dtype(np.int64))), axis


def _accumulate(ufunc: Any, x: Array, axis: int) -> Array:
    if x.ndim == 0:
        return x.copy()
    with np.errstate(all="ignore"):
        if x.dtype == np.float16:
            wide: Array = ufunc.accumulate(x, axis, np.float32)
            return wide.astype(np.float16)
        out: Array = ufunc.accumulate(x, axis)
        return out


# ------------------------------------------------------------------------------------------------ sort, topk


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Extremum:
    """(values, indices) of input in order along dim; equal elements keep theirs, NaN counts as the largest."""
    x = tensor_argument(input, "sort")._array
    axis = wrap_dim(dim, x.ndim, "sort")
    if x.ndim == 0:
        return Extremum(input.clone(), _core.wrap(np.zeros((), np.int64)))
    return pick(input, axis, _order(x, axis, descending), True, "SortBackward0")


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort input along dim."""
    x = tensor_argument(input, "argsort")._array
    axis = wrap_dim(dim, x.ndim, "argsort")
    return _core.wrap(_order(x, axis, descending) if x.ndim else np.zeros((), np.int64))


def _order(x: Array, axis: int, descending: bool) -> Array:
    if not descending:
        return np.argsort(x, axis, kind="stable").astype(np.int64, copy=False)
    turned: Array = np.argsort(np.flip(x, axis), axis, kind="stable")
    order: Array = x.shape[axis] - 1 - np.flip(turned, axis)  # turned twice, so that equal elements keep theirs
    return order.astype(np.int64, copy=False)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extremum:
    """(values, indices) of the k largest (smallest) elements along dim, in order, whatever sorted says; NaN is largest.

    RuntimeError unless 0 <= k <= size.
    """
    x = tensor_argument(input, "topk")._array
    axis = wrap_dim(dim, x.ndim, "topk")
    count = integer(k, "topk", "k")
    size = x.shape[axis] if x.ndim else 1
    if not 0 <= count <= size:
        raise RuntimeError(f"selected index k out of range: k is {count}, dimension {axis} has size {size}")
    if x.ndim == 0:
        return Extremum(input.clone(), _core.wrap(np.zeros((), np.int64)))
    if 0 < count < size // 8:  # worth a partition first
        cut = np.argpartition(x, size - count if largest else count - 1, axis)
        lead = (slice(None),) * axis
        few = np.sort(cut[(*lead, slice(size - count, None) if largest else slice(count))], axis)
        at = np.take_along_axis(few, _order(np.take_along_axis(x, few, axis), axis, largest), axis)
    else:
        at = _order(x, axis, largest)[(*(slice(None),) * axis, slice(count))]
    return pick(input, axis, at, True, "TopkBackward0")
