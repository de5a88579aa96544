"""Pooling: maxima and means over windows, of one to three dimensions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument
from fastnn.ops.windows import Numbers, numbers, times

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.dims import Array
    from fastnn.tensor import Tensor

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def checked(function: str, axes: int, input: Tensor) -> Array:
    """input's array: (N, C, *S) or (C, *S), of a dtype that the kernels have."""
    x = tensor_argument(input, function)._array
    if x.ndim not in (axes + 1, axes + 2) or 0 in x.shape[x.ndim - axes - 1 :]:
        raise RuntimeError(
            f"{function}(): Expected {axes + 1}D or {axes + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got: {list(x.shape)}"
        )
    if x.dtype not in KERNEL_DTYPES and x.dtype != HALF:
        raise NotImplementedError(f'"{function}" not implemented for {input.dtype}')
    return x


def _options(
    function: str, axes: int, kernel_size: Numbers, stride: Numbers | None, padding: Numbers, dilation: Numbers
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    kernel = numbers(kernel_size, axes, function, "kernel_size")
    steps = kernel if stride is None or stride == () or stride == [] else numbers(stride, axes, function, "stride")
    pads, spread = numbers(padding, axes, function, "padding"), numbers(dilation, axes, function, "dilation")
    if min(kernel) < 1:
        raise RuntimeError(f"kernel size should be greater than zero, but got {list(kernel)}")
    if min(steps) < 1:
        raise RuntimeError(f"stride should be greater than zero, but got {list(steps)}")
    if min(spread) < 1:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(spread)}")
    for pad, extent, apart in zip(pads, kernel, spread, strict=True):
        if pad < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad={pad}")
        if pad > (apart * (extent - 1) + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={pad}, "
                f"kernel_size={extent} and dilation={apart}"
            )
    return kernel, steps, pads, spread


def _extents(
    x: Array,
    axes: int,
    options: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    ceil_mode: bool,
) -> tuple[int, ...]:
    """The output's spatial extents. With ceil_mode the last window may reach beyond the padding, not begin there."""
    found = []
    for extent, kernel, step, pad, apart in zip(x.shape[-axes:], *options, strict=True):
        room = extent + 2 * pad - apart * (kernel - 1) - 1
        count = (room + (step - 1 if ceil_mode else 0)) // step + 1
        if ceil_mode and (count - 1) * step >= extent + pad:
            count -= 1
        found.append(count)
    if min(found) < 1:
        channels = x.shape[-axes - 1]
        raise RuntimeError(
            f"Given input size: ({times((channels, *x.shape[-axes:]))}). Calculated output size: "
            f"({times((channels, *found))}). Output size is too small"
        )
    return tuple(found)


def planes(array: Array, extents: tuple[int, ...]) -> Array:
    """A dense array as (planes, numbers of a plane)."""
    numbers_each = math.prod(extents)
    return array.reshape(array.size // numbers_each, numbers_each)


def max_pool(
    function: str,
    axes: int,
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    dilation: Numbers,
    ceil_mode: bool,
    with_indices: bool,
) -> tuple[Tensor, Tensor | None]:
    """The maxima, and where asked for their places."""
    x = checked(function, axes, input)
    options = _options(function, axes, kernel_size, stride, padding, dilation)
    out_size = _extents(x, axes, options, ceil_mode)
    if x.dtype == HALF:
        wide = cast(input, SINGLE)
        values, places = max_pool(function, axes, wide, kernel_size, stride, padding, dilation, ceil_mode, with_indices)
        return cast(values, HALF), places
    size = x.shape[-axes:]
    out: Array = np.empty((*x.shape[:-axes], *out_size), x.dtype)
    indices: Array | None = None
    if with_indices or _core.needs_grad(input):
        indices = np.empty(out.shape, np.int64)
    K.max_pool_forward(
        planes(dense(input), size),
        size,
        *options,
        out_size,
        planes(out, out_size),
        None if indices is None else planes(indices, out_size),
    )
    return record_max(f"MaxPool{axes}DWithIndicesBackward0", input, out, indices, size, out_size, with_indices)


def record_max(
    name: str,
    input: Tensor,
    out: Array,
    indices: Array | None,
    size: tuple[int, ...],
    out_size: tuple[int, ...],
    with_indices: bool,
) -> tuple[Tensor, Tensor | None]:
    """The tensors of maxima taken from their places in input."""
    places = None if indices is None else _core.wrap(indices)
    extra = (size, out_size)
    values = _core.record(name, _max_backward, (input,), out, () if places is None else (places,), False, extra)
    return values, places if with_indices else None


def _max_backward(ctx: Node, grad: Tensor) -> Tensor:
    (places,) = ctx.saved
    size, out_size = ctx.extra
    return _max_spread(grad, places, size, out_size)


def _max_spread(grad: Tensor, places: Tensor, size: tuple[int, ...], out_size: tuple[int, ...]) -> Tensor:
    g = dense(grad)
    grad_x: Array = np.empty((*g.shape[: g.ndim - len(size)], *size), g.dtype)
    K.max_pool_backward(planes(g, out_size), planes(dense(places), out_size), size, planes(grad_x, size))
    extra = (size, out_size)
    return _core.record("MaxPoolBackward0", _max_spread_backward, (grad,), grad_x, (places,), False, extra)


def _max_spread_backward(ctx: Node, grad: Tensor) -> Tensor:
    (places,) = ctx.saved
    size, out_size = ctx.extra
    lead = grad._array.shape[: grad._array.ndim - len(size)]
    rows, count = math.prod(lead), math.prod(out_size)
    taken = grad.reshape(rows, math.prod(size)).gather(1, places.reshape(rows, count))
    return taken.reshape(*lead, *out_size)


def avg_pool(
    function: str,
    axes: int,
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """The means."""
    x = checked(function, axes, input)
    options = _options(function, axes, kernel_size, stride, padding, 1)
    out_size = _extents(x, axes, options, ceil_mode)
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    if divisor_override is not None and divisor_override < 0:
        options_left = (kernel_size, stride, padding, ceil_mode, count_include_pad)
        return -avg_pool(function, axes, input, *options_left, -divisor_override)
    if x.dtype == HALF:
        wide = cast(input, SINGLE)
        return cast(
            avg_pool(
                function, axes, wide, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
            ),
            HALF,
        )
    extra = (x.shape[-axes:], (*options[:3], bool(count_include_pad), divisor_override or 0, out_size))
    return _average(input, extra)


def _average(input: Tensor, extra: tuple[tuple[int, ...], Any]) -> Tensor:
    size, (kernel, stride, padding, include, divisor, out_size) = extra
    x = input._array
    out: Array = np.empty((*x.shape[: x.ndim - len(size)], *out_size), x.dtype)
    given = planes(dense(input), size)
    K.avg_pool_forward(given, size, kernel, stride, padding, include, divisor, out_size, planes(out, out_size))
    return _core.record(f"AvgPool{len(size)}DBackward0", _avg_backward, (input,), out, (), False, extra)


def _avg_backward(ctx: Node, grad: Tensor) -> Tensor:
    size, (kernel, stride, padding, include, divisor, out_size) = ctx.extra
    g = dense(grad)
    grad_x: Array = np.empty((*g.shape[: g.ndim - len(size)], *size), g.dtype)
    given = planes(g, out_size)
    K.avg_pool_backward(given, size, kernel, stride, padding, include, divisor, out_size, planes(grad_x, size))
    return _core.record("AvgPoolBackward0", _avg_spread_backward, (grad,), grad_x, (), False, ctx.extra)


def _avg_spread_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _average(grad, ctx.extra)
