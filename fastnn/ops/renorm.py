"""renorm, fill_diagonal_ and resize_: what reshapes or limits a tensor as a whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from fastnn import _core
from fastnn.ops.dims import sizes, wrap_dim
from fastnn.ops.gate import tensor_argument
from fastnn.ops.norm import norm

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["fill_diagonal_", "renorm", "resize_", "resize_as_"]


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """input with each slice along dim scaled down to a p-norm of maxnorm where it is larger.

    RuntimeError for p <= 0, a negative maxnorm or fewer than two dimensions.
    """
    from fastnn.ops.select import where

    x = tensor_argument(input, "renorm")
    ndim = x._array.ndim
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {ndim} dimensions")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    axis = wrap_dim(dim, ndim, "renorm")
    sized = norm(x, float(p), tuple([i for i in range(ndim) if i != axis]), True)
    scale = where(sized > maxnorm, maxnorm / (sized + 1e-7), 1.0)
    return x * scale


def fill_diagonal_(input: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """The diagonal of a matrix (of a cube of equal sizes) becomes fill_value, in place.

    wrap: start again below in a matrix of more rows than columns.
    """
    x = tensor_argument(input, "fill_diagonal_")
    array = x._array
    if array.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if array.ndim > 2 and len(set(array.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    mask = np.zeros(array.shape, np.bool_)
    np.fill_diagonal(mask, True, wrap=wrap)
    from fastnn.ops.masked import masked_fill_

    return masked_fill_(x, _core.wrap(mask), fill_value)


def resize_(input: Tensor, size: Any, *more: SupportsIndex, memory_format: Any = None) -> Tensor:
    """input takes another size, in place: its first elements stay, further ones are whatever the memory held.

    RuntimeError for a tensor that requires grad.
    """
    x = tensor_argument(input, "resize_")
    if memory_format is not None:
        raise NotImplementedError("resize_(): memory_format is not implemented")
    if x.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = sizes(size, more, "resize_", "size")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(shape)}")
    count, array = math.prod(shape), x._array
    if not array.flags.c_contiguous or count > array.size:
        memory = np.zeros(count, array.dtype)
        flat = array.reshape(-1)[:count]
        memory[: flat.size] = flat
    else:
        memory = array.reshape(-1)[:count]
    x._set_data(_core.wrap(memory.reshape(shape)))
    _core.bump_version(x)
    return x


def resize_as_(input: Tensor, other: Tensor, *, memory_format: Any = None) -> Tensor:
    """resize_ to other's size."""
    shape: Sequence[int] = tensor_argument(other, "resize_as_", "other")._array.shape
    return resize_(input, tuple(shape), memory_format=memory_format)
