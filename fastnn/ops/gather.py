"""Indexing by name: gather, scatter, index_select and their kin, and one_hot.

Every index is checked before anything is read or written: the ops with an underscore leave their target as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.ops.broadcast import broadcast_shape
from fastnn.ops.dims import Array, Shape, index_array, wrap_dim
from fastnn.ops.gate import tensor_argument
from fastnn.ops.in_place import in_place
from fastnn.ops.masked import masked_fill
from fastnn.ops.rows import linear_index, sum_rows

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Pair = tuple[Tensor | None, Tensor | None]

__all__ = [
    "gather", "index_add", "index_add_", "index_fill", "index_fill_", "index_select", "one_hot", "scatter",
    "scatter_", "scatter_add", "scatter_add_", "take_along_dim",
]  # fmt: skip


def check_bounds(index: Array, size: int, dim: int) -> None:
    """RuntimeError unless all of index lies in [0, size)."""
    if index.size and not (index.min() >= 0 and index.max() < size):
        bad = int(index[(index < 0) | (index >= size)].flat[0])
        raise RuntimeError(f"index {bad} is out of bounds for dimension {dim} with size {size}")


def zeros(shape: Shape, like: Tensor) -> Tensor:
    """Zeros of the shape, of like's dtype."""
    return _core.wrap(np.zeros(shape, like._array.dtype))


# ------------------------------------------------------------------------------------------------ gather


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j] = input[i][index[i][j]] for dim = 1, and so on; out has index's shape.

    index: int64, of as many dimensions as input, no larger except in dim. RuntimeError for other shapes and for
    indices outside of [0, size).
    """
    if sparse_grad:
        raise NotImplementedError("gather(): sparse_grad=True is not implemented")
    x = tensor_argument(input, "gather")._array
    if isinstance(index, _core.TensorBase) and index._array.dtype == np.uint8:
        index = _core.wrap(index._array.astype(np.int64))
    at = index_array(index, "gather")
    axis = wrap_dim(dim, x.ndim, "gather")
    if at.size:
        if max(at.ndim, 1) != max(x.ndim, 1):
            raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
        for i, n in enumerate(at.shape):
            if i != axis and n > x.shape[i]:
                raise RuntimeError(
                    f"Size does not match at dimension {i} expected index {list(at.shape)} to be no larger than self "
                    f"{list(x.shape)} apart from dimension {axis}"
                )
        check_bounds(at, x.shape[axis] if x.ndim else 1, axis)
    return _gather(input, axis, at.copy() if _core.needs_grad(input) else at)


def _gather(input: Tensor, axis: int, at: Array) -> Tensor:
    x = input._array
    if at.size == 0:
        out = np.zeros(at.shape, x.dtype)
    else:
        part = np.atleast_1d(x)
        wide = np.atleast_1d(at)
        part = part[tuple([slice(None) if i == axis else slice(n) for i, n in enumerate(wide.shape)])]
        out = np.take_along_axis(part, wide, axis).reshape(at.shape)
    return _core.record("GatherBackward0", _gather_backward, (input,), out, extra=(axis, at, x.shape))


def _gather_backward(ctx: Node, grad: Tensor) -> Tensor:
    axis, at, shape = ctx.extra
    return _scatter_add(zeros(shape, grad), axis, at, grad)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """gather with input and indices broadcast to each other in the other dimensions; flattened, where dim is None."""
    from fastnn.ops.shape import expand, flatten

    x = tensor_argument(input, "take_along_dim")._array
    at = index_array(indices, "take_along_dim", "indices")
    if at.size and at.min() < 0:  # counted from the end
        size = x.size if dim is None else x.shape[wrap_dim(dim, x.ndim, "take_along_dim")] if x.ndim else 1
        at = np.where(at < 0, at + size, at)
        indices = _core.wrap(at)
    if dim is None:
        return gather(flatten(input), 0, flatten(indices))
    if at.ndim != x.ndim:
        raise RuntimeError(
            f"take_along_dim(): input and indices should have the same number of dimensions, but got {x.ndim} "
            f"dimensions for input, and {at.ndim} dimensions for indices"
        )
    axis = wrap_dim(dim, x.ndim, "take_along_dim")
    if not x.ndim:
        return gather(input, axis, indices)
    common = broadcast_shape((*x.shape[:axis], 1, *x.shape[axis + 1 :]), (*at.shape[:axis], 1, *at.shape[axis + 1 :]))
    wide = (*common[:axis], x.shape[axis], *common[axis + 1 :])
    narrow = (*common[:axis], at.shape[axis], *common[axis + 1 :])
    return gather(expand(input, wide), axis, expand(indices, narrow))


# ------------------------------------------------------------------------------------------------ scatter


def check_scatter(input: Tensor, dim: int, index: Tensor, src: Tensor | None, function: str) -> tuple[int, Array]:
    """The dimension and the index array of a scatter, once everything about them is checked."""
    x = tensor_argument(input, function)._array
    at = index_array(index, function)
    axis = wrap_dim(dim, x.ndim, function)
    if src is not None and src._array.dtype != x.dtype:
        raise RuntimeError(
            f"scatter(): Expected self.dtype to be equal to src.dtype, got {x.dtype} and {src._array.dtype}"
        )
    if at.size == 0:
        return axis, at
    if max(at.ndim, 1) != max(x.ndim, 1) or (src is not None and max(src._array.ndim, 1) != max(x.ndim, 1)):
        raise RuntimeError(f"Index tensor must have the same number of dimensions as self tensor ({x.ndim}) and src")
    for i, n in enumerate(at.shape):
        if (i != axis and n > x.shape[i]) or (src is not None and n > src._array.shape[i]):
            raise RuntimeError(
                f"Expected index {list(at.shape)} to be no larger than self {list(x.shape)} apart from dimension {axis}"
                + ("" if src is None else f" and to be no larger size than src {list(src._array.shape)}")
            )
    check_bounds(at, x.shape[axis] if x.ndim else 1, axis)
    return axis, at


def cut_to(src: Tensor, shape: Shape) -> Tensor:
    """The first elements of src in each dimension, as many as the index has."""
    from fastnn.ops.pieces import take_slice
    from fastnn.ops.shape import reshape

    if src._array.shape == shape:
        return src
    if len(shape) != src._array.ndim:  # one of them has no dimensions, the other has one of size 1
        return reshape(cut_to(src, (1,)) if src._array.ndim else src, shape)
    return take_slice(src, tuple([slice(n) for n in shape]))


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | float | None = None,
    *,
    value: float | None = None,
    reduce: str | None = None,
) -> Tensor:
    """input with out[i][index[i][j]] = src[i][j] for dim = 1, and so on.

    src: a tensor of input's dtype, at least of index's shape, or a number (also as value=). Where an index comes
    twice, one of its elements stays. reduce: None or "add"; "multiply" is not implemented.
    RuntimeError for shapes that don't fit and for indices outside of [0, size).
    """
    if reduce == "multiply":
        raise NotImplementedError("scatter(): reduce='multiply' is not implemented")
    if reduce not in (None, "add"):
        raise RuntimeError(f"reduce argument must be either add or multiply, got {reduce!r}.")
    if (src is None) == (value is None):
        raise TypeError("scatter(): expected one of src and value")
    given = value if src is None else src
    tensor: Tensor | None = given if isinstance(given, _core.TensorBase) else None
    axis, at = check_scatter(input, dim, index, tensor, "scatter")
    if tensor is None:
        tensor = _core.wrap(np.full(at.shape, given, input._array.dtype))
    if at.size == 0:
        return input.clone()
    part = cut_to(tensor, at.shape)
    if _core.needs_grad(input, part):
        at = at.copy()
    return _scatter_add(input, axis, at, part) if reduce == "add" else _scatter(input, axis, at, part)


def _scatter(input: Tensor, axis: int, at: Array, src: Tensor) -> Tensor:
    x = input._array
    out = x.copy(order="C")
    flat = linear_index(np.atleast_1d(at), axis, x.shape or (1,))
    out.reshape(-1)[flat] = src._array.reshape(-1)
    return _core.record("ScatterBackward0", _scatter_backward, (input, src), out, extra=(axis, at))


def _scatter_backward(ctx: Node, grad: Tensor) -> Pair:
    axis, at = ctx.extra
    to_input, to_src = ctx.needs
    target = _scatter(grad, axis, at, zeros(at.shape, grad)) if to_input else None
    return target, _gather(grad, axis, at) if to_src else None


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src added: out[i][index[i][j]] += src[i][j] for dim = 1, and so on. Errors as in scatter."""
    axis, at = check_scatter(input, dim, index, tensor_argument(src, "scatter_add", "src"), "scatter_add")
    if at.size == 0:
        return input.clone()
    return _scatter_add(input, axis, at.copy() if _core.needs_grad(input, src) else at, cut_to(src, at.shape))


def _scatter_add(input: Tensor, axis: int, at: Array, src: Tensor) -> Tensor:
    x = input._array
    if at.size:
        flat = linear_index(np.atleast_1d(at), axis, x.shape or (1,))
        with np.errstate(over="ignore", invalid="ignore"):
            out = x + sum_rows(flat, src._array.reshape(-1, 1), x.size).reshape(x.shape)
    else:
        out = x.copy()
    return _core.record("ScatterAddBackward0", _scatter_add_backward, (input, src), np.asarray(out), extra=(axis, at))


def _scatter_add_backward(ctx: Node, grad: Tensor) -> Pair:
    axis, at = ctx.extra
    to_input, to_src = ctx.needs
    return grad if to_input else None, _gather(grad, axis, at) if to_src else None


def scatter_(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | float | None = None,
    *,
    value: float | None = None,
    reduce: str | None = None,
) -> Tensor:
    """scatter, in place."""
    if isinstance(src, _core.TensorBase):
        return in_place(scatter, input, dim, index, src, reduce=reduce)
    return in_place(scatter, input, dim, index, value=value if src is None else src, reduce=reduce)


def scatter_add_(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """scatter_add, in place."""
    return in_place(scatter_add, input, dim, index, src)


# ------------------------------------------------------------------------------------------------ whole slices


def _vector(index: Tensor, function: str) -> Array:
    at = index_array(index, function)
    if at.ndim > 1:
        raise IndexError(f"{function}(): Index is supposed to be a vector, but got {at.ndim} dimensions")
    return at.reshape(-1)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of input along dim at index (1-D). IndexError for indices outside of [0, size)."""
    x = tensor_argument(input, "index_select")._array
    at = _vector(index, "index_select")
    axis = wrap_dim(dim, x.ndim, "index_select")
    size = x.shape[axis] if x.ndim else 1
    if at.size and not (at.min() >= 0 and at.max() < size):
        raise IndexError("index out of range in self")
    if x.ndim == 0:
        if at.size != 1:
            raise IndexError(f"index_select(): Index to scalar can have only 1 value, got {at.size} value(s)")
        return input.clone()
    return _select(input, axis, at.copy() if _core.needs_grad(input) else at)


def _select(input: Tensor, axis: int, at: Array) -> Tensor:
    x = input._array
    out = x.take(at, axis)
    return _core.record("IndexSelectBackward0", _select_backward, (input,), out, extra=(axis, at, x.shape))


def _select_backward(ctx: Node, grad: Tensor) -> Tensor:
    axis, at, shape = ctx.extra
    return _add_slices(grad, axis, at, shape)


def _add_slices(values: Tensor, axis: int, at: Array, shape: Shape) -> Tensor:
    """Zeros of the shape with the slices of values added at index: the transpose of _select."""
    first = np.moveaxis(values._array, axis, 0)
    rest = (*shape[:axis], *shape[axis + 1 :])
    rows = np.ascontiguousarray(first).reshape(at.size, int(np.prod(rest, dtype=np.int64)))
    summed = sum_rows(at, rows, shape[axis]).reshape(shape[axis], *rest)
    out = np.ascontiguousarray(np.moveaxis(summed, 0, axis))
    return _core.record("IndexAddSlicesBackward0", _add_slices_backward, (values,), out, extra=(axis, at))


def _add_slices_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _select(grad, *ctx.extra)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """input with alpha times the slices of source added at index along dim. RuntimeError for what doesn't fit."""
    x = tensor_argument(input, "index_add")._array
    s = tensor_argument(source, "index_add", "source")._array
    at = _vector(index, "index_add")
    axis = wrap_dim(dim, x.ndim, "index_add")
    if s.dtype != x.dtype:
        raise RuntimeError(f"index_add_(): self ({x.dtype}) and source ({s.dtype}) must have the same scalar type")
    count = s.shape[axis] if s.ndim > axis else 1
    if at.size != count:
        raise RuntimeError(
            f"index_add_(): Number of indices ({at.size}) should be equal to source.size(dim): ({count}), "
            f"for dim: {axis}"
        )
    if x.ndim != s.ndim or (*x.shape[:axis], *x.shape[axis + 1 :]) != (*s.shape[:axis], *s.shape[axis + 1 :]):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(x.shape)} source.shape = {list(s.shape)}"
        )
    check_bounds(at, x.shape[axis] if x.ndim else 1, axis)
    scaled = source if alpha == 1 else source * alpha
    if x.ndim == 0:
        return input + scaled
    return input + _add_slices(scaled, axis, at.copy() if _core.needs_grad(source) else at, x.shape)


def index_add_(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """index_add, in place."""
    return in_place(index_add, input, dim, index, source, alpha=alpha)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | float) -> Tensor:
    """input with value, a number or 0-d tensor, in the slices at index along dim; indices may be negative."""
    x = tensor_argument(input, "index_fill")._array
    at = _vector(index, "index_fill")
    axis = wrap_dim(dim, x.ndim, "index_fill")
    size = x.shape[axis] if x.ndim else 1
    if at.size and not (at.min() >= -size and at.max() < size):
        raise IndexError(f"index out of range in self: expected [{-size}, {size}) along dimension {axis}")
    mask = np.zeros(size, np.bool_)
    mask[at] = True
    shaped = mask.reshape((-1,) + (1,) * (x.ndim - 1 - axis)) if x.ndim else mask.reshape(())
    return masked_fill(input, _core.wrap(shaped), value)


def index_fill_(input: Tensor, dim: int, index: Tensor, value: Tensor | float) -> Tensor:
    """index_fill, in place."""
    return in_place(index_fill, input, dim, index, value)


# ------------------------------------------------------------------------------------------------ one_hot


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64, of tensor's shape and one more dimension: 1 at each class, else 0.

    num_classes: -1 for one more than the largest class. RuntimeError for classes outside of [0, num_classes).
    """
    x = tensor_argument(tensor, "one_hot", "tensor")._array
    if x.dtype != np.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {x.dtype}.")
    if x.size == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    elif x.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(x.max()) + 1
    elif num_classes < 1:
        raise RuntimeError(f"num_classes should be positive, got {num_classes}.")
    elif x.size and x.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return _core.wrap((x[..., None] == np.arange(num_classes)).astype(np.int64))
