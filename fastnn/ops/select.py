"""where and clamp: choosing between values, with the gradient going to the chosen one."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.dtypes import result_type
from fastnn.kernels import K
from fastnn.ops.broadcast import broadcast_shape, sum_to
from fastnn.ops.gate import KERNEL_DTYPES, cast, operands, tensor_argument
from fastnn.ops.in_place import in_place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.ops.broadcast import Shape
    from fastnn.ops.gate import TensorLike
    from fastnn.tensor import Tensor

__all__ = ["clamp", "clamp_", "clamp_max", "clamp_min", "clip", "where"]


@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor, input: TensorLike, other: TensorLike) -> Tensor: ...
def where(
    condition: Tensor, input: TensorLike | None = None, other: TensorLike | None = None
) -> Tensor | tuple[Tensor, ...]:
    """input where condition (bool) else other, broadcast; with condition alone, its nonzero indices as a tuple.

    The branch not taken gets a gradient of 0. Where its own derivative is infinite or NaN, 0 times that is NaN, as
    in PyTorch: choose a harmless argument first, as in where(x > 0, where(x > 0, x, 1).sqrt(), x).
    """
    mask = tensor_argument(condition, "where", "condition")._array
    if input is None and other is None:
        return tuple(_core.wrap(index.astype(np.int64)) for index in np.nonzero(np.atleast_1d(mask)))
    if input is None or other is None:
        raise TypeError("where(): expected condition alone, or condition, input and other")
    if mask.dtype != np.bool_:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
        )
    if not isinstance(input, _core.TensorBase) and not isinstance(other, _core.TensorBase):
        from fastnn.creation import tensor

        input = tensor(input)
    a, b = operands(input, other, "where")
    shape = broadcast_shape(broadcast_shape(a._array.shape, b._array.shape), mask.shape)
    out = choose(mask, a._array, b._array, shape)
    shapes = (a._array.shape, b._array.shape)
    return _core.record("WhereBackward0", _where_backward, (a, b), out, (condition,), extra=shapes)


def choose(mask: NDArray[Any], a: NDArray[Any], b: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """a where mask else b, all broadcast to shape: by the kernel where a and b are numbers or fill the shape."""
    fits = a.dtype in KERNEL_DTYPES and len(shape) > 0
    for array in (a, b):
        fits = fits and (array.ndim == 0 or (array.shape == shape and array.flags.carray))
    if not fits:
        return np.where(mask, a, b)
    full = np.ascontiguousarray(np.broadcast_to(mask, shape))
    out = np.empty(shape, a.dtype)
    K.where(full.view(np.uint8), a, b, out)
    return out


def _where_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    a, b = ctx.extra
    first, second = ctx.needs
    (condition,) = ctx.saved
    return (
        sum_to(where(condition, grad, 0.0), a) if first else None,
        sum_to(where(condition, 0.0, grad), b) if second else None,
    )


def clamp(input: Tensor, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
    """input limited to [min, max]; NaN stays. The gradient passes where min <= input <= max."""
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, _core.TensorBase) or isinstance(max, _core.TensorBase):
        return _clamp_tensors(input, min, max)
    a = tensor_argument(input, "clamp")
    if a._array.dtype.kind != "f":
        a = cast(a, result_type(a, *(bound for bound in (min, max) if bound is not None)).to_numpy)
    x = a._array
    if x.dtype in KERNEL_DTYPES and min == min and max == max:  # no NaN among the bounds
        out = np.empty(x.shape, x.dtype)
        K.activation_forward("clamp", dense(a), *_limits(min, max), out)
        return _core.record("ClampBackward1", _clamp_backward, (a,), out, (a,), extra=(min, max))
    out = x
    if min is not None:
        out = np.maximum(out, _bound(min, x.dtype))
    if max is not None:
        out = np.minimum(out, _bound(max, x.dtype))
    return _core.record("ClampBackward1", _clamp_backward, (a,), out, (a,), extra=(min, max))


def _limits(low: Any, high: Any) -> tuple[float, float]:
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)


def _bound(value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """value in the dtype; what an integer dtype can't hold becomes its limit."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        value = builtins.min(builtins.max(value, limits.min), limits.max)
    return np.asarray(value, dtype)


def _clamp_backward(ctx: Node, grad: Tensor) -> Tensor:
    low, high = ctx.extra
    (x,) = ctx.arrays
    if x.dtype in KERNEL_DTYPES and low == low and high == high and not _core.is_grad_enabled():
        grad_x = np.empty(x.shape, x.dtype)
        K.activation_backward("clamp", dense(grad), dense(ctx.saved[0]), *_limits(low, high), grad_x)
        return _core.wrap(grad_x)
    inside = np.ones(x.shape, np.bool_)
    if low is not None:
        inside &= x >= low
    if high is not None:
        inside &= x <= high
    return where(_core.wrap(inside), grad, 0.0)


def _clamp_tensors(input: Tensor, min: TensorLike | None, max: TensorLike | None) -> Tensor:
    out = input
    if min is not None:
        a, b = operands(out, min, "clamp")
        out = where(_core.wrap(np.asarray(a._array < b._array)), b, a)
    if max is not None:
        a, b = operands(out, max, "clamp")
        out = where(_core.wrap(np.asarray(a._array > b._array)), b, a)
    return out


def clamp_min(input: Tensor, min: TensorLike) -> Tensor:
    """input, at least min."""
    return clamp(tensor_argument(input, "clamp_min"), min=min)


def clamp_max(input: Tensor, max: TensorLike) -> Tensor:
    """input, at most max."""
    return clamp(tensor_argument(input, "clamp_max"), max=max)


def clamp_(input: Tensor, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
    """input limited to [min, max], in place."""
    return in_place(clamp, input, min, max, reads_input=True)


clip = clamp
