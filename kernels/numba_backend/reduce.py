"""Sums along an axis: in float64, by blocks whose borders depend on the summed extent alone."""

from __future__ import annotations

import numpy as np

from ..contract import Array
from ..numpy_backend import checks
from ._jit import REASSOCIATE, jit
from ._loop import GRAIN, chunked, flat

BLOCK = 256
TILE = 256
MOST_PARTS = 64


@jit(REASSOCIATE)
def _along_row(x: Array, first: int, last: int) -> float:
    total = 0.0
    for start in range(first, last, BLOCK):
        part, block = 0.0, x[start : min(start + BLOCK, last)]
        for i in range(len(block)):
            part += np.float64(block[i])
        total += part
    return total


@jit()
def _rows(x: Array, extent: int, out: Array, first: int, last: int) -> None:
    for row in range(first, last):
        out[row] = _along_row(x, row * extent, (row + 1) * extent)


@jit()
def _parts(x: Array, length: int, out: Array, first: int, last: int) -> None:
    for part in range(first, last):
        out[part] = _along_row(x, part * length, min((part + 1) * length, len(x)))


@jit()
def _columns(x: Array, extent: int, columns: int, out: Array, first: int, last: int) -> None:
    """Tiles [first, last) of columns, numbered along each outer index in turn."""
    part, total = np.empty(TILE, np.float64), np.empty(TILE, np.float64)
    tiles = (columns + TILE - 1) // TILE
    for tile in range(first, last):
        outer, left = tile // tiles, tile % tiles * TILE
        width = min(TILE, columns - left)
        total[:width] = 0.0
        for start in range(0, extent, BLOCK):
            part[:width] = 0.0
            for row in range(start, min(start + BLOCK, extent)):
                place = (outer * extent + row) * columns + left
                values = x[place : place + width]
                for i in range(width):
                    part[i] += np.float64(values[i])
            for i in range(width):
                total[i] += part[i]
        place = outer * columns + left
        for i in range(width):
            out[place + i] = total[i]


def sum_forward(x: Array, out: Array) -> None:
    checks.sum_forward(x, out)
    outer, extent, columns = x.shape
    if columns > 1:
        tiles = outer * -(-columns // TILE)
        chunked(
            _columns,
            tiles,
            max(1, GRAIN // max(extent * min(columns, TILE), 1)),
            flat(x),
            extent,
            columns,
            out.reshape(-1),
        )
    elif outer == 1 and columns == 1 and extent > GRAIN:
        length = max(GRAIN, -(-extent // MOST_PARTS))
        parts = np.empty(-(-extent // length))
        chunked(_parts, len(parts), 1, flat(x), length, parts)
        out[0, 0] = parts.sum()
    elif columns == 1:
        chunked(_rows, outer, max(1, GRAIN // max(extent, 1)), flat(x), extent, out.reshape(-1))
