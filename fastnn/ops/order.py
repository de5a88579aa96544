"""Elements by their rank: kthvalue, median, mode and quantile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.dims import integer, wrap_dim
from fastnn.ops.gate import tensor_argument
from fastnn.ops.reduce_extrema import Extremum, pick

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "kthvalue", "median", "mode", "msort", "nanmedian", "nanquantile", "quantile",
]  # fmt: skip


def _scalar(input: Tensor) -> Extremum:
    return Extremum(input.clone(), _core.wrap(np.zeros((), np.int64)))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Extremum:
    """(values, indices) of the k-th smallest element along dim, counted from 1; NaN counts as the largest."""
    x = tensor_argument(input, "kthvalue")._array
    axis = wrap_dim(dim, x.ndim, "kthvalue")
    count, size = integer(k, "kthvalue", "k"), x.shape[axis] if x.ndim else 1
    if x.ndim and size == 0:
        raise IndexError(f"kthvalue(): Expected reduction dim {axis} to have non-zero size.")
    if not 1 <= count <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}: k {count}, size {size}")
    if not x.ndim:
        return _scalar(input)
    at = np.take(np.argsort(x, axis, kind="stable"), [count - 1], axis)
    return pick(input, axis, at, keepdim, "KthvalueBackward0")


def msort(input: Tensor) -> Tensor:
    """input sorted along its first dimension."""
    from fastnn.ops.scan import sort

    return sort(input, 0)[0]


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of all elements; with dim, (values, indices) along it. Of two middle elements the smaller.

    NaN where there is one. The gradient goes to one element with the median's value.
    """
    return _median(input, dim, keepdim, False, "median")


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of what is not NaN; arguments as of median."""
    return _median(input, dim, keepdim, True, "nanmedian")


def _median(input: Tensor, dim: int | None, keepdim: bool, ignore: bool, name: str) -> Any:
    from fastnn.ops.shape import reshape

    x = tensor_argument(input, name)._array
    if x.dtype == np.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
    if dim is None:
        if x.size == 0:
            return _core.wrap(np.full((), math.nan if x.dtype.kind == "f" else np.iinfo(x.dtype).min, x.dtype))
        return _median(reshape(input, (x.size,)), 0, False, ignore, name)[0]
    axis = wrap_dim(dim, x.ndim, name)
    if not x.ndim:
        return _scalar(input)
    if x.shape[axis] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    order = np.argsort(x, axis, kind="stable")  # NaN last
    nan = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, np.bool_)
    missing = nan.sum(axis, keepdims=True)
    middle = (x.shape[axis] - 1 - missing) // 2 if ignore else np.full(missing.shape, (x.shape[axis] - 1) // 2)
    at = np.take_along_axis(order, np.maximum(middle, 0), axis)
    if not ignore:
        at = np.where(missing > 0, np.expand_dims(nan.argmax(axis), axis), at)
    return pick(input, axis, at, keepdim, f"{name.capitalize()}Backward1")


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Extremum:
    """(values, indices) of the commonest element along dim: the smallest of equally common ones, at its last place."""
    x = tensor_argument(input, "mode")._array
    axis = wrap_dim(dim, x.ndim, "mode")
    if not x.ndim:
        return _scalar(input)
    if x.shape[axis] == 0:
        raise IndexError(f"mode(): Expected reduction dim {axis} to have non-zero size.")
    rows = np.moveaxis(x, axis, -1)
    order = np.argsort(rows, -1, kind="stable")
    ordered = np.take_along_axis(rows, order, -1)
    places = np.arange(rows.shape[-1])
    new = np.ones(rows.shape, np.bool_)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    first = np.maximum.accumulate(np.where(new, places, 0), -1)
    best = np.argmax(places - first, -1)[..., None]  # the end of the first of the longest runs
    at = np.moveaxis(np.take_along_axis(order, best, -1), -1, axis)
    return pick(input, axis, at, keepdim, "ModeBackward0")


# ------------------------------------------------------------------------------------------------ quantiles

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The q-quantiles along dim, or of all elements; a 1-D q gives them in a first dimension. NaN for rows with NaN.

    q: in [0, 1]. interpolation between neighbours: "linear", "lower", "higher", "midpoint" or "nearest".
    RuntimeError for integers, a q of another dtype or outside of [0, 1].
    """
    return _quantile(input, q, dim, keepdim, interpolation, False, "quantile")


def nanquantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The quantiles of what is not NaN; arguments as of quantile."""
    return _quantile(input, q, dim, keepdim, interpolation, True, "nanquantile")


def _quantile(
    input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, ignore: bool, name: str
) -> Tensor:
    from fastnn.ops.arithmetic import sub
    from fastnn.ops.gather import gather
    from fastnn.ops.scan import sort
    from fastnn.ops.shape import movedim, reshape

    x = tensor_argument(input, name)._array
    if x.dtype not in (np.float32, np.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype, got {input.dtype}")
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    wanted = q._array if isinstance(q, _core.TensorBase) else np.asarray(q, x.dtype)
    if wanted.dtype != x.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if wanted.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor, got {wanted.ndim} dimensions")
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    if x.size == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    axis = None if dim is None else wrap_dim(dim, x.ndim, name)
    rows = reshape(input, (x.size,)) if axis is None or not x.ndim else movedim(input, axis, -1)
    ordered = sort(rows, -1)[0]
    nan = np.isnan(ordered._array).sum(-1)[..., None]
    size = rows._array.shape[-1]
    last = (size - 1 - nan if ignore else np.full(nan.shape, size - 1)).astype(x.dtype)
    ranks = np.maximum(wanted.reshape(-1) * last, 0)
    if not ignore:
        ranks = np.where(nan > 0, size - 1, ranks)
    if interpolation == "lower":
        ranks = np.floor(ranks)
    elif interpolation == "higher":
        ranks = np.ceil(ranks)
    elif interpolation == "nearest":
        ranks = np.round(ranks)
    below = np.floor(ranks).astype(np.int64)
    out = gather(ordered, -1, _core.wrap(below))
    if interpolation in ("linear", "midpoint"):
        weight: Any = 0.5
        if interpolation == "linear":
            weight = _core.wrap((ranks - below).astype(x.dtype))
            if isinstance(q, _core.TensorBase) and q.requires_grad:
                change = reshape(tensor_argument(q, name, "q"), (-1,)) - _core.wrap(
                    wanted.reshape(-1)
                )  # 0, with q's gradient
                weight = weight + change * _core.wrap(last)
        above = gather(ordered, -1, _core.wrap(np.ceil(ranks).astype(np.int64)))
        out = out + sub(above, out) * weight
    out = movedim(out, -1, 0)  # (q, rows ...)
    if keepdim:
        kept = (1,) * x.ndim if axis is None else tuple([1 if i == axis else n for i, n in enumerate(x.shape)])
        out = reshape(out, (-1, *kept))
    return out if wanted.ndim else reshape(out, out._array.shape[1:])
