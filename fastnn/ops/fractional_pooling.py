"""fractional_max_pool: maxima over windows at pseudo-random steps (Graham 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn._core import dense
from fastnn.ops.dims import Array
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument
from fastnn.ops.pooling import HALF, SINGLE, record_max
from fastnn.ops.windows import Numbers, numbers
from fastnn.sampling import rand

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]

Ratio = float | Sequence[float] | None


def _starts(sample: Array, extent: int, kernel: int, count: int) -> Array:
    """Where each plane's windows begin along an axis, (planes, count): steps rounded at random, the last at the end."""
    starts = np.full((sample.size, count), extent - kernel, np.int64)
    if count > 1:
        alpha = sample.dtype.type((extent - kernel) / (count - 1))
        drawn = (np.arange(count - 1, dtype=sample.dtype) + sample[:, None]) * alpha
        starts[:, :-1] = drawn.astype(np.int64) - (sample * alpha).astype(np.int64)[:, None]
    return starts


def _out_size(name: str, extents: Sequence[int], output_size: Numbers | None, output_ratio: Ratio) -> tuple[int, ...]:
    axes = len(extents)
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is not None:
        return numbers(output_size, axes, name, "output_size")
    ratios = tuple(output_ratio) if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * axes
    if len(ratios) != axes:
        raise ValueError(f"{name} requires output_ratio to be one number or {axes}, got {list(ratios)}")
    return tuple(int(n * r) for n, r in zip(extents, ratios, strict=True))  # type: ignore[operator]


def _pool(
    axes: int,
    input: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None,
    output_ratio: Ratio,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{axes}d"
    x = tensor_argument(input, name)._array
    if x.ndim not in (axes + 1, axes + 2) or 0 in x.shape[x.ndim - axes - 1 :]:
        raise RuntimeError(
            f"{name}(): Expected {axes + 1}D or {axes + 2}D tensor with non-zero dimensions behind the batch, "
            f"but got input with sizes {list(x.shape)}"
        )
    size = x.shape[-axes:]
    out_size = _out_size(name, size, output_size, output_ratio)
    kernel = numbers(kernel_size, axes, name, "kernel_size")
    for extent, k, count in zip(size, kernel, out_size, strict=True):
        if k < 1 or count < 1:
            raise RuntimeError(
                f"{name}(): expected kernel_size and output_size of at least 1, got {kernel}, {out_size}"
            )
        if count + k - 1 > extent:
            raise RuntimeError(f"{name}(): pool size {k} too large relative to input size {extent} for {count} outputs")
    batch = 1 if x.ndim == axes + 1 else x.shape[0]
    channels = x.shape[-axes - 1]
    if samples is None:
        samples = rand(batch, channels, axes, dtype=input.dtype)
    drawn = tensor_argument(samples, name, "_random_samples")._array
    if drawn.ndim != 3 or drawn.shape[0] < batch or drawn.shape[1:] != (channels, axes):
        raise RuntimeError(
            f"{name}(): Expected _random_samples of shape {[batch, channels, axes]}, got {list(drawn.shape)}"
        )
    if drawn.dtype != x.dtype:
        raise RuntimeError(f"{name}(): Expect _random_samples to have the same dtype as input, {input.dtype}")
    if x.dtype == HALF:
        values, places = _pool(axes, cast(input, SINGLE), kernel, out_size, None, cast(samples, SINGLE))
        return cast(values, HALF), places
    if x.dtype not in KERNEL_DTYPES:
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype}')
    flat = drawn[:batch].reshape(batch * channels, axes)
    if axes == 2:
        flat = flat[:, ::-1]  # in two dimensions the first number drawn is the width's
    places_in = np.zeros((batch * channels, *(1,) * (2 * axes)), np.int64)
    for axis, (extent, k, count) in enumerate(zip(size, kernel, out_size, strict=True)):
        at = _starts(np.ascontiguousarray(flat[:, axis]), extent, k, count)[:, :, None] + np.arange(k)
        shape = [batch * channels, *(1,) * (2 * axes)]
        shape[1 + axis], shape[1 + axes + axis] = count, k
        places_in = places_in * extent + at.reshape(shape)
    table = places_in.reshape(batch * channels, math.prod(out_size), math.prod(kernel))
    planes = dense(input).reshape(batch * channels, math.prod(size))
    windows = np.take_along_axis(planes, table.reshape(batch * channels, table.shape[1] * table.shape[2]), 1).reshape(
        table.shape
    )
    best = windows.argmax(-1)[..., None]
    shape_out = (*x.shape[:-axes], *out_size)
    out = np.take_along_axis(windows, best, -1).reshape(shape_out)
    indices = np.take_along_axis(table, best, -1).reshape(shape_out)
    found, where = record_max(
        f"FractionalMaxPool{axes}DBackward0", input, out, np.ascontiguousarray(indices), size, out_size, True
    )
    assert where is not None
    return found, where


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: Ratio = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima over windows whose distances vary at random, so that any output size below the input's can be had.

    input: (N, C, H, W) or (C, H, W). output_size: the extents, or output_ratio: their share of the input's, in (0, 1).
    _random_samples: (N, C, 2) numbers in [0, 1) in place of drawn ones. With return_indices (values, indices), as
    max_pool2d. ValueError for neither output_size nor output_ratio, RuntimeError for sizes that do not fit.
    """
    values, indices = _pool(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return (values, indices) if return_indices else values


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: Ratio = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """fractional_max_pool2d with ``return_indices``, whatever that is."""
    return _pool(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: Ratio = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """As fractional_max_pool2d, for input (N, C, D, H, W) or (C, D, H, W) and (N, C, 3) samples."""
    values, indices = _pool(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return (values, indices) if return_indices else values


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: Ratio = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """fractional_max_pool3d with ``return_indices``, whatever that is."""
    return _pool(3, input, kernel_size, output_size, output_ratio, _random_samples)
