"""Element-wise mathematics of two or three tensors: atan2, hypot, lerp, addcmul, xlogy and their kin."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.arithmetic import as_floating, quietly, shapes_of, sum_pair
from fastnn.ops.broadcast import broadcast_shape, sum_to
from fastnn.ops.dims import Array
from fastnn.ops.gate import operands, tensor_argument
from fastnn.ops.masked import masked_fill

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.gate import TensorLike
    from fastnn.tensor import Tensor

    Pair = tuple[Tensor | None, Tensor | None]
    Slopes = Callable[[Tensor, Tensor, Tensor, tuple[bool, ...]], Pair]

__all__ = [
    "addcdiv", "addcmul", "arctan2", "atan2", "bitwise_left_shift", "bitwise_right_shift", "copysign", "dist", "fmax",
    "fmin", "gcd", "heaviside", "hypot", "lcm", "ldexp", "lerp", "logaddexp", "logaddexp2", "nextafter", "xlog1py",
    "xlogy",
]  # fmt: skip


def _pair(a: Tensor, b: Tensor, values: Callable[[Array, Array], Array], name: str, slopes: Slopes) -> Tensor:
    """values of the two arrays, recorded. slopes(grad, a, b, needs): the gradients before a broadcast is undone."""
    broadcast_shape(a._array.shape, b._array.shape)
    out = quietly(values, a._array, b._array)
    return _core.record(name, _pair_backward, (a, b), out, (a, b), extra=(slopes, shapes_of(a, b)))


def _pair_backward(ctx: Node, grad: Tensor) -> Pair:
    slopes, shapes = ctx.extra
    a, b = ctx.saved
    first, second = slopes(grad, a, b, ctx.needs)
    return sum_pair(first, second, shapes)


def _floats(input: TensorLike, other: TensorLike, name: str) -> tuple[Tensor, Tensor]:
    a, b = operands(input, other, name)
    return as_floating(a), as_floating(b)


def _both_tensors(input: object, other: object, name: str) -> None:
    tensor_argument(input, name)
    tensor_argument(other, name, "other")


def _mask(array: Any) -> Tensor:
    return _core.wrap(np.asarray(array))


# ------------------------------------------------------------------------------------------------ angles, lengths


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle of the point (other, input) in radians, in [-pi, pi]. The gradient at (0, 0) is 0."""
    _both_tensors(input, other, "atan2")
    return _pair(*_floats(input, other, "atan2"), np.arctan2, "Atan2Backward0", _atan2_slopes)


def _atan2_slopes(g: Tensor, a: Tensor, b: Tensor, needs: tuple[bool, ...]) -> Pair:
    square = a * a + b * b
    zero = square._array == 0
    if zero.any():
        square = masked_fill(square, _mask(zero), math.inf)
    share = g / square
    return share * b if needs[0] else None, -(share * a) if needs[1] else None


arctan2 = atan2


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input**2 + other**2) without overflow on the way. RuntimeError for integers."""
    _both_tensors(input, other, "hypot")
    a, b = operands(input, other, "hypot")
    if a._array.dtype.kind != "f":
        raise NotImplementedError(f'"hypot_cpu" not implemented for {a.dtype}')
    return _pair(a, b, np.hypot, "HypotBackward0", _hypot_slopes)


def _hypot_slopes(g: Tensor, a: Tensor, b: Tensor, needs: tuple[bool, ...]) -> Pair:
    share = g / hypot(a, b)
    return share * a if needs[0] else None, share * b if needs[1] else None


# ------------------------------------------------------------------------------------------------ choosing


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two; where one is NaN, the other. Of equal ones input gets the gradient."""
    _both_tensors(input, other, "fmax")
    a, b = operands(input, other, "fmax")
    return _pair(a, b, np.fmax, "FmaxBackward0", lambda g, a, b, needs: _chosen(g, a._array >= b._array, b, needs))


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two; where one is NaN, the other. Of equal ones input gets the gradient."""
    _both_tensors(input, other, "fmin")
    a, b = operands(input, other, "fmin")
    return _pair(a, b, np.fmin, "FminBackward0", lambda g, a, b, needs: _chosen(g, a._array <= b._array, b, needs))


def _chosen(g: Tensor, first: Array, b: Tensor, needs: tuple[bool, ...]) -> Pair:
    mine = np.asarray(first | np.isnan(b._array))
    to_a = masked_fill(g, _mask(~mine), 0.0) if needs[0] else None
    return to_a, masked_fill(g, _mask(mine), 0.0) if needs[1] else None


def copysign(input: Tensor, other: TensorLike) -> Tensor:
    """|input| with the sign of other. The gradient is 0 where input is."""

    tensor_argument(input, "copysign")

    def slopes(g: Tensor, a: Tensor, b: Tensor, needs: tuple[bool, ...]) -> Pair:
        to_a = None
        if needs[0]:
            zero = a._array == 0
            ratio = copysign(a, b) / a
            to_a = g * (masked_fill(ratio, _mask(zero), 0.0) if zero.any() else ratio)
        return to_a, masked_fill(g, _mask(np.ones(g._array.shape, np.bool_)), 0.0) if needs[1] else None

    return _pair(*_floats(input, other, "copysign"), np.copysign, "CopysignBackward0", slopes)


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, values at 0; not differentiable. RuntimeError for two dtypes."""
    a = tensor_argument(input, "heaviside")
    b = tensor_argument(values, "heaviside", "values")
    if a._array.dtype != b._array.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    broadcast_shape(a._array.shape, b._array.shape)
    x, y = a._array, b._array
    return _core.wrap(np.asarray(np.where(x == 0, y, (x > 0).astype(x.dtype))).astype(x.dtype, copy=False))


# ------------------------------------------------------------------------------------------------ logarithms


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)) without overflow."""
    return _log_of_sum(input, other, 1.0, np.logaddexp, "logaddexp")


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2**input + 2**other) without overflow."""
    return _log_of_sum(input, other, math.log(2), np.logaddexp2, "logaddexp2")


def _log_of_sum(input: Tensor, other: Tensor, scale: float, values: Callable[..., Array], name: str) -> Tensor:
    _both_tensors(input, other, name)
    a, b = operands(input, other, name)
    if a._array.dtype.kind != "f":
        raise NotImplementedError(f'"{name}_cpu" not implemented for {a.dtype}')

    def slopes(g: Tensor, a: Tensor, b: Tensor, needs: tuple[bool, ...]) -> Pair:
        apart = (b - a) * scale
        to_a = g / (apart.exp() + 1) if needs[0] else None
        return to_a, g / ((-apart).exp() + 1) if needs[1] else None

    return _pair(a, b, values, f"{name.capitalize()}Backward0", slopes)


def xlogy(input: TensorLike, other: TensorLike) -> Tensor:
    """input * log(other): 0 where input is 0, unless other is NaN."""
    return _x_log(input, other, np.log, 0.0, "xlogy")


def xlog1py(input: TensorLike, other: TensorLike) -> Tensor:
    """input * log(1 + other): 0 where input is 0, unless other is NaN."""
    return _x_log(input, other, np.log1p, 1.0, "xlog1py")


def _x_log(input: TensorLike, other: TensorLike, log: Callable[[Array], Array], shift: float, name: str) -> Tensor:
    def values(x: Array, y: Array) -> Array:
        return np.where(np.isnan(y), y, np.where(x == 0, x.dtype.type(0), x * log(y)))

    def slopes(g: Tensor, x: Tensor, y: Tensor, needs: tuple[bool, ...]) -> Pair:
        to_x = to_y = None
        if needs[0]:
            nothing = (x._array == 0) & (y._array <= -shift)
            to_x = masked_fill(g * (y.log1p() if shift else y.log()), _mask(nothing), 0.0)
        if needs[1]:
            to_y = g * x / (y + shift if shift else y)
        return to_x, to_y

    return _pair(*_floats(input, other, name), values, f"{name.capitalize()}Backward0", slopes)


# ------------------------------------------------------------------------------------------------ three tensors


def lerp(input: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """input + weight * (end - input), counted from the nearer end, so that weight 1 gives end exactly.

    RuntimeError where the dtypes differ.
    """
    a, b = tensor_argument(input, "lerp"), tensor_argument(end, "lerp", "end")
    if isinstance(weight, _core.TensorBase):
        w: Tensor = weight
    else:
        w = _core.wrap(np.asarray(weight, a._array.dtype))
    for name, other in (("end", b), ("weight", w)):
        if other._array.dtype != a._array.dtype:
            raise RuntimeError(f"expected dtype {a.dtype} for `{name}` but got dtype {other.dtype}")
    shape = broadcast_shape(broadcast_shape(a._array.shape, b._array.shape), w._array.shape)

    def values(x: Array, y: Array, t: Array) -> Array:
        apart = y - x
        return np.broadcast_to(np.where(np.abs(t) < 0.5, x + t * apart, y - apart * (1 - t)), shape)

    out = np.array(quietly(values, a._array, b._array, w._array))
    return _core.record("LerpBackward0", _lerp_backward, (a, b, w), out, (a, b, w))


def _lerp_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    a, b, w = ctx.saved
    first, second, third = ctx.needs
    return (
        sum_to(grad * (1 - w), a._array.shape) if first else None,
        sum_to(grad * w, b._array.shape) if second else None,
        sum_to(grad * (b - a), w._array.shape) if third else None,
    )


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 * tensor2, broadcast."""
    product = tensor_argument(tensor1, "addcmul", "tensor1") * tensor_argument(tensor2, "addcmul", "tensor2")
    return tensor_argument(input, "addcmul") + (product if value == 1 else product * value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value * tensor1 / tensor2, broadcast. RuntimeError for two integer tensors."""
    above, below = tensor_argument(tensor1, "addcdiv", "tensor1"), tensor_argument(tensor2, "addcdiv", "tensor2")
    if above._array.dtype.kind != "f" and below._array.dtype.kind != "f":
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future release addcdiv will perform a true "
            "division of tensor1 and tensor2; cast one of them to a floating dtype"
        )
    return tensor_argument(input, "addcdiv") + (above / below if value == 1 else above * value / below)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2**other."""
    return tensor_argument(input, "ldexp") * tensor_argument(other, "ldexp", "other").exp2()


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other, broadcast."""
    from fastnn.ops.norm import norm

    return norm(tensor_argument(input, "dist") - tensor_argument(other, "dist", "other"), p)


# ------------------------------------------------------------------------------------------------ off the tape


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The floating number next to input in the direction of other; the gradient is input's."""
    _both_tensors(input, other, "nextafter")
    a, b = operands(input, other, "nextafter")
    if a._array.dtype.kind != "f":
        raise NotImplementedError(f'"nextafter" not implemented for {a.dtype}')
    return _pair(a, b, np.nextafter, "NextafterBackward0", _nextafter_slopes)


def _nextafter_slopes(g: Tensor, a: Tensor, b: Tensor, needs: tuple[bool, ...]) -> Pair:
    return g if needs[0] else None, g * 0 if needs[1] else None


def _integers(ufunc: Callable[..., Array], input: TensorLike, other: TensorLike, name: str) -> Tensor:
    a, b = operands(input, other, name)
    if a._array.dtype.kind not in "iu":
        raise NotImplementedError(f'"{name}" not implemented for {a.dtype}: expected integer tensors')
    broadcast_shape(a._array.shape, b._array.shape)
    return _core.wrap(np.asarray(quietly(ufunc, a._array, b._array)).astype(a._array.dtype, copy=False))


def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor of integers."""
    _both_tensors(input, other, "gcd")
    return _integers(np.gcd, input, other, "gcd")


def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple of integers."""
    _both_tensors(input, other, "lcm")
    return _integers(np.lcm, input, other, "lcm")


def bitwise_left_shift(input: TensorLike, other: TensorLike) -> Tensor:
    """input << other, of integers; 0 for shifts by more bits than there are."""
    return _integers(np.left_shift, input, other, "bitwise_left_shift")


def bitwise_right_shift(input: TensorLike, other: TensorLike) -> Tensor:
    """input >> other, of integers; the sign fills what is shifted in."""
    return _integers(np.right_shift, input, other, "bitwise_right_shift")
