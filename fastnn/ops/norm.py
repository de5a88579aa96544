"""norm and logsumexp: reductions that scale what they sum, or shift it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.dtypes import get_default_dtype, to_numpy_dtype
from fastnn.kernels import K
from fastnn.ops.dims import Array, Dims, reduced_shape, wrap_dims
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.masked import masked_fill
from fastnn.ops.reduce import check_floating, infinite_for_zero, sum_array, widened, with_kept
from fastnn.ops.reduce_extrema import amax, amin

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["logsumexp", "norm"]


def norm(
    input: Tensor, p: float | str | None = "fro", dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The p-norm over dim: sum(|x|**p)**(1/p); the largest or smallest |x| for inf and -inf, their count for 0.

    p: a number, or "fro" or None for 2, or "nuc" for a matrix: the sum of its singular values. The gradient is 0 where
    the norm is. RuntimeError for integers and bools.
    """
    if p == "nuc":
        from fastnn.linalg.norms import matrix_norm

        if tensor_argument(input, "norm")._array.ndim < 2 or (dim is None and input._array.ndim != 2):
            raise RuntimeError(f"norm(): p='nuc' needs a matrix or a dim of two, got shape {list(input._array.shape)}")
        return matrix_norm(input, "nuc", (0, 1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
    if dtype is not None:
        input = cast(input, to_numpy_dtype(dtype, "norm"))
    check_floating(
        tensor_argument(input, "norm"), "linalg.vector_norm: Expected a floating point or complex tensor as input."
    )
    order = 2.0 if p is None or isinstance(p, str) else float(p)
    x = input._array
    axes = wrap_dims(dim, x.ndim, "norm")
    if order in (math.inf, -math.inf):
        if math.prod([x.shape[i] for i in axes]) == 0:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {order} norm on an empty dimension, as the operation does not "
                f"have an identity; got shape {list(x.shape)}, dim {list(axes)}"
            )
        return (amax if order > 0 else amin)(input.abs(), axes, keepdim)
    wide = widened(input)
    with np.errstate(all="ignore"):
        if order == 2:
            out = np.sqrt(sum_array(wide * wide, axes, keepdim))
        elif order == 1:
            out = sum_array(np.abs(wide), axes, keepdim)
        elif order == 0:
            out = sum_array((wide != 0).astype(wide.dtype), axes, keepdim)
        else:
            out = sum_array(np.abs(wide) ** wide.dtype.type(order), axes, keepdim) ** wide.dtype.type(1 / order)
        out = np.asarray(out).astype(x.dtype, copy=False)
    return _core.record(
        "LinalgVectorNormBackward0", _norm_backward, (input,), out, (input,), True, (axes, keepdim, order)
    )


def _norm_backward(ctx: Node, grad: Tensor) -> Tensor:
    axes, keepdim, order = ctx.extra
    x, out = ctx.saved
    if not keepdim:
        grad, out = with_kept(grad, x._array.shape, axes), with_kept(out, x._array.shape, axes)
    if order == 0:
        return x * 0 * grad
    if order == 1:
        return x.sign() * grad
    if order == 2:
        return x * (grad / infinite_for_zero(out))
    lower: float = order - 1
    if order > 1:
        powers = x.sign() * x.abs() ** lower
    else:  # a negative power, that would be infinite at 0
        powers = x.sign() * infinite_for_zero(x.abs()) ** lower
        return powers * (grad * out**-lower)
    return powers * (grad / infinite_for_zero(out) ** lower)


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over dim, shifted by the maximum where it is finite: -inf for nothing but -inf, inf with an inf.

    Integers count as floats of the default dtype. The gradient of a row of nothing but -inf is 0.
    """
    x = tensor_argument(input, "logsumexp")._array
    if dim is None:
        raise TypeError("logsumexp(): argument 'dim' must be tuple of ints, not None")
    if x.dtype.kind != "f":
        input = cast(input, get_default_dtype().to_numpy)
    axes = wrap_dims(dim, x.ndim, "logsumexp")
    wide = widened(input)
    top = np.max(wide, axis=axes, keepdims=True, initial=-math.inf)
    shift = np.where(np.isfinite(top), top, 0).astype(wide.dtype)
    with np.errstate(all="ignore"):
        shifted = np.asarray(wide - shift)
        K.exp_forward(shifted, shifted)
        out: Array = np.log(sum_array(shifted, axes, True)) + shift
    if not keepdim:
        out = out.reshape(reduced_shape(x.shape, axes))
    out = out.astype(input._array.dtype, copy=False)
    return _core.record("LogsumexpBackward0", _logsumexp_backward, (input,), out, (input,), True, (axes, keepdim))


def _logsumexp_backward(ctx: Node, grad: Tensor) -> Tensor:
    axes, keepdim = ctx.extra
    x, out = ctx.saved
    nothing = out._array == -math.inf
    if nothing.any():
        out = masked_fill(out, _core.wrap(np.asarray(nothing)), 0.0)
    if not keepdim:
        grad, out = with_kept(grad, x._array.shape, axes), with_kept(out, x._array.shape, axes)
    return grad * (x - out).exp()
