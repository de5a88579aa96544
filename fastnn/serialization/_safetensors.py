"""Safetensors files: a header in JSON that says where each array lies, then the arrays' bytes."""

from __future__ import annotations

import errno
import io
import json
import os
import re
from typing import Any, BinaryIO

import numpy as np

from fastnn.ops.dims import Array
from fastnn.serialization._dtypes import Reader

_CODES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
    "U16": "uint16",
    "U32": "uint32",
}


def library() -> Any:
    """The package safetensors. ImportError, naming the extra that brings it, where it is not installed."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "saving and loading needs the package safetensors: pip install 'fastnn-cpu[io]' or pip install safetensors"
        ) from error
    return safetensors


def _dense(arrays: dict[str, Array]) -> dict[str, Array]:
    """What the library asks for: each array's elements in order of its indices, one after the other."""
    return {name: np.require(a, a.dtype.newbyteorder("<"), ("C", "A")) for name, a in arrays.items()}


def write_file(path: str, arrays: dict[str, Array], metadata: dict[str, str]) -> None:
    """OSError where the disk is full or fails, which the library reports by an error of its own."""
    writer = library()
    try:
        writer.numpy.save_file(_dense(arrays), path, metadata=metadata)
    except writer.SafetensorError as error:
        found = re.search(r"\(os error (\d+)\)", str(error))
        if found is None:
            raise OSError(errno.EIO, str(error), path) from error
        raise OSError(int(found[1]), os.strerror(int(found[1])), path) from error


def to_bytes(arrays: dict[str, Array], metadata: dict[str, str]) -> bytes:
    data: bytes = library().numpy.save(_dense(arrays), metadata=metadata)
    return data


def read_file(path: str, mmap: bool, reader: Reader) -> tuple[dict[str, str], dict[str, Array]]:
    """Metadata and arrays, in the file's order. RuntimeError where the file is damaged or not whole."""
    checked = library()
    try:
        with checked.safe_open(path, framework="numpy"):  # which looks at every size and offset
            pass
    except checked.SafetensorError as error:
        raise RuntimeError(_damaged(reader.file, error)) from error
    with open(path, "rb") as stream:
        start, metadata, rows = _header(stream, reader.file)
        if mmap:
            memory: Array = np.memmap(path, np.uint8, mode="c").view(np.ndarray)
            return metadata, {row[0]: _array(memory[start + row[3] : start + row[4]], row, reader) for row in rows}
        arrays = {}
        for row in rows:
            raw = np.empty(row[4] - row[3], np.uint8)
            stream.seek(start + row[3])
            if stream.readinto(raw.data) != len(raw):
                raise RuntimeError(_damaged(reader.file, f"it ends within the tensor {row[0]!r}"))
            arrays[row[0]] = _array(raw, row, reader)
    return metadata, arrays


def read_bytes(data: bytes, reader: Reader) -> tuple[dict[str, str], dict[str, Array]]:
    """As ``read_file``, of a file's bytes."""
    checked = library()
    try:
        checked.deserialize(data)
    except checked.SafetensorError as error:
        raise RuntimeError(_damaged(reader.file, error)) from error
    start, metadata, rows = _header(io.BytesIO(data), reader.file)
    memory = np.frombuffer(bytearray(data), np.uint8)
    return metadata, {row[0]: _array(memory[start + row[3] : start + row[4]], row, reader) for row in rows}


def _damaged(file: str, why: object) -> str:
    return f"load: {file} is not a whole safetensors file: {why}"


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in its header")
    return found


def _header(stream: BinaryIO | Any, file: str) -> tuple[int, dict[str, str], list[Any]]:
    """Where the arrays' bytes begin, the metadata, and rows (name, dtype, shape, begin, end) in the bytes' order."""
    size = int.from_bytes(stream.read(8), "little")
    try:
        entries = json.loads(stream.read(size), object_pairs_hook=_no_twins)
        metadata = entries.pop("__metadata__", {})
        rows = [(name, e["dtype"], e["shape"], *e["data_offsets"]) for name, e in entries.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RuntimeError(_damaged(file, error)) from error
    return 8 + size, metadata, sorted(rows, key=lambda row: row[3])


def _array(raw: Array, row: Any, reader: Reader) -> Array:
    name, code, shape, *_ = row
    if code not in _CODES:
        raise NotImplementedError(f"load: {name!r} in {reader.file} is of dtype {code}, which fastnn does not have")
    return reader.array(raw, _CODES[code]).reshape(shape)
