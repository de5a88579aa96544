"""Nested containers as arrays by name and a text of JSON, and back.

JSON's own values stand for themselves and a JSON list for a list. Everything else is a JSON object whose first key is
its kind: {"tensor": name}, {"dict": [[key, value], ...]}, {"tuple": [...]}, ...
"""

from __future__ import annotations

import base64
import math
from collections import Counter, OrderedDict
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.device import device
from fastnn.dtypes import dtype as DType
from fastnn.nn.module import Module
from fastnn.nn.parameter import Buffer, Parameter
from fastnn.ops.dims import Array
from fastnn.optim.optimizer import Optimizer
from fastnn.serialization._dtypes import torch_dtype
from fastnn.size import Size
from fastnn.tensor import Tensor

_MAPPINGS: dict[type, str] = {dict: "dict", OrderedDict: "OrderedDict", Counter: "Counter"}
_SEQUENCES: dict[type, str] = {tuple: "tuple", set: "set", frozenset: "frozenset", Size: "Size"}
_TENSORS: dict[type, str] = {Tensor: "tensor", Parameter: "parameter", Buffer: "buffer"}


class Encoder:
    """Gathers the arrays of one object. ``same``: further names of arrays that are kept under another."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self.same: dict[str, str] = {}
        self._names: dict[Any, str] = {}
        self._open: set[int] = set()

    def encode(self, value: Any, path: tuple[str, ...] = ()) -> Any:
        """JSON for ``value``. TypeError, naming its place, for what is not data; ValueError for a circle."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if kind in _TENSORS:
            return self._tensor(_TENSORS[kind], value, path)
        if kind is list or kind in _MAPPINGS or kind in _SEQUENCES:
            return self._container(value, kind, path)
        if kind is np.ndarray:
            return {"ndarray": self._named(value, path)}
        if isinstance(value, np.generic) and value.dtype.kind in "biuf":
            return {"scalar": self._named(np.asarray(value), path)}
        if kind in (bytes, bytearray):
            return {kind.__name__: base64.b64encode(value).decode("ascii")}
        if kind is complex:
            return {"complex": [self.encode(value.real, path), self.encode(value.imag, path)]}
        if kind is DType:
            return {"dtype": repr(value).split(".")[1]}
        if kind is device:
            return {"device": str(value)}
        raise TypeError(_refusal(value, path))

    def _container(self, value: Any, kind: type, path: tuple[str, ...]) -> Any:
        if id(value) in self._open:
            raise ValueError(f"save: {_place(path)} holds itself")
        self._open.add(id(value))
        try:
            if kind not in _MAPPINGS:
                items = [self.encode(item, (*path, str(index))) for index, item in enumerate(value)]
                return items if kind is list else {_SEQUENCES[kind]: items}
            node: dict[str, Any] = {
                _MAPPINGS[kind]: [
                    [self.encode(key, (*path, "a key")), self.encode(item, (*path, str(key)))]
                    for key, item in value.items()
                ]
            }
            if hasattr(value, "_metadata"):  # a module's state: the versions of its parts
                node["_metadata"] = self.encode(value._metadata, (*path, "_metadata"))
            return node
        finally:
            self._open.remove(id(value))

    def _tensor(self, kind: str, value: Tensor, path: tuple[str, ...]) -> Any:
        node: dict[str, Any] = {kind: self._named(value._array, path)}
        if value.requires_grad != (kind == "parameter"):
            node["requires_grad"] = value.requires_grad
        if kind == "buffer" and not getattr(value, "persistent", True):
            node["persistent"] = False
        return node

    def _named(self, array: Array, path: tuple[str, ...]) -> str:
        """The name under which the array is kept: its path, or that of an earlier one in the same memory."""
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise TypeError(f"save: {_place(path)} is an array of dtype {array.dtype}, which cannot be saved")
        name = wanted = ".".join(path) or "tensor"
        memory = (array.ctypes.data, array.shape, array.strides, array.dtype.str) if array.size else id(array)
        if memory in self._names:
            self.same[name] = self._names[memory]
            return self._names[memory]
        count = 1
        while name in self.arrays or name == "__metadata__":
            count += 1
            name = f"{wanted}#{count}"
        self.arrays[name] = array
        self._names[memory] = name
        return name


def _place(path: tuple[str, ...]) -> str:
    return "the object" + "".join(f"[{part!r}]" for part in path)


def _refusal(value: Any, path: tuple[str, ...]) -> str:
    advice = "tensors, arrays, numbers, strings and plain containers of them can"
    if isinstance(value, (Module, Optimizer)):
        advice = "save its state_dict(), and load that into a new one"
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return f"save: {_place(path)} is a {kind}, which cannot be saved: {advice}"


class Decoder:
    """Builds the object of ``encode``'s JSON from arrays by name. RuntimeError where they do not fit together."""

    def __init__(self, arrays: dict[str, Array], file: str) -> None:
        self.arrays, self.file = arrays, file
        self._made: dict[Any, Tensor] = {}

    def decode(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        kind = next(iter(node), "")
        build = getattr(self, f"_make_{kind}", None)
        try:
            if build is not None:
                return build(node[kind], node)
            for table in (_SEQUENCES, _MAPPINGS):
                for type_, name in table.items():
                    if name == kind:
                        return self._container(type_, node[kind], node)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RuntimeError(f"load: {self.file} is damaged: {kind}: {error}") from error
        raise RuntimeError(f"load: {self.file} holds a value of the kind {kind!r}, which this version does not know")

    def _container(self, kind: type, items: Any, node: dict[str, Any]) -> Any:
        if kind in _SEQUENCES:
            return kind(self.decode(item) for item in items)
        made = kind()
        for key, value in items:
            made[self.decode(key)] = self.decode(value)
        if "_metadata" in node:
            made._metadata = self.decode(node["_metadata"])
        return made

    def _make_tensor(self, name: str, node: dict[str, Any]) -> Tensor:
        return self._kept("tensor", name, node.get("requires_grad", False))

    def _make_parameter(self, name: str, node: dict[str, Any]) -> Tensor:
        return self._kept("parameter", name, node.get("requires_grad", True))

    def _make_buffer(self, name: str, node: dict[str, Any]) -> Tensor:
        return self._kept("buffer", name, node.get("requires_grad", False), node.get("persistent", True))

    def _kept(self, kind: str, name: str, requires_grad: bool, persistent: bool = True) -> Tensor:
        """The tensor; of one name, kind and options the same object every time."""
        key = (kind, name, requires_grad, persistent)
        if key not in self._made:
            tensor = _core.wrap(self.arrays[name])
            if kind == "parameter":
                tensor = Parameter(tensor, requires_grad=requires_grad)
            elif kind == "buffer":
                tensor = Buffer(tensor, persistent=persistent)
            elif requires_grad:
                tensor.requires_grad_(True)
            self._made[key] = tensor
        return self._made[key]

    def _make_ndarray(self, name: str, node: dict[str, Any]) -> Array:
        return self.arrays[name]

    def _make_scalar(self, name: str, node: dict[str, Any]) -> Any:
        return self.arrays[name][()]

    def _make_float(self, text: str, node: dict[str, Any]) -> float:
        return float(text)

    def _make_bytes(self, text: str, node: dict[str, Any]) -> bytes:
        return base64.b64decode(text)

    def _make_bytearray(self, text: str, node: dict[str, Any]) -> bytearray:
        return bytearray(base64.b64decode(text))

    def _make_complex(self, parts: list[Any], node: dict[str, Any]) -> complex:
        real, imag = (self.decode(part) for part in parts)
        return complex(real, imag)

    def _make_dtype(self, name: str, node: dict[str, Any]) -> Any:
        found = torch_dtype(name)
        if found is None:
            raise ValueError(f"there is no dtype {name!r}")
        return found

    def _make_device(self, name: str, node: dict[str, Any]) -> device:
        return device(name)
