"""Comparisons and logic: bool tensors, never on the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.broadcast import broadcast_shape
from fastnn.ops.gate import operands, tensor_argument

if TYPE_CHECKING:
    from fastnn.ops.gate import TensorLike
    from fastnn.tensor import Tensor

__all__ = [
    "allclose", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "eq", "equal", "ge", "greater",
    "greater_equal", "gt", "isclose", "le", "less", "less_equal", "logical_and", "logical_not", "logical_or",
    "logical_xor", "lt", "ne", "not_equal",
]  # fmt: skip


def _binary(ufunc: Callable[..., Any], input: TensorLike, other: TensorLike, name: str) -> Tensor:
    a, b = operands(tensor_argument(input, name), other, name)
    broadcast_shape(a._array.shape, b._array.shape)
    return _core.wrap(ufunc(a._array, b._array))


def eq(input: TensorLike, other: TensorLike) -> Tensor:
    """input == other, broadcast; NaN equals nothing."""
    return _binary(np.equal, input, other, "eq")


def ne(input: TensorLike, other: TensorLike) -> Tensor:
    """input != other, broadcast."""
    return _binary(np.not_equal, input, other, "ne")


def lt(input: TensorLike, other: TensorLike) -> Tensor:
    """input < other, broadcast."""
    return _binary(np.less, input, other, "lt")


def le(input: TensorLike, other: TensorLike) -> Tensor:
    """input <= other, broadcast."""
    return _binary(np.less_equal, input, other, "le")


def gt(input: TensorLike, other: TensorLike) -> Tensor:
    """input > other, broadcast."""
    return _binary(np.greater, input, other, "gt")


def ge(input: TensorLike, other: TensorLike) -> Tensor:
    """input >= other, broadcast."""
    return _binary(np.greater_equal, input, other, "ge")


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both are nonzero."""
    return _binary(np.logical_and, input, tensor_argument(other, "logical_and", "other"), "logical_and")


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether either is nonzero."""
    return _binary(np.logical_or, input, tensor_argument(other, "logical_or", "other"), "logical_or")


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether exactly one is nonzero."""
    return _binary(np.logical_xor, input, tensor_argument(other, "logical_xor", "other"), "logical_xor")


def logical_not(input: Tensor) -> Tensor:
    """Whether input is zero."""
    return _core.wrap(np.logical_not(tensor_argument(input, "logical_not")._array))


def _bitwise(ufunc: Callable[..., Any], input: TensorLike, other: TensorLike, name: str) -> Tensor:
    a, b = operands(input, other, name)
    if a._array.dtype.kind == "f":
        raise RuntimeError(f'"{name}" is not implemented for {a.dtype}: expected bool or integer tensors')
    return _binary(ufunc, a, b, name)


def bitwise_and(input: TensorLike, other: TensorLike) -> Tensor:
    """input & other, of integers or bools."""
    return _bitwise(np.bitwise_and, input, other, "bitwise_and")


def bitwise_or(input: TensorLike, other: TensorLike) -> Tensor:
    """input | other, of integers or bools."""
    return _bitwise(np.bitwise_or, input, other, "bitwise_or")


def bitwise_xor(input: TensorLike, other: TensorLike) -> Tensor:
    """input ^ other, of integers or bools."""
    return _bitwise(np.bitwise_xor, input, other, "bitwise_xor")


def bitwise_not(input: Tensor) -> Tensor:
    """~input, of integers or bools."""
    array = tensor_argument(input, "bitwise_not")._array
    if array.dtype.kind == "f":
        raise RuntimeError(f'"bitwise_not" is not implemented for {input.dtype}: expected a bool or integer tensor')
    return _core.wrap(np.invert(array))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether |input - other| <= atol + rtol * |other|."""
    a, b = tensor_argument(input, "isclose"), tensor_argument(other, "isclose", "other")
    if a._array.dtype != b._array.dtype:
        raise RuntimeError(f"{a.dtype} did not match {b.dtype}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not value >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    return _core.wrap(np.isclose(a._array, b._array, rtol, atol, equal_nan))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether isclose holds everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and values."""
    a, b = tensor_argument(input, "equal"), tensor_argument(other, "equal", "other")
    return bool(np.array_equal(a._array, b._array))
