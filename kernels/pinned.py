"""``Pinned``: arrays whose addresses were looked up once, for kernels that take the same long list at every step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastnn.kernels.contract.types import Array


class Pinned(tuple[Array, ...]):
    """Dense arrays of one dtype, float32 or float64, that may be written to; any kernel takes it as a sequence of them.

    Their memory, shape and flags must stay as they are as long as this is used: a compiled kernel does not look at
    them again. ValueError for other arrays, and for none.
    """

    addresses: Array
    sizes: Array
    dtype: np.dtype[Any]

    def __new__(cls, arrays: Iterable[Array]) -> Pinned:
        made = super().__new__(cls, arrays)
        if not made:
            raise ValueError("Pinned: expected arrays, got none")
        made.dtype = made[0].dtype
        for array in made:
            flags = array.flags
            dense = flags.c_contiguous and flags.aligned and flags.writeable and array.dtype.isnative
            if not dense or array.dtype != made.dtype or made.dtype not in (np.float32, np.float64):
                raise ValueError("Pinned: expected dense, writable arrays of one dtype, float32 or float64")
        made.addresses = np.array([array.__array_interface__["data"][0] for array in made], np.uint64)
        made.sizes = np.array([array.size for array in made], np.int64)
        return made
