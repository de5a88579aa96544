"""Convolutions with one input channel a group: each output plane sums its taps' lines, with no patches and no product.

A product of one row with nine would be all overhead. The lines' loops take unsigned indices, as conv.py says why, and
stand here one by one: a loop that they call by name took a third longer.
"""

from __future__ import annotations

import numpy as np

from ..contract import Array
from ._jit import CONTRACT, REASSOCIATE, jit
from .conv_lines import Geometry, inside, line, tap


@jit(CONTRACT)
def forward(
    x: Array,
    weight: Array,
    outputs: int,
    geometry: Geometry,
    out: Array,
    first: int,
    last: int,
) -> None:
    """Output planes [first, last); each channel has `outputs` of them. All arrays are flat, weight (O, taps)."""
    size, kernel, stride, _, _, extents = geometry
    width, plane, taps = extents[2], size[0] * size[1] * size[2], kernel[0] * kernel[1] * kernel[2]
    lines, channels = extents[0] * extents[1], len(weight) // taps
    for p in range(first, last):
        start, to = p // outputs * plane, p * lines * width
        for i in range(lines * width):
            out[np.uintp(to + i)] = 0
        for k in range(taps):
            _, kd, kh, kw = tap(k, kernel)
            low, high, at = inside(kw, geometry)
            scale = weight[p % channels * taps + k]
            for r in range(lines):
                place = line(r, kd, kh, geometry)
                if place < 0:
                    continue
                base, begin = start + place + at, to + r * width + low
                if stride[2] == 1:
                    for i in range(high - low):
                        out[np.uintp(begin + i)] += scale * x[np.uintp(base + i)]
                else:
                    for i in range(high - low):
                        out[np.uintp(begin + i)] += scale * x[np.uintp(base + i * stride[2])]


@jit(CONTRACT)
def grad_input(
    grad: Array,
    weight: Array,
    outputs: int,
    geometry: Geometry,
    grad_x: Array,
    first: int,
    last: int,
) -> None:
    """Input planes [first, last): what each of a channel's `outputs` adds to the places it read."""
    size, kernel, stride, _, _, extents = geometry
    width, plane, taps = extents[2], size[0] * size[1] * size[2], kernel[0] * kernel[1] * kernel[2]
    lines, channels = extents[0] * extents[1], len(weight) // taps
    for p in range(first, last):
        for i in range(plane):
            grad_x[np.uintp(p * plane + i)] = 0
        for o in range(p * outputs, (p + 1) * outputs):
            for k in range(taps):
                _, kd, kh, kw = tap(k, kernel)
                low, high, at = inside(kw, geometry)
                scale = weight[o % channels * taps + k]
                for r in range(lines):
                    place = line(r, kd, kh, geometry)
                    if place < 0:
                        continue
                    base, begin = p * plane + place + at, (o * lines + r) * width + low
                    if stride[2] == 1:
                        for i in range(high - low):
                            grad_x[np.uintp(base + i)] += scale * grad[np.uintp(begin + i)]
                    else:
                        for i in range(high - low):
                            grad_x[np.uintp(base + i * stride[2])] += scale * grad[np.uintp(begin + i)]


@jit(REASSOCIATE)
def grad_weight(
    grad: Array,
    x: Array,
    outputs: int,
    geometry: Geometry,
    result: Array,
    first: int,
    last: int,
) -> None:
    """The taps of output channels [first, last), summed over images; result is (O, taps), flat."""
    size, kernel, stride, _, _, extents = geometry
    width, plane, taps = extents[2], size[0] * size[1] * size[2], kernel[0] * kernel[1] * kernel[2]
    lines, channels = extents[0] * extents[1], len(result) // taps
    images = len(grad) // (channels * lines * width)
    for o in range(first, last):
        for k in range(taps):
            _, kd, kh, kw = tap(k, kernel)
            low, high, at = inside(kw, geometry)
            total = result.dtype.type(0)
            for image in range(images):
                p = image * channels + o
                for r in range(lines):
                    place = line(r, kd, kh, geometry)
                    if place < 0:
                        continue
                    base, begin = p // outputs * plane + place + at, (p * lines + r) * width + low
                    if stride[2] == 1:
                        for i in range(high - low):
                            total += grad[np.uintp(begin + i)] * x[np.uintp(base + i)]
                    else:
                        for i in range(high - low):
                            total += grad[np.uintp(begin + i)] * x[np.uintp(base + i * stride[2])]
            result[o * taps + k] = total
