"""The dtypes of files, and what tensors of them become here: those that fastnn lacks widen to one that holds them."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any, Literal, TypeAlias

import numpy as np

from fastnn.ops.dims import Array

Order: TypeAlias = Literal["<", ">", "="]

# name in PyTorch: (NumPy's letters in the file, NumPy's letters here)
_TYPES = {
    "float64": ("f8", "f8"),
    "float32": ("f4", "f4"),
    "float16": ("f2", "f2"),
    "bfloat16": ("u2", "f4"),  # the upper half of a float32
    "int64": ("i8", "i8"),
    "int32": ("i4", "i4"),
    "int16": ("i2", "i2"),
    "int8": ("i1", "i1"),
    "uint8": ("u1", "u1"),
    "bool": ("?", "?"),
    "uint16": ("u2", "i4"),
    "uint32": ("u4", "i8"),
}


class Reader:
    """Turns bytes of a file into arrays, and keeps count of those that were widened."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._widened: Counter[str] = Counter()

    def itemsize(self, dtype: str) -> int:
        """Bytes of an element in the file. NotImplementedError for a dtype that cannot be read."""
        if dtype not in _TYPES:
            raise NotImplementedError(f"load: {self.file} holds a tensor of dtype {dtype}, which fastnn does not have")
        return np.dtype(_TYPES[dtype][0]).itemsize

    def array(self, raw: Array, dtype: str, order: Order = "<") -> Array:
        """The bytes ``raw`` as a flat array of native order, in their own memory where nothing is widened."""
        self.itemsize(dtype)
        there, here = _TYPES[dtype]
        found: Array = raw.view(np.dtype(there).newbyteorder(order))
        if not found.dtype.isnative:
            found = found.astype(found.dtype.newbyteorder("="))
        if there == here:
            return found
        self._widened[f"{dtype} (loaded as {np.dtype(here).name})"] += 1
        if dtype == "bfloat16":
            return (found.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return found.astype(here)

    def warn(self) -> None:
        """Say what was widened."""
        if self._widened:
            rows = ", ".join(f"{count} of {words}" for words, count in sorted(self._widened.items()))
            warnings.warn(
                f"load: {self.file} holds tensors of dtypes that fastnn does not have: {rows}; the values are the same",
                UserWarning,
                stacklevel=4,
            )


def torch_dtype(name: str) -> Any:
    """fastnn's dtype of that name in PyTorch, or None."""
    import fastnn.dtypes

    found = getattr(fastnn.dtypes, name, None)
    return found if isinstance(found, fastnn.dtypes.dtype) else None
