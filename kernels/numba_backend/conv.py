"""Convolutions: a chunk of patches by a compiled loop, then NumPy's product with it.

A chunk is so many pixels of one image that its patches are about CHUNK numbers, so that memory does not grow with the
image; whole images are handed to the threads.
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
from ._loop import flat

CHUNK = 1 << 18
PARTS = 16

Three = tuple[int, int, int]


@jit()
def _patches(
    x: Array,
    start: int,
    channels: int,
    size: Three,
    kernel: Three,
    stride: Three,
    before: Three,
    dilation: Three,
    extents: Three,
    first: int,
    columns: Array,
) -> None:
    """columns[k, i] = what row k of the patches (channel, then tap) has at pixel first + i; x is flat."""
    count = columns.shape[1]
    row = 0
    for c in range(channels):
        plane = start + c * size[0] * size[1] * size[2]
        for kd in range(kernel[0]):
            for kh in range(kernel[1]):
                for kw in range(kernel[2]):
                    line = columns[row]
                    row += 1
                    done, pixel = 0, first
                    while done < count:
                        pw = pixel % extents[2]
                        rest = pixel // extents[2]
                        d = rest // extents[1] * stride[0] - before[0] + kd * dilation[0]
                        h = rest % extents[1] * stride[1] - before[1] + kh * dilation[1]
                        length = min(count - done, extents[2] - pw)
                        if d < 0 or d >= size[0] or h < 0 or h >= size[1]:
                            line[done : done + length] = 0
                        else:
                            base = plane + (d * size[1] + h) * size[2]
                            w = pw * stride[2] - before[2] + kw * dilation[2]
                            for i in range(length):
                                at = w + i * stride[2]
                                line[done + i] = x[base + at] if 0 <= at < size[2] else 0
                        done += length
                        pixel += length


@jit()
def _add_patches(
    columns: Array,
    channels: int,
    size: Three,
    kernel: Three,
    stride: Three,
    before: Three,
    dilation: Three,
    extents: Three,
    first: int,
    out: Array,
    start: int,
) -> None:
    """The other way: adds every number of columns to the place that _patches reads it from."""
    count = columns.shape[1]
    row = 0
    for c in range(channels):
        plane = start + c * size[0] * size[1] * size[2]
        for kd in range(kernel[0]):
            for kh in range(kernel[1]):
                for kw in range(kernel[2]):
                    line = columns[row]
                    row += 1
                    done, pixel = 0, first
                    while done < count:
                        pw = pixel % extents[2]
                        rest = pixel // extents[2]
                        d = rest // extents[1] * stride[0] - before[0] + kd * dilation[0]
                        h = rest % extents[1] * stride[1] - before[1] + kh * dilation[1]
                        length = min(count - done, extents[2] - pw)
                        if 0 <= d < size[0] and 0 <= h < size[1]:
                            base = plane + (d * size[1] + h) * size[2]
                            w = pw * stride[2] - before[2] + kw * dilation[2]
                            for i in range(length):
                                at = w + i * stride[2]
                                if 0 <= at < size[2]:
                                    out[base + at] += line[done + i]
                        done += length
                        pixel += length


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
        self.chunk = max(64, CHUNK // max(self.depth, 1))

    def options(self) -> tuple[Three, Three, Three, Three, Three, Three]:
        return self.size, self.kernel, self.stride, self.before, self.dilation, self.extents

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

    def image(i: int) -> None:
        columns = np.empty((0, 0), x.dtype)
        for g in range(groups):
            start = (i * groups + g) * shape.channels * shape.plane
            if shape.pointwise():
                block = source[start : start + shape.depth * shape.pixels].reshape(shape.depth, shape.pixels)
                np.matmul(matrices[g], block, out=planes[i, g])
                continue
            for first in range(0, shape.pixels, shape.chunk):
                count = min(shape.chunk, shape.pixels - first)
                if columns.shape != (shape.depth, count):
                    columns = np.empty((shape.depth, count), x.dtype)
                _patches(source, start, shape.channels, *shape.options(), first, columns)
                planes[i, g, :, first : first + count] = np.dot(matrices[g], columns)
        if bias is not None or activation == "relu":
            _finish(planes[i].reshape(-1), added, shape.pixels, activation == "relu")

    _each(image, len(x), out.size * shape.depth)


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
    matrices = weight.reshape(groups, shape.outputs, shape.depth)
    given = grad.reshape(len(grad), groups, shape.outputs, shape.pixels)
    added = flat(np.empty(0, grad.dtype) if bias is None else bias)
    images = grad_x.reshape(len(grad), -1)

    def image(i: int) -> None:
        result = images[i]
        result[...] = 0
        for g in range(groups):
            start = g * shape.channels * shape.plane
            if shape.pointwise():
                block = result[start : start + shape.depth * shape.pixels].reshape(shape.depth, shape.pixels)
                np.matmul(matrices[g].T, given[i, g], out=block)
                continue
            for first in range(0, shape.pixels, shape.chunk):
                columns = np.dot(matrices[g].T, given[i, g, :, first : first + shape.chunk])
                _add_patches(columns, shape.channels, *shape.options(), first, result, start)
        if bias is not None:
            _finish(result, added, shape.plane, False)

    _each(image, len(grad), grad.size * shape.depth)


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
    # Images are summed in parts cut by their number alone, folded in order; all parts together stay of bounded size.
    parts = max(1, min(PARTS, len(x), CHUNK // max(grad_weight.size, 1)))
    each = -(-len(x) // parts)
    sums = np.zeros((-(-len(x) // each), groups, shape.outputs, shape.depth), x.dtype)

    def part(number: int) -> None:
        columns = np.empty((0, 0), x.dtype)
        for i in range(number * each, min(len(x), (number + 1) * each)):
            for g in range(groups):
                start = (i * groups + g) * shape.channels * shape.plane
                for first in range(0, shape.pixels, shape.chunk):
                    count = min(shape.chunk, shape.pixels - first)
                    if columns.shape != (shape.depth, count):
                        columns = np.empty((shape.depth, count), x.dtype)
                    _patches(source, start, shape.channels, *shape.options(), first, columns)
                    sums[number, g] += np.dot(given[i, g, :, first : first + count], columns.T)

    _each(part, len(sums), grad.size * shape.depth)
    total = sums[0]
    for other in sums[1:]:
        total += other
    grad_weight[...] = total.reshape(grad_weight.shape)


def _each(work: Callable[[int], object], count: int, multiplications: int) -> None:
    """work(0), ..., on all threads where there is enough of it."""
    if count > 1 and multiplications > 200_000:
        parallel_for(work, count)
    else:
        for i in range(count):
            work(i)
