"""Broadcast arithmetic of two operands: add, sub, mul, div, pow and their kin, with in-place forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.kernels import K
from fastnn.ops.broadcast import broadcast_shape, sum_to
from fastnn.ops.gate import KERNEL_DTYPES, cast, operands, tensor_argument
from fastnn.ops.in_place import in_place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.ops.broadcast import Shape
    from fastnn.ops.gate import TensorLike
    from fastnn.tensor import Tensor

    Pair = tuple[Tensor | None, Tensor | None]

__all__ = [
    "add", "add_", "div", "div_", "divide", "float_power", "floor_divide", "fmod", "maximum", "minimum", "mul", "mul_",
    "multiply", "pow", "pow_", "remainder", "rsub", "sub", "sub_", "subtract", "true_divide",
]  # fmt: skip


def compute(kernel: str, ufunc: Callable[..., Any], a: Tensor, b: Tensor) -> NDArray[Any]:
    """The kernel of the two arrays, broadcast; NumPy's ufunc for the dtypes and patterns that no kernel has."""
    x, y = a._array, b._array
    views = _core.broadcast_views(a, b) if x.dtype in KERNEL_DTYPES else None
    if views is None:
        broadcast_shape(x.shape, y.shape)  # says in PyTorch's words where they do not fit
        return quietly(ufunc, x, y)
    out, first, second, result = views
    getattr(K, kernel)(first, second, result)
    return out


def quietly(function: Callable[..., NDArray[Any]], *args: Any) -> NDArray[Any]:
    """function without NumPy's warnings: division by zero and overflow give inf and NaN, as in PyTorch."""
    with np.errstate(all="ignore"):
        return function(*args)


def shapes_of(a: Tensor, b: Tensor) -> tuple[Shape, Shape] | None:
    """What backward needs to undo the broadcast: None where there was none."""
    first, second = a._array.shape, b._array.shape
    return None if first == second else (first, second)


def sum_pair(first: Tensor | None, second: Tensor | None, shapes: tuple[Shape, Shape] | None) -> Pair:
    """Both gradients, summed to the operands' shapes."""
    if shapes is None:
        return first, second
    return (
        sum_to(first, shapes[0]) if first is not None else None,
        sum_to(second, shapes[1]) if second is not None else None,
    )


# ------------------------------------------------------------------------------------------------ add, sub


def add(input: TensorLike, other: TensorLike, *, alpha: float = 1) -> Tensor:
    """input + alpha * other, broadcast."""
    if alpha != 1:
        input, other = _scaled(input, other, alpha, "add")
    small = _core.small_arithmetic(0, "AddBackward0", _add_backward, input, other)
    if small is not None:
        return small
    a, b = operands(input, other, "add")
    return _core.record("AddBackward0", _add_backward, (a, b), compute("add", np.add, a, b), extra=shapes_of(a, b))


def _scaled(input: TensorLike, other: TensorLike, alpha: float, function: str) -> tuple[Tensor, Tensor]:
    """Both operands in their common dtype, the second times alpha, which does not change the dtype."""
    a, b = operands(input, other, function)
    if b._array.dtype.kind != "f" and isinstance(alpha, float):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return a, mul(b, _core.wrap(np.array(alpha, b._array.dtype)))


def _add_backward(ctx: Node, grad: Tensor) -> Pair:
    first, second = ctx.needs
    return sum_pair(grad if first else None, grad if second else None, ctx.extra)


def sub(input: TensorLike, other: TensorLike, *, alpha: float = 1) -> Tensor:
    """input - alpha * other, broadcast."""
    if alpha != 1:
        input, other = _scaled(input, other, alpha, "sub")
    small = _core.small_arithmetic(1, "SubBackward0", _sub_backward, input, other)
    if small is not None:
        return small
    for operand in (input, other):
        if isinstance(operand, _core.TensorBase) and operand._array.dtype == np.bool_:
            raise RuntimeError(
                "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a "
                "mask, use the `~` or `logical_not()` operator instead."
            )
    a, b = operands(input, other, "sub")
    return _core.record("SubBackward0", _sub_backward, (a, b), compute("sub", np.subtract, a, b), extra=shapes_of(a, b))


def _sub_backward(ctx: Node, grad: Tensor) -> Pair:
    first, second = ctx.needs
    return sum_pair(grad if first else None, -grad if second else None, ctx.extra)


def rsub(input: TensorLike, other: TensorLike, *, alpha: float = 1) -> Tensor:
    """other - alpha * input."""
    return sub(other, input, alpha=alpha)


# ------------------------------------------------------------------------------------------------ mul, div


def mul(input: TensorLike, other: TensorLike) -> Tensor:
    """input * other, broadcast."""
    small = _core.small_arithmetic(2, "MulBackward0", _mul_backward, input, other)
    if small is not None:
        return small
    a, b = operands(input, other, "mul")
    out = compute("mul", np.multiply, a, b)
    saved = (a if b.requires_grad else None, b if a.requires_grad else None)
    return _core.record("MulBackward0", _mul_backward, (a, b), out, saved, extra=shapes_of(a, b))


def _mul_backward(ctx: Node, grad: Tensor) -> Pair:
    first, second = ctx.needs
    a, b = ctx.saved
    return sum_pair(grad * b if first else None, grad * a if second else None, ctx.extra)


def div(input: TensorLike, other: TensorLike, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, broadcast; integers divide as floats. rounding_mode: None, "trunc" or "floor"."""
    if rounding_mode is None:
        small = _core.small_arithmetic(3, "DivBackward0", _div_backward, input, other)
        if small is not None:
            return small
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        return _truncated_division(input, other)
    if rounding_mode is not None:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    a, b = operands(input, other, "div")
    a, b = as_floating(a), as_floating(b)
    out = compute("div", np.true_divide, a, b)
    saved = (a if b.requires_grad else None, b)
    return _core.record("DivBackward0", _div_backward, (a, b), out, saved, extra=shapes_of(a, b))


def _div_backward(ctx: Node, grad: Tensor) -> Pair:
    first, second = ctx.needs
    a, b = ctx.saved
    share = grad / b
    return sum_pair(share if first else None, -(share * (a / b)) if second else None, ctx.extra)


def as_floating(tensor: Tensor) -> Tensor:
    """tensor, or it in the default floating dtype where it holds integers or bools."""
    if tensor._array.dtype.kind == "f":
        return tensor
    from fastnn.dtypes import get_default_dtype

    return cast(tensor, get_default_dtype().to_numpy)


def _check_integer_division(a: Tensor, b: Tensor) -> None:
    if b._array.dtype.kind in "iub" and not b._array.all():
        raise RuntimeError("ZeroDivisionError")


def _truncated_division(input: TensorLike, other: TensorLike) -> Tensor:
    a, b = operands(input, other, "div")
    _check_integer_division(a, b)
    x, y = a._array, b._array
    if x.dtype.kind == "f":
        out = quietly(lambda: np.trunc(x / y))
        return _core.record("DivBackward1", _zero_backward, (a, b), out, extra=shapes_of(a, b))
    quotient = quietly(np.floor_divide, x, y)
    inexact = (quotient * y != x) & ((x < 0) != (y < 0))
    return _core.wrap((quotient + inexact).astype(x.dtype))


def floor_divide(input: TensorLike, other: TensorLike) -> Tensor:
    """floor(input / other); integers stay integers."""
    a, b = operands(input, other, "floor_divide")
    _check_integer_division(a, b)
    out = quietly(np.floor_divide, a._array, b._array)
    return _core.record("FloorDivideBackward0", _zero_backward, (a, b), out, extra=shapes_of(a, b))


def _zero_backward(ctx: Node, grad: Tensor) -> Pair:
    zero = grad * 0
    return sum_pair(zero, zero, ctx.extra)


def remainder(input: TensorLike, other: TensorLike) -> Tensor:
    """input - other * floor(input / other): the sign of other, as Python's %."""
    return _modulo("RemainderBackward0", np.remainder, np.floor, input, other, "remainder")


def fmod(input: TensorLike, other: TensorLike) -> Tensor:
    """input - other * trunc(input / other): the sign of input, as C's fmod."""
    return _modulo("FmodBackward0", np.fmod, np.trunc, tensor_argument(input, "fmod"), other, "fmod")


def _modulo(
    node: str, ufunc: Callable[..., Any], rounding: Callable[..., Any], input: TensorLike, other: TensorLike, name: str
) -> Tensor:
    a, b = operands(input, other, name)
    _check_integer_division(a, b)
    out = quietly(ufunc, a._array, b._array)
    return _core.record(node, _modulo_backward, (a, b), out, (a, b), extra=(rounding, shapes_of(a, b)))


def _modulo_backward(ctx: Node, grad: Tensor) -> Pair:
    rounding, shapes = ctx.extra
    first, second = ctx.needs
    if not second:
        return sum_pair(grad if first else None, None, shapes)
    a, b = ctx.saved
    quotient = _core.wrap(quietly(lambda: rounding(a._array / b._array)))
    return sum_pair(grad if first else None, -(grad * quotient), shapes)


# ------------------------------------------------------------------------------------------------ pow, max, min


def pow(input: TensorLike, exponent: TensorLike) -> Tensor:
    """input ** exponent, broadcast. RuntimeError for integers to a negative integer number."""
    a, b = operands(input, exponent, "pow")
    x, y = a._array, b._array
    if x.dtype == np.bool_:
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")
    if x.dtype.kind in "iu":
        return _core.wrap(_integer_power(x, y, isinstance(exponent, _core.TensorBase)))
    if y.ndim == 0 and float(y) == 2.0 and not b.requires_grad:
        return _square(a)
    if y.ndim == 0 and x.dtype in KERNEL_DTYPES and not b.requires_grad:
        return _power_of_number(a, float(y))
    out = quietly(np.power, x, y)
    return _core.record("PowBackward0", _pow_backward, (a, b), out, (a, b), True, shapes_of(a, b))


def _integer_power(x: NDArray[Any], y: NDArray[Any], tensor_exponent: bool) -> NDArray[Any]:
    negative = y < 0
    if not negative.any():
        powers: NDArray[Any] = np.power(x, y)
        return powers
    if not tensor_exponent:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    parity = np.where(y % 2 == 0, 1, x)  # 1 and -1 have integer inverses; what the others have is cut to 0
    return np.where(negative, np.where(np.abs(x) == 1, parity, 0), np.power(x, np.abs(y))).astype(x.dtype)


def _power_of_number(input: Tensor, exponent: float) -> Tensor:
    x = _core.dense(input)
    out = np.empty(x.shape, x.dtype)
    K.activation_forward("pow", x, exponent, 0.0, out)
    return _core.record("PowBackward0", _power_backward, (input,), out, (input,), extra=exponent)


def _power_backward(ctx: Node, grad: Tensor) -> Tensor:
    (x,) = ctx.saved
    exponent: float = ctx.extra
    if _core.is_grad_enabled():  # at exponent 0 the derivative is 0, also where 0 * 0**-1 would be NaN
        return grad * (x ** (exponent - 1) * exponent) if exponent else grad * 0
    values = _core.dense(x)
    grad_x = np.empty(values.shape, values.dtype)
    K.activation_backward("pow", _core.dense(grad), values, exponent, 0.0, grad_x)
    return _core.wrap(grad_x)


def _square(input: Tensor) -> Tensor:
    out = compute("mul", np.multiply, input, input)
    return _core.record("PowBackward0", _square_backward, (input,), out, (input,))


def _square_backward(ctx: Node, grad: Tensor) -> Tensor:
    (x,) = ctx.saved
    return grad * (2 * x)


def _pow_backward(ctx: Node, grad: Tensor) -> Pair:
    from fastnn.ops.select import where

    first, second = ctx.needs
    a, b, out = ctx.saved
    grad_a = grad_b = None
    if first:  # at exponent 0 the derivative is 0, also where 0 * 0**-1 would be NaN
        grad_a = where(b == 0, 0.0, grad * (b * pow(a, b - 1)))
    if second:  # at base 0 it is 0 for exponents of 0 or more
        grad_b = where((a == 0) & (b >= 0), 0.0, grad * (out * a.log()))
    return sum_pair(grad_a, grad_b, ctx.extra)


def float_power(input: TensorLike, exponent: TensorLike) -> Tensor:
    """input ** exponent in float64."""
    a, b = operands(input, exponent, "float_power")
    return pow(cast(a, np.dtype(np.float64)), cast(b, np.dtype(np.float64)))


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two, NaN where either is; equal values share the gradient."""
    return _extremum("MaximumBackward0", np.maximum, input, other, "maximum")


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two, NaN where either is; equal values share the gradient."""
    return _extremum("MinimumBackward0", np.minimum, input, other, "minimum")


def _extremum(node: str, ufunc: Callable[..., Any], input: Tensor, other: Tensor, name: str) -> Tensor:
    a, b = operands(tensor_argument(input, name), tensor_argument(other, name, "other"), name)
    broadcast_shape(a._array.shape, b._array.shape)
    out = quietly(ufunc, a._array, b._array)
    return _core.record(node, _extremum_backward, (a, b), out, (a, b), extra=(ufunc is np.maximum, shapes_of(a, b)))


def _extremum_backward(ctx: Node, grad: Tensor) -> Pair:
    larger, shapes = ctx.extra
    a, b = ctx.arrays
    half = np.where(a == b, 0.5, 0.0)
    to_a = _core.wrap((np.where(a > b if larger else a < b, 1.0, half)).astype(a.dtype))
    return sum_pair(grad * to_a, grad * (1 - to_a), shapes)


# ------------------------------------------------------------------------------------------------ in place


def add_(input: Tensor, other: TensorLike, *, alpha: float = 1) -> Tensor:
    """input += alpha * other, in place."""
    return in_place(add, input, other, alpha=alpha)


def sub_(input: Tensor, other: TensorLike, *, alpha: float = 1) -> Tensor:
    """input -= alpha * other, in place."""
    return in_place(sub, input, other, alpha=alpha)


def mul_(input: Tensor, other: TensorLike) -> Tensor:
    """input *= other, in place."""
    return in_place(mul, input, other)


def div_(input: Tensor, other: TensorLike, *, rounding_mode: str | None = None) -> Tensor:
    """input /= other, in place."""
    return in_place(div, input, other, rounding_mode=rounding_mode)


def pow_(input: Tensor, exponent: TensorLike) -> Tensor:
    """input **= exponent, in place."""
    return in_place(pow, input, exponent)


true_divide = divide = div
multiply = mul
subtract = sub
