"""PyTorch's values and functions put into fastnn's: a tensor by its memory and strides, everything else by its name.

A function of PyTorch's test files (a lambda that adapts an op, a checker of a sample) is run for fastnn from the same
code with the names it reads translated, so that no op is written down twice.
"""

from __future__ import annotations

import builtins
import collections
import inspect
import math
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import fastnn


class NotOffered(Exception):
    """fastnn has no such name."""


class LeftOut(Exception):
    """The sample asks for what is outside a CPU neural-network library; the text says what."""


_NUMPY_TYPES = {
    torch.bool: np.bool_,
    torch.uint8: np.uint8,
    torch.int8: np.int8,
    torch.int16: np.int16,
    torch.int32: np.int32,
    torch.int64: np.int64,
    torch.float16: np.float16,
    torch.float32: np.float32,
    torch.float64: np.float64,
}

# Where a public object may be named, the place first that users know it by.
_NAMESPACES = (
    "",
    "nn.functional",
    "nn",
    "linalg",
    "special",
    "fft",
    "sparse",
    "masked",
    "signal.windows",
    "nn.init",
    "nn.utils",
    "nn.utils.rnn",
    "nn.modules.linear",
    "optim",
    "optim.lr_scheduler",
    "autograd",
    "random",
)


def _resolve(root: Any, path: str) -> Any:
    for part in filter(None, path.split(".")):
        root = getattr(root, part)
    return root


def _public_names() -> dict[int, tuple[str, Any]]:
    names: dict[int, tuple[str, Any]] = {}
    for place in _NAMESPACES:
        namespace = _resolve(torch, place)
        for name in sorted(dir(namespace), key=lambda name: name.startswith("_")):  # public names first
            if place == "" and name.startswith("_"):
                continue
            value = getattr(namespace, name, None)
            if callable(value) or isinstance(value, types.ModuleType):
                names.setdefault(id(value), (f"{place}.{name}".lstrip("."), value))
    for name in dir(torch.Tensor):
        value = getattr(torch.Tensor, name, None)
        if callable(value):
            names.setdefault(id(value), (f"Tensor.{name}", value))
    return names


_NAMES = _public_names()


def offered(path: str) -> Any:
    """fastnn's object of this dotted name; NotOffered names it where there is none."""
    try:
        return _resolve(fastnn, path)
    except AttributeError:
        raise NotOffered(f"fastnn.{path}") from None


def is_offered(path: str) -> bool:
    try:
        offered(path)
    except NotOffered:
        return False
    return True


def check_tensor(tensor: torch.Tensor) -> None:
    """LeftOut, saying what, where a tensor is of a kind that fastnn has not got."""
    if tensor.layout is not torch.strided:
        raise LeftOut(f"layout {str(tensor.layout).removeprefix('torch.')}")
    if tensor.is_quantized:
        raise LeftOut("quantized tensor")
    if tensor.dtype.is_complex:
        raise LeftOut("complex")
    if tensor.dtype not in _NUMPY_TYPES:
        raise LeftOut(f"dtype {str(tensor.dtype).removeprefix('torch.')}")
    if tensor.device.type != "cpu":
        raise LeftOut(f"device {tensor.device.type}")
    if tensor.ndim > 64:
        raise LeftOut("more than 64 dimensions, the most that NumPy has")


def array_of(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """A copy of a tensor's whole memory, seen through its strides, so that an in-place change stays on its side."""
    check_tensor(tensor)
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor._is_zerotensor():
        tensor = torch.zeros(tensor.shape, dtype=tensor.dtype)
    dtype = np.dtype(_NUMPY_TYPES[tensor.dtype])
    if tensor.numel() == 0 or 0 in tensor.shape:
        return np.empty(tuple(tensor.shape), dtype)
    extent = tensor.untyped_storage().nbytes() // dtype.itemsize
    memory = torch.as_strided(tensor, (extent,), (1,), 0).numpy().copy()
    strides = tuple(stride * dtype.itemsize for stride in tensor.stride())
    return np.lib.stride_tricks.as_strided(memory[tensor.storage_offset() :], tuple(tensor.shape), strides)


class Translator:
    """Translates one sample; a tensor met twice is one tensor on the other side too."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._kept: list[Any] = []  # keeps the ids of _done from being taken anew

    def __call__(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, float, str, bytes, slice, range, type(Ellipsis))):
            return self._slice(value) if isinstance(value, slice) else value
        if isinstance(value, complex):
            raise LeftOut("complex")
        if id(value) in self._done:
            return self._done[id(value)]
        result = self._translate(value)
        self._done[id(value)] = result
        self._kept.append(value)
        return result

    def _slice(self, value: slice) -> slice:
        return slice(self(value.start), self(value.stop), self(value.step))

    def _translate(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, torch.dtype):
            return translate_dtype(value)
        if isinstance(value, torch.Size):
            return fastnn.Size(value)
        if isinstance(value, torch.device):
            if value.type != "cpu":
                raise LeftOut(f"device {value.type}")
            return fastnn.device("cpu")
        if isinstance(value, (torch.layout, torch.memory_format)):
            if value in (torch.strided, torch.contiguous_format, torch.preserve_format):
                return offered(str(value).removeprefix("torch."))
            raise LeftOut(str(value).removeprefix("torch."))
        if isinstance(value, torch.Generator):
            return fastnn.Generator()
        if isinstance(value, torch.nn.utils.rnn.PackedSequence):
            kind = offered("nn.utils.rnn.PackedSequence")
            return kind(*(self(part) for part in value))
        if isinstance(value, torch.nn.Module):
            return self.module(value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            if type(value).__module__.startswith("torch"):
                return tuple(self(part) for part in value)
            return type(value)(*(self(part) for part in value))
        if isinstance(value, (list, tuple)):
            return type(value)(self(part) for part in value)
        if isinstance(value, dict):
            return {key: self(part) for key, part in value.items()}
        if isinstance(value, (np.ndarray, np.generic)):
            return value.copy()
        return self.function(value)

    def _tensor(self, value: torch.Tensor) -> Any:
        check_tensor(value)
        if value.numel() and value.untyped_storage().nbytes() > value.numel() * value.element_size():
            whole = torch.as_strided(
                value.detach(), (value.untyped_storage().nbytes() // value.element_size(),), (1,), 0
            )
            memory = fastnn.from_numpy(array_of(whole))  # a view among others, as the sample is
            tensor = memory.as_strided(tuple(value.shape), value.stride(), value.storage_offset())
        else:
            tensor = fastnn.from_numpy(array_of(value))
        if isinstance(value, torch.nn.Parameter):
            return fastnn.nn.Parameter(tensor, requires_grad=value.requires_grad)
        return tensor.requires_grad_() if value.requires_grad else tensor

    def module(self, value: torch.nn.Module) -> Any:
        """A module of the same class, made from the arguments its attributes remember, with the same state."""
        if not isinstance(value, torch.nn.TransformerEncoderLayer):
            raise LeftOut(f"a module of class {type(value).__name__} as an argument")
        made = offered("nn.TransformerEncoderLayer")(
            value.self_attn.embed_dim,
            value.self_attn.num_heads,
            value.linear1.out_features,
            value.dropout.p,
            self(value.activation),
            value.norm1.eps,
            value.self_attn.batch_first,
            value.norm_first,
            value.linear1.bias is not None,
            dtype=self(value.linear1.weight.dtype),
        )
        copy_state(value, made, self)
        return made.train(value.training)

    def function(self, value: Any) -> Any:
        """fastnn's function, class or module of the same public name, or the same Python code with fastnn's names."""
        if value in (math, np, builtins, collections) or isinstance(value, types.ModuleType):
            if not (value.__name__ == "torch" or value.__name__.startswith("torch.")):
                return value
            path = value.__name__.removeprefix("torch").lstrip(".")
            return _Namespace(path)
        if isinstance(value, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):
            name = str(value).split(".")[1]
            return offered(name)
        if id(value) in _NAMES:
            return offered(_NAMES[id(value)][0])
        if getattr(builtins, getattr(value, "__name__", "") or "-", None) is value:
            return value
        if isinstance(value, types.FunctionType):
            if value.__module__.startswith("torch.testing"):
                return self.code(value)
            if not value.__module__.startswith("torch"):
                return value
            name = value.__name__
            place = value.__module__.removeprefix("torch").lstrip(".").removesuffix("._ops").removesuffix(".windows")
            return offered(f"{place}.{name}".lstrip(".") if place else name)
        if isinstance(value, types.MethodType) or not getattr(type(value), "__module__", "").startswith("torch"):
            return value
        if isinstance(value, type):
            return offered(f"{value.__module__}.{value.__qualname__}".removeprefix("torch."))
        return self._record(value)

    def _record(self, value: Any) -> Any:
        kind = type(value)
        made = offered(f"nn.{kind.__name__}")
        fields = [name for name in inspect.signature(kind.__init__).parameters if name != "self"]
        return made(**{name: self(getattr(value, name)) for name in fields})

    def code(self, function: types.FunctionType) -> Callable[..., Any]:
        """The same Python function, every torch name it reads translated."""
        read = function.__globals__
        names = {name: read[name] for name in _names_of(function.__code__) if name in read}
        # Filled after the function is made: functions may call one another.
        translated: dict[str, Any] = {"__builtins__": builtins}
        cells = tuple(types.CellType(self._inside(c.cell_contents)) for c in function.__closure__ or ())
        defaults = tuple(self(value) for value in function.__defaults__ or ())
        made = types.FunctionType(function.__code__, translated, function.__name__, defaults, cells)
        made.__kwdefaults__ = {k: self(v) for k, v in (function.__kwdefaults__ or {}).items()}
        self._done[id(function)] = made
        self._kept.append(function)
        for name, value in names.items():
            translated[name] = self._inside(value)
        return made

    def _inside(self, value: Any) -> Any:
        """As the translator itself, but a name not offered is an error only where it is used."""
        try:
            return self(value)
        except NotOffered as error:
            return _Absent(str(error))


class _Absent:
    """Stands for what fastnn does not offer; using it says so."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotOffered(self._path)

    def __getattr__(self, name: str) -> Any:
        raise NotOffered(self._path)


class _Namespace:
    """A module of fastnn seen by translated code; a name it lacks is NotOffered."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}.{name}".lstrip(".")
        if isinstance(_resolve_or_none(torch, path), types.ModuleType):
            return _Namespace(path)
        if path.startswith("ops.aten."):
            return offered(path.removeprefix("ops.aten."))
        if path == "_C._TensorBase" or path == "_C.TensorBase":
            return fastnn.Tensor
        return offered(path)


def _resolve_or_none(root: Any, path: str) -> Any:
    try:
        return _resolve(root, path)
    except AttributeError:
        return None


def _names_of(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_of(constant)


def translate_dtype(dtype: torch.dtype) -> Any:
    if dtype.is_complex:
        raise LeftOut("complex")
    if dtype not in _NUMPY_TYPES:
        raise LeftOut(f"dtype {str(dtype).removeprefix('torch.')}")
    return offered(str(dtype).removeprefix("torch."))


def copy_state(source: torch.nn.Module, target: Any, translate: Translator) -> None:
    """Give a module of fastnn the parameters and buffers of PyTorch's, by name, whether persistent or not."""
    ours = {**dict(target.named_parameters()), **dict(target.named_buffers())}
    theirs = {**dict(source.named_parameters()), **dict(source.named_buffers())}
    if set(ours) != set(theirs):
        only = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
        raise AssertionError(f"parameters and buffers differ: PyTorch's alone {only[0]}, fastnn's alone {only[1]}")
    state = {name: fastnn.from_numpy(array_of(value)) for name, value in source.state_dict().items()}
    target.load_state_dict(state)
    for name, tensor in theirs.items():
        mine, right = tuple(ours[name].shape), tuple(tensor.shape)
        if mine != right:
            raise AssertionError(f"{name} has shape {mine}, PyTorch's {right}")
        if ours[name].requires_grad != tensor.requires_grad:
            raise AssertionError(f"{name}.requires_grad is {ours[name].requires_grad}")
