"""Counting and looking up values: unique, bincount, histograms, searchsorted, isin. Off the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array, integer, wrap_dim
from fastnn.ops.gate import operands, tensor_argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastnn.ops.gate import TensorLike
    from fastnn.tensor import Tensor

__all__ = [
    "bincount", "bucketize", "histc", "histogram", "isin", "searchsorted", "unique", "unique_consecutive",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ unique


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (slices along dim) in order; with return_inverse, where each of input's stands in them;

    with return_counts, how often each comes. Always sorted, whatever sorted says. NaNs are all different.
    """
    x = tensor_argument(input, "unique")._array
    if dim is None:
        values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True, equal_nan=False)
        return _found(values, inverse.reshape(x.shape), counts, return_inverse, return_counts)
    axis = wrap_dim(dim, x.ndim, "unique")
    if not x.ndim:
        return unique(input, sorted, return_inverse, return_counts)
    rows = np.moveaxis(x, axis, 0).reshape(x.shape[axis], x.size // max(x.shape[axis], 1))
    if x.size == 0 and x.shape[axis]:
        raise RuntimeError(
            f"There are 0 sized dimensions, and they aren't selected, so unique cannot be applied: {x.shape}"
        )
    values, index, inverse, counts = np.unique(
        rows, axis=0, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    return _found(np.take(x, index, axis), inverse.reshape(-1), counts, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """input without the elements (slices along dim) that equal the one before; further results as of unique."""
    x = tensor_argument(input, "unique_consecutive")._array
    axis = None if dim is None or not x.ndim else wrap_dim(dim, x.ndim, "unique_consecutive")
    count = x.size if axis is None else x.shape[axis]
    rows = (x if axis is None else np.moveaxis(x, axis, 0)).reshape(count, x.size // max(count, 1))
    new = np.ones(rows.shape[0], np.bool_)
    new[1:] = (rows[1:] != rows[:-1]).any(1)
    starts = np.flatnonzero(new)
    inverse = np.cumsum(new) - 1
    counts = np.diff(np.append(starts, rows.shape[0]))
    values = x.reshape(-1)[starts] if axis is None else np.take(x, starts, axis)
    return _found(values, inverse.reshape(x.shape) if axis is None else inverse, counts, return_inverse, return_counts)


def _found(values: Array, inverse: Array, counts: Array, return_inverse: bool, return_counts: bool) -> Any:
    out = [_core.wrap(values)]
    if return_inverse:
        out.append(_core.wrap(inverse.astype(np.int64, copy=False)))
    if return_counts:
        out.append(_core.wrap(counts.astype(np.int64, copy=False)))
    return out[0] if len(out) == 1 else tuple(out)


def isin(
    elements: TensorLike, test_elements: TensorLike, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each of elements is among test_elements (is not, for invert). One of them may be a number."""
    a, b = operands(elements, test_elements, "isin")
    return _core.wrap(np.asarray(np.isin(a._array, b._array, assume_unique=assume_unique, invert=invert)))


# ------------------------------------------------------------------------------------------------ histograms


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often 0, 1, 2 ... come in a 1-D tensor of integers (int64), or the sum of their weights (float).

    RuntimeError for negative numbers, several dimensions, or weights of another size.
    """
    x = tensor_argument(input, "bincount")._array
    if x.dtype.kind not in "iu":
        raise RuntimeError(f'"bincount" not implemented for {input.dtype}: expected integers')
    if x.ndim != 1 or (x.size and x.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    least = integer(minlength, "bincount", "minlength")
    if least < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is None:
        return _core.wrap(np.bincount(x, minlength=least).astype(np.int64, copy=False))
    w = tensor_argument(weights, "bincount", "weights")._array
    if w.shape != x.shape:
        raise RuntimeError(f"weights should be 1-d and have the same length as input, got {list(w.shape)}")
    total = np.bincount(x, w, least)
    return _core.wrap(total.astype(np.float32 if w.dtype == np.float32 else np.float64, copy=False))


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of bins equal intervals of [min, max]: input's own range where both are equal.

    RuntimeError for bins < 1, max < min or a range that is not finite. Elements outside and NaN are not counted.
    """
    x = tensor_argument(input, "histc")._array
    count = integer(bins, "histc", "bins")
    if count <= 0:
        raise RuntimeError(f"bins must be > 0, but got {count} for dimension 0")
    if x.dtype == np.bool_ or x.dtype == np.float16:
        raise NotImplementedError(f'"histogram_cpu" not implemented for {input.dtype}')
    low, high = _range(x, float(min), float(max), "histc")
    found = _counts(x.reshape(-1).astype(np.float64), count, low, high, None)
    return _core.wrap(found.astype(x.dtype))


def _range(x: Array, low: float, high: float, name: str) -> tuple[float, float]:
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"{name}: dimension 0's range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min, got min={low}, max={high}")
    around = 1.0 if name == "histc" else 0.5
    return (low - around, high + around) if low == high else (low, high)


def _counts(x: Array, bins: int, low: float, high: float, weights: Array | None) -> Array:
    inside = (x >= low) & (x <= high)
    place = ((x[inside] - low) / (high - low) * bins).astype(np.int64)
    return np.bincount(np.minimum(place, bins - 1), None if weights is None else weights[inside], bins)


class Histogram(NamedTuple):
    """What histogram returns."""

    hist: Tensor
    bin_edges: Tensor


def histogram(
    input: Tensor,
    bins: int | Tensor,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Histogram:
    """(counts, edges) of input's elements: in bins equal intervals of range (input's own, if none), or between edges.

    bins: their number, or a 1-D tensor of increasing edges. weight: how much each element counts. density: counts
    divided by their sum and by the intervals' widths. RuntimeError for integers, NotImplementedError for float16.
    """
    x = tensor_argument(input, "histogram")._array
    if x.dtype not in (np.float32, np.float64):
        raise NotImplementedError(f'"histogram_cpu" not implemented for {input.dtype}')
    flat = x.reshape(-1)
    weights = None if weight is None else tensor_argument(weight, "histogram", "weight")._array
    if weights is not None and weights.shape != x.shape:
        raise RuntimeError(
            f"histogramdd(): if weight tensor is provided it should have the same shape as the input, got "
            f"{list(weights.shape)} and {list(x.shape)}"
        )
    shares = None if weights is None else weights.reshape(-1).astype(np.float64)
    if isinstance(bins, _core.TensorBase):
        if range is not None:
            raise TypeError("histogram(): range can't be given together with a tensor of bin edges")
        edges = bins._array
        if edges.ndim != 1 or edges.dtype != x.dtype:
            raise RuntimeError(
                f"histogram(): bins must be a 1-D tensor of input's dtype, got {bins.dtype}, {edges.shape}"
            )
        inside = (flat >= edges[0]) & (flat <= edges[-1])
        place = np.searchsorted(edges, flat[inside], "right") - 1
        last = edges.size - 2
        found = np.bincount(np.minimum(place, last), None if shares is None else shares[inside], last + 1)
    else:
        count = integer(bins, "histogram", "bins")
        low, high = (0.0, 0.0) if range is None else (float(range[0]), float(range[1]))
        low, high = _range(x, low, high, "histogram") if x.size or low != high else (0.0, 1.0)
        edges = np.linspace(low, high, count + 1).astype(x.dtype)
        found = _counts(flat.astype(np.float64), count, low, high, shares)
    hist = found.astype(np.float64)
    if density:
        hist = hist / hist.sum() / np.diff(edges.astype(np.float64))
    return Histogram(_core.wrap(hist.astype(x.dtype)), _core.wrap(edges))


# ------------------------------------------------------------------------------------------------ looking up


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value would go in the rows of sorted_sequence so that they stay in order: int64, of input's shape.

    sorted_sequence: (N,), or (..., N) with input (..., M). side: "left" (before equal ones) or "right", as right=True.
    sorter: int64, the order of an unsorted sequence. out_int32: int32 in place of int64.
    """
    rows = tensor_argument(sorted_sequence, "searchsorted", "sorted_sequence")._array
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    number = not isinstance(input, _core.TensorBase)
    values: Array = np.asarray(input) if number else input._array  # type: ignore[union-attr]
    if rows.ndim == 0:
        raise RuntimeError("searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1")
    if not number and values.dtype != rows.dtype:
        raise RuntimeError(
            "searchsorted(): boundary tensor and input value tensor should have same dtype, but got boundary tensor "
            f"dtype {rows.dtype} and input value tensor dtype {values.dtype}"
        )
    if rows.ndim != 1 and values.shape[:-1] != rows.shape[:-1]:
        raise RuntimeError(
            "searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor "
            f"and input value tensor must match, but we got boundaries tensor {list(rows.shape)} and input value "
            f"tensor {list(values.shape)}"
        )
    if sorter is not None:
        order = tensor_argument(sorter, "searchsorted", "sorter")._array
        if order.shape != rows.shape:
            raise RuntimeError(
                "searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(rows.shape)} and got sorter tensor {list(order.shape)}"
            )
        if order.dtype != np.int64:
            raise RuntimeError(f"searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype}")
        if order.size and not (order.min() >= 0 and order.max() < rows.shape[-1]):
            raise RuntimeError("searchsorted(): sorter index out of range")
        rows = np.take_along_axis(rows, order, -1)
    how: Any = "right" if right or side == "right" else "left"
    if rows.ndim == 1:
        found = np.asarray(np.searchsorted(rows, values, how))
    else:
        found = np.empty(values.shape, np.int64)
        for at in np.ndindex(*rows.shape[:-1]):
            found[at] = np.searchsorted(rows[at], values[at], how)
    return _core.wrap(found.astype(np.int32 if out_int32 else np.int64, copy=False))


def bucketize(input: Tensor | float, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The interval between boundaries (1-D, in order) that each value lies in; right: closed on the left instead."""
    edges = tensor_argument(boundaries, "bucketize", "boundaries")._array
    if edges.ndim != 1:
        raise RuntimeError(f"bucketize(): boundaries tensor must be 1 dimension, but got dim({edges.ndim})")
    values = input._array if isinstance(input, _core.TensorBase) else np.asarray(input)
    found = np.asarray(np.searchsorted(edges, values, "right" if right else "left"))
    return _core.wrap(found.astype(np.int32 if out_int32 else np.int64, copy=False))
