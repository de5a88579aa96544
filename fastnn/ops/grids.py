"""Grids, combinations, and tensors brought to common shapes: meshgrid, cartesian_prod, block_diag, atleast_2d ..."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from fastnn import _core, dtypes
from fastnn.arguments import check_options
from fastnn.ops.broadcast import broadcast_shape
from fastnn.ops.dims import Shape, integer, sizes
from fastnn.ops.gate import tensor_argument
from fastnn.ops.join import cat, stack
from fastnn.ops.pieces import tensor_split
from fastnn.ops.shape import expand, reshape
from fastnn.size import Size

if TYPE_CHECKING:
    from fastnn.device import DeviceLike
    from fastnn.tensor import Tensor

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes", "broadcast_tensors", "cartesian_prod",
    "column_stack", "combinations", "dsplit", "hsplit", "meshgrid", "row_stack", "tril_indices", "triu_indices",
    "unravel_index", "vander", "vsplit",
]  # fmt: skip


def _listed(tensors: tuple[Any, ...], function: str) -> list[Tensor]:
    """The tensors of f(a, b) or f([a, b])."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    return [tensor_argument(item, function, f"tensors[{i}]") for i, item in enumerate(given)]


# ------------------------------------------------------------------------------------------------ broadcasting


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that the shapes (tuples or ints) broadcast to; RuntimeError where they don't."""
    common: Shape = ()
    for shape in shapes:
        common = broadcast_shape(common, sizes(shape, (), "broadcast_shapes", "shapes"))
    return Size(common)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors as views of the shape that they broadcast to."""
    given = _listed(tensors, "broadcast_tensors")
    common: Shape = ()
    for item in given:
        common = broadcast_shape(common, item._array.shape)
    return tuple([expand(item, common) for item in given])


def _at_least(tensors: tuple[Any, ...], function: str, shaped: Callable[[Shape], Shape]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], _core.TensorBase):
        return reshape(tensors[0], shaped(tensors[0]._array.shape))  # type: ignore[arg-type]
    return tuple([reshape(item, shaped(item._array.shape)) for item in _listed(tensors, function)])


def atleast_1d(*tensors: Any) -> Any:
    """A tensor (or several, as a tuple) with one dimension at least."""
    return _at_least(tensors, "atleast_1d", lambda shape: shape or (1,))


def atleast_2d(*tensors: Any) -> Any:
    """A tensor (or several, as a tuple) with two dimensions at least, new ones in front."""
    return _at_least(tensors, "atleast_2d", lambda shape: (1,) * (2 - len(shape)) + shape)


def atleast_3d(*tensors: Any) -> Any:
    """A tensor (or several, as a tuple) with three dimensions at least: (N,) as (1, N, 1), (M, N) as (M, N, 1)."""
    return _at_least(
        tensors, "atleast_3d", lambda shape: shape if len(shape) > 2 else ((1,) * (2 - len(shape)) + shape + (1,))
    )


# ------------------------------------------------------------------------------------------------ joining, splitting


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors side by side, vectors and numbers as columns."""
    given = _listed((tensors,), "column_stack")
    shaped = [item if item._array.ndim > 1 else reshape(item, (item._array.size, 1)) for item in given]
    return cat(shaped, 1)


def row_stack(tensors: Sequence[Tensor]) -> Tensor:
    """vstack under its other name."""
    from fastnn.ops.join import vstack

    return vstack(tensors)


def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Views along the second dimension (the first, of a vector): equal ones, or those between indices."""
    ndim = tensor_argument(input, "hsplit")._array.ndim
    return _equal_split(input, indices_or_sections, 0 if ndim == 1 else 1, 1, "hsplit")


def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Views along the first dimension: equal ones, or those between indices."""
    return _equal_split(input, indices_or_sections, 0, 2, "vsplit")


def dsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Views along the third dimension: equal ones, or those between indices."""
    return _equal_split(input, indices_or_sections, 2, 3, "dsplit")


def _equal_split(input: Tensor, given: Any, axis: int, least: int, name: str) -> tuple[Tensor, ...]:
    shape = tensor_argument(input, name)._array.shape
    if len(shape) < least:
        raise RuntimeError(
            f"{name} requires a tensor with at least {least} dimension, but got a tensor with {len(shape)} dimensions!"
        )
    if not isinstance(given, (tuple, list)):
        sections = integer(given, name, "sections")
        if sections <= 0 or shape[axis] % sections:
            raise RuntimeError(
                f"{name} attempted to split along dimension {axis}, but the size of the dimension {shape[axis]} is not "
                f"divisible by the split_size {sections}!"
            )
    return tensor_split(input, given, axis)


def block_diag(*tensors: Any) -> Tensor:
    """A matrix with the tensors (of at most two dimensions) as blocks along its diagonal."""
    from fastnn.ops.pad import pad

    given = _listed(tensors, "block_diag")
    if not given:
        return _core.wrap(np.zeros((1, 0), dtypes.get_default_dtype().to_numpy))
    for i, item in enumerate(given):
        if item._array.ndim > 2:
            raise RuntimeError(
                f"block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {item._array.ndim}"
            )
    blocks = [atleast_2d(item) for item in given]
    width = sum(block._array.shape[1] for block in blocks)
    rows, at = [], 0
    for block in blocks:
        n = block._array.shape[1]
        rows.append(pad(block, (at, width - at - n)))
        at += n
    return cat(rows, 0)


# ------------------------------------------------------------------------------------------------ grids


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of a grid of 1-D (or 0-d) tensors, each expanded to the grid's shape.

    indexing: "ij" (the default): dimension i belongs to tensor i; "xy": the first two are exchanged.
    """
    given = _listed(tensors, "meshgrid")
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    dtype = given[0]._array.dtype
    for item in given:
        if item._array.ndim > 1:
            raise RuntimeError(f"meshgrid: Expected 0D or 1D tensor in the tensor list but got: {item.shape}")
        if item._array.dtype != dtype:
            raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[:2] = [1, 0]
    shape = tuple([given[i]._array.size for i in order])
    out = []
    for i, item in enumerate(given):
        axis = order.index(i)
        out.append(expand(reshape(item, (-1,) + (1,) * (len(given) - 1 - axis)), shape))
    return tuple(out)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All tuples of elements of 1-D tensors, as rows; of one tensor, itself."""
    given = _listed(tensors, "cartesian_prod")
    for item in given:
        if item._array.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(item._array.shape)}")
    if len(given) == 1:
        return given[0]
    return stack([reshape(grid, (grid._array.size,)) for grid in meshgrid(*given)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of r elements of a 1-D tensor, as rows."""
    x = tensor_argument(input, "combinations")._array
    if x.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.shape)}")
    count = integer(r, "combinations", "r")
    if count < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {count}")
    if count == 0:
        return _core.wrap(np.zeros((0,), x.dtype))
    chosen = (itertools.combinations_with_replacement if with_replacement else itertools.combinations)(
        range(x.size), count
    )
    rows = np.array(list(chosen), np.int64).reshape(-1, count)
    return input[_core.wrap(rows)]


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers x**(N - 1), ..., x, 1 of a vector as columns; for increasing, the other way round."""
    from fastnn.ops.join import flip

    v = tensor_argument(x, "vander", "x")
    count = v._array.shape[-1] if N is None and v._array.ndim else 1 if N is None else integer(N, "vander", "N")
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    powers = _core.wrap(np.arange(count).astype(v._array.dtype if v._array.dtype.kind == "f" else np.int64))
    out = v.unsqueeze(-1) ** powers
    return out if increasing else flip(out, -1)


# ------------------------------------------------------------------------------------------------ indices


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = dtypes.int64, device: DeviceLike = None, layout: None = None
) -> Tensor:
    """The row and column indices, (2, N), of what lies on and below a diagonal of a (row, col) matrix, row by row."""
    return _triangle(row, col, offset, dtype, device, layout, "tril_indices")


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = dtypes.int64, device: DeviceLike = None, layout: None = None
) -> Tensor:
    """The row and column indices, (2, N), of what lies on and above a diagonal of a (row, col) matrix, row by row."""
    return _triangle(row, col, offset, dtype, device, layout, "triu_indices")


def _triangle(row: int, col: int, offset: int, dtype: Any, device: Any, layout: Any, name: str) -> Tensor:
    check_options(name, device, layout)
    rows, columns = integer(row, name, "row"), integer(col, name, "col")
    if rows < 0 or columns < 0:
        raise RuntimeError(f"{name}(): row and col must be non-negative, got {rows} and {columns}")
    made = (np.tril if name == "tril_indices" else np.triu)(
        np.ones((rows, columns), np.bool_), integer(offset, name, "offset")
    )
    return _core.wrap(np.stack(made.nonzero()).astype(dtypes.to_numpy_dtype(dtype, name)))


def unravel_index(indices: Tensor, shape: SupportsIndex | Sequence[SupportsIndex] | Any) -> tuple[Tensor, ...]:
    """The coordinates in a tensor of the shape of flat indices. ValueError for those outside of it or negative."""
    x = tensor_argument(indices, "unravel_index", "indices")._array
    extents = sizes(tuple(shape) if isinstance(shape, (tuple, list)) else shape, (), "unravel_index")
    if x.dtype.kind not in "iu":
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if any(n < 0 for n in extents):
        raise ValueError(f"'shape' cannot have negative values, but got {extents}")
    if x.size and not (x.min() >= 0 and x.max() < math.prod(extents)):
        raise ValueError("index out of bounds for a tensor of shape " + str(list(extents)))
    out, rest = [], x
    for extent in reversed(extents):
        out.append(_core.wrap(np.asarray(rest % extent if extent else rest).astype(x.dtype)))
        rest = rest // max(extent, 1)
    return tuple(reversed(out))
