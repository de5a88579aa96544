"""More functions of one tensor, element by element: degrees, sinc, logit, nan_to_num, and tests of signs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.ops.arithmetic import as_floating, quietly
from fastnn.ops.dims import Array
from fastnn.ops.elementwise import cos, sin
from fastnn.ops.gate import tensor_argument
from fastnn.ops.masked import masked_fill

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = [
    "deg2rad", "fix", "frexp", "isneginf", "isposinf", "isreal", "logit", "nan_to_num", "rad2deg", "signbit", "sinc",
]  # fmt: skip


def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians."""
    return as_floating(tensor_argument(input, "deg2rad")) * (math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees."""
    return as_floating(tensor_argument(input, "rad2deg")) * (180 / math.pi)


def fix(input: Tensor) -> Tensor:
    """The integer part, towards 0: trunc."""
    from fastnn.ops.elementwise import trunc

    return trunc(input)


def sinc(input: Tensor) -> Tensor:
    """sin(pi * input) / (pi * input), 1 at 0."""
    x = as_floating(tensor_argument(input, "sinc"))
    out = quietly(np.sinc, x._array).astype(x._array.dtype, copy=False)
    return _core.record("SincBackward0", _sinc_backward, (x,), out, (x,))


def _sinc_backward(ctx: Node, grad: Tensor) -> Tensor:
    (x,) = ctx.saved
    angle = x * math.pi
    square = angle * x
    slope = (angle * cos(angle) - sin(angle)) / square
    flat = square._array == 0
    return grad * (masked_fill(slope, _core.wrap(np.asarray(flat)), 0.0) if flat.any() else slope)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(input / (1 - input)). eps: input is first limited to [eps, 1 - eps]; without it NaN outside of [0, 1].

    The gradient is 0 where input was limited, and NaN outside of [0, 1] without eps.
    """
    x = as_floating(tensor_argument(input, "logit"))

    def values(v: Array) -> Array:
        held = v if eps is None else np.clip(v, v.dtype.type(eps), v.dtype.type(1 - eps))
        out: Array = np.log(held / (1 - held))
        return out

    return _core.record("LogitBackward0", _logit_backward, (x,), quietly(values, x._array), (x,), extra=eps)


def _logit_backward(ctx: Node, grad: Tensor) -> Tensor:
    (x,), eps = ctx.saved, ctx.extra
    low = 0.0 if eps is None else eps
    outside = (x._array < low) | (x._array > 1 - low)
    return masked_fill(grad / (x * (1 - x)), _core.wrap(np.asarray(outside)), math.nan if eps is None else 0.0)


def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """input with nan (0) for NaN, posinf and neginf (the dtype's largest and smallest) for the infinities."""
    x = tensor_argument(input, "nan_to_num")
    array = x._array
    if array.dtype.kind != "f":
        return x.clone()
    limits = np.finfo(array.dtype)
    out = array.copy()
    with np.errstate(over="ignore"):
        np.copyto(out, array.dtype.type(0.0 if nan is None else nan), where=np.isnan(array))
        np.copyto(out, array.dtype.type(limits.max if posinf is None else posinf), where=array == np.inf)
        np.copyto(out, array.dtype.type(limits.min if neginf is None else neginf), where=array == -np.inf)
    return _core.record("NanToNumBackward0", _nan_to_num_backward, (x,), out, extra=~np.isfinite(array))


def _nan_to_num_backward(ctx: Node, grad: Tensor) -> Tensor:
    return masked_fill(grad, _core.wrap(np.asarray(ctx.extra)), 0.0)


# ------------------------------------------------------------------------------------------------ tests


def signbit(input: Tensor) -> Tensor:
    """Whether the sign is minus, that of -0. among them."""
    x = tensor_argument(input, "signbit")._array
    return _core.wrap(np.asarray(np.signbit(x) if x.dtype.kind == "f" else x < 0))


def isposinf(input: Tensor) -> Tensor:
    """Where input is +inf."""
    return _core.wrap(np.asarray(tensor_argument(input, "isposinf")._array == np.inf))


def isneginf(input: Tensor) -> Tensor:
    """Where input is -inf."""
    return _core.wrap(np.asarray(tensor_argument(input, "isneginf")._array == -np.inf))


def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex dtypes."""
    return _core.wrap(np.ones(tensor_argument(input, "isreal")._array.shape, np.bool_))


class Frexp(NamedTuple):
    """What frexp returns."""

    mantissa: Tensor
    exponent: Tensor


def frexp(input: Tensor) -> Frexp:
    """(mantissa, exponent) with input = mantissa * 2**exponent and 0.5 <= |mantissa| < 1. RuntimeError for integers."""
    x = tensor_argument(input, "frexp")
    if x._array.dtype.kind != "f":
        raise RuntimeError(f"frexp() only supports floating-point dtypes, got {x.dtype}")
    mantissa, exponent = np.frexp(x._array)
    power = np.asarray(exponent).astype(np.int32)
    made = _core.record("FrexpBackward0", _frexp_backward, (x,), np.asarray(mantissa), extra=power)
    return Frexp(made, _core.wrap(power))


def _frexp_backward(ctx: Node, grad: Tensor) -> Tensor:
    scale = np.ldexp(np.ones(ctx.extra.shape, grad._array.dtype), -ctx.extra)
    return grad * _core.wrap(np.asarray(scale))
