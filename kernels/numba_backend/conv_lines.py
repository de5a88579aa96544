"""Which line of the input a line of the output reads at a tap, and which of its places: for the convolutions' loops."""

from __future__ import annotations

from ._jit import jit

Three = tuple[int, int, int]
Geometry = tuple[Three, Three, Three, Three, Three, Three]  # size, kernel, stride, before, dilation, extents


@jit()
def inside(tap: int, geometry: Geometry) -> Three:
    """Which places of an output's line read a place inside at a tap: [low, high), and what the first reads."""
    size, _, stride, before, dilation, extents = geometry
    step = stride[2]
    first = tap * dilation[2] - before[2]
    high = min(extents[2], max(0, (size[2] - 1 - first) // step + 1))
    low = min(high, max(0, -(first // step)))
    return low, high, first + low * step


@jit()
def line(number: int, kd: int, kh: int, geometry: Geometry) -> int:
    """Where the input's line starts that the output's line `number` reads at a tap, or -1 outside."""
    size, _, stride, before, dilation, extents = geometry
    d = number // extents[1] * stride[0] - before[0] + kd * dilation[0]
    h = number % extents[1] * stride[1] - before[1] + kh * dilation[1]
    return (d * size[1] + h) * size[2] if 0 <= d < size[0] and 0 <= h < size[1] else -1


@jit()
def tap(row: int, kernel: Three) -> tuple[int, int, int, int]:
    """The channel and the tap of a row of patches."""
    kw, rest = row % kernel[2], row // kernel[2]
    kh, rest = rest % kernel[1], rest // kernel[1]
    return rest // kernel[0], rest % kernel[0], kh, kw
