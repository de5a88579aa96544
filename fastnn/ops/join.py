"""New tensors out of several, or out of repetitions of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from fastnn import _core
from fastnn.dtypes import from_numpy_dtype, promote_types
from fastnn.ops.dims import Dims, Shape, integer, sizes, wrap_dim
from fastnn.ops.gate import cast, tensor_argument

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = [
    "cat", "concat", "concatenate", "dstack", "flip", "fliplr", "flipud", "hstack", "repeat", "repeat_interleave",
    "roll", "stack", "tile", "tril", "triu", "vstack",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ cat, stack


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after another along dim, in the dtype that promotion gives.

    All sizes but dim's must be equal; a tensor of shape (0,) is skipped, as PyTorch has it.
    ValueError for no tensors, RuntimeError for shapes that don't fit, IndexError for dim.
    """
    given = _sequence(tensors, "cat")
    if not given:
        raise ValueError("cat(): expected a non-empty list of Tensors")
    for i, item in enumerate(given):
        if item._array.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    used = [(i, item) for i, item in enumerate(given) if item._array.shape != (0,)] or [(0, given[0])]
    first = used[0][1]._array.shape
    axis = wrap_dim(dim, len(first), "cat")
    for i, item in used[1:]:
        shape = item._array.shape
        if len(shape) != len(first):
            raise RuntimeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
        for d, (want, have) in enumerate(zip(first, shape, strict=True)):
            if want != have and d != axis:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {axis}. Expected size {want} but got size {have} "
                    f"for tensor number {i} in the list."
                )
    parts = _promoted(given)
    kept = [parts[i] for i, _ in used]
    out = np.concatenate([part._array for part in kept], axis)
    extra = (axis, [part._array.shape[axis] for part in kept])
    return _core.record("CatBackward0", _cat_backward, tuple(kept), out, extra=extra)


def _cat_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    from fastnn.ops.pieces import ALL, take_slice

    axis, lengths = ctx.extra
    lead, at, out = (ALL,) * axis, 0, []
    for length, needed in zip(lengths, ctx.needs, strict=True):
        out.append(take_slice(grad, (*lead, slice(at, at + length))) if needed else None)
        at += length
    return tuple(out)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors, all of one shape, side by side along a new dimension dim."""
    given = _sequence(tensors, "stack")
    if not given:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = given[0]._array.shape
    axis = wrap_dim(dim, len(shape) + 1, "stack")
    for i, item in enumerate(given):
        if item._array.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(item._array.shape)} at entry {i}"
            )
    parts = _promoted(given)
    out = np.stack([part._array for part in parts], axis)
    return _core.record("StackBackward0", _stack_backward, tuple(parts), out, extra=axis)


def _stack_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    from fastnn.ops.pieces import select

    return tuple([select(grad, ctx.extra, i) if needed else None for i, needed in enumerate(ctx.needs)])


def _sequence(tensors: Sequence[Tensor], function: str) -> list[Tensor]:
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(f"{function}(): argument 'tensors' must be tuple of Tensors, not {type(tensors).__name__}")
    return [tensor_argument(item, function, f"tensors[{i}]") for i, item in enumerate(tensors)]


def _promoted(tensors: list[Tensor]) -> list[Tensor]:
    dtype = tensors[0]._array.dtype
    if all(item._array.dtype == dtype for item in tensors):
        return tensors
    common = from_numpy_dtype(dtype)
    for item in tensors:
        common = promote_types(common, from_numpy_dtype(item._array.dtype))
    return [cast(item, common.to_numpy) for item in tensors]


def _at_least(tensors: Sequence[Tensor], ndim: int, function: str) -> list[Tensor]:
    from fastnn.ops.shape import reshape

    out = []
    if not tensors:
        raise RuntimeError(f"{function} expects a non-empty TensorList")
    for item in _sequence(tensors, function):
        shape = item._array.shape
        if ndim == 3 and len(shape) < 3:
            item = reshape(item, (*(1,) * (2 - len(shape)), *shape, 1))
        elif len(shape) < ndim:
            item = reshape(item, (*(1,) * (ndim - len(shape)), *shape))
        out.append(item)
    return out


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """cat along the second dimension, of vectors along the first."""
    given = _at_least(tensors, 1, "hstack")
    return cat(given, 0 if given and given[0]._array.ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """cat along the first dimension, vectors counting as rows."""
    return cat(_at_least(tensors, 2, "vstack"), 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """cat along the third dimension, vectors and matrices counting as (1, n, 1) and (m, n, 1)."""
    return cat(_at_least(tensors, 3, "dstack"), 2)


concat = cat
concatenate = cat


# ------------------------------------------------------------------------------------------------ repetitions


def repeat(input: Tensor, repeats: SupportsIndex | Sequence[SupportsIndex], *more: SupportsIndex) -> Tensor:
    """input copied repeats[i] times along each dimension i; repeats may name more dimensions, in front."""
    x = tensor_argument(input, "repeat")._array
    times = sizes(repeats, more, "repeat", "repeats")
    if len(times) < x.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    shape = (1,) * (len(times) - x.ndim) + x.shape
    full = [n * m for n, m in zip(times, shape, strict=True)]
    if any(n < 0 for n in times):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(full)}: {full}")
    out = np.tile(x, times)
    return _core.record("RepeatBackward0", _repeat_backward, (input,), out, extra=(times, shape, x.shape))


def _repeat_backward(ctx: Node, grad: Tensor) -> Tensor:
    from fastnn.ops.reduce import sum as sum_
    from fastnn.ops.shape import reshape

    times, shape, original = ctx.extra
    pairs = tuple([n for pair in zip(times, shape, strict=True) for n in pair])
    split = reshape(grad, pairs)
    return reshape(sum_(split, tuple(range(0, len(pairs), 2))) if pairs else split, original)


def tile(input: Tensor, dims: SupportsIndex | Sequence[SupportsIndex], *more: SupportsIndex) -> Tensor:
    """As repeat; where dims are fewer than input's dimensions, the first ones are not repeated."""
    ndim = tensor_argument(input, "tile")._array.ndim
    times = sizes(dims, more, "tile", "dims")
    return repeat(input, (1,) * (ndim - len(times)) + times)


def repeat_interleave(
    input: Tensor, repeats: int | Tensor, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each slice along dim (each element of input flattened, for None) repeats times in a row.

    repeats: an int, or a 1-D integer tensor with a count for each slice. output_size: not needed, but checked.
    """
    from fastnn.ops.gather import index_select
    from fastnn.ops.shape import flatten

    if dim is None:
        return repeat_interleave(flatten(input), repeats, 0, output_size=output_size)
    x = tensor_argument(input, "repeat_interleave")._array
    axis = wrap_dim(dim, x.ndim, "repeat_interleave")
    size = x.shape[axis] if x.ndim else 1
    counts: Any
    if isinstance(repeats, _core.TensorBase):
        counts = repeats._array
        if counts.dtype.kind != "i":
            raise RuntimeError(f"repeats has to be an integer tensor, but got {counts.dtype}")
        if counts.ndim > 1 or (counts.ndim == 1 and counts.shape[0] not in (1, size)):
            raise RuntimeError(
                f"repeats must have the same size as input along dim, but got repeats.size = {list(counts.shape)} "
                f"and input.size({axis}) = {size}"
            )
        counts = np.broadcast_to(counts.reshape(-1), (size,))
    else:
        counts = np.full(size, integer(repeats, "repeat_interleave", "repeats"))
    if (counts < 0).any():
        raise RuntimeError("Repeats must be non-negative")
    index = np.repeat(np.arange(size), counts)
    if output_size is not None and output_size != index.size:
        raise RuntimeError(f"repeat_interleave(): output_size is {output_size}, but repeats sum to {index.size}")
    return index_select(input, axis, _core.wrap(index))


# ------------------------------------------------------------------------------------------------ rearranged copies


def flip(input: Tensor, dims: Any, *more: SupportsIndex) -> Tensor:
    """input with the order of its slices reversed along dims. A copy."""
    x = tensor_argument(input, "flip")._array
    given = sizes(dims, more, "flip", "dims")
    axes = tuple([wrap_dim(d, x.ndim, "flip") for d in given])
    for axis in axes:
        if axes.count(axis) > 1:
            raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
    return _flip(input, axes if x.ndim else ())


def _flip(input: Tensor, axes: Shape) -> Tensor:
    out = np.flip(input._array, axes).copy()
    return _core.record("FlipBackward0", _flip_backward, (input,), out, extra=axes)


def _flip_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _flip(grad, ctx.extra)


def fliplr(input: Tensor) -> Tensor:
    """input with its second dimension reversed."""
    if tensor_argument(input, "fliplr")._array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return _flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """input with its first dimension reversed."""
    if tensor_argument(input, "flipud")._array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return _flip(input, (0,))


def roll(input: Tensor, shifts: int | Sequence[int], dims: Dims = None) -> Tensor:
    """input's slices moved on by shifts along dims, those past the end to the front; flattened, if dims is None."""
    x = tensor_argument(input, "roll")._array
    steps = sizes(shifts, (), "roll", "shifts")
    given: Shape = () if dims is None else sizes(dims, (), "roll", "dims")
    if not steps:
        raise RuntimeError("`shifts` required")
    if given or len(steps) > 1:
        if len(steps) != len(given):
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(given)}")
        if not x.ndim:
            raise IndexError(f"Dimension specified as {given[0]} but tensor has no dimensions")
        axes: Shape | None = tuple([wrap_dim(d, x.ndim, "roll") for d in given])
    else:
        axes = None
    return _roll(input, steps, axes if x.ndim else None)


def _roll(input: Tensor, steps: Shape, axes: Shape | None) -> Tensor:
    out = np.roll(input._array, steps if axes is not None else sum(steps), axes)
    return _core.record("RollBackward0", _roll_backward, (input,), out, extra=(steps, axes))


def _roll_backward(ctx: Node, grad: Tensor) -> Tensor:
    steps, axes = ctx.extra
    return _roll(grad, tuple([-n for n in steps]), axes)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrices of input with zeros above the diagonal (an offset: 1 is the one above the main one)."""
    return _triangle(input, diagonal, True, "tril")


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrices of input with zeros below the diagonal (an offset: 1 is the one above the main one)."""
    return _triangle(input, diagonal, False, "triu")


def _triangle(input: Tensor, diagonal: int, lower: bool, function: str) -> Tensor:
    x = tensor_argument(input, function)._array
    if x.ndim < 2:
        raise RuntimeError(f"{function}: input tensor must have at least 2 dimensions")
    offset = integer(diagonal, function, "diagonal")
    out = np.tril(x, offset) if lower else np.triu(x, offset)
    return _core.record(
        "TrilBackward0" if lower else "TriuBackward0", _triangle_backward, (input,), out, extra=(offset, lower)
    )


def _triangle_backward(ctx: Node, grad: Tensor) -> Tensor:
    offset, lower = ctx.extra
    return _triangle(grad, offset, lower, "tril" if lower else "triu")
