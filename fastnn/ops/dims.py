"""Dimensions and sizes as arguments: negative ones counted from the end, bad ones refused in PyTorch's words."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from fastnn import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:  # importing numpy.typing takes longer than all the rest of this file
    Array = np.ndarray

Shape = tuple[int, ...]
Dims = SupportsIndex | Sequence[SupportsIndex] | None


def wrap_dim(dim: SupportsIndex, ndim: int, function: str = "dim") -> int:
    """dim in [0, ndim); a tensor without dimensions counts as having one. IndexError outside of [-ndim, ndim)."""
    index = integer(dim, function, "dim")
    extent = ndim or 1
    if not -extent <= index < extent:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-extent}, {extent - 1}], but got {index})"
        )
    return index % extent


def wrap_dims(dim: Dims, ndim: int, function: str = "dim") -> Shape:
    """The dimensions of a reduction, in order: all of them for None or (). RuntimeError for one named twice."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        if not dim:
            return tuple(range(ndim))
        wrapped = sorted(wrap_dim(d, ndim, function) for d in dim)
        for first, second in pairwise(wrapped):
            if first == second:
                raise RuntimeError(f"dim {first} appears multiple times in the list of dims")
    else:
        wrapped = [wrap_dim(dim, ndim, function)]  # type: ignore[arg-type]
    return tuple(wrapped) if ndim else ()


def integer(value: object, function: str, argument: str) -> int:
    """value as an int; TypeError, naming the argument, for what isn't one."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{function}(): argument '{argument}' must be int, not {type(value).__name__}") from None


def sizes(first: Any, more: tuple[SupportsIndex, ...], function: str, argument: str = "shape") -> Shape:
    """The sizes of f(2, 3) or f((2, 3)) as a tuple of ints."""
    given = first if not more and isinstance(first, (tuple, list)) else (first, *more)
    return tuple([n if type(n) is int else integer(n, function, argument) for n in given])


def kept_shape(shape: Shape, axes: Shape) -> Shape:
    """shape with 1 at axes: that of a reduction with keepdim=True."""
    return tuple([1 if i in axes else n for i, n in enumerate(shape)])


def reduced_shape(shape: Shape, axes: Shape) -> Shape:
    """shape without axes."""
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def index_array(tensor: object, function: str, argument: str = "index") -> Array:
    """The array of an index tensor: TypeError for what isn't a Tensor, RuntimeError unless int32 or int64."""
    if not isinstance(tensor, _core.TensorBase):
        raise TypeError(f"{function}(): argument '{argument}' must be Tensor, not {type(tensor).__name__}")
    array: Array = tensor._array
    if array.dtype.kind != "i" or array.dtype.itemsize < 4:
        raise RuntimeError(f"{function}(): Expected dtype int32/int64 for {argument}, but got {array.dtype}")
    return array
