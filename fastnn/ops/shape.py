"""Views: the same values under other shapes. Each shares its input's memory wherever strides can express it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from fastnn import _core
from fastnn.dtypes import dtype as DType
from fastnn.layouts import check_format
from fastnn.ops.broadcast import sum_to
from fastnn.ops.dims import Array, Dims, Shape, integer, sizes, wrap_dim, wrap_dims
from fastnn.ops.gate import tensor_argument

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = [
    "adjoint", "broadcast_to", "contiguous", "expand", "expand_as", "flatten", "movedim", "moveaxis", "permute",
    "ravel",
    "reshape", "reshape_as", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unflatten", "unsqueeze", "view",
    "view_as",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ reshape, view


def inferred(shape: Shape, size: int) -> Shape:
    """shape with a -1 worked out from the number of elements; RuntimeError where they don't fit."""
    unknown = -1
    for i, n in enumerate(shape):
        if n == -1:
            if unknown >= 0:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(shape)}")
    if unknown < 0:
        if math.prod(shape) != size:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}")
        return shape
    known = math.prod(n for n in shape if n != -1)
    if known == 0 and size == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 "
            "can be any value and is ambiguous"
        )
    if known == 0 or size % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {size}")
    return (*shape[:unknown], size // known, *shape[unknown + 1 :])


def shares(out: Array, x: Array) -> bool:
    """Whether out, made from x by NumPy, is a view of it: a copy's memory never overlaps."""
    return out.size == 0 or np.may_share_memory(out, x)


def reshape(input: Tensor, shape: SupportsIndex | Sequence[SupportsIndex], *more: SupportsIndex) -> Tensor:
    """The elements of input, in order, in another shape: a view if input's strides allow it, else a copy.

    shape: sizes, at most one of them -1: what is left. RuntimeError where the number of elements differs.
    """
    x = tensor_argument(input, "reshape")._array
    wanted = sizes(shape, more, "reshape")
    out = x.reshape(inferred(wanted, x.size))
    view_of = input if x.flags.c_contiguous or shares(out, x) else None
    return _core.record("ViewBackward0", _reshape_backward, (input,), out, extra=x.shape, view_of=view_of)


def _reshape_backward(ctx: Node, grad: Tensor) -> Tensor:
    return reshape(grad, ctx.extra)


def view(input: Tensor, shape: Any, *more: SupportsIndex) -> Tensor:
    """As reshape, but never a copy: RuntimeError where input's strides can't express the shape."""
    x = tensor_argument(input, "view")._array
    if isinstance(shape, DType):
        raise NotImplementedError(
            f"view(): dtype={shape} (reinterpreting the memory) is not implemented; use .to() to convert"
        )
    wanted = inferred(sizes(shape, more, "view"), x.size)
    out = x.reshape(wanted)
    if not x.flags.c_contiguous and not shares(out, x):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return _core.record("ViewBackward0", _reshape_backward, (input,), out, extra=x.shape, view_of=input)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """input viewed in other's shape."""
    return view(input, tensor_argument(other, "view_as", "other")._array.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """input in other's shape."""
    return reshape(input, tensor_argument(other, "reshape_as", "other")._array.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim, both included, as one. A tensor without dimensions gets one."""
    shape = tensor_argument(input, "flatten")._array.shape
    start, end = wrap_dim(start_dim, len(shape), "flatten"), wrap_dim(end_dim, len(shape), "flatten")
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if shape and start == end:
        return input
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """input in one dimension: a view if it is contiguous."""
    return reshape(contiguous(input), (-1,) if input._array.size else (0,))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension dim as several of the given sizes, at most one of them -1."""
    shape = tensor_argument(input, "unflatten")._array.shape
    axis = wrap_dim(dim, len(shape), "unflatten")
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    given = tuple(integer(n, "unflatten", "sizes") for n in sizes)
    try:
        inner = inferred(given, shape[axis])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(given)} don't multiply up to the size of dim {axis} ({shape[axis]}) "
            "in the input tensor"
        ) from None
    return reshape(input, (*shape[:axis], *inner, *shape[axis + 1 :]))


def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """input without its dimensions of size 1: all of them, or those in dim that have it. A view."""
    x = tensor_argument(input, "squeeze")._array
    if dim == ():
        axes: Shape = ()
    else:
        axes = wrap_dims(dim, x.ndim, "squeeze")
    shape = tuple([n for i, n in enumerate(x.shape) if n != 1 or i not in axes])
    return _core.record("SqueezeBackward0", _reshape_backward, (input,), x.reshape(shape), extra=x.shape, view_of=input)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """input with a dimension of size 1 inserted at dim, in [-(n + 1), n]. A view."""
    x = tensor_argument(input, "unsqueeze")._array
    axis = wrap_dim(dim, x.ndim + 1, "unsqueeze")
    out = x[(*(slice(None),) * axis, None)]
    return _core.record("UnsqueezeBackward0", _reshape_backward, (input,), out, extra=x.shape, view_of=input)


# ------------------------------------------------------------------------------------------------ order of dimensions


def permute(input: Tensor, dims: SupportsIndex | Sequence[SupportsIndex], *more: SupportsIndex) -> Tensor:
    """Dimension dims[i] of input as dimension i. A view. RuntimeError unless dims holds each dimension once."""
    x = tensor_argument(input, "permute")._array
    given = sizes(dims, more, "permute", "dims")
    if len(given) != x.ndim:
        raise RuntimeError(
            "permute(): number of dimensions in the tensor input does not match the length of the desired ordering of "
            f"dimensions i.e. input.dim() = {x.ndim} is not equal to len(dims) = {len(given)}"
        )
    axes = tuple([wrap_dim(d, x.ndim, "permute") for d in given])
    if len(set(axes)) != len(axes):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return _permute(input, axes)


def _permute(input: Tensor, axes: Shape) -> Tensor:
    out = input._array.transpose(axes)
    return _core.record("PermuteBackward0", _permute_backward, (input,), out, extra=axes, view_of=input)


def _permute_backward(ctx: Node, grad: Tensor) -> Tensor:
    inverse = [0] * len(ctx.extra)
    for i, axis in enumerate(ctx.extra):
        inverse[axis] = i
    return _permute(grad, tuple(inverse))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """input with two dimensions exchanged. A view."""
    x = tensor_argument(input, "transpose")._array
    first, second = wrap_dim(dim0, x.ndim, "transpose"), wrap_dim(dim1, x.ndim, "transpose")
    out = x.swapaxes(first, second) if x.ndim else x.view()
    return _core.record("TransposeBackward0", _transpose_backward, (input,), out, extra=(first, second), view_of=input)


def _transpose_backward(ctx: Node, grad: Tensor) -> Tensor:
    return transpose(grad, *ctx.extra)


swapaxes = transpose
swapdims = transpose


def t(input: Tensor) -> Tensor:
    """A matrix transposed, as a view; a tensor of fewer dimensions as it is."""
    ndim = tensor_argument(input, "t")._array.ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return transpose(input, 0, 1) if ndim == 2 else input


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged: a batch of matrices transposed."""
    return transpose(input, -2, -1)


def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """The dimensions of source moved to the places destination; the others keep their order. A view."""
    ndim = tensor_argument(input, "movedim")._array.ndim
    if isinstance(source, (tuple, list)) != isinstance(destination, (tuple, list)):
        raise TypeError(
            "movedim(): source and destination must both be int or both be tuples, got "
            f"{type(source).__name__} and {type(destination).__name__}"
        )
    taken, places = _each_dim(source, ndim), _each_dim(destination, ndim)
    if len(taken) != len(places):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source "
            f"({taken} dims) should contain the same number of dims as destination ({places} dims)"
        )
    for name, dims in (("source", taken), ("destination", places)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({dims})")
    if ndim == 0:
        return input
    rest = iter([d for d in range(ndim) if d not in taken])
    moved = dict(zip(places, taken, strict=True))
    return _permute(input, tuple([moved[i] if i in moved else next(rest) for i in range(ndim)]))


def _each_dim(dim: Dims, ndim: int) -> list[int]:
    given: Any = dim if isinstance(dim, (tuple, list)) else [dim]
    return [wrap_dim(d, ndim, "movedim") for d in given]


moveaxis = movedim


# ------------------------------------------------------------------------------------------------ expand, contiguous


def expand(input: Tensor, size: SupportsIndex | Sequence[SupportsIndex], *more: SupportsIndex) -> Tensor:
    """input repeated along its dimensions of size 1, and along new ones in front, without using memory.

    size: the sizes wanted, -1 for "as it is". The result is a read-only view. RuntimeError for other sizes.
    """
    x = tensor_argument(input, "expand")._array
    return _expand(input, sizes(size, more, "expand", "size"), x)


def _expand(input: Tensor, wanted: Shape, x: Array) -> Tensor:
    lead = len(wanted) - x.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand({list(x.shape)}, size={list(wanted)}): the number of sizes provided ({len(wanted)}) must be "
            f"greater or equal to the number of dimensions in the tensor ({x.ndim})"
        )
    shape = list(wanted)
    for i, n in enumerate(wanted):
        if n == -1:
            if i < lead:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            shape[i] = x.shape[i - lead]
        elif n < 0 or (i >= lead and x.shape[i - lead] not in (1, n)):
            existing = x.shape[i - lead] if i >= lead else 1
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({existing}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(x.shape)}"
            )
    out = np.broadcast_to(x, tuple(shape))
    return _core.record("ExpandBackward0", _expand_backward, (input,), out, extra=x.shape, view_of=input)


def _expand_backward(ctx: Node, grad: Tensor) -> Tensor:
    return sum_to(grad, ctx.extra)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """input expanded to other's shape."""
    return expand(input, tensor_argument(other, "expand_as", "other")._array.shape)


def broadcast_to(input: Tensor, size: Sequence[SupportsIndex]) -> Tensor:
    """input expanded to size."""
    return expand(input, size)


def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """input itself if its elements lie in order in memory, else a copy in which they do."""
    check_format(memory_format, "contiguous")
    x = tensor_argument(input, "contiguous")._array
    if x.flags.c_contiguous:
        return input
    return _core.record("CloneBackward0", _identity_backward, (input,), np.ascontiguousarray(x))


def _identity_backward(ctx: Node, grad: Tensor) -> Tensor:
    return grad
