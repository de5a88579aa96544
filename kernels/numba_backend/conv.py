"""Convolutions: a chunk of patches by a compiled loop, then NumPy's product with it.

A chunk is so many lines of one output image that its patches are about CHUNK numbers, so that memory does not grow with
the image. Threads share a chunk's patches; the product has NumPy's threads, which two callers at once would stall.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..contract import Array
from ..cython_backend._runtime import parallel_for
from ..numpy_backend import conv_checks as checks
from ..numpy_backend.elementwise import quiet
from ._jit import CONTRACT, jit
from ._loop import GRAIN, flat

CHUNK = 1 << 18

Three = tuple[int, int, int]


@jit()
def _inside(tap: int, size: Three, stride: Three, before: Three, dilation: Three, extents: Three) -> Three:
    """Which places of an output's line read a place inside at a tap: [low, high), and what the first reads."""
    step = stride[2]
    first = tap * dilation[2] - before[2]
    high = min(extents[2], max(0, (size[2] - 1 - first) // step + 1))
    low = min(high, max(0, -(first // step)))
    return low, high, first + low * step


@jit()
def _line(
    number: int, kd: int, kh: int, size: Three, stride: Three, before: Three, dilation: Three, extents: Three
) -> int:
    """Where the input's line starts that the output's line `number` reads at a tap, or -1 outside."""
    d = number // extents[1] * stride[0] - before[0] + kd * dilation[0]
    h = number % extents[1] * stride[1] - before[1] + kh * dilation[1]
    return (d * size[1] + h) * size[2] if 0 <= d < size[0] and 0 <= h < size[1] else -1


@jit()
def _tap(row: int, kernel: Three) -> tuple[int, int, int, int]:
    """The channel and the tap of a row of patches."""
    kw, rest = row % kernel[2], row // kernel[2]
    kh, rest = rest % kernel[1], rest // kernel[1]
    return rest // kernel[0], rest % kernel[0], kh, kw


@jit()
def _patches(
    x: Array,
    start: int,
    rows: tuple[int, int],
    size: Three,
    kernel: Three,
    stride: Three,
    before: Three,
    dilation: Three,
    extents: Three,
    first: int,
    columns: Array,
) -> None:
    """columns[k, i] = what row k of the patches (channel, then tap) reads at place i of the output's lines from `first`
    on, for k in [rows[0], rows[1]); x is flat.
    """
    width, plane = extents[2], size[0] * size[1] * size[2]
    lines = columns.shape[1] // width
    for k in range(rows[0], rows[1]):
        c, kd, kh, kw = _tap(k, kernel)
        low, high, at = _inside(kw, size, stride, before, dilation, extents)
        for r in range(lines):
            base = _line(first + r, kd, kh, size, stride, before, dilation, extents)
            target = columns[k, r * width : (r + 1) * width]
            if base < 0:
                for i in range(len(target)):
                    target[i] = 0
                continue
            base += start + c * plane + at
            for i in range(low):
                target[i] = 0
            middle = target[low:high]
            if stride[2] == 1:  # apart, as LLVM makes vector instructions of it
                given = x[base : base + high - low]
                for i in range(len(middle)):
                    middle[i] = given[i]
            else:
                for i in range(len(middle)):
                    middle[i] = x[base + i * stride[2]]
            for i in range(high, width):
                target[i] = 0


@jit()
def _add_patches(
    columns: Array,
    channels: tuple[int, int],
    size: Three,
    kernel: Three,
    stride: Three,
    before: Three,
    dilation: Three,
    extents: Three,
    first: int,
    out: Array,
) -> None:
    """The other way, for channels [channels[0], channels[1]): adds every number of columns to where it is read from."""
    width, plane, taps = extents[2], size[0] * size[1] * size[2], kernel[0] * kernel[1] * kernel[2]
    lines = columns.shape[1] // width
    for k in range(channels[0] * taps, channels[1] * taps):
        c, kd, kh, kw = _tap(k, kernel)
        low, high, at = _inside(kw, size, stride, before, dilation, extents)
        for r in range(lines):
            base = _line(first + r, kd, kh, size, stride, before, dilation, extents)
            if base < 0:
                continue
            base += c * plane + at
            given = columns[k, r * width + low : r * width + high]
            if stride[2] == 1:
                target = out[base : base + high - low]
                for i in range(len(target)):
                    target[i] += given[i]
            else:
                for i in range(len(given)):
                    out[base + i * stride[2]] += given[i]


@jit(CONTRACT)
def _finish(out: Array, bias: Array, plane: int, relu: bool) -> None:
    """The planes of one image: bias (none where it has no elements), then relu."""
    zero = out.dtype.type(0)
    channels = out.size // plane
    for c in range(channels):
        add = bias[c] if len(bias) else zero
        line = out[c * plane : (c + 1) * plane]
        if relu:
            for i in range(len(line)):
                value = line[i] + add
                line[i] = zero if value < zero else value
        else:
            for i in range(len(line)):
                line[i] += add


def _three(values: Sequence[int], fill: int) -> Three:
    d, h, w = (fill,) * (3 - len(values)) + tuple(int(v) for v in values)
    return d, h, w


class _Shape:
    """A convolution's sizes with three axes."""

    def __init__(
        self,
        x: Array,
        weight: Array,
        out: Array,
        stride: Sequence[int],
        padding: Sequence[Sequence[int]],
        dilation: Sequence[int],
        groups: int,
    ) -> None:
        self.size, self.kernel, self.extents = (_three(a.shape[2:], 1) for a in (x, weight, out))
        self.stride, self.dilation = _three(stride, 1), _three(dilation, 1)
        self.before = _three([before for before, _ in padding], 0)
        self.channels, self.outputs = x.shape[1] // groups, out.shape[1] // groups
        self.depth = self.channels * math.prod(self.kernel)
        self.plane, self.pixels = math.prod(self.size), math.prod(self.extents)
        self.groups = groups
        # Whole lines of the output.
        self.chunk = max(1, CHUNK // max(self.depth * groups * self.extents[2], 1)) * self.extents[2]

    def options(self) -> tuple[Three, Three, Three, Three, Three, Three]:
        return self.size, self.kernel, self.stride, self.before, self.dilation, self.extents

    def columns(self, source: Array, image: int, first: int, memory: Array) -> Array:
        """The patches (G, C/G * prod(K), count) of a chunk of an image's pixels, in `memory` where it has that size."""
        wanted = (self.groups, self.depth, min(self.chunk, self.pixels - first))
        columns = memory if memory.shape == wanted else np.empty(wanted, source.dtype)
        rows, start = self.groups * self.depth, image * self.groups * self.channels * self.plane
        line, lying = first // self.extents[2], columns.reshape(rows, wanted[2])
        _shared(lambda cut: _patches(source, start, cut, *self.options(), line, lying), rows, columns.size)
        return columns

    def add(self, columns: Array, first: int, image: Array) -> None:
        """Adds a chunk's patches (G, C/G * prod(K), count) to the places of a flat image that they are read from."""
        channels, line = self.groups * self.channels, first // self.extents[2]
        lying = columns.reshape(-1, columns.shape[-1])
        _shared(lambda cut: _add_patches(lying, cut, *self.options(), line, image), channels, columns.size)

    def pointwise(self) -> bool:
        """Whether the patches are the image itself."""
        ones = (1, 1, 1)
        return self.kernel == ones and self.stride == ones and self.size == self.extents and self.before == (0, 0, 0)


@quiet
def conv_forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    activation: str,
    out: Array,
) -> None:
    checks.conv_activation(activation)
    checks.conv(("x", x), ("weight", weight), ("out", out), bias, stride, padding, dilation, groups, "out")
    if not out.size:
        return
    shape = _Shape(x, weight, out, stride, padding, dilation, groups)
    matrices = weight.reshape(groups, shape.outputs, shape.depth)
    source, added = flat(x), flat(np.empty(0, x.dtype) if bias is None else bias)
    planes = out.reshape(len(x), groups, shape.outputs, shape.pixels)

    columns = np.empty((0, 0, 0), x.dtype)
    for i in range(len(x)):
        if shape.pointwise():
            np.matmul(matrices, x[i].reshape(groups, shape.depth, shape.pixels), out=planes[i])
        else:
            for first in range(0, shape.pixels, shape.chunk):
                columns = shape.columns(source, i, first, columns)
                count = columns.shape[-1]
                planes[i, :, :, first : first + count] = np.matmul(matrices, columns)
        if bias is not None or activation == "relu":
            _finish(planes[i].reshape(-1), added, shape.pixels, activation == "relu")


@quiet
def conv_grad_input(
    grad: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    grad_x: Array,
) -> None:
    checks.conv(
        ("grad_x", grad_x), ("weight", weight), ("grad", grad), bias, stride, padding, dilation, groups, "grad_x"
    )
    if not grad_x.size:
        return
    shape = _Shape(grad_x, weight, grad, stride, padding, dilation, groups)
    matrices = weight.reshape(groups, shape.outputs, shape.depth).swapaxes(1, 2)
    given = grad.reshape(len(grad), groups, shape.outputs, shape.pixels)
    added = flat(np.empty(0, grad.dtype) if bias is None else bias)
    images = grad_x.reshape(len(grad), -1)

    for i, result in enumerate(images):
        if shape.pointwise():
            np.matmul(matrices, given[i], out=result.reshape(groups, shape.depth, shape.pixels))
        else:
            result[...] = 0
            for first in range(0, shape.pixels, shape.chunk):
                shape.add(np.matmul(matrices, given[i, :, :, first : first + shape.chunk]), first, result)
        if bias is not None:
            _finish(result, added, shape.plane, False)


@quiet
def conv_grad_weight(
    grad: Array,
    x: Array,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    grad_weight: Array,
) -> None:
    checks.conv(
        ("x", x), ("grad_weight", grad_weight), ("grad", grad), None, stride, padding, dilation, groups, "grad_weight"
    )
    if not grad_weight.size or not grad.size:
        grad_weight[...] = 0
        return
    shape = _Shape(x, grad_weight, grad, stride, padding, dilation, groups)
    source = flat(x)
    given = grad.reshape(len(grad), groups, shape.outputs, shape.pixels)
    total = np.zeros((groups, shape.outputs, shape.depth), x.dtype)
    columns = np.empty((0, 0, 0), x.dtype)
    for i in range(len(x)):
        if shape.pointwise():
            block = x[i].reshape(groups, shape.depth, shape.pixels)
            total += np.matmul(given[i], block.swapaxes(1, 2))
            continue
        for first in range(0, shape.pixels, shape.chunk):
            columns = shape.columns(source, i, first, columns)
            count = columns.shape[-1]
            total += np.matmul(given[i, :, :, first : first + count], columns.swapaxes(1, 2))
    grad_weight[...] = total.reshape(grad_weight.shape)


def _shared(work: Callable[[tuple[int, int]], object], count: int, numbers: int) -> None:
    """work((first, last)) over [0, count), by threads where there are enough numbers."""
    parts = min(count, 8) if numbers > GRAIN else 1
    if parts == 1:
        work((0, count))
    else:
        parallel_for(lambda i: work((i * count // parts, (i + 1) * count // parts)), parts)
