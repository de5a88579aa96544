"""The element types, and PyTorch's rules for mixing them.

A ``dtype`` is one of nine singletons, each standing for one NumPy dtype in native byte order.
This module's own names shadow ``bool``, ``float`` and ``int``, hence ``builtins`` below.
"""

from __future__ import annotations

import builtins
from typing import Any, NoReturn, TypeAlias, final

import numpy as np

Number: TypeAlias = "builtins.int | builtins.float | builtins.bool"


@final
class dtype:
    """An element type. There are nine, made by this module; they compare by identity and pickle as singletons."""

    __slots__ = ("_name", "is_complex", "is_floating_point", "is_signed", "itemsize", "to_numpy")

    _name: str
    itemsize: builtins.int
    is_floating_point: builtins.bool
    is_complex: builtins.bool
    is_signed: builtins.bool
    to_numpy: np.dtype[Any]

    def __new__(cls) -> dtype:
        raise TypeError("cannot create 'fastnn.dtype' instances: use fastnn.float32 and its like")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"fastnn.{self._name} is read-only: cannot set '{name}'")

    def __repr__(self) -> str:
        return f"fastnn.{self._name}"

    def __reduce__(self) -> str:
        return self._name  # pickled as the global name it has in this module


def _make(name: str, numpy_type: type[np.generic]) -> dtype:
    made: dtype = object.__new__(dtype)
    to_numpy: np.dtype[Any] = np.dtype(numpy_type)
    fields = {
        "_name": name,
        "itemsize": to_numpy.itemsize,
        "is_floating_point": to_numpy.kind == "f",
        "is_complex": False,
        "is_signed": to_numpy.kind in "fi",
        "to_numpy": to_numpy,
    }
    for field, value in fields.items():
        object.__setattr__(made, field, value)
    return made


float16 = half = _make("float16", np.float16)
float32 = _make("float32", np.float32)
float64 = double = _make("float64", np.float64)
uint8 = _make("uint8", np.uint8)
int8 = _make("int8", np.int8)
int16 = short = _make("int16", np.int16)
int32 = _make("int32", np.int32)
int64 = long = _make("int64", np.int64)
bool = _make("bool", np.bool_)
float = float32
int = int32

# In the order of promotion: of two types, the later one usually holds both (uint8 beside int8 is the exception).
ALL_DTYPES = (bool, uint8, int8, int16, int32, int64, float16, float32, float64)

# By NumPy's type number; C's int, long and long long are different numbers, two of them the same width.
_BY_NUM: dict[builtins.int, dtype] = {t.to_numpy.num: t for t in ALL_DTYPES}
for _code in "bhilq":
    _integer = np.dtype(_code)
    for _candidate in ALL_DTYPES:
        if (_candidate.to_numpy.kind, _candidate.itemsize) == (_integer.kind, _integer.itemsize):
            _BY_NUM[_integer.num] = _candidate

_PYTHON_TYPES: dict[type, dtype] = {builtins.float: float64, builtins.int: int64, builtins.bool: bool}

_default = float32


def from_numpy_dtype(numpy_dtype: np.dtype[Any]) -> dtype:
    """The dtype of NumPy arrays of ``numpy_dtype``, whichever its byte order. TypeError for a type that has none."""
    found = _BY_NUM.get(numpy_dtype.num)
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type {numpy_dtype.type.__module__}.{numpy_dtype.type.__name__}. "
            "The only supported types are: float64, float32, float16, int64, int32, int16, int8, uint8, and bool."
        )
    return found


def check_dtype(given: object, function: str = "dtype") -> dtype:
    """``given`` as a dtype: a fastnn dtype, Python's float (float64), int (int64) or bool, or None (the default).

    TypeError, naming ``function``, for anything else.
    """
    if given is None:
        return _default
    if type(given) is dtype:
        return given
    found = _PYTHON_TYPES.get(given) if isinstance(given, type) else None
    if found is None:
        raise TypeError(f"{function}(): argument 'dtype' must be fastnn.dtype, not {type(given).__name__} ({given!r})")
    return found


def to_numpy_dtype(given: object, function: str = "dtype") -> np.dtype[Any]:
    """The NumPy dtype of ``given``, which is what ``check_dtype`` takes."""
    return check_dtype(given, function).to_numpy


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats, and of zeros, ones, rand ... when none is given."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the default dtype: a floating one, else TypeError."""
    global _default
    if type(d) is not dtype or not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d!r}")
    _default = d


def is_tensor(obj: object) -> builtins.bool:
    """Whether ``obj`` is a Tensor."""
    from fastnn._core import TensorBase

    return isinstance(obj, TensorBase)


def is_floating_point(input: Any) -> builtins.bool:
    """Whether the elements of the tensor ``input`` are float16, float32 or float64. TypeError for other objects."""
    if not is_tensor(input):
        raise TypeError(f"is_floating_point(): argument 'input' must be Tensor, not {type(input).__name__}")
    return builtins.bool(input._array.dtype.kind == "f")


def is_complex(input: Any) -> builtins.bool:
    """False for every tensor: there are no complex dtypes. TypeError for other objects."""
    if not is_tensor(input):
        raise TypeError(f"is_complex(): argument 'input' must be Tensor, not {type(input).__name__}")
    return False


# ------------------------------------------------------------------------------------------- promotion


def _promote(a: dtype, b: dtype) -> dtype:
    if {a, b} == {uint8, int8}:
        return int16
    return max(a, b, key=ALL_DTYPES.index)


_PROMOTED = {(a, b): _promote(a, b) for a in ALL_DTYPES for b in ALL_DTYPES}


def _known(given: object, function: str, argument: str) -> dtype:
    if type(given) is not dtype:
        raise TypeError(f"{function}(): argument '{argument}' must be fastnn.dtype, not {type(given).__name__}")
    return given


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that holds both, in PyTorch's sense: a floating one beats every integer."""
    return _PROMOTED[_known(type1, "promote_types", "type1"), _known(type2, "promote_types", "type2")]


def can_cast(from_: dtype, to: dtype) -> builtins.bool:
    """Whether an in-place result of ``from_`` may be stored as ``to``: never to a lower category (float, int, bool)."""
    return _category(_known(to, "can_cast", "to")) >= _category(_known(from_, "can_cast", "from_"))


def _category(d: dtype) -> builtins.int:
    return 0 if d is bool else 2 if d.is_floating_point else 1


def result_type(*operands: Any) -> dtype:
    """The dtype of an operation on ``operands``: tensors, Python numbers, NumPy scalars.

    PyTorch's rule: tensors with dimensions come first; a 0-d tensor, then a number, changes their dtype only when
    its category (bool < int < float) is higher. A Python float counts as the default dtype, an int as int64.
    """
    with_dims: dtype | None = None
    zero_dim: dtype | None = None
    numbers: dtype | None = None
    for operand in operands:
        array = getattr(operand, "_array", None)
        if array is None:
            numbers = _either(numbers, number_dtype(operand))
        elif array.ndim:
            with_dims = _either(with_dims, _BY_NUM[array.dtype.num])
        else:
            zero_dim = _either(zero_dim, _BY_NUM[array.dtype.num])
    result = _stronger(with_dims, _stronger(zero_dim, numbers))
    if result is None:
        raise TypeError("result_type() takes at least one operand")
    return result


def number_dtype(number: object) -> dtype:
    """The dtype a number has in ``result_type``: bool, int64 or the default dtype. TypeError for other objects."""
    if isinstance(number, (builtins.bool, np.bool_)):
        return bool
    if isinstance(number, (builtins.int, np.integer)):
        return int64
    if isinstance(number, (builtins.float, np.floating)):
        return _default
    raise TypeError(f"expected a Tensor or a number, got {type(number).__name__}")


def _either(a: dtype | None, b: dtype) -> dtype:
    return b if a is None else _PROMOTED[a, b]


def _stronger(higher: dtype | None, lower: dtype | None) -> dtype | None:
    if higher is None or lower is None:
        return lower if higher is None else higher
    return _PROMOTED[higher, lower] if _category(lower) > _category(higher) else higher


# ------------------------------------------------------------------------------------------- limits


@final
class finfo:
    """The limits of a floating dtype (the default one if none is given). TypeError for other dtypes."""

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: dtype | None = None) -> None:
        d = _default if type is None else _known(type, "finfo", "type")
        if not d.is_floating_point:
            raise TypeError(f"fastnn.finfo() requires a floating point input type, got {d!r}. Use fastnn.iinfo for it")
        limits = np.finfo(d.to_numpy)
        self.dtype = d._name
        self.bits = d.itemsize * 8
        self.eps = builtins.float(limits.eps)
        self.max = builtins.float(limits.max)
        self.min = builtins.float(limits.min)
        self.tiny = self.smallest_normal = builtins.float(limits.smallest_normal)
        self.resolution = 10.0**-limits.precision

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        values = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({values}, dtype={self.dtype})"


@final
class iinfo:
    """The limits of an integer dtype. TypeError for other dtypes."""

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: dtype) -> None:
        d = _known(type, "iinfo", "type")
        if d.is_floating_point or d is bool:
            raise TypeError(f"fastnn.iinfo() requires an integer input type, got {d!r}")
        limits = np.iinfo(d.to_numpy)
        self.dtype = d._name
        self.bits = d.itemsize * 8
        self.min = builtins.int(limits.min)
        self.max = builtins.int(limits.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
