"""Loops in chunks whose borders depend on the size alone, so that bits are the same for any threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..contract import Array
from ..cython_backend._runtime import parallel_for

# Elements a chunk: tens of microseconds of work, well above the cost of handing one to a thread.
GRAIN = 1 << 16


def flat(array: Array) -> Array:
    """A one-dimensional, read-only view of an input.

    Numba compiles anew for read-only arrays; with every input read-only there is one version of each loop.
    """
    view = array.reshape(-1)
    view.flags.writeable = False
    return view


def chunked(loop: Callable[..., Any], count: int, grain: int, *arguments: Any) -> None:
    """loop(*arguments, first, last) over [0, count) in chunks of grain, on all threads where there are several."""
    if count <= grain:
        loop(*arguments, 0, count)
        return
    chunks = -(-count // grain)
    parallel_for(lambda i: loop(*arguments, i * grain, min(count, (i + 1) * grain)), chunks)


def pieces(loop: Callable[..., Any], arrays: tuple[Array, ...], *rest: Any) -> None:
    """loop(*arrays, *rest) on pieces of flat arrays of one length (or of none), on all threads where there are several.

    The loops get pieces, not borders: over range(len(piece)) Numba leaves out the case of a negative index, and LLVM
    makes vector instructions.
    """
    size = len(arrays[0])
    if size <= GRAIN:
        loop(*arrays, *rest)
        return

    def piece(i: int) -> None:
        loop(*(array[i * GRAIN : (i + 1) * GRAIN] for array in arrays), *rest)

    parallel_for(piece, -(-size // GRAIN))


def rows_per_chunk(columns: int) -> int:
    return max(1, GRAIN // max(columns, 1))
