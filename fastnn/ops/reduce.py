"""Reductions: sums and what is made of sums. norm and logsumexp are in norm.py, maxima and minima in reduce_extrema.py.

float32 and float64 are summed by the kernel, in blocks; float16 is summed in float32.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.dtypes import to_numpy_dtype
from fastnn.kernels import K
from fastnn.ops.dims import Array, Dims, Shape, kept_shape, reduced_shape, wrap_dim, wrap_dims
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.masked import masked_fill

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = [
    "all", "any", "count_nonzero", "mean", "nanmean", "nansum", "prod", "std", "std_mean", "sum", "sum_to_size", "var",
    "var_mean",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ shapes


def sum_array(x: Array, axes: Shape, keepdim: bool) -> Array:
    """The sum of a dense float32 or float64 array over axes (in order): one kernel call for each run of neighbours."""
    shape = x.shape
    end = len(axes)
    out = x
    if not axes:
        return x.copy()
    while end:
        start = end - 1
        while start and axes[start - 1] == axes[start] - 1:
            start -= 1
        first, last = axes[start], axes[end - 1] + 1
        outer, inner = math.prod(out.shape[:first]), math.prod(out.shape[last:])
        summed = np.empty((outer, inner), x.dtype)
        K.sum_forward(out.reshape(outer, math.prod(out.shape[first:last]), inner), summed)
        out = summed.reshape(out.shape[:first] + out.shape[last:])
        end = start
    return out.reshape(kept_shape(shape, axes)) if keepdim else out


def widened(input: Tensor) -> Array:
    """The values as the kernels take them: float16 in float32."""
    x = dense(input)
    return x.astype(np.float32) if x.dtype == np.float16 else x


def spread(grad: Tensor, shape: Shape, axes: Shape, keepdim: bool) -> Tensor:
    """The gradient of a sum over axes: grad seen at each element of the shape."""
    return expand_kept(grad if keepdim else with_kept(grad, shape, axes), shape)


def with_kept(reduced: Tensor, shape: Shape, axes: Shape) -> Tensor:
    """The result of a reduction of shape over axes with its axes back, of size 1."""
    from fastnn.ops.shape import reshape

    return reshape(reduced, kept_shape(shape, axes))


def expand_kept(kept: Tensor, shape: Shape) -> Tensor:
    from fastnn.ops.shape import expand

    return kept if kept._array.shape == shape else expand(kept, shape)


def without(kept: Tensor, shape: Shape, axes: Shape, keepdim: bool) -> Tensor:
    """The result of a reduction that kept its axes, without them unless keepdim."""
    from fastnn.ops.shape import reshape

    return kept if keepdim else reshape(kept, reduced_shape(shape, axes))


def check_floating(input: Tensor, message: str) -> None:
    """RuntimeError with the message and the dtype unless input is floating."""
    if input._array.dtype.kind != "f":
        raise RuntimeError(f"{message} Got {input._array.dtype}")


# ------------------------------------------------------------------------------------------------ sum, mean


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over dim (an int, several, or all for None). Integers and bools give int64; dtype casts first.

    IndexError for a dim out of range, RuntimeError for one named twice.
    """
    if dtype is not None:
        wanted = to_numpy_dtype(dtype, "sum")
        if wanted.kind != "f":
            return cast(sum(cast(input, wanted), dim, keepdim), wanted)
        input = cast(input, wanted)
    x = tensor_argument(input, "sum")._array
    axes = wrap_dims(dim, x.ndim, "sum")
    if x.dtype.kind != "f":
        return _core.wrap(np.sum(x, axis=axes, keepdims=keepdim, dtype=np.int64))
    with np.errstate(over="ignore"):
        out = sum_array(widened(input), axes, keepdim).astype(x.dtype, copy=False)
    return _core.record("SumBackward0", _sum_backward, (input,), out, extra=(x.shape, axes, keepdim))


def _sum_backward(ctx: Node, grad: Tensor) -> Tensor:
    return spread(grad, *ctx.extra)


def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over dim with NaN counting as 0."""
    x = tensor_argument(input, "nansum")._array
    if x.dtype.kind == "f":
        input = masked_fill(input, _core.wrap(np.isnan(x)), 0.0)
    return sum(input, dim, keepdim, dtype=dtype)


def sum_to_size(input: Tensor, size: Any, *more: int) -> Tensor:
    """input summed over the dimensions in which size, which must be expandable to its shape, has 1 or none."""
    from fastnn.ops.broadcast import sum_to
    from fastnn.ops.dims import sizes

    shape = tensor_argument(input, "sum_to_size")._array.shape
    wanted = sizes(size, more, "sum_to_size", "size")
    fits = len(wanted) <= len(shape) and not [
        n for n, m in zip(wanted[::-1], shape[::-1], strict=False) if n not in (1, m)
    ]
    if not fits:
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(shape)}}}.")
    return sum_to(input, wanted)


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over dim; NaN over nothing. RuntimeError for integers and bools unless a floating dtype is given."""
    if dtype is not None:
        input = cast(input, to_numpy_dtype(dtype, "mean"))
    x = tensor_argument(input, "mean")._array
    if x.dtype.kind != "f":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {x.dtype}"
        )
    axes = wrap_dims(dim, x.ndim, "mean")
    count = math.prod([x.shape[i] for i in axes])
    out = sum_array(widened(input), axes, keepdim)
    with np.errstate(all="ignore"):
        out = np.asarray(out / out.dtype.type(count)).astype(x.dtype, copy=False)
    return _core.record("MeanBackward1", _mean_backward, (input,), out, extra=(x.shape, axes, keepdim, count))


def _mean_backward(ctx: Node, grad: Tensor) -> Tensor:
    shape, axes, keepdim, count = ctx.extra
    return spread(grad / max(count, 1), shape, axes, keepdim)


def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over dim of what is not NaN."""
    check_floating(tensor_argument(input, "nanmean"), "nanmean(): expected input to have floating point dtype.")
    x = input._array
    counted = np.sum(~np.isnan(x), axis=wrap_dims(dim, x.ndim, "nanmean"), keepdims=keepdim)
    total = nansum(input, dim, keepdim, dtype=dtype)
    return total / _core.wrap(np.asarray(counted).astype(total._array.dtype))


# ------------------------------------------------------------------------------------------------ prod


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product over dim, or of all elements. Integers and bools give int64. The gradient is right with zeros too."""
    from fastnn.ops.shape import reshape

    if dtype is not None:
        input = cast(input, to_numpy_dtype(dtype, "prod"))
    x = tensor_argument(input, "prod")._array
    if dim is None:
        if keepdim:
            raise TypeError("prod(): keepdim=True needs a dim")
        return prod(reshape(input, (x.size,)), 0)
    axis = wrap_dim(dim, x.ndim, "prod")
    along = axis if x.ndim else None
    if x.dtype.kind != "f":
        return _core.wrap(np.asarray(np.prod(x, axis=along, keepdims=keepdim, dtype=np.int64)))
    with np.errstate(all="ignore"):
        wide = np.prod(x, axis=along, keepdims=keepdim, dtype=np.float32 if x.dtype == np.float16 else x.dtype)
        out = np.asarray(wide).astype(x.dtype, copy=False)
    return _core.record("ProdBackward0", _prod_backward, (input,), out, (input,), True, (axis, keepdim and x.ndim > 0))


def _prod_backward(ctx: Node, grad: Tensor) -> Tensor:
    from fastnn.ops.shape import unsqueeze

    axis, keepdim = ctx.extra
    x, out = ctx.saved
    if x._array.ndim == 0:
        return grad
    if not keepdim:
        grad, out = unsqueeze(grad, axis), unsqueeze(out, axis)
    if x._array.all():
        return grad * out / x
    return grad * _products_of_others(x, axis)


def _products_of_others(x: Tensor, axis: int) -> Tensor:
    """At each element, the product of all others along axis, without a division."""
    from fastnn.ops.join import cat, flip
    from fastnn.ops.pieces import narrow
    from fastnn.ops.scan import cumprod

    n = x._array.shape[axis]
    ones: Tensor = _core.wrap(np.ones(kept_shape(x._array.shape, (axis,)), x._array.dtype))
    before = cumprod(cat([ones, narrow(x, axis, 0, n - 1)], axis), axis)
    after = flip(cumprod(cat([ones, narrow(flip(x, axis), axis, 0, n - 1)], axis), axis), axis)
    return before * after


# ------------------------------------------------------------------------------------------------ var, std


def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """sum((x - mean)**2) / max(0, n - correction) over dim. correction: 1, or 0 for unbiased=False.

    Two passes over the values. NaN where n is 1 and correction too. RuntimeError for integers and bools.
    """
    dims, freedom = _spread_arguments(dim, unbiased, correction)
    check_floating(tensor_argument(input, "var"), "std and var only support floating point and complex dtypes.")
    x = input._array
    axes = wrap_dims(dims, x.ndim, "var")
    count = math.prod([x.shape[i] for i in axes])
    wide = widened(input)
    with np.errstate(all="ignore"):
        centred = wide - sum_array(wide, axes, True) / wide.dtype.type(count)
        np.multiply(centred, centred, out=centred)
        out = sum_array(centred, axes, keepdim) / wide.dtype.type(max(count - freedom, 0))
    out = np.asarray(out).astype(x.dtype, copy=False)
    return _core.record("VarBackward0", _var_backward, (input,), out, (input,), extra=(axes, keepdim, count - freedom))


def _var_backward(ctx: Node, grad: Tensor) -> Tensor:
    axes, keepdim, divisor = ctx.extra
    (x,) = ctx.saved
    scale = 2 / divisor if divisor > 0 else math.inf
    kept = grad if keepdim else with_kept(grad, x._array.shape, axes)
    return (x - mean(x, axes, True)) * (kept * scale)


def _spread_arguments(dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Dims, float]:
    """dim and the correction of var's several forms: var(False) and var(dim, False) mean unbiased."""
    if isinstance(dim, bool):
        if unbiased is not None:
            raise TypeError("var(): got two values for 'unbiased'")
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError("var(): expected one of unbiased and correction, got both")
    if unbiased is not None:
        return dim, 1 if unbiased else 0
    return dim, 1 if correction is None else correction


def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The square root of var, with a gradient of 0 where it is 0."""
    return _root(var(input, dim, unbiased, keepdim, correction=correction))


def _root(input: Tensor) -> Tensor:
    with np.errstate(invalid="ignore"):
        out = np.asarray(np.sqrt(input._array))
    return _core.record("StdBackward0", _root_backward, (input,), out, save_output=True)


def _root_backward(ctx: Node, grad: Tensor) -> Tensor:
    (out,) = ctx.saved
    return grad / (2 * infinite_for_zero(out))


def infinite_for_zero(divisor: Tensor) -> Tensor:
    """divisor with inf for its zeros: what is divided by one gets 0, and so do the derivatives."""
    zero = divisor._array == 0
    return masked_fill(divisor, _core.wrap(np.asarray(zero)), math.inf) if zero.any() else divisor


def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """var and mean over dim."""
    dims, freedom = _spread_arguments(dim, unbiased, correction)
    return var(input, dims, keepdim=keepdim, correction=freedom), mean(input, dims, keepdim)


def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """std and mean over dim."""
    dims, freedom = _spread_arguments(dim, unbiased, correction)
    return std(input, dims, keepdim=keepdim, correction=freedom), mean(input, dims, keepdim)


# ------------------------------------------------------------------------------------------------ all, any, count


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether every element over dim is true (not 0): bool, or uint8 for uint8. True for nothing."""
    return _truth(np.all, input, dim, keepdim, "all")


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether some element over dim is true (not 0): bool, or uint8 for uint8. False for nothing."""
    return _truth(np.any, input, dim, keepdim, "any")


def _truth(function: Any, input: Tensor, dim: Dims, keepdim: bool, name: str) -> Tensor:
    x = tensor_argument(input, name)._array
    axes = () if isinstance(dim, (tuple, list)) and not dim else wrap_dims(dim, x.ndim, name)  # () is no dim, here
    out = np.asarray(function(x, axis=axes, keepdims=keepdim))
    return _core.wrap(out.astype(np.uint8) if x.dtype == np.uint8 else out)


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements over dim are not 0: int64."""
    x = tensor_argument(input, "count_nonzero")._array
    return _core.wrap(np.asarray(np.count_nonzero(x, axis=wrap_dims(dim, x.ndim, "count_nonzero")), np.int64))
