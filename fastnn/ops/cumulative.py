"""Running maxima, minima and log-sums of exponentials; differences and integrals along a dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array, integer, wrap_dim
from fastnn.ops.gate import tensor_argument
from fastnn.ops.reduce_extrema import Extremum

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = [
    "cummax", "cummin", "cumulative_trapezoid", "diff", "gradient", "logcumsumexp", "trapezoid", "trapz",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ running values


def cummax(input: Tensor, dim: int) -> Extremum:
    """(values, indices) of the largest element so far along dim, the last of equal ones; NaN once there was one."""
    return _running(input, dim, np.maximum, "cummax")


def cummin(input: Tensor, dim: int) -> Extremum:
    """(values, indices) of the smallest element so far along dim, the last of equal ones; NaN once there was one."""
    return _running(input, dim, np.minimum, "cummin")


def _running(input: Tensor, dim: int, ufunc: Any, name: str) -> Extremum:
    from fastnn.ops.gather import gather

    x = tensor_argument(input, name)._array
    axis = wrap_dim(dim, x.ndim, name)
    if not x.ndim:
        return Extremum(input.clone(), _core.wrap(np.zeros((), np.int64)))
    best = ufunc.accumulate(x, axis)
    places = np.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    mine = (x == best) | (np.isnan(x) if x.dtype.kind == "f" else False)
    at: Tensor = _core.wrap(np.maximum.accumulate(np.where(mine, places, 0), axis))
    return Extremum(gather(input, axis, at), at)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the running sum of exp(input) along dim, shifted by the running maximum."""
    x = tensor_argument(input, "logcumsumexp")._array
    if x.dtype.kind != "f":
        raise NotImplementedError(f'"logcumsumexp_out_cpu" not implemented for {input.dtype}')
    axis = wrap_dim(dim, x.ndim, "logcumsumexp")
    with np.errstate(all="ignore"):
        out: Array = np.logaddexp.accumulate(x, axis) if x.ndim else x.copy()
    return _core.record("LogcumsumexpBackward0", _logcumsumexp_backward, (input,), out, (input,), True, axis)


def _logcumsumexp_backward(ctx: Node, grad: Tensor) -> Tensor:
    """exp(x) times the reversed running sum of grad * exp(-out), positive and negative parts in logarithms."""
    from fastnn.ops.join import flip
    from fastnn.ops.select import where

    axis = ctx.extra
    x, out = ctx.saved
    if not x._array.ndim:
        return grad
    sign = grad._array > 0
    floor = -np.inf
    parts = []
    for mask in (sign, grad._array < 0):
        chosen: Tensor = _core.wrap(np.asarray(mask))
        logs = where(chosen, where(chosen, grad.abs(), 1.0).log() - out, floor)
        parts.append((flip(logcumsumexp(flip(logs, axis), axis), axis) + x).exp())
    return parts[0] - parts[1]


# ------------------------------------------------------------------------------------------------ differences


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The n-th differences of neighbours along dim, with prepend and append joined on first."""
    from fastnn.ops.join import cat
    from fastnn.ops.pieces import narrow

    x = tensor_argument(input, "diff")
    if x._array.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    axis, order = wrap_dim(dim, x._array.ndim, "diff"), integer(n, "diff", "n")
    if order < 0:
        raise RuntimeError(f"order must be non-negative but got {order}")
    if order == 0:
        return x.clone()
    joined = [part for part in (prepend, x, append) if part is not None]
    out = cat(joined, axis) if len(joined) > 1 else x
    for _ in range(order):
        size = out._array.shape[axis]
        if size == 0:
            break
        later, earlier = narrow(out, axis, 1, size - 1), narrow(out, axis, 0, size - 1)
        out = later ^ earlier if out._array.dtype == np.bool_ else later - earlier
    return out


def gradient(
    input: Tensor,
    *,
    spacing: Any = None,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """Derivatives along each of dim (all, for None) by central differences, of edge_order 1 or 2 at the ends.

    spacing: a number for all dimensions (1 for None), one a dimension, or a 1-D tensor of coordinates for each.
    """
    spacing = 1 if spacing is None else spacing
    x = tensor_argument(input, "gradient")._array
    if dim is None:
        count = len(spacing) if isinstance(spacing, (tuple, list)) else x.ndim
        axes = list(range(x.ndim)) if not isinstance(spacing, (tuple, list)) or count == x.ndim else list(range(count))
    else:
        wanted: Any = dim if isinstance(dim, (tuple, list)) else [dim]
        axes = [wrap_dim(d, x.ndim, "gradient") for d in wanted]
        for axis in axes:
            if axes.count(axis) > 1:
                raise RuntimeError(f"dim {axis} appears multiple times in the list of dims")
    steps = list(spacing) if isinstance(spacing, (tuple, list)) else [spacing] * len(axes)
    if len(steps) != len(axes):
        raise RuntimeError(
            f"gradient expected spacing to be unspecified, a scalar, or a list of length {len(axes)}, got {len(steps)}"
        )
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient() only supports edge_order=1 and edge_order=2, got {edge_order}")
    from fastnn.ops.arithmetic import as_floating

    source = as_floating(input)
    return tuple([_slope(source, axis, step, edge_order) for axis, step in zip(axes, steps, strict=True)])


def _slope(input: Tensor, axis: int, step: Any, edge_order: int) -> Tensor:
    from fastnn.ops.join import cat

    n = input._array.shape[axis]
    if n < edge_order + 1:
        raise RuntimeError(
            f"gradient expected each dimension size to be at least {edge_order + 1}, got {n} in dimension {axis}"
        )
    tensor = isinstance(step, _core.TensorBase) and step._array.ndim == 1
    at = step._array.astype(np.float64) if tensor else np.arange(n) * float(step)
    if at.size != n:
        raise RuntimeError(f"gradient expected {n} coordinates along dimension {axis}, got {at.size}")
    apart = np.diff(at)
    before, after = apart[:-1], apart[1:]
    inner = [-after / (before * (before + after)), (after - before) / (before * after)]
    inner.append(before / (after * (before + after)))
    first = _combined(input, axis, range(edge_order + 1), _one_sided(apart, edge_order))
    last = _combined(input, axis, range(n - 1, n - 2 - edge_order, -1), _one_sided(-apart[::-1], edge_order))
    return cat([first, _combined(input, axis, range(3), inner), last] if n > 2 else [first, last], axis)


def _combined(input: Tensor, axis: int, starts: Sequence[int], weights: list[Array]) -> Tensor:
    """The sum of windows of input along axis, from the starts on, each times weights: one for each of its slices."""
    from fastnn.ops.pieces import narrow

    shape = (-1,) + (1,) * (input._array.ndim - 1 - axis)
    terms = [
        narrow(input, axis, start, weight.size) * _core.wrap(weight.astype(input._array.dtype).reshape(shape))
        for start, weight in zip(starts, weights, strict=True)
    ]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _one_sided(apart: Array, edge_order: int) -> list[Array]:
    """The weights of the derivative at the first point, given the distances to the next ones."""
    p = apart[:1]
    if edge_order == 1:
        return [-1 / p, 1 / p]
    q = apart[1:2]
    return [-(2 * p + q) / (p * (p + q)), (p + q) / (p * q), -p / (q * (p + q))]


# ------------------------------------------------------------------------------------------------ integrals


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The integral of y along dim by the trapezoid rule: at points x, or at distances dx."""
    return _trapezoids(y, x, dx, dim, "trapezoid", lambda areas, axis: areas.sum(axis))


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The running integral of y along dim, of one element less; arguments as of trapezoid."""
    return _trapezoids(y, x, dx, dim, "cumulative_trapezoid", lambda areas, axis: areas.cumsum(axis))


trapz = trapezoid


def _trapezoids(
    y: Tensor, x: Tensor | None, dx: Any, dim: int, name: str, total: Callable[[Tensor, int], Tensor]
) -> Tensor:
    from fastnn.ops.pieces import narrow
    from fastnn.ops.shape import reshape

    values = tensor_argument(y, name, "y")
    ndim = values._array.ndim
    axis = wrap_dim(dim, ndim, name)
    if values._array.dtype == np.bool_:
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    size = values._array.shape[axis] if ndim else 1
    if size == 0:
        return values.sum(axis)
    later, earlier = narrow(values, axis, 1, size - 1), narrow(values, axis, 0, size - 1)
    pairs = later + earlier
    if x is None:
        return total(pairs * (dx / 2), axis)
    points = tensor_argument(x, name, "x")
    if points._array.ndim == 1 and ndim > 1:
        points = reshape(points, (-1,) + (1,) * (ndim - 1 - axis))
        along = 0
    else:
        along = axis - ndim + points._array.ndim
    have = points._array.shape[along]
    if have != size:
        raise RuntimeError(f"{name}: There must be one `x` value for each sample point, got {have} for {size}")
    widths = narrow(points, along, 1, size - 1) - narrow(points, along, 0, size - 1)
    return total(pairs * widths / 2, axis)
