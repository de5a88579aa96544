"""FloatTensor, LongTensor ...: PyTorch's older names of a tensor type, which make tensors of that dtype.

FloatTensor(2, 3) is uninitialised memory of that size, FloatTensor([1, 2]) holds those numbers, isinstance(x,
FloatTensor) asks for the dtype, and x.type(FloatTensor) converts. Write tensor(..., dtype=...) in new code.
"""

from __future__ import annotations

from typing import Any

from fastnn import _core, creation, dtypes

__all__ = [
    "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor",
]  # fmt: skip


class _TensorType(type):
    """The type of these types: calls make tensors, isinstance compares dtypes."""

    dtype: dtypes.dtype

    def __call__(cls, *args: Any) -> Any:
        if not args:
            return creation.empty(0, dtype=cls.dtype)
        first = args[0]
        if len(args) == 1 and not isinstance(first, int):
            if isinstance(first, _core.TensorBase):
                if not isinstance(first, cls):
                    raise TypeError(f"expected {cls.__name__} (got {first.type()})")  # type: ignore[attr-defined]
                return first.detach()
            from fastnn.size import Size

            if isinstance(first, Size):
                return creation.empty(tuple(first), dtype=cls.dtype)
            return creation.tensor(first, dtype=cls.dtype)
        return creation.empty(*args, dtype=cls.dtype)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _core.TensorBase) and instance._array.dtype == cls.dtype.to_numpy


class HalfTensor(metaclass=_TensorType):
    """Tensors of float16."""

    dtype = dtypes.float16


class FloatTensor(metaclass=_TensorType):
    """Tensors of float32."""

    dtype = dtypes.float32


class DoubleTensor(metaclass=_TensorType):
    """Tensors of float64."""

    dtype = dtypes.float64


class ByteTensor(metaclass=_TensorType):
    """Tensors of uint8."""

    dtype = dtypes.uint8


class CharTensor(metaclass=_TensorType):
    """Tensors of int8."""

    dtype = dtypes.int8


class ShortTensor(metaclass=_TensorType):
    """Tensors of int16."""

    dtype = dtypes.int16


class IntTensor(metaclass=_TensorType):
    """Tensors of int32."""

    dtype = dtypes.int32


class LongTensor(metaclass=_TensorType):
    """Tensors of int64."""

    dtype = dtypes.int64


class BoolTensor(metaclass=_TensorType):
    """Tensors of bool."""

    dtype = dtypes.bool
