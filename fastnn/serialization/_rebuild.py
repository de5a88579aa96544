"""The functions and types that PyTorch's pickles name, as far as they make data. Nothing of the pickle is run."""

from __future__ import annotations

import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.device import device
from fastnn.nn.parameter import Buffer, Parameter
from fastnn.ops.dims import Array
from fastnn.serialization._dtypes import Order, Reader, torch_dtype
from fastnn.size import Size
from fastnn.tensor import Tensor


class Maker(NamedTuple):
    """Stands in a pickle for a function or type that may be called; ``call`` does what it does."""

    name: str
    call: Callable[..., Any]


class FileDtype(NamedTuple):
    """A dtype of PyTorch's that fastnn does not have, but may read."""

    name: str


class Storage:
    """Bytes of a file that several tensors may share. ``dtype`` None: the tensors say."""

    def __init__(self, read: Callable[[], Array], dtype: str | None, order: Order, reader: Reader) -> None:
        self._read, self.dtype, self._order, self._reader = read, dtype, order, reader
        self._raw: Array | None = None
        self._arrays: dict[str, Array] = {}

    def array(self, dtype: str) -> Array:
        """The flat array; the same memory at each call."""
        if dtype not in self._arrays:
            if self._raw is None:
                self._raw = self._read()
            order: Order = self._order if self.dtype is not None else "="  # untyped bytes are not swapped
            self._arrays[dtype] = self._reader.array(self._raw, dtype, order)
        return self._arrays[dtype]


class NumpyDtype:
    """numpy.dtype under construction: its byte order comes later."""

    def __init__(self, name: str, *_: Any) -> None:
        if not isinstance(name, str) or name[:1] not in tuple("biufc") or not name[1:].isdigit():
            raise pickle.UnpicklingError(f"load: a NumPy array or number of dtype {name!r} is not read")
        self.dtype = np.dtype(name)

    def build(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class NumpyArray:
    """numpy.ndarray under construction: shape, dtype and bytes come later."""

    def build(self, state: Any) -> Array:
        _, shape, dtype, by_columns, data = state
        flat = np.frombuffer(data, dtype.dtype)
        found = flat.reshape(shape, order="F" if by_columns else "C")
        return found.astype(found.dtype.newbyteorder("="))


def _numpy_scalar(dtype: NumpyDtype, data: bytes) -> Any:
    (value,) = np.frombuffer(data, dtype.dtype).astype(dtype.dtype.newbyteorder("="))
    return value


def _numpy_frombuffer(data: Any, dtype: NumpyDtype, shape: Any, order: str) -> Array:
    """How an array is pickled in protocol 5."""
    return NumpyArray().build((1, shape, dtype, order == "F", data))


def _tensor(storage: Storage, offset: Any, size: Any, stride: Any, dtype: str) -> Tensor:
    """The strided view of a storage. UnpicklingError where it reaches beyond it."""
    flat = storage.array(dtype)
    numbers = [offset, *size, *stride]
    if len(size) != len(stride) or any(type(number) is not int or number < 0 for number in numbers):
        raise pickle.UnpicklingError(f"load: a tensor has offset {offset}, size {size} and stride {stride}")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 in size:
        return _core.wrap(np.empty(tuple(size), flat.dtype))
    if last >= len(flat):
        raise pickle.UnpicklingError(
            f"load: a tensor of offset {offset}, size {tuple(size)} and stride {tuple(stride)} reaches beyond its "
            f"storage of {len(flat)} elements"
        )
    steps = [step * flat.itemsize for step in stride]
    return _core.wrap(np.lib.stride_tricks.as_strided(flat[offset:], tuple(size), steps))


def _rebuild_tensor_v2(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any = None, metadata: Any = None
) -> Tensor:
    if storage.dtype is None:
        raise pickle.UnpicklingError("load: a tensor has a storage without a dtype")
    made = _tensor(storage, offset, size, stride, storage.dtype)
    return made.requires_grad_(True) if requires_grad else made


def _rebuild_tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    name = dtype.name if isinstance(dtype, FileDtype) else repr(dtype).split(".")[1]
    made = _tensor(storage, offset, size, stride, name)
    return made.requires_grad_(True) if requires_grad else made


def _rebuild_parameter(data: Any, requires_grad: Any, hooks: Any, state: Any = None) -> Tensor:
    if state:
        raise pickle.UnpicklingError("load: a parameter has attributes of its own, which are not read")
    return Parameter(data, requires_grad=bool(requires_grad))


def _rebuild_from_type(function: Any, kind: Any, args: Any, state: Any) -> Any:
    if not isinstance(function, Maker) or not isinstance(kind, Maker) or kind.name not in _TENSOR_TYPES:
        raise pickle.UnpicklingError("load: a tensor of a class of its own is not read")
    attributes = dict(state[0] if isinstance(state, tuple) else state or {})
    is_buffer, persistent = attributes.pop("_is_buffer", False), attributes.pop("persistent", True)
    if attributes or (isinstance(state, tuple) and any(state[1:])):
        raise pickle.UnpicklingError("load: a tensor has attributes of its own, which are not read")
    made = function.call(*args)
    if is_buffer or kind.name == "torch.nn.parameter.Buffer":
        return Buffer(made, persistent=bool(persistent))
    if kind.name == "torch.nn.parameter.Parameter" and not isinstance(made, Parameter):
        return Parameter(made, requires_grad=made.requires_grad)
    return made


def _never(*_: Any) -> Any:
    raise pickle.UnpicklingError("load: the pickle calls a type that it may only name")


_TENSOR_TYPES = ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer")
_MAKERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    **dict.fromkeys(_TENSOR_TYPES, _never),
    "torch.Size": lambda sizes=(): Size(sizes),
    "torch.device": lambda *_: device("cpu"),  # wherever it was, it is here now
    "collections.OrderedDict": lambda pairs=(): OrderedDict(pairs),
    "collections.Counter": lambda counts=(): Counter(counts),
    "builtins.set": lambda items=(): set(items),
    "builtins.frozenset": lambda items=(): frozenset(items),
    "builtins.complex": lambda real=0.0, imag=0.0: complex(float(real), float(imag)),
    "builtins.bytearray": lambda *args: bytearray(_codecs_encode(*args) if args else b""),
    "_codecs.encode": lambda text, encoding: _codecs_encode(text, encoding),
    "numpy.dtype": NumpyDtype,
    "numpy.ndarray": _never,
}
for _module in ("numpy.core", "numpy._core"):
    _MAKERS[f"{_module}.multiarray.scalar"] = _numpy_scalar
    _MAKERS[f"{_module}.multiarray._reconstruct"] = lambda *_: NumpyArray()
    _MAKERS[f"{_module}.numeric._frombuffer"] = _numpy_frombuffer

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}
_FILE_DTYPES = ("bfloat16", "uint16", "uint32", "uint64", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2")


def _codecs_encode(text: Any, encoding: str = "latin1") -> bytes:
    """How bytes are pickled in protocol 2."""
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8"):
        raise pickle.UnpicklingError(f"load: bytes encoded as {encoding!r} are not read")
    return text.encode(encoding)


def find(module: str, name: str, file: str) -> Any:
    """What stands for ``module.name``. UnpicklingError, which names it, unless it is on the list."""
    module = {"__builtin__": "builtins"}.get(module, module)
    full = f"{module}.{name}"
    if full in _MAKERS:
        return Maker(full, _MAKERS[full])
    if module == "torch":
        if name in STORAGES:
            return Maker(full, _never)
        found = torch_dtype(name)
        if found is not None:
            return found
        if name in _FILE_DTYPES:
            return FileDtype(name)
    if full == "torch.storage.UntypedStorage":
        return Maker(full, _never)
    raise pickle.UnpicklingError(
        f"load: {file} holds {full}, which is not plain data, and fastnn runs no code of a file. Save tensors, "
        "numbers, strings and plain containers of them only: of a module or an optimizer its state_dict()"
    )
