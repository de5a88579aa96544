"""max_unpool: maxima put back where max_pool found them, zeros elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.ops.gate import tensor_argument
from fastnn.ops.gather import scatter
from fastnn.ops.shape import reshape
from fastnn.ops.windows import Numbers, numbers

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]


def _size(
    extents: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_size: Sequence[int] | None,
) -> tuple[int, ...]:
    default = [(n - 1) * s + k - 2 * p for n, k, s, p in zip(extents, kernel, stride, padding, strict=True)]
    if output_size is None:
        found = tuple(default)
    else:
        axes = len(kernel)
        given = tuple(int(n) for n in output_size)
        wanted = given[2:] if len(given) == axes + 2 else given
        if len(wanted) != axes:
            raise ValueError(
                f"output_size should be a sequence containing {axes} or {axes + 2} elements, but it has a length of "
                f"'{len(given)}'"
            )
        for axis, (n, middle, step) in enumerate(zip(wanted, default, stride, strict=True)):
            if not middle - step < n < middle + step:
                raise ValueError(
                    f'invalid output_size "{list(wanted)}" (dim {axis} must be between {middle - step} and '
                    f"{middle + step})"
                )
        found = wanted
    for axis, n in enumerate(found):
        if n < 0:
            raise ValueError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, but got "
                f"output_size[{axis}]={n}"
            )
    return found


def _unpool(
    axes: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    output_size: Sequence[int] | None,
) -> Tensor:
    name = f"max_unpool{axes}d"
    x = tensor_argument(input, name)._array
    at = tensor_argument(indices, name, "indices")._array
    if x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"{name}(): Input to {name} should be a {axes + 1}d or {axes + 2}d Tensor, but got a tensor with {x.ndim} "
            "dimensions"
        )
    if at.dtype != np.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {indices.dtype}")
    if at.shape != x.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(x.shape)}) but got indices "
            f"tensor with shape: {list(at.shape)}"
        )
    kernel = numbers(kernel_size, axes, name, "kernel_size")
    steps = kernel if stride is None else numbers(stride, axes, name, "stride")
    size = _size(x.shape[-axes:], kernel, steps, numbers(padding, axes, name, "padding"), output_size)
    lead, room = x.shape[:-axes], math.prod(size)
    if at.size and not (at.min() >= 0 and at.max() < room):
        bad = int(at[(at < 0) | (at >= room)].flat[0])
        raise RuntimeError(f"Found an invalid max index: {bad} (output volumes are of size {'x'.join(map(str, size))})")
    planes = (math.prod(lead), math.prod(x.shape[-axes:]))
    empty = _core.wrap(np.zeros((planes[0], room), x.dtype))
    filled = scatter(empty, 1, reshape(indices, planes), reshape(input, planes))
    return reshape(filled, (*lead, *size))


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with input's values at indices, as max_pool1d with return_indices gives both.

    input, indices: (N, C, L) or (C, L); the output has (L - 1) * stride + kernel_size - 2 * padding places, or
    output_size, which may differ from that by less than stride. ValueError for another output_size, RuntimeError for
    shapes that do not fit and for indices outside.
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """As max_unpool1d, for input (N, C, H, W) or (C, H, W)."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """As max_unpool1d, for input (N, C, D, H, W) or (C, D, H, W)."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
