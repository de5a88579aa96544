"""unfold and fold: windows of images as columns, and columns added up into images. Each is the other's gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.ops.gate import tensor_argument
from fastnn.ops.windows import Numbers, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastnn._core import Node
    from fastnn.ops.dims import Array
    from fastnn.tensor import Tensor

__all__ = ["fold", "unfold"]


class _Windows(NamedTuple):
    """Where windows lie in an image: all pairs are (height, width)."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, int]:
        """How many windows there are down and across."""
        rows, columns = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, d, p, s in zip(self.size, self.kernel, self.dilation, self.padding, self.stride, strict=True)
        )
        return rows, columns

    def places(self) -> Iterator[tuple[int, int, slice, slice]]:
        """For each place of the kernel the rows and columns of the padded image that all windows have there."""
        rows, columns = self.counts
        (down, across), (far, wide) = self.stride, self.dilation
        for i in range(self.kernel[0]):
            vertical = slice(i * far, i * far + (rows - 1) * down + 1, down)
            for j in range(self.kernel[1]):
                yield i, j, vertical, slice(j * wide, j * wide + (columns - 1) * across + 1, across)


def _options(
    name: str, size: tuple[int, ...], kernel: Numbers, dilation: Numbers, padding: Numbers, stride: Numbers
) -> _Windows:
    found = _Windows(
        size,
        numbers(kernel, 2, name, "kernel_size"),
        numbers(dilation, 2, name, "dilation"),
        numbers(padding, 2, name, "padding"),
        numbers(stride, 2, name, "stride"),
    )
    for argument, values, least in (
        ("kernel_size", found.kernel, 1),
        ("dilation", found.dilation, 1),
        ("padding", found.padding, 0),
        ("stride", found.stride, 1),
    ):
        if min(values) < least:
            wanted = "non-negative" if least == 0 else "greater than zero"
            raise RuntimeError(f"{name}(): {argument} should be {wanted}, but got {list(values)}")
    if min(found.counts) < 1:
        raise RuntimeError(
            f"{name}(): Given an image of spatial size {list(size)}, kernel_size={found.kernel}, "
            f"dilation={found.dilation}, padding={found.padding}, stride={found.stride}, calculated shape of the array "
            f"of sliding blocks as {found.counts}, but its components must be at least one."
        )
    return found


def unfold(
    input: Tensor, kernel_size: Numbers, dilation: Numbers = 1, padding: Numbers = 0, stride: Numbers = 1
) -> Tensor:
    """(N, C, H, W) to (N, C * kh * kw, L): each of the L windows as a column, rows of windows one after the other.

    Without N where input has none. Options: one number, or (height, width). RuntimeError for what does not fit.
    """
    x = tensor_argument(input, "unfold")._array
    if x.ndim not in (3, 4) or 0 in x.shape[1 if x.ndim == 4 else 0 :]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(x.shape)}"
        )
    windows = _options("unfold", x.shape[-2:], kernel_size, dilation, padding, stride)
    return _unfold(input, windows)


def _unfold(input: Tensor, windows: _Windows) -> Tensor:
    x = input._array
    lead = x.shape[:-3]
    high, wide = windows.padding
    if high or wide:
        x = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(high, high), (wide, wide)])
    channels, kernel, counts = x.shape[-3], windows.kernel, windows.counts
    out: Array = np.empty((*lead, channels, *kernel, *counts), x.dtype)
    for i, j, rows, columns in windows.places():
        out[..., i, j, :, :] = x[..., rows, columns]
    flat = out.reshape(*lead, channels * kernel[0] * kernel[1], counts[0] * counts[1])
    return _core.record("Im2ColBackward0", _unfold_backward, (input,), flat, (), False, windows)


def _unfold_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _fold(grad, ctx.extra)


def fold(
    input: Tensor,
    output_size: Numbers,
    kernel_size: Numbers,
    dilation: Numbers = 1,
    padding: Numbers = 0,
    stride: Numbers = 1,
) -> Tensor:
    """(N, C * kh * kw, L) to (N, C, *output_size): each column put back where unfold takes it from; overlaps add up.

    Without N where input has none. RuntimeError where L or the columns do not fit the windows of such an image.
    """
    x = tensor_argument(input, "fold")._array
    size = numbers(output_size, 2, "fold", "output_size")
    if x.ndim not in (2, 3) or 0 in x.shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(x.shape)}"
        )
    if min(size) < 1:
        raise RuntimeError(f"fold(): expected output_size to be greater than zero, but got {list(size)}")
    windows = _options("fold", size, kernel_size, dilation, padding, stride)
    area = windows.kernel[0] * windows.kernel[1]
    if x.shape[-2] % area:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={x.shape[-2]} and kernel_size={windows.kernel}."
        )
    rows, columns = windows.counts
    if x.shape[-1] != rows * columns:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={windows.kernel}, dilation={windows.dilation}, "
            f"padding={windows.padding}, stride={windows.stride}, expected size of input's dimension 2 to match the "
            f"calculated number of sliding blocks {rows} * {columns} = {rows * columns}, but got "
            f"input.size(2)={x.shape[-1]}."
        )
    return _fold(input, windows)


def _fold(input: Tensor, windows: _Windows) -> Tensor:
    x = input._array
    lead, kernel = x.shape[:-2], windows.kernel
    channels = x.shape[-2] // (kernel[0] * kernel[1])
    blocks = x.reshape(*lead, channels, *kernel, *windows.counts)
    (height, width), (high, wide) = windows.size, windows.padding
    total: Array = np.zeros((*lead, channels, height + 2 * high, width + 2 * wide), x.dtype)
    for i, j, rows, columns in windows.places():
        total[..., rows, columns] += blocks[..., i, j, :, :]
    out = np.ascontiguousarray(total[..., high : high + height, wide : wide + width])
    return _core.record("Col2ImBackward0", _fold_backward, (input,), out, (), False, windows)


def _fold_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _unfold(grad, ctx.extra)
