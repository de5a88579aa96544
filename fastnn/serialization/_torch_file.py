"""PyTorch's files: a zip archive of a pickle and of one entry for each storage, uncompressed."""

from __future__ import annotations

import pickle
import struct
import zipfile
import zlib
from typing import Any, BinaryIO, cast

import numpy as np

from fastnn.ops.dims import Array
from fastnn.serialization._dtypes import Order, Reader
from fastnn.serialization._rebuild import STORAGES, Maker, Storage
from fastnn.serialization._unpickle import Unpickler

_MOST_SQUEEZED = 1032  # how many bytes one of deflate's can stand for


def read(stream: BinaryIO, reader: Reader, path: str | None) -> Any:
    """The object in an archive; with ``path``, its storages are mapped from there."""
    damage = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, KeyError, RuntimeError)
    try:
        with zipfile.ZipFile(stream) as archive:
            return _Archive(archive, reader, path).load()
    except damage as error:
        if isinstance(error, RuntimeError) and str(error).startswith("load: "):
            raise  # one of ours; zipfile has some too
        raise RuntimeError(f"load: {reader.file} is damaged or cut short: {error}") from error


class _Archive:
    def __init__(self, archive: zipfile.ZipFile, reader: Reader, path: str | None) -> None:
        self.archive, self.reader, self.path = archive, reader, path
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise RuntimeError(f"load: {reader.file} is a zip archive without data.pkl: torch.save did not write it")
        self.folder = pickles[0][: -len("data.pkl")]
        if f"{self.folder}constants.pkl" in names:
            raise RuntimeError(f"load: {reader.file} is a TorchScript program, which is not read: it is code")
        self.storages: dict[str, tuple[Any, Storage]] = {}
        self.order: Order = "<"
        if f"{self.folder}byteorder" in names:
            order = self._bytes(f"{self.folder}byteorder").tobytes()
            if order not in (b"little", b"big"):
                raise RuntimeError(f"load: {reader.file} is damaged: its byte order is {order!r}")
            self.order = "<" if order == b"little" else ">"

    def load(self) -> Any:
        data = self._bytes(f"{self.folder}data.pkl").tobytes()
        return Unpickler(self.reader.file, self._storage).run(data)

    def _storage(self, name: Any) -> Storage:
        """Of a persistent id: ("storage", type, key, location, number of elements)."""
        if type(name) is not tuple or len(name) != 5 or name[0] != "storage" or not isinstance(name[1], Maker):
            raise pickle.UnpicklingError(f"load: {self.reader.file} refers to something else than a storage: {name!r}")
        _, kind, key, _, count = name
        short = kind.name.rsplit(".", 1)[1]
        if short not in STORAGES and short != "UntypedStorage":
            raise pickle.UnpicklingError(f"load: {self.reader.file} has a storage of type {kind.name}")
        dtype = STORAGES.get(short)
        if key not in self.storages:
            info = self.archive.getinfo(f"{self.folder}data/{key}")
            expected = count * (1 if dtype is None else self.reader.itemsize(dtype))
            if info.file_size != expected:
                raise pickle.UnpicklingError(
                    f"load: {self.reader.file} is damaged: storage {key} has {info.file_size} bytes, not {expected}"
                )
            storage = Storage(lambda: self._bytes(info.filename, self.path), dtype, self.order, self.reader)
            self.storages[key] = (name, storage)
        first, storage = self.storages[key]
        if first[1].name != kind.name or first[4] != count:
            raise pickle.UnpicklingError(f"load: {self.reader.file} describes storage {key} twice, each time otherwise")
        return storage

    def _bytes(self, name: str, path: str | None = None) -> Array:
        """An entry's bytes, in memory that may be written to. The size is checked before it is allocated."""
        info = self.archive.getinfo(name)
        stored = info.compress_type == zipfile.ZIP_STORED
        if info.file_size > info.compress_size * (1 if stored else _MOST_SQUEEZED) or info.flag_bits & 1:
            raise RuntimeError(f"load: {self.reader.file} is damaged: the entry {name} has an impossible size")
        if path is not None and stored and info.file_size:
            return self._mapped(info, path)
        with self.archive.open(info) as entry:
            if info.compress_size > _size(self.archive):
                raise RuntimeError(f"load: {self.reader.file} is cut short: the entry {name} is longer than the file")
            raw = np.empty(info.file_size, np.uint8)
            found, stream = 0, cast(BinaryIO, entry)
            while found < len(raw):
                count = stream.readinto(raw[found:].data)  # type: ignore[attr-defined]
                if not count:
                    raise RuntimeError(f"load: {self.reader.file} is cut short: the entry {name} is not whole")
                found += count
            stream.read(1)  # at the end the checksum is compared
        return raw

    def _mapped(self, info: zipfile.ZipInfo, path: str) -> Array:
        with open(path, "rb") as stream:
            stream.seek(info.header_offset)
            fields = struct.unpack("<4s22xHH", stream.read(30))
        if fields[0] != b"PK\x03\x04":
            raise RuntimeError(f"load: {self.reader.file} is damaged: the entry {info.filename} is somewhere else")
        start = info.header_offset + 30 + fields[1] + fields[2]
        mapped: Array = np.memmap(path, np.uint8, "c", start, (info.file_size,)).view(np.ndarray)
        return mapped


def _size(archive: zipfile.ZipFile) -> int:
    stream: Any = archive.fp
    place = stream.tell()
    end: int = stream.seek(0, 2)
    stream.seek(place)
    return end
