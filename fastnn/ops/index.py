"""Indexing with brackets: parts of a tensor and assignments to them.

A key is taken apart in PyTorch's order: ints, slices, None and the ellipsis first, which give a view, then index
tensors and masks on what is left, which give a copy. (NumPy counts an int among the index arrays, where there are
any, and then places dimensions elsewhere.)
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.broadcast import sum_to
from fastnn.ops.dims import Array, Shape, index_array
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.pieces import ALL, take_slice
from fastnn.ops.rows import sum_rows

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.pieces import Key
    from fastnn.tensor import Tensor

    Advanced = tuple[slice | Array, ...]

__all__ = ["argwhere", "getitem", "masked_select", "nonzero", "setitem", "take"]

BOOLS = (bool, np.bool_)


# ------------------------------------------------------------------------------------------------ keys


def parse(key: Any, shape: Shape) -> tuple[Key, Advanced]:
    """A key as its basic part and its index arrays, the latter at their dimensions of what the basic part gives.

    IndexError, TypeError or ValueError for a key that is none or doesn't fit the shape; the values of index arrays
    are left to NumPy to check, which does so before it reads or writes.
    """
    items = [_item(item) for item in _items(key)]
    used = sum(_consumed(item) for item in items)
    if used > len(shape):
        if not shape:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a Python number"
            )
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    basic: list[int | slice | None] = []
    advanced: list[slice | Array] = []
    dim = 0
    filled = False
    for item in items:
        if item is Ellipsis:
            if not filled:
                missing = len(shape) - used
                basic += [ALL] * missing
                advanced += [ALL] * missing
                dim += missing
                filled = True
        elif item is None:
            basic.append(None)
            advanced.append(ALL)
        elif isinstance(item, slice):
            basic.append(item)
            advanced.append(ALL)
            dim += 1
        elif isinstance(item, BOOLS):
            basic.append(None)
            advanced.append(np.zeros(int(item), np.int64))
        elif isinstance(item, int):
            if not -shape[dim] <= item < shape[dim]:
                raise IndexError(f"index {item} is out of bounds for dimension {dim} with size {shape[dim]}")
            basic.append(item)
            dim += 1
        else:
            if item.dtype == np.bool_ and item.shape != shape[dim : dim + item.ndim]:
                raise IndexError(
                    f"The shape of the mask {list(item.shape)} at index {dim} does not match the shape of the indexed "
                    f"tensor {list(shape)} at index {dim}"
                )
            basic += [ALL] * _consumed(item)
            advanced.append(item)
            dim += _consumed(item)
    while advanced and advanced[-1] is ALL:
        advanced.pop()
    return tuple(basic), tuple(advanced)


def _items(key: Any) -> tuple[Any, ...] | list[Any]:
    return key if isinstance(key, tuple) else (key,)


def _item(item: Any) -> Any:
    """One part of a key as an int, bool, slice, None, Ellipsis, or an array of ints or bools."""
    if item is None or item is Ellipsis or isinstance(item, BOOLS):
        return item
    if isinstance(item, slice):
        return _slice(item)
    if isinstance(item, _core.TensorBase):
        item = item._array
    elif isinstance(item, (list, tuple, range)):
        item = _listed(item)
    elif isinstance(item, str):
        raise TypeError(f"new(): invalid data type 'str': a tensor can't be indexed with {item!r}")
    elif not isinstance(item, np.ndarray):
        try:
            return operator.index(item)
        except TypeError:
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                f"(got {type(item).__name__})"
            ) from None
    if item.dtype == np.uint8:  # PyTorch's masks of old
        item = item.astype(np.bool_)
    elif item.dtype.kind not in "iub":
        if item.size or item.dtype.kind != "f":
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        item = item.astype(np.int64)
    if item.ndim == 0:
        return bool(item) if item.dtype == np.bool_ else int(item)
    return item


def _listed(item: Any) -> Array:
    plain = [entry._array if isinstance(entry, _core.TensorBase) else entry for entry in item]
    try:
        return np.asarray(plain) if plain else np.zeros(0, np.int64)
    except ValueError:
        raise IndexError(
            f"a list used as an index must hold ints or bools in equally long rows, got {item!r}"
        ) from None


def _slice(item: slice) -> slice:
    if item.start is None and item.stop is None and item.step is None:
        return ALL
    try:
        parts = [None if part is None else operator.index(part) for part in (item.start, item.stop, item.step)]
    except TypeError:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from None
    if parts[2] is not None and parts[2] <= 0:
        raise ValueError("slice step cannot be zero" if parts[2] == 0 else "step must be greater than zero")
    return slice(*parts)


def _consumed(item: Any) -> int:
    """How many dimensions of the tensor this part of a key stands for."""
    if item is None or item is Ellipsis or isinstance(item, BOOLS):
        return 0
    if isinstance(item, np.ndarray):
        return item.ndim if item.dtype == np.bool_ else 1
    return 1


def _frozen(advanced: Advanced) -> Advanced:
    """The index arrays as copies of the tape's own: the caller may change theirs before backward."""
    return tuple([item if isinstance(item, slice) else item.copy() for item in advanced])


def _translated(error: IndexError) -> IndexError:
    text = str(error)
    if text.startswith("shape mismatch"):
        text = text.replace("indexing arrays could", "indexing tensors could")
    return IndexError(text.replace("for axis", "for dimension"))


# ------------------------------------------------------------------------------------------------ reading


def getitem(input: Tensor, key: Any) -> Tensor:
    """input[key]: a view for ints, slices (steps > 0), None and ...; a copy where index tensors or masks take part."""
    x = input._array
    basic, advanced = parse(key, x.shape)
    if not advanced:
        return take_slice(input, basic)
    if any(part is not ALL for part in basic):
        input = take_slice(input, basic)
    if _core.needs_grad(input):
        advanced = _frozen(advanced)
    return _gather(input, advanced)


def _gather(input: Tensor, advanced: Advanced) -> Tensor:
    x = input._array
    try:
        out = x[advanced]
    except IndexError as error:
        raise _translated(error) from None
    return _core.record("IndexBackward0", _gather_backward, (input,), out, extra=(advanced, x.shape))


def _gather_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _scatter(grad, *ctx.extra)


def _scatter(values: Tensor, advanced: Advanced, shape: Shape) -> Tensor:
    """Zeros of the shape with values added at the index: the transpose of _gather."""
    out = _added_at(values._array, advanced, shape)
    return _core.record("IndexBackwardBackward0", _scatter_backward, (values,), out, extra=advanced)


def _scatter_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _gather(grad, ctx.extra)


def _added_at(values: Array, advanced: Advanced, shape: Shape) -> Array:
    arrays = [item for item in advanced if not isinstance(item, slice)]
    if len(arrays) == 1 and arrays[0].dtype == np.bool_:  # no element is named twice
        out = np.zeros(shape, values.dtype)
        out[advanced] = values
        return out
    axes, indices = _integer_indices(advanced)
    grid = np.broadcast_shapes(*(index.shape for index in indices))
    extents = [shape[axis] for axis in axes]
    flat = np.zeros(grid, np.int64)
    for index, extent in zip(indices, extents, strict=True):
        flat = flat * extent + np.where(index < 0, index + extent, index)
    adjacent = axes == list(range(axes[0], axes[0] + len(axes)))
    start = axes[0] if adjacent else 0
    others = [axis for axis in range(len(shape)) if axis not in axes]
    first = np.moveaxis(values, range(start, start + len(grid)), range(len(grid)))
    rest = [shape[axis] for axis in others]
    rows = np.ascontiguousarray(first).reshape(flat.size, int(np.prod(rest, dtype=np.int64)))
    summed = sum_rows(flat.reshape(-1), rows, int(np.prod(extents, dtype=np.int64)))
    order = np.argsort([*axes, *others])
    return np.ascontiguousarray(summed.reshape(*extents, *rest).transpose(order))


def _integer_indices(advanced: Advanced) -> tuple[list[int], list[Array]]:
    """The dimensions that index arrays stand at, and these arrays, masks as the indices of their true elements."""
    axes: list[int] = []
    indices: list[Array] = []
    dim = 0
    for item in advanced:
        if isinstance(item, slice):
            dim += 1
            continue
        for index in item.nonzero() if item.dtype == np.bool_ else (item.astype(np.int64, copy=False),):
            axes.append(dim)
            indices.append(index)
            dim += 1
    return axes, indices


# ------------------------------------------------------------------------------------------------ writing


def setitem(input: Tensor, key: Any, value: Tensor | float) -> None:
    """input[key] = value, in place: value, a tensor or number, is broadcast to the part and cast to input's dtype.

    The gradient of input is 0 at the part, that of value the part's.
    """
    x = input._array
    basic, advanced = parse(key, x.shape)
    source = _value(value, x.dtype)
    _core.check_inplace(input, source)
    part = x[(*basic, ...)]
    given = source._array
    if advanced:
        try:
            slot = part[advanced].shape if given.ndim else ()
        except IndexError as error:
            raise _translated(error) from None
    else:
        slot = part.shape
    lead = given.ndim - len(slot)
    if lead > 0 and given.shape[:lead] == (1,) * lead:
        given = given.reshape(given.shape[lead:])
    if given.ndim > len(slot) or any(n not in (1, m) for n, m in zip(given.shape[::-1], slot[::-1], strict=False)):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(source._array.shape)} cannot be broadcast to indexing result "
            f"of shape {list(slot)}"
        )
    try:
        if advanced:
            part[advanced] = given
        else:
            part[...] = given
    except IndexError as error:
        raise _translated(error) from None
    if _core.needs_grad(input, source):
        advanced = _frozen(advanced)
    _core.rebase(
        input, "IndexPutBackward0", _set_backward, (input, source), extra=(basic, advanced, source._array.shape)
    )


def _value(value: Any, dtype: np.dtype[Any]) -> Tensor:
    if isinstance(value, _core.TensorBase):
        return cast(value, dtype)  # type: ignore[arg-type]
    if isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        wrapped: Tensor = _core.wrap(np.asarray(value).astype(dtype))
        return wrapped
    raise TypeError(f"can't assign a {type(value).__name__} to a tensor of dtype {dtype}")


def _set_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    basic, advanced, shape = ctx.extra
    to_input, to_value = ctx.needs
    target = value = None
    if to_value:
        part = take_slice(grad, basic)
        part = _gather(part, advanced) if advanced else part
        lead = len(shape) - part._array.ndim
        from fastnn.ops.shape import reshape

        value = reshape(sum_to(part, shape[lead:]), shape) if lead > 0 else sum_to(part, shape)
    if to_input:
        target = _without(grad, basic, advanced)
    return target, value


def _without(grad: Tensor, basic: Key, advanced: Advanced) -> Tensor:
    """grad with zeros at the part."""
    out = grad._array.copy()
    part = out[(*basic, ...)]
    part[advanced or ...] = 0
    return _core.record("IndexPutBackwardBackward0", _without_backward, (grad,), out, extra=(basic, advanced))


def _without_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _without(grad, *ctx.extra)


# ------------------------------------------------------------------------------------------------ masks, flat indices


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements of input where mask is true, in one dimension; both are broadcast first."""
    from fastnn.ops.broadcast import broadcast_shape
    from fastnn.ops.shape import expand

    x = tensor_argument(input, "masked_select")._array
    m = tensor_argument(mask, "masked_select", "mask")._array
    if m.dtype != np.bool_:
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, but got {m.dtype}")
    shape = broadcast_shape(x.shape, m.shape)
    if x.shape != shape:
        input = expand(input, shape)
    chosen = np.broadcast_to(m, shape)
    if not shape:
        return getitem(input, bool(chosen))
    return _gather(input, (chosen.copy() if _core.needs_grad(input) else chosen,))


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not zero: (n, dimensions), or a tuple with one tensor a dimension."""
    x = tensor_argument(input, "nonzero")._array
    if as_tuple:
        return tuple([_core.wrap(index.astype(np.int64, copy=False)) for index in np.atleast_1d(x).nonzero()])
    return _core.wrap(np.argwhere(x).astype(np.int64, copy=False))


argwhere = nonzero


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of input, counted flat, at index; of index's shape. Negative ones count from the end."""
    from fastnn.ops.shape import reshape

    x = tensor_argument(input, "take")._array
    at = index_array(index, "take")
    if at.size and not (-x.size <= at.min() and at.max() < x.size):
        bad = int(at[(at < -x.size) | (at >= x.size)].flat[0])
        raise IndexError(f"out of range: tried to access index {bad} on a tensor of {x.size} elements.")
    return reshape(_gather(reshape(input, (x.size,)), (at.reshape(-1).copy(),)), at.shape)
