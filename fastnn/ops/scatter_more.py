"""Writing at indices: scatter_reduce, index_copy, index_reduce, index_put, put, masked_scatter; unfold's windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array, index_array, integer, wrap_dim
from fastnn.ops.gate import tensor_argument
from fastnn.ops.gather import check_scatter, cut_to, gather, scatter, scatter_add
from fastnn.ops.in_place import in_place
from fastnn.ops.masked import masked_fill
from fastnn.ops.rows import linear_index
from fastnn.ops.select import where
from fastnn.ops.shape import expand, reshape
from fastnn.ops.strided import take_strided

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Pair = tuple[Tensor | None, Tensor | None]

__all__ = [
    "index_copy", "index_copy_", "index_put", "index_put_", "index_reduce", "index_reduce_", "masked_scatter",
    "masked_scatter_", "put", "put_", "scatter_reduce", "scatter_reduce_", "unfold",
]  # fmt: skip

_UFUNCS: dict[str, Any] = {
    "sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------ scatter_reduce


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """input with the elements of src that index sends to one place reduced there.

    reduce: "sum", "prod", "mean", "amax" or "amin". include_self: whether input's own element counts among them.
    Shapes and errors as of scatter.
    """
    if reduce not in _UFUNCS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    axis, at = check_scatter(input, dim, index, tensor_argument(src, "scatter_reduce", "src"), "scatter")
    if at.size == 0:
        return input.clone()
    part = cut_to(src, at.shape)
    at = at.copy() if _core.needs_grad(input, part) else at
    return _scatter_reduce(input, axis, at, part, reduce, include_self)


def _scatter_reduce(input: Tensor, axis: int, at: Array, src: Tensor, reduce: str, include_self: bool) -> Tensor:
    x, given = input._array, src._array.reshape(-1)
    flat = linear_index(np.atleast_1d(at), axis, x.shape or (1,))
    out = x.copy(order="C").reshape(-1)
    if not include_self:
        out[flat] = _identity(reduce, x.dtype)
    with np.errstate(all="ignore"):
        _UFUNCS[reduce].at(out, flat, given)
        if reduce == "mean":
            counts = np.bincount(flat, minlength=x.size) + 1
            if not include_self:
                counts[flat] -= 1
            out = out / counts.astype(x.dtype) if x.dtype.kind == "f" else out // counts
    made = out.astype(x.dtype, copy=False).reshape(x.shape)
    return _core.record(
        "ScatterReduceBackward0",
        _scatter_reduce_backward,
        (input, src),
        made,
        (input, src),
        True,
        (axis, at, reduce, include_self),
    )


def _identity(reduce: str, dtype: np.dtype[Any]) -> Any:
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind == "f":
        return -np.inf if reduce == "amax" else np.inf
    if dtype.kind == "b":
        return reduce == "amin"
    return np.iinfo(dtype).min if reduce == "amax" else np.iinfo(dtype).max


def _scatter_reduce_backward(ctx: Node, grad: Tensor) -> Pair:
    axis, at, reduce, include_self = ctx.extra
    x, src, out = ctx.saved
    index: Tensor = _core.wrap(at)
    to_x: Tensor
    if reduce == "sum":
        to_x, to_src = grad, gather(grad, axis, index)
    elif reduce == "mean":
        ones = _core.wrap(np.ones(at.shape, grad._array.dtype))
        count = scatter_add(
            _core.wrap(np.full(x._array.shape, float(include_self), grad._array.dtype)), axis, index, ones
        )
        share = grad / masked_fill(count, count == 0, 1.0)
        to_x, to_src = share, gather(share, axis, index)
    elif reduce == "prod":
        to_x, to_src = _product_gradients(grad, axis, index, x, src, out, include_self)
    else:
        mine, theirs = (x == out).to(grad.dtype), (src == gather(out, axis, index)).to(grad.dtype)
        share = grad / scatter_add(mine if include_self else mine * 0, axis, index, theirs).clamp(min=1)
        to_x, to_src = mine * share, theirs * gather(share, axis, index)
    if not include_self:
        to_x = scatter(to_x, axis, index, 0.0)
        if reduce in ("amax", "amin"):  # a place that nothing was sent to keeps its own
            untouched = scatter(_core.wrap(np.ones(x._array.shape, grad._array.dtype)), axis, index, 0.0)
            to_x = grad * untouched
    return to_x if ctx.needs[0] else None, to_src if ctx.needs[1] else None


def _product_gradients(
    grad: Tensor, axis: int, index: Tensor, x: Tensor, src: Tensor, out: Tensor, include_self: bool
) -> tuple[Tensor, Tensor]:
    at = index._array
    own = masked_fill(x, x == 0, 1.0)
    to_x = grad * _scatter_reduce(own, axis, at, src, "prod", include_self) / own
    zero = src == 0
    zeros = scatter_add(_core.wrap(np.zeros(x._array.shape, grad._array.dtype)), axis, index, zero.to(grad.dtype))
    single = zero & (gather(zeros, axis, index) == 1)
    others = _scatter_reduce(x, axis, at, masked_fill(src, single, 1.0), "prod", include_self)
    plain = gather(grad * out, axis, index) / masked_fill(src, zero, 1.0)
    return to_x, where(single, gather(grad * others, axis, index), plain)


def scatter_reduce_(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """scatter_reduce, in place."""
    return in_place(scatter_reduce, input, dim, index, src, reduce, reads_input=True, include_self=include_self)


# ------------------------------------------------------------------------------------------------ whole slices


def _slices(input: Tensor, dim: int, index: Tensor, source: Tensor, name: str) -> tuple[int, Tensor, Tensor]:
    """dim, and index as scatter takes it: one place for each element of source."""
    x = tensor_argument(input, name)._array
    s = tensor_argument(source, name, "source")._array
    at = index_array(index, name)
    if at.ndim > 1:
        raise IndexError(f"{name}_(): Index should have dimension 1 or 0 (got {at.ndim})")
    axis = wrap_dim(dim, x.ndim, name)
    if s.dtype != x.dtype:
        raise RuntimeError(
            f"{name}_(): self and source expected to have the same dtype, but got {input.dtype} and {source.dtype}"
        )
    count = s.shape[axis] if s.ndim > axis else 1
    if at.size != count:
        raise IndexError(f"{name}_(): Number of indices ({at.size}) should be equal to source.size(dim) ({count})")
    if x.ndim == 0:
        return axis, reshape(index, ()), reshape(source, ())
    if s.ndim == 0:
        source, s = reshape(source, (1,) * x.ndim), s.reshape((1,) * x.ndim)
    if (*s.shape[:axis], *s.shape[axis + 1 :]) != (*x.shape[:axis], *x.shape[axis + 1 :]):
        raise RuntimeError(
            f"{name}_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{[*x.shape[:axis], *x.shape[axis + 1 :]]} at dimension {axis} and source slice shape: "
            f"{[*s.shape[:axis], *s.shape[axis + 1 :]]} at dimension {axis}."
        )
    placed = np.broadcast_to(at.reshape((-1,) + (1,) * (x.ndim - 1 - axis)), s.shape)
    return axis, _core.wrap(np.ascontiguousarray(placed)), source


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """input with the slices of source in place of those at index along dim. RuntimeError for what doesn't fit."""
    axis, at, src = _slices(input, dim, index, source, "index_copy")
    return scatter(input, axis, at, src)


def index_copy_(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """index_copy, in place."""
    return in_place(index_copy, input, dim, index, source)


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """As scatter_reduce with whole slices of source along dim: "prod", "mean", "amax" or "amin"."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    axis, at, src = _slices(input, dim, index, source, "index_reduce")
    return scatter_reduce(input, axis, at, src, reduce, include_self=include_self)


def index_reduce_(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """index_reduce, in place."""
    return in_place(index_reduce, input, dim, index, source, reduce, reads_input=True, include_self=include_self)


# ------------------------------------------------------------------------------------------------ by several indices


def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of input with values at input[indices], or, to accumulate, with values added there, repeated ones too."""
    from fastnn.ops.index import getitem, setitem

    x, given = tensor_argument(input, "index_put"), tensor_argument(values, "index_put", "values")
    if x._array.dtype != given._array.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{x.dtype} for the destination and {given.dtype} for the source."
        )
    key = tuple([slice(None) if item is None else item for item in indices])
    if not accumulate:
        out = x.clone()
        setitem(out, key, given)
        return out
    flat: Tensor = _core.wrap(np.arange(x._array.size).reshape(x._array.shape))
    places = getitem(flat, key)
    added = scatter_add(
        reshape(x, (-1,)), 0, reshape(places, (-1,)), reshape(expand(given, places._array.shape), (-1,))
    )
    return reshape(added, x._array.shape)


def index_put_(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """index_put, in place."""
    return in_place(lambda target, source: index_put(target, indices, source, accumulate), input, values)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of input with the elements of source at index, counted flat; to accumulate, added there."""
    x = tensor_argument(input, "put")
    at = index_array(index, "put")
    given = tensor_argument(source, "put", "source")
    if given._array.dtype != x._array.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got {x.dtype} and {given.dtype}"
        )
    if at.size != given._array.size:
        raise IndexError(
            f"put_(): Expected source and index to have the same number of elements, but got {given._array.size} and "
            f"{at.size}"
        )
    size = x._array.size
    if at.size and not (-size <= at.min() and at.max() < size):
        raise IndexError(f"out of range: tried to access an index outside of a tensor of {size} elements.")
    if not at.size:
        return x.clone()
    places: Tensor = _core.wrap(np.where(at < 0, at + size, at).reshape(-1))
    write = scatter_add if accumulate else scatter
    return reshape(write(reshape(x, (size,)), 0, places, reshape(given, (at.size,))), x._array.shape)


def put_(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """put, in place."""
    return in_place(put, input, index, source, accumulate)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """input with the elements of source, in order, where mask is true; input and mask are broadcast."""
    from fastnn.ops.broadcast import broadcast_shape
    from fastnn.ops.index import setitem

    x, given = tensor_argument(input, "masked_scatter"), tensor_argument(source, "masked_scatter", "source")
    m = tensor_argument(mask, "masked_scatter", "mask")._array
    if m.dtype != np.bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}")
    if given._array.dtype != x._array.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {x.dtype} and {given.dtype}"
        )
    shape = broadcast_shape(x._array.shape, m.shape)
    chosen = np.broadcast_to(m, shape)
    count = int(chosen.sum())
    if count > given._array.size:
        raise RuntimeError(
            f"masked_scatter: expected source to have at least {count} elements, got {given._array.size}"
        )
    out = expand(x, shape).clone()
    setitem(
        out,
        _core.wrap(np.ascontiguousarray(chosen)),
        reshape(given, (-1,))[:count] if shape else reshape(given, (-1,))[:1],
    )
    return out


def masked_scatter_(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """masked_scatter, in place."""
    return in_place(masked_scatter, input, mask, source)


# ------------------------------------------------------------------------------------------------ windows


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of the given size along a dimension, one every step: as a last dimension of their own. A view.

    RuntimeError for a size above the dimension's and a step below 1. Windows that overlap can't be changed in place.
    """
    x = tensor_argument(input, "unfold")._array
    axis = wrap_dim(dimension, x.ndim, "unfold")
    width, stride = integer(size, "unfold", "size"), integer(step, "unfold", "step")
    extent = x.shape[axis] if x.ndim else 1
    if not 0 <= width <= extent:
        raise RuntimeError(f"maximum size for tensor at dimension {axis} is {extent} but size is {width}")
    if stride <= 0:
        raise RuntimeError(f"step is {stride} but must be > 0")
    own = [n // x.itemsize for n in x.strides]
    if not x.ndim:
        return take_strided(input, (width,), (1,), 0)
    shape = (*x.shape[:axis], (extent - width) // stride + 1, *x.shape[axis + 1 :], width)
    strides = (*own[:axis], own[axis] * stride, *own[axis + 1 :], own[axis])
    return take_strided(input, shape, strides, 0)
