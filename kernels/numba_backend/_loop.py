"""Loops over ranges, on all threads. What a range computes does not depend on its borders, so that bits are the same
for any number of threads.

Each range is begun with the GIL held, which threads hand to one another slowly: sixteen ranges of a ReLU of a million
numbers took 560 us where one thread alone takes 240, four take 200. So there are two a thread, and none is short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..contract import Array
from ..cython_backend._runtime import get_num_threads, parallel_for

# Elements of the shortest range: tens of microseconds of work, well above the cost of handing one to a thread.
GRAIN = 1 << 16
# Ranges of elements begin at multiples of this, so that no element changes between a loop's vectors and its remainder.
ALIGNMENT = 1 << 10


def flat(array: Array) -> Array:
    """A one-dimensional, read-only view of an input.

    Numba compiles anew for read-only arrays; with every input read-only there is one version of each loop.
    """
    view = array.reshape(-1)
    view.flags.writeable = False
    return view


def parts_of(count: int, grain: int) -> int:
    """How many ranges [0, count) is cut into: none shorter than grain, two a thread at most."""
    return min(count // grain, 2 * get_num_threads()) if get_num_threads() > 1 else 1


def chunked(loop: Callable[..., Any], count: int, grain: int, *arguments: Any) -> None:
    """loop(*arguments, first, last) over [0, count)."""
    parts = parts_of(count, grain)
    if parts <= 1:
        loop(*arguments, 0, count)
    else:
        parallel_for(lambda i: loop(*arguments, i * count // parts, (i + 1) * count // parts), parts)


def pieces(loop: Callable[..., Any], arrays: tuple[Array, ...], *rest: Any) -> None:
    """loop(*arrays, *rest) on pieces of flat arrays of one length (or of none).

    The loops get pieces, not borders: over range(len(piece)) Numba leaves out the case of a negative index, and LLVM
    makes vector instructions.
    """
    size = len(arrays[0])
    parts = parts_of(size, GRAIN)
    if parts <= 1:
        loop(*arrays, *rest)
        return
    step = -(-size // (parts * ALIGNMENT)) * ALIGNMENT

    def piece(i: int) -> None:
        loop(*(array[i * step : (i + 1) * step] for array in arrays), *rest)

    parallel_for(piece, -(-size // step))


def rows_per_chunk(columns: int) -> int:
    return max(1, GRAIN // max(columns, 1))
