"""Views by their strides: what the tape needs where a view or its base is changed in place, and as_strided.

A layout says where the elements of a view lie among those of its base. The base may have any strides itself, so that
a gradient of its shape is first laid out in a buffer of the base's own strides; the view's strides then find in that
buffer what they find in the base's memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array, Shape, integer, sizes
from fastnn.ops.gate import tensor_argument

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["as_strided"]


class Layout(NamedTuple):
    """Shapes and strides (in elements) of a base and of a view, in a buffer that has room for the base."""

    base_shape: Shape
    base_strides: Shape
    base_offset: int  # of the base's first element in the buffer: above 0 for negative strides
    shape: Shape
    strides: Shape
    offset: int  # of the view's first element in the buffer
    length: int  # of the buffer


def layout_of(base: Array, view: Array) -> Layout:
    """How view lies in base's memory. RuntimeError where it doesn't, as after base.data was set to other memory."""
    size = base.itemsize
    base_strides = tuple([step // size for step in base.strides])
    strides = tuple([step // size for step in view.strides])
    apart = _address(view) - _address(base)
    return _layout(base.shape, base_strides, view.shape, strides, apart // size if view.size else 0)


def _layout(base_shape: Shape, base_strides: Shape, shape: Shape, strides: Shape, apart: int) -> Layout:
    """apart: elements from the base's first to the view's first."""
    low, high = _reach(base_shape, base_strides)
    view_low, view_high = _reach(shape, strides)
    if 0 not in shape and not (low <= apart + view_low and apart + view_high <= high):
        raise RuntimeError(
            f"a view of shape {list(shape)}, strides {list(strides)} and offset {apart} reaches outside of its base of "
            f"shape {list(base_shape)}"
        )
    return Layout(base_shape, base_strides, -low, shape, strides, apart - low, high - low + 1)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _reach(shape: Shape, strides: Shape) -> tuple[int, int]:
    """The lowest and the highest offset that is reached from the first element."""
    if 0 in shape:
        return 0, 0
    steps = [(n - 1) * step for n, step in zip(shape, strides, strict=True)]
    return sum(step for step in steps if step < 0), sum(step for step in steps if step > 0)


def _part(buffer: Array, shape: Shape, strides: Shape, offset: int) -> Array:
    if 0 in shape:
        return np.zeros(shape, buffer.dtype)
    size = buffer.itemsize
    return np.lib.stride_tricks.as_strided(buffer[offset:], shape, [step * size for step in strides])


def _laid_out(base: Array, layout: Layout) -> Array:
    """A buffer with base's values at its places."""
    buffer = np.zeros(layout.length, base.dtype)
    _part(buffer, layout.base_shape, layout.base_strides, layout.base_offset)[...] = base
    return buffer


def _base_of(buffer: Array, layout: Layout) -> Array:
    return np.array(_part(buffer, layout.base_shape, layout.base_strides, layout.base_offset))


# ------------------------------------------------------------------------------------------------ recorded


def take(input: Tensor, layout: Layout) -> Tensor:
    """A copy of the view's elements out of a tensor of the base's shape."""
    buffer = _laid_out(input._array, layout)
    out = np.array(_part(buffer, layout.shape, layout.strides, layout.offset))
    return _core.record("AsStridedBackward0", _take_backward, (input,), out, extra=layout)


def _take_backward(ctx: Node, grad: Tensor) -> Tensor:
    return put(grad, ctx.extra)


def put(values: Tensor, layout: Layout) -> Tensor:
    """Zeros of the base's shape with values added at the view's places: the transpose of take."""
    given = values._array
    buffer = np.zeros(layout.length, given.dtype)
    if given.size:
        places = _part(np.arange(layout.length), layout.shape, layout.strides, layout.offset)
        if 0 in [step for n, step in zip(layout.shape, layout.strides, strict=True) if n > 1] or _overlaps(layout):
            np.add.at(buffer, places, given)
        else:
            buffer[places] = given
    out = _base_of(buffer, layout)
    return _core.record("AsStridedScatterBackward0", _put_backward, (values,), out, extra=layout)


def _overlaps(layout: Layout) -> bool:
    """Whether two elements of the view may share a place: unless each stride steps over all that the smaller reach."""
    reached = 0
    for step, n in sorted((abs(step), n) for n, step in zip(layout.shape, layout.strides, strict=True) if n > 1):
        if step <= reached:
            return True
        reached += step * (n - 1)
    return False


def _put_backward(ctx: Node, grad: Tensor) -> Tensor:
    return take(grad, ctx.extra)


def replaced(base: Array, values: Array, layout: Layout) -> Array:
    """A copy of base with values at the view's places."""
    buffer = _laid_out(base, layout)
    _part(buffer, layout.shape, layout.strides, layout.offset)[...] = values
    return _base_of(buffer, layout)


def without(input: Tensor, layout: Layout) -> Tensor:
    """A tensor of the base's shape with zeros at the view's places."""
    out = replaced(input._array, np.zeros((), input._array.dtype), layout)
    return _core.record("WithoutBackward0", _without_backward, (input,), out, extra=layout)


def _without_backward(ctx: Node, grad: Tensor) -> Tensor:
    return without(grad, ctx.extra)


def _copy_slices_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Of a base's gradient: what lies outside of the view to the base's old values, the rest to the view's new ones."""
    to_base, to_view = ctx.needs
    return without(grad, ctx.extra) if to_base else None, take(grad, ctx.extra) if to_view else None


_core.set_view_functions(layout_of, _copy_slices_backward, _take_backward)


# ------------------------------------------------------------------------------------------------ by name


def as_strided(
    input: Tensor,
    size: Sequence[SupportsIndex],
    stride: Sequence[SupportsIndex],
    storage_offset: SupportsIndex | None = None,
) -> Tensor:
    """The view of input's memory with the given sizes and strides (in elements). Elements may be seen repeatedly.

    storage_offset: of the view's first element, counted from the start of the memory that input shares with its base;
    input's own for None. RuntimeError where the view would reach outside of input's elements, for negative strides,
    or for a size and a stride of different lengths. Changing a view that sees an element twice is an error.
    """
    tensor_argument(input, "as_strided")
    shape, strides = sizes(size, (), "as_strided", "size"), sizes(stride, (), "as_strided", "stride")
    if len(shape) != len(strides):
        raise RuntimeError(f"mismatch in length of strides and shape: {list(strides)} and {list(shape)}")
    if any(step < 0 for step in strides):
        raise RuntimeError(f"as_strided: Negative strides are not supported, got strides: {list(strides)}")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"as_strided: sizes must not be negative, got {list(shape)}")
    apart = 0
    if storage_offset is not None:
        apart = integer(storage_offset, "as_strided", "storage_offset") - offset_in_storage(input)
    return take_strided(input, shape, strides, apart)


def take_strided(input: Tensor, shape: Shape, strides: Shape, apart: int) -> Tensor:
    """The view of input's memory of the shape and strides, apart elements after input's first."""
    x = input._array
    layout = _layout(x.shape, tuple([step // x.itemsize for step in x.strides]), shape, strides, apart)
    if x.size and 0 not in shape:
        memory = np.lib.stride_tricks.as_strided(x, (layout.length,), (x.itemsize,))
        out = np.ndarray(shape, x.dtype, memory, apart * x.itemsize, [step * x.itemsize for step in strides])
    else:
        out = np.zeros(shape, x.dtype)
    if _overlaps(layout) or not x.flags.writeable:
        out.flags.writeable = False
    return _core.record("AsStridedBackward0", _take_backward, (input,), out, extra=layout, view_of=input)


def offset_in_storage(input: Tensor) -> int:
    """Elements from the start of the memory that input shares with its base to input's first."""
    x, base = input._array, input._base
    return 0 if base is None or not x.size else (_address(x) - _address(base._array)) // x.itemsize
