"""Reductions that pick an element: max, min, amax, amin, argmax, argmin. NaN is larger and smaller than anything."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Dims, Shape, wrap_dim, wrap_dims
from fastnn.ops.gate import tensor_argument
from fastnn.ops.reduce import with_kept

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]


class Extremum(NamedTuple):
    """The values of max or min along a dimension, and where they stand."""

    values: Tensor
    indices: Tensor


class MinMax(NamedTuple):
    """What aminmax returns."""

    min: Tensor
    max: Tensor


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """max(input): the largest element; equal ones share the gradient. max(input, other): the larger of the two, each.

    max(input, dim): (values, indices) along dim, the first of equal ones, which gets the whole gradient.
    RuntimeError, or IndexError with dim, for the maximum of nothing.
    """
    return _extremum(input, dim, keepdim, other, "max")


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """As max, with the smallest."""
    return _extremum(input, dim, keepdim, other, "min")


def _extremum(input: Tensor, dim: Any, keepdim: bool, other: Tensor | None, name: str) -> Any:
    second = dim if isinstance(dim, _core.TensorBase) else other
    if second is not None:
        from fastnn.ops.arithmetic import maximum, minimum

        return (maximum if name == "max" else minimum)(input, second)  # type: ignore[arg-type]
    if dim is None:
        return _reduce(input, None, False, name)
    x = tensor_argument(input, name)._array
    axis = wrap_dim(dim, x.ndim, name)
    if x.ndim == 0:
        return Extremum(_reduce(input, None, False, name), _core.wrap(np.zeros((), np.int64)))
    if x.shape[axis] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    at = np.expand_dims((np.argmax if name == "max" else np.argmin)(x, axis), axis)
    return pick(input, axis, at, keepdim, "MaxBackward0" if name == "max" else "MinBackward0")


def pick(input: Tensor, axis: int, at: np.ndarray[Any, Any], keepdim: bool, node: str) -> Extremum:
    """The elements at the indices along axis (of size 1, unless keepdim is to drop it), and the indices."""
    out = np.take_along_axis(input._array, at, axis)
    shown = at if keepdim else at.squeeze(axis)
    values = _core.record(
        node, _pick_backward, (input,), out if keepdim else out.squeeze(axis), extra=(axis, at, input._array.shape)
    )
    return Extremum(values, _core.wrap(shown.astype(np.int64)))


def _pick_backward(ctx: Node, grad: Tensor) -> Tensor:
    from fastnn.ops.gather import scatter
    from fastnn.ops.shape import reshape

    axis, at, shape = ctx.extra
    zeros: Tensor = _core.wrap(np.zeros(shape, grad._array.dtype))
    return scatter(zeros, axis, _core.wrap(at), reshape(grad, at.shape))


def amax(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest element over dim; equal ones share the gradient. IndexError for the maximum of nothing."""
    return _reduce(input, dim, keepdim, "amax")


def amin(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest element over dim; equal ones share the gradient. IndexError for the minimum of nothing."""
    return _reduce(input, dim, keepdim, "amin")


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """The smallest and the largest element over dim."""
    return MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


def _reduce(input: Tensor, dim: Dims, keepdim: bool, name: str) -> Tensor:
    x = tensor_argument(input, name)._array
    axes = wrap_dims(dim, x.ndim, name)
    _check_not_empty(x.shape, axes, dim, name, RuntimeError)
    out = np.asarray((np.max if name.endswith("max") else np.min)(x, axis=axes, keepdims=keepdim))
    return _core.record(
        f"{name.capitalize()}Backward1", _reduce_backward, (input,), out, (input,), True, (axes, keepdim)
    )


def _check_not_empty(shape: Shape, axes: Shape, dim: Dims, name: str, error: type[Exception]) -> None:
    if math.prod(shape):
        return
    if dim is None or dim == () or dim == []:
        raise error(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    for axis in axes:
        if shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")


def _reduce_backward(ctx: Node, grad: Tensor) -> Tensor:
    axes, keepdim = ctx.extra
    x, out = ctx.arrays
    if not keepdim:
        grad = with_kept(grad, x.shape, axes)
        out = out.reshape(grad._array.shape)
    chosen = (x == out) | ((x != x) & (out != out))
    share = chosen / np.sum(chosen, axis=axes, keepdims=True)
    return grad * _core.wrap(np.asarray(share).astype(x.dtype))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the largest element along dim, or of input flattened; the first of equal ones. int64."""
    return _position(np.argmax, input, dim, keepdim, "argmax")


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the smallest element along dim, or of input flattened; the first of equal ones. int64."""
    return _position(np.argmin, input, dim, keepdim, "argmin")


def _position(function: Callable[..., Any], input: Tensor, dim: int | None, keepdim: bool, name: str) -> Tensor:
    x = tensor_argument(input, name)._array
    if x.dtype == np.bool_:
        raise RuntimeError(f"{name}(): does not support bool input")
    axis = None if dim is None else wrap_dim(dim, x.ndim, name)
    _check_not_empty(x.shape, () if axis is None else (axis,), dim, name, IndexError)
    along = axis if x.ndim else None
    return _core.wrap(np.asarray(function(x, axis=along, keepdims=keepdim), np.int64))
