"""Diagonals put into matrices, parts of a copy replaced, and rot90."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastnn import _core
from fastnn.ops.dims import integer, wrap_dim
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.pieces import ALL, put_diagonal
from fastnn.ops.pieces import diagonal as diagonal_of
from fastnn.ops.strided import Layout, layout_of, replaced, take, without

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.dims import Array
    from fastnn.tensor import Tensor

    Pair = tuple[Tensor | None, Tensor | None]

__all__ = [
    "as_strided_scatter", "diag", "diag_embed", "diagflat", "diagonal_scatter", "rot90", "select_scatter",
    "slice_scatter",
]  # fmt: skip


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix of zeros; of a matrix, a copy of its diagonal (above the main one)."""
    x = tensor_argument(input, "diag")._array
    if x.ndim == 1:
        return diag_embed(input, diagonal)
    if x.ndim == 2:
        return diagonal_of(input, diagonal).clone()
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {x.ndim}D")


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices of zeros in dimensions dim1 and dim2 of the result, with input's last dimension as a diagonal."""
    x = tensor_argument(input, "diag_embed")._array
    first, second = wrap_dim(dim1, x.ndim + 1, "diag_embed"), wrap_dim(dim2, x.ndim + 1, "diag_embed")
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if x.ndim == 0:
        raise RuntimeError("diag_embed(): expected a tensor of one dimension at least")
    away = integer(offset, "diag_embed", "offset")
    size = x.shape[-1] + abs(away)
    shape = list(x.shape[:-1])
    for axis in sorted((first, second)):
        shape.insert(axis, size)
    return put_diagonal(input, tuple(shape), away, first, second)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements of input as a diagonal of a matrix of zeros."""
    from fastnn.ops.shape import reshape

    return diag_embed(reshape(input, (tensor_argument(input, "diagflat")._array.size,)), offset)


# ------------------------------------------------------------------------------------------------ parts replaced


def _replaced(input: Tensor, src: Tensor, part: Array, name: str) -> Tensor:
    """A copy of input with src in place of the view part of its array."""
    x = tensor_argument(input, name)._array
    source = cast(tensor_argument(src, name, "src"), x.dtype)
    if source._array.shape != part.shape:
        raise RuntimeError(
            f"{name}(): expected src to have a size equal to the part of self that it replaces. src size = "
            f"{list(source._array.shape)}, part size = {list(part.shape)}"
        )
    return _put_in(input, source, layout_of(x, part))


def _put_in(input: Tensor, source: Tensor, layout: Layout) -> Tensor:
    out = replaced(input._array, source._array, layout)
    return _core.record("ScatterViewBackward0", _put_in_backward, (input, source), out, extra=layout)


def _put_in_backward(ctx: Node, grad: Tensor) -> Pair:
    to_input, to_source = ctx.needs
    return without(grad, ctx.extra) if to_input else None, take(grad, ctx.extra) if to_source else None


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of input with src for the diagonal that diagonal() takes."""
    return _replaced(input, src, diagonal_of(input.detach(), offset, dim1, dim2)._array, "diagonal_scatter")


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of input with src for the slice at index along dim."""
    from fastnn.ops.pieces import select

    return _replaced(input, src, select(input.detach(), dim, index)._array, "select_scatter")


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of input with src for input[start:end:step] along dim."""
    x = tensor_argument(input, "slice_scatter")._array
    axis = wrap_dim(dim, x.ndim, "slice_scatter")
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    return _replaced(input, src, x[(*(ALL,) * axis, slice(start, end, step))], "slice_scatter")


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A copy of input with src for the elements that as_strided(size, stride, storage_offset) names."""
    from fastnn.ops.strided import as_strided

    return _replaced(input, src, as_strided(input.detach(), size, stride, storage_offset)._array, "as_strided_scatter")


# ------------------------------------------------------------------------------------------------ turned


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """input turned k times by 90 degrees in the plane of two dimensions, from the first towards the second."""
    from fastnn.ops.join import flip
    from fastnn.ops.shape import transpose

    x = tensor_argument(input, "rot90")
    ndim = x._array.ndim
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    first, second = (wrap_dim(d, ndim, "rot90") for d in dims)
    if first == second:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    turns = integer(k, "rot90", "k") % 4
    if turns == 1:
        return transpose(flip(x, second), first, second)
    if turns == 2:
        return flip(x, (first, second))
    if turns == 3:
        return transpose(flip(x, first), first, second)
    return x.clone()
