"""The gate that every array passes before a kernel sees it, and the promotion of operands to one dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Scalar = bool | int | float
    TensorLike = Tensor | Scalar

__all__ = ["cast", "dense", "floating", "operands", "tensor_argument"]

KERNEL_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def tensor_argument(value: object, function: str, argument: str = "input") -> Tensor:
    """value, which must be a Tensor."""
    if not isinstance(value, _core.TensorBase):
        raise TypeError(f"{function}(): argument '{argument}' must be Tensor, not {type(value).__name__}")
    return value  # type: ignore[return-value]


def floating(tensor: Tensor, function: str, argument: str = "input") -> NDArray[Any]:
    """A dense float32 or float64 array of the tensor's values, for kernels that have no other dtype."""
    array = dense(tensor)
    if array.dtype not in KERNEL_DTYPES:
        raise NotImplementedError(
            f'"{function}" not implemented for {tensor.dtype}: {argument} is expected to be float32 or float64'
        )
    return array


def cast(tensor: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """tensor in another dtype, on the tape; itself where it has that dtype already."""
    array = tensor._array
    if array.dtype == dtype:
        return tensor
    with np.errstate(all="ignore"):
        out = array.astype(dtype)
    return _core.record("ToCopyBackward0", _cast_backward, (tensor,), out, extra=array.dtype)


def _cast_backward(ctx: Node, grad: Tensor) -> Tensor:
    return cast(grad, ctx.extra)


def operands(input: TensorLike, other: TensorLike, function: str) -> tuple[Tensor, Tensor]:
    """Both as tensors of the dtype that PyTorch's promotion gives; at least one must be a Tensor."""
    plain = _core.promoted(input, other)
    if plain is not None:
        return plain
    return _promote(input, other, function)


def _promote(input: TensorLike, other: TensorLike, function: str) -> tuple[Tensor, Tensor]:
    from fastnn.dtypes import result_type

    if not isinstance(input, _core.TensorBase) and not isinstance(other, _core.TensorBase):
        raise TypeError(
            f"{function}() received an invalid combination of arguments: expected a Tensor among them, got "
            f"({type(input).__name__}, {type(other).__name__})"
        )
    a = _operand(input, function, "input")
    b = _operand(other, function, "other")
    dtype = result_type(a, b).to_numpy
    return _as_tensor(a, dtype), _as_tensor(b, dtype)


def _operand(value: object, function: str, argument: str) -> Any:
    if isinstance(value, (_core.TensorBase, bool, int, float)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return _core.wrap(np.asarray(value))
    raise TypeError(f"{function}(): argument '{argument}' must be Tensor or a number, not {type(value).__name__}")


def _as_tensor(value: Any, dtype: np.dtype[Any]) -> Tensor:
    if isinstance(value, _core.TensorBase):
        return cast(value, dtype)  # type: ignore[arg-type]
    try:
        return _core.wrap(np.array(value, dtype=dtype))
    except OverflowError:
        raise RuntimeError(f"value cannot be converted to type {dtype} without overflow: {value}") from None
