"""What the functions of fastnn.linalg share: their checks, their error, and shorthands for matrices on the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.ops.dims import Array
from fastnn.ops.gate import tensor_argument
from fastnn.ops.shape import transpose

if TYPE_CHECKING:
    from fastnn.tensor import Tensor


class LinAlgError(RuntimeError):
    """A matrix that a function can't take: singular, not positive definite, or one whose iteration didn't converge."""


def matrices(input: object, function: str, argument: str = "A", square: bool = False) -> Tensor:
    """input, which must hold matrices of float32 or float64, (..., M, N), square ones where that is asked for."""
    tensor = tensor_argument(input, f"linalg.{function}", argument)
    x = tensor._array
    if x.ndim < 2:
        raise RuntimeError(f"linalg.{function}: The input tensor {argument} must have at least 2 dimensions.")
    floating(tensor, function, argument)
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"linalg.{function}: {argument} must be batches of square matrices, but they are {x.shape[-2]} by "
            f"{x.shape[-1]} matrices"
        )
    return tensor


def floating(tensor: Tensor, function: str, argument: str = "A") -> None:
    """RuntimeError for integers and bools, NotImplementedError for float16."""
    dtype = tensor._array.dtype
    if dtype.kind != "f":
        raise RuntimeError(
            f"linalg.{function}: Expected a floating point or complex tensor as input. Got {tensor.dtype} for "
            f"{argument}"
        )
    if dtype == np.float16:
        raise NotImplementedError(f'"linalg_{function}" not implemented for {tensor.dtype}')


def adjoint(tensor: Tensor) -> Tensor:
    """The matrices transposed."""
    return transpose(tensor, -2, -1)


def array(function: Callable[..., Any], *args: Any, **options: Any) -> Array:
    """call of a function that gives one array."""
    return np.asarray(call(function, *args, **options))


def call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """NumPy's function, without warnings, and with its error as fastnn's."""
    try:
        with np.errstate(all="ignore"):
            return function(*args, **options)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"linalg.{function.__name__}: {error}") from None


def eye_like(x: Array) -> Array:
    """An identity of x's last dimension and dtype."""
    return np.eye(x.shape[-1], dtype=x.dtype)
