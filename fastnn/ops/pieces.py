"""Parts of a tensor as views: slices, rows, chunks and diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array, Shape, integer, wrap_dim
from fastnn.ops.gate import tensor_argument

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Key = tuple[int | slice | None, ...]

__all__ = ["chunk", "diagonal", "narrow", "select", "split", "split_with_sizes", "tensor_split", "unbind"]

ALL = slice(None)


# ------------------------------------------------------------------------------------------------ slices


def take_slice(input: Tensor, key: Key) -> Tensor:
    """The view input[key] for ints, slices and None: what of a basic index is left once it is checked."""
    x = input._array
    out = x[(*key, ...)]  # with an ellipsis NumPy returns an array even where no dimension is left
    return _core.record("SliceBackward0", _take_backward, (input,), out, extra=(key, x.shape), view_of=input)


def _take_backward(ctx: Node, grad: Tensor) -> Tensor:
    return put_slice(grad, *ctx.extra)


def put_slice(values: Tensor, key: Key, shape: Shape) -> Tensor:
    """Zeros of the shape with values at key: the transpose of take_slice."""
    out = np.zeros(shape, values._array.dtype)
    out[(*key, ...)] = values._array
    return _core.record("SliceBackwardBackward0", _put_backward, (values,), out, extra=key)


def _put_backward(ctx: Node, grad: Tensor) -> Tensor:
    return take_slice(grad, ctx.extra)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at index along dim, without that dimension. A view. IndexError where there is no such slice."""
    shape = tensor_argument(input, "select")._array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    axis = wrap_dim(dim, len(shape), "select")
    at = integer(index, "select", "index")
    if not -shape[axis] <= at < shape[axis]:
        raise IndexError(f"select(): index {at} out of range for tensor of size {list(shape)} at dimension {axis}")
    return take_slice(input, (*(ALL,) * axis, at))


def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """The length slices from start on, along dim. A view. start may count from the end."""
    shape = tensor_argument(input, "narrow")._array.shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    axis = wrap_dim(dim, len(shape), "narrow")
    if isinstance(start, _core.TensorBase) and (start._array.ndim or start._array.dtype.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    first, count, size = integer(start, "narrow", "start"), integer(length, "narrow", "length"), shape[axis]
    if count < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= first <= size:
        raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but got {first})")
    if first < 0:
        first += size
    if first + count > size:
        raise RuntimeError(f"start ({first}) + length ({count}) exceeds dimension size ({size}).")
    return take_slice(input, (*(ALL,) * axis, slice(first, first + count)))


# ------------------------------------------------------------------------------------------------ several parts


def _cut(input: Tensor, axis: int, borders: list[int]) -> tuple[Tensor, ...]:
    """Views of input between neighbouring borders along axis, as the outputs of one node."""
    x = input._array
    lead = (ALL,) * axis
    parts = tuple([x[(*lead, slice(a, b))] for a, b in pairwise(borders)])
    if not parts:
        return ()
    out: tuple[Tensor, ...] = _core.record(
        "SplitBackward0", _cut_backward, (input,), parts, extra=(axis, x.shape, borders), view_of=input
    )
    return out


def _cut_backward(ctx: Node, *grads: Tensor | None) -> Tensor:
    from fastnn.ops.join import cat

    axis, shape, borders = ctx.extra
    dtype = next(grad for grad in grads if grad is not None)._array.dtype
    parts: list[Tensor] = []
    if borders[0] > 0:
        parts.append(_zeros(shape, axis, borders[0], dtype))
    for grad, a, b in zip(grads, borders, borders[1:], strict=False):
        parts.append(_zeros(shape, axis, b - a, dtype) if grad is None else grad)
    return cat(parts, axis)


def _zeros(shape: Shape, axis: int, size: int, dtype: np.dtype[Any]) -> Tensor:
    return _core.wrap(np.zeros((*shape[:axis], size, *shape[axis + 1 :]), dtype))


def split(input: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of input along dim: each of the given size (the last one what is left), or of the sizes in a list."""
    shape = tensor_argument(input, "split")._array.shape
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(input, split_size_or_sections, dim)
    axis = wrap_dim(dim, len(shape), "split")
    size, extent = integer(split_size_or_sections, "split", "split_size"), shape[axis]
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0:
        if extent:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {extent}")
        return _cut(input, axis, [0, 0])
    return _cut(input, axis, [*range(0, max(extent, 1), size), extent])


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of input along dim, of the given sizes, which must sum to its size."""
    shape = tensor_argument(input, "split_with_sizes")._array.shape
    axis = wrap_dim(dim, len(shape), "split_with_sizes")
    borders = [0]
    given = [integer(n, "split_with_sizes", "split_sizes") for n in split_sizes]
    for n in given:
        if n < 0:
            raise RuntimeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got {given}")
        borders.append(borders[-1] + n)
    if borders[-1] != shape[axis]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {shape[axis]} (input tensor's size at dimension "
            f"{axis}), but got split_sizes={given}"
        )
    return _cut(input, axis, borders)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most chunks views along dim, of equal size but for the last, which may be smaller."""
    shape = tensor_argument(input, "chunk")._array.shape
    count = integer(chunks, "chunk", "chunks")
    if not shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if count <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {count}")
    axis = wrap_dim(dim, len(shape), "chunk")
    if shape[axis] == 0:
        return _cut(input, axis, [0] * (count + 1))
    return split(input, -(-shape[axis] // count), axis)


def tensor_split(input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views along dim: a number of nearly equal ones, the larger first, or those between the given indices."""
    shape = tensor_argument(input, "tensor_split")._array.shape
    if not shape:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    axis = wrap_dim(dim, len(shape), "tensor_split")
    extent = shape[axis]
    if isinstance(indices_or_sections, _core.TensorBase):
        given = indices_or_sections._array
        if given.dtype != np.int64 or given.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional int64 "
                f"tensor, but got {given.dtype} of {given.ndim} dims"
            )
        return tensor_split(input, given.tolist(), dim)
    if isinstance(indices_or_sections, (tuple, list)):
        indices = [integer(i, "tensor_split", "indices") for i in indices_or_sections]
        lead = (ALL,) * axis
        pairs = zip([0, *indices], [*indices, extent], strict=True)
        return tuple([take_slice(input, (*lead, slice(a, b))) for a, b in pairs])
    sections = integer(indices_or_sections, "tensor_split", "sections")
    if sections <= 0:
        raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
    small, larger = divmod(extent, sections)
    return _cut(input, axis, [i * small + min(i, larger) for i in range(sections + 1)])


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along dim, each a view without that dimension."""
    x = tensor_argument(input, "unbind")._array
    if x.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    axis = wrap_dim(dim, x.ndim, "unbind")
    parts = tuple(np.moveaxis(x, axis, 0)[i, ...] for i in range(x.shape[axis]))
    if not parts:
        return ()
    out: tuple[Tensor, ...] = _core.record(
        "UnbindBackward0", _unbind_backward, (input,), parts, extra=axis, view_of=input
    )
    return out


def _unbind_backward(ctx: Node, *grads: Tensor | None) -> Tensor:
    from fastnn.ops.join import stack

    known = next(grad for grad in grads if grad is not None)._array
    zeros: Tensor = _core.wrap(np.zeros(known.shape, known.dtype))
    return stack([zeros if grad is None else grad for grad in grads], ctx.extra)


# ------------------------------------------------------------------------------------------------ diagonals


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements where dim2's index is dim1's plus offset, in a last dimension of their own. A view."""
    x = tensor_argument(input, "diagonal")._array
    first, second = wrap_dim(dim1, x.ndim, "diagonal"), wrap_dim(dim2, x.ndim, "diagonal")
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    out = _diagonal(x, offset, first, second)
    return _core.record(
        "DiagonalBackward0", _diagonal_backward, (input,), out, extra=(x.shape, offset, first, second), view_of=input
    )


def _diagonal(x: Array, offset: int, first: int, second: int) -> Array:
    out = x.diagonal(offset, first, second)  # which NumPy marks as read-only
    if x.flags.writeable:
        out.flags.writeable = True
    return out


def _diagonal_backward(ctx: Node, grad: Tensor) -> Tensor:
    return put_diagonal(grad, *ctx.extra)


def put_diagonal(values: Tensor, shape: Shape, offset: int, first: int, second: int) -> Tensor:
    """Zeros of the shape with values on a diagonal: the transpose of diagonal."""
    out = np.zeros(shape, values._array.dtype)
    _diagonal(out, offset, first, second)[...] = values._array
    return _core.record(
        "DiagonalBackwardBackward0", _put_diagonal_backward, (values,), out, extra=(offset, first, second)
    )


def _put_diagonal_backward(ctx: Node, grad: Tensor) -> Tensor:
    return diagonal(grad, *ctx.extra)
