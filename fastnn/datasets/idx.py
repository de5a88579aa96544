"""The IDX format of MNIST and its relatives: a magic number, the extents, the elements, all big-endian.

The format is described on MNIST's page (LeCun, Cortes, Burges): two zero bytes, a byte for the element type, a byte for
the number of dimensions, then one 32-bit extent a dimension.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array in an IDX file, which may be gzipped whatever its name: native byte order, the extents it states.

    FileNotFoundError where there is none; ValueError for a file that is not IDX, is cut short, or has more bytes than
    its extents ask for.
    """
    with open(path, "rb") as file:
        content = file.read()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"read_idx(): {path} is a damaged gzip file: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(f"read_idx(): {path} is not an IDX file: it begins with {content[:4].hex() or 'nothing'}")
    dtype, ndim = np.dtype(_TYPES[content[2]]), content[3]
    start = 4 + 4 * ndim
    if len(content) < start:
        raise ValueError(f"read_idx(): {path} ends within its header of {start} bytes, after {len(content)}")
    shape = tuple(np.frombuffer(content, ">u4", ndim, 4).tolist())
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"read_idx(): {path} has {len(content)} bytes, where shape {shape} of {dtype.newbyteorder('=')} "
            f"asks for {expected}"
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
