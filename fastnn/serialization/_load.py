"""``load``: safetensors files, and PyTorch's own."""

from __future__ import annotations

import io
import json
import os
from typing import Any, BinaryIO

from fastnn import _core
from fastnn.device import device
from fastnn.serialization import _safetensors
from fastnn.serialization._dtypes import Reader
from fastnn.serialization._save import VERSION
from fastnn.serialization._tree import Decoder


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """What ``save`` wrote to ``f``, a path or a file open for reading; the tensors by name of any safetensors file; or
    what PyTorch's ``torch.save`` wrote (since 1.6), as far as it is data.

    No code is ever run, whatever ``weights_only`` is: of a pickle, tensors, parameters, NumPy arrays and numbers and
    plain containers are read. ``mmap``: the file is mapped, and its pages are read when they are used (changes stay in
    memory). ``map_location``: a device, a dict of devices, or a function; everything comes to the CPU in any case.

    bfloat16 becomes float32, uint16 int32 and uint32 int64, with a UserWarning: the values are the same.

    pickle.UnpicklingError for what is not data in a pickle; RuntimeError for a damaged, cut or unknown file, and for a
    ``map_location`` that is not the CPU; NotImplementedError for tensors of other dtypes, and for the options about
    pickles; ValueError for mmap without a path; ImportError without safetensors, where it is needed.
    """
    if pickle_module is not None or pickle_load_args:
        name = "pickle_module" if pickle_module is not None else next(iter(pickle_load_args))
        raise NotImplementedError(f"load: {name} is not implemented: pickles are not run, leave the option out")
    _check_location(map_location)
    if hasattr(f, "read"):
        if mmap:
            raise ValueError("f must be a file path in order to use the mmap argument")
        data = bytes(f.read())
        reader = Reader(f"the file {getattr(f, 'name', type(f).__name__)}")
        found = _of_bytes(data, reader)
    else:
        reader = Reader(os.fspath(f))
        found = _of_path(os.fspath(f), bool(mmap), reader)
    reader.warn()
    return found


def _check_location(map_location: Any) -> None:
    if map_location is None or callable(map_location):
        return
    places = map_location.values() if isinstance(map_location, dict) else [map_location]
    for place in places:
        device(place)  # which refuses what is not the CPU


def _of_bytes(data: bytes, reader: Reader) -> Any:
    if _kind(data[:16], reader.file) == "zip":
        return _of_torch(io.BytesIO(data), reader, None)
    return _object(*_safetensors.read_bytes(data, reader), reader.file)


def _of_path(path: str, mmap: bool, reader: Reader) -> Any:
    with open(path, "rb") as stream:
        kind = _kind(stream.read(16), path)
        if kind == "zip":
            stream.seek(0)
            return _of_torch(stream, reader, path if mmap else None)
    return _object(*_safetensors.read_file(path, mmap, reader), path)


def _of_torch(stream: BinaryIO, reader: Reader, path: str | None) -> Any:
    from fastnn.serialization import _torch_file  # here, as few programs need zipfile and pickletools

    return _torch_file.read(stream, reader, path)


def _kind(start: bytes, file: str) -> str:
    """By a file's first bytes: "zip" or "safetensors". RuntimeError for others."""
    if start[:4] == b"PK\x03\x04":
        return "zip"
    if len(start) >= 9 and start[8:9] == b"{":
        return "safetensors"
    if start[:1] == b"\x80":
        raise RuntimeError(
            f"load: {file} is a pickle or of PyTorch's format before 1.6, which is not read: load it in PyTorch and "
            "save it again with torch.save"
        )
    raise RuntimeError(f"load: {file} is neither a safetensors file nor one of PyTorch's, or it is cut short")


def _object(metadata: dict[str, str], arrays: dict[str, Any], file: str) -> Any:
    if "fastnn" not in metadata:
        return {name: _core.wrap(array) for name, array in arrays.items()}
    try:
        text = json.loads(metadata["fastnn"])
        version, tree = text["version"], text["object"]
    except (ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"load: {file} is damaged: its description is no JSON of ours ({error})") from error
    if version != VERSION:
        raise RuntimeError(f"load: {file} was written in version {version} of the layout; this fastnn reads {VERSION}")
    return Decoder(arrays, file).decode(tree)
