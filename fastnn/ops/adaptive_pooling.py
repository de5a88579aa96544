"""Adaptive pooling: windows that cover the input evenly for any number of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.dims import integer
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.pooling import HALF, SINGLE, checked, planes, record_max

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.dims import Array
    from fastnn.tensor import Tensor

Sizes = int | None | Sequence[int | None]


def _out_size(function: str, x: Array, axes: int, output_size: Sizes) -> tuple[int, ...]:
    """One extent an axis; None keeps the input's."""
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(wanted) != axes:
        raise RuntimeError(f"{function}: Expected output_size of {axes} numbers, but got {list(wanted)}")
    size = x.shape[-axes:]
    found = [
        n if want is None else integer(want, function, "output_size") for want, n in zip(wanted, size, strict=True)
    ]
    if min(found) < 0:
        raise RuntimeError(f"{function}: elements of output_size must be greater than or equal to 0, but got {found}")
    return tuple(found)


def _checked(function: str, axes: int, input: Tensor, output_size: Sizes) -> Array:
    """input's array; ValueError, as in PyTorch, where it has fewer dimensions than output_size asks for."""
    array = tensor_argument(input, function)._array
    if axes > 1 and isinstance(output_size, (tuple, list)) and array.ndim <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    return checked(function, axes, input)


def adaptive_avg_pool(function: str, axes: int, input: Tensor, output_size: Sizes) -> Tensor:
    """The means of the windows."""
    x = _checked(function, axes, input, output_size)
    out_size = _out_size(function, x, axes, output_size)
    if x.dtype == HALF:
        return cast(adaptive_avg_pool(function, axes, cast(input, SINGLE), output_size), HALF)
    return _average(input, (x.shape[-axes:], out_size))


def _average(input: Tensor, extra: tuple[tuple[int, ...], tuple[int, ...]]) -> Tensor:
    size, out_size = extra
    x = input._array
    out: Array = np.empty((*x.shape[: x.ndim - len(size)], *out_size), x.dtype)
    if 0 not in out_size:
        K.adaptive_avg_pool_forward(planes(dense(input), size), size, out_size, planes(out, out_size))
    return _core.record(f"AdaptiveAvgPool{len(size)}DBackward0", _avg_backward, (input,), out, (), False, extra)


def _avg_backward(ctx: Node, grad: Tensor) -> Tensor:
    size, out_size = ctx.extra
    g = dense(grad)
    grad_x: Array = np.zeros((*g.shape[: g.ndim - len(size)], *size), g.dtype)
    if 0 not in out_size:
        K.adaptive_avg_pool_backward(planes(g, out_size), size, out_size, planes(grad_x, size))
    return _core.record("AdaptiveAvgPoolBackward0", _avg_spread_backward, (grad,), grad_x, (), False, ctx.extra)


def _avg_spread_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _average(grad, ctx.extra)


def adaptive_max_pool(function: str, axes: int, input: Tensor, output_size: Sizes) -> tuple[Tensor, Tensor]:
    """The maxima of the windows and their places."""
    x = _checked(function, axes, input, output_size)
    out_size = _out_size(function, x, axes, output_size)
    if x.dtype == HALF:
        values, places = adaptive_max_pool(function, axes, cast(input, SINGLE), output_size)
        return cast(values, HALF), places
    if 0 in out_size:
        raise RuntimeError(f"{function}: expected output_size of at least 1, but got {list(out_size)}")
    size = x.shape[-axes:]
    out: Array = np.empty((*x.shape[:-axes], *out_size), x.dtype)
    indices: Array = np.empty(out.shape, np.int64)
    K.adaptive_max_pool_forward(
        planes(dense(input), size), size, out_size, planes(out, out_size), planes(indices, out_size)
    )
    values, found = record_max(f"AdaptiveMaxPool{axes}DBackward0", input, out, indices, size, out_size, True)
    assert found is not None
    return values, found
