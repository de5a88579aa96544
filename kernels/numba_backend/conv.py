"""Convolutions: a chunk of patches by a compiled loop, then NumPy's product with it.

A chunk is so many lines of one output image that its patches are about CHUNK numbers, so that memory does not grow with
the image. Threads share a chunk's patches; the product has NumPy's threads, which two callers at once would stall.

Lines are indexed by unsigned numbers: Numba leaves out the case of a negative index there, and LLVM makes vector
instructions. Slices do that as well, but are counted references: 37 ns each, three times a line of 28 numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..contract import Array
from ..numpy_backend import conv_checks as checks
from ..numpy_backend.elementwise import quiet
from . import depthwise
from ._jit import CONTRACT, jit
from ._loop import chunked, flat, rows_per_chunk
from .conv_lines import Geometry, Three, inside, line, tap

CHUNK = 1 << 20


@jit()
def _patches(
    x: Array,
    start: int,
    geometry: Geometry,
    top: int,
    columns: Array,
    first: int,
    last: int,
) -> None:
    """columns[k, i] = what row k of the patches (channel, then tap) reads at place i of the output's lines from `top`
    on, for k in [first, last); x is flat.
    """
    size, kernel, stride, _, _, extents = geometry
    width, plane = extents[2], size[0] * size[1] * size[2]
    lines = columns.shape[1] // width
    for k in range(first, last):
        c, kd, kh, kw = tap(k, kernel)
        low, high, at = inside(kw, geometry)
        row = columns[k]
        for r in range(lines):
            place = line(top + r, kd, kh, geometry)
            start_in, stop_in = (low, high) if place >= 0 else (width, width)
            begin, base = r * width, start + c * plane + place + at
            for i in range(start_in):
                row[np.uintp(begin + i)] = 0
            if stride[2] == 1:  # apart, as LLVM makes vector instructions of it
                for i in range(stop_in - start_in):
                    row[np.uintp(begin + start_in + i)] = x[np.uintp(base + i)]
            else:
                for i in range(stop_in - start_in):
                    row[np.uintp(begin + start_in + i)] = x[np.uintp(base + i * stride[2])]
            for i in range(stop_in, width):
                row[np.uintp(begin + i)] = 0


@jit()
def _add_patches(
    columns: Array,
    geometry: Geometry,
    top: int,
    out: Array,
    first: int,
    last: int,
) -> None:
    """The other way, for channels [first, last): adds every number of columns to where it is read from."""
    size, kernel, stride, _, _, extents = geometry
    width, plane, taps = extents[2], size[0] * size[1] * size[2], kernel[0] * kernel[1] * kernel[2]
    lines = columns.shape[1] // width
    for k in range(first * taps, last * taps):
        c, kd, kh, kw = tap(k, kernel)
        low, high, at = inside(kw, geometry)
        row = columns[k]
        for r in range(lines):
            base = line(top + r, kd, kh, geometry)
            if base < 0:
                continue
            base, begin = base + c * plane + at, r * width + low
            if stride[2] == 1:
                for i in range(high - low):
                    out[np.uintp(base + i)] += row[np.uintp(begin + i)]
            else:
                for i in range(high - low):
                    out[np.uintp(base + i * stride[2])] += row[np.uintp(begin + i)]


@jit(CONTRACT)
def _finish(out: Array, bias: Array, plane: int, relu: bool) -> None:
    """The planes of one image: bias (none where it has no elements), then relu."""
    zero = out.dtype.type(0)
    channels = out.size // plane
    for c in range(channels):
        add = bias[c] if len(bias) else zero
        target = out[c * plane : (c + 1) * plane]
        if relu:
            for i in range(len(target)):
                value = target[i] + add
                target[i] = zero if value < zero else value
        else:
            for i in range(len(target)):
                target[i] += add


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
        self.geometry = self.size, self.kernel, self.stride, self.before, self.dilation, self.extents
        # Whole lines of the output.
        self.chunk = max(1, CHUNK // max(self.depth * groups * self.extents[2], 1)) * self.extents[2]

    def columns(self, source: Array, image: int, first: int, memory: Array) -> Array:
        """The patches (G, C/G * prod(K), count) of a chunk of an image's pixels, in `memory` where it has that size."""
        wanted = (self.groups, self.depth, min(self.chunk, self.pixels - first))
        columns = memory if memory.shape == wanted else np.empty(wanted, source.dtype)
        rows, start = self.groups * self.depth, image * self.groups * self.channels * self.plane
        top, lying = first // self.extents[2], columns.reshape(rows, wanted[2])
        chunked(_patches, rows, rows_per_chunk(wanted[2]), source, start, self.geometry, top, lying)
        return columns

    def add(self, columns: Array, first: int, image: Array) -> None:
        """Adds a chunk's patches (G, C/G * prod(K), count) to the places of a flat image that they are read from."""
        channels, top = self.groups * self.channels, first // self.extents[2]
        lying = columns.reshape(-1, columns.shape[-1])
        chunked(_add_patches, channels, rows_per_chunk(columns.size // channels), lying, self.geometry, top, image)

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

    if shape.channels == 1:
        given = source, flat(weight), shape.outputs, shape.geometry, out.reshape(-1)
        chunked(depthwise.forward, len(x) * out.shape[1], rows_per_chunk(shape.pixels * shape.depth), *given)
    elif shape.pointwise():
        np.matmul(matrices, x.reshape(len(x), groups, shape.depth, shape.pixels), out=planes)
    else:
        columns = np.empty((0, 0, 0), x.dtype)
        for i in range(len(x)):
            for first in range(0, shape.pixels, shape.chunk):
                columns = shape.columns(source, i, first, columns)
                count = columns.shape[-1]
                planes[i, :, :, first : first + count] = np.matmul(matrices, columns)
    if bias is not None or activation == "relu":
        for image in planes:
            _finish(image.reshape(-1), added, shape.pixels, activation == "relu")


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

    if shape.channels == 1:
        wanted = flat(grad), flat(weight), shape.outputs, shape.geometry, grad_x.reshape(-1)
        work = shape.outputs * shape.pixels * shape.depth
        chunked(depthwise.grad_input, len(grad) * groups, rows_per_chunk(work), *wanted)
    elif shape.pointwise():
        np.matmul(matrices, given, out=grad_x.reshape(len(grad), groups, shape.depth, shape.pixels))
    else:
        for i, result in enumerate(images):
            result[...] = 0
            for first in range(0, shape.pixels, shape.chunk):
                shape.add(np.matmul(matrices, given[i, :, :, first : first + shape.chunk]), first, result)
    if bias is not None:
        for result in images:
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
    if shape.channels == 1:
        wanted = flat(grad), source, shape.outputs, shape.geometry, grad_weight.reshape(-1)
        work = len(x) * shape.pixels * shape.depth
        chunked(depthwise.grad_weight, len(grad_weight), rows_per_chunk(work), *wanted)
        return
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
