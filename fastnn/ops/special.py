"""The special functions, element by element and on the tape. Their values are in special_values.py.

Integers and bools count as the default floating dtype; values are computed in float64 and rounded to the input's dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops import special_values
from fastnn.ops.arithmetic import as_floating, quietly, shapes_of, sum_pair
from fastnn.ops.broadcast import broadcast_shape
from fastnn.ops.dims import Array, integer
from fastnn.ops.elementwise import erf, exp, expm1, unary
from fastnn.ops.gate import operands, tensor_argument
from fastnn.ops.masked import masked_fill

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.gate import TensorLike
    from fastnn.tensor import Tensor

    Pair = tuple[Tensor | None, Tensor | None]
    Unary = Callable[[Tensor], Tensor]

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "expm1", "gammainc", "gammaincc", "i0", "i0e", "i1", "i1e",
    "igamma", "igammac", "lgamma", "log_ndtr", "multigammaln", "mvlgamma", "ndtr", "ndtri", "polygamma", "psi", "zeta",
]  # fmt: skip

ROOT_PI = math.sqrt(math.pi)


def in_double(function: Callable[..., Array], *arrays: Array) -> Array:
    """function of the arrays in float64, in the first's dtype."""
    wide = [array.astype(np.float64, copy=False) for array in arrays]
    with np.errstate(all="ignore"):
        return np.asarray(function(*wide)).astype(arrays[0].dtype, copy=False)


def _values(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda x: in_double(function, x)


def _sign(x: Tensor) -> Tensor:
    """The sign of x as a constant."""
    return _core.wrap(np.sign(x._array))


def _half_at_zero(x: Tensor, slope: Tensor) -> Tensor:
    zero = x._array == 0
    return masked_fill(slope, _core.wrap(np.asarray(zero)), 0.5) if zero.any() else slope


_ROWS: list[tuple[str, Callable[[Array], Array], Callable[[Tensor, Tensor, Tensor], Tensor], str, str]] = [
    ("erfc", special_values.erfc, lambda g, x, y: g * (exp(-(x * x)) * (-2 / ROOT_PI)), "input",
     "1 - erf(input), accurate for large input."),
    ("erfcx", special_values.erfcx, lambda g, x, y: g * (2 * x * erfcx(x) - 2 / ROOT_PI), "input",
     "exp(input**2) * erfc(input)."),
    ("erfinv", special_values.erfinv, lambda g, x, y: g * (exp(y * y) * (ROOT_PI / 2)), "output",
     "The x with erf(x) = input; +-inf at +-1, NaN outside of [-1, 1]."),
    ("lgamma", special_values.lgamma, lambda g, x, y: g * digamma(x), "input",
     "The logarithm of |gamma(input)|."),
    ("digamma", special_values.digamma, lambda g, x, y: g * polygamma(1, x), "input",
     "The derivative of lgamma."),
    ("i0", lambda x: special_values.bessel(0, x), lambda g, x, y: g * i1(x), "input",
     "The modified Bessel function of the first kind of order 0."),
    ("i0e", lambda x: special_values.bessel_scaled(0, x), lambda g, x, y: g * (i1e(x) - _sign(x) * i0e(x)), "input",
     "exp(-|input|) * i0(input)."),
    ("i1", lambda x: special_values.bessel(1, x), lambda g, x, y: g * _half_at_zero(x, i0(x) - i1(x) / x), "input",
     "The modified Bessel function of the first kind of order 1."),
    ("i1e", lambda x: special_values.bessel_scaled(1, x),
     lambda g, x, y: g * _half_at_zero(x, i0e(x) - i1e(x) * (_sign(x) + 1 / x)), "input",
     "exp(-|input|) * i1(input)."),
    ("ndtr", special_values.ndtr, lambda g, x, y: g * (exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))), "input",
     "The probability that a standard normal number is below input."),
    ("ndtri", special_values.ndtri, lambda g, x, y: g * (exp(y * y * 0.5) * math.sqrt(2 * math.pi)), "output",
     "The x with ndtr(x) = input; +-inf at 0 and 1, NaN outside of [0, 1]."),
    ("log_ndtr", special_values.log_ndtr,
     lambda g, x, y: g * (math.sqrt(2 / math.pi) / erfcx(x * -math.sqrt(0.5))), "input",
     "The logarithm of ndtr(input), accurate where ndtr is tiny."),
]  # fmt: skip
_BY_NAME = {name: unary(name, _values(values), slope, saves, False, doc) for name, values, slope, saves, doc in _ROWS}

erfc: Unary = _BY_NAME["erfc"]
erfcx: Unary = _BY_NAME["erfcx"]
erfinv: Unary = _BY_NAME["erfinv"]
lgamma: Unary = _BY_NAME["lgamma"]
digamma: Unary = _BY_NAME["digamma"]
i0: Unary = _BY_NAME["i0"]
i0e: Unary = _BY_NAME["i0e"]
i1: Unary = _BY_NAME["i1"]
i1e: Unary = _BY_NAME["i1e"]
ndtr: Unary = _BY_NAME["ndtr"]
ndtri: Unary = _BY_NAME["ndtri"]
log_ndtr: Unary = _BY_NAME["log_ndtr"]
psi = digamma


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma at input. RuntimeError for a negative n."""
    order = integer(n, "polygamma", "n")
    if order < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got n={order}")
    x = as_floating(tensor_argument(input, "polygamma"))
    out = in_double(lambda v: special_values.polygamma(order, v), x._array)
    return _core.record("PolygammaBackward0", _polygamma_backward, (x,), out, (x,), extra=order)


def _polygamma_backward(ctx: Node, grad: Tensor) -> Tensor:
    return grad * polygamma(ctx.extra + 1, ctx.saved[0])


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """log of the multivariate gamma function: p (p - 1) / 4 log(pi) + the sum of lgamma(input - j / 2), j < p.

    RuntimeError for p < 1. NaN or whatever lgamma gives where input <= (p - 1) / 2.
    """
    order = integer(p, "mvlgamma", "p")
    if order < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, got {order}")
    x = as_floating(tensor_argument(input, "mvlgamma"))
    total = lgamma(x) + order * (order - 1) / 4 * math.log(math.pi)
    for j in range(1, order):
        total = total + lgamma(x - j / 2)
    return total


multigammaln = mvlgamma


def entr(input: Tensor) -> Tensor:
    """-input * log(input): 0 at 0, -inf below."""
    x = as_floating(tensor_argument(input, "entr"))

    def values(v: Array) -> Array:
        return np.where(v > 0, -v * np.log(v), np.where(v == 0, 0, np.where(v < 0, -np.inf, v))).astype(v.dtype)

    return _core.record("SpecialEntrBackward0", _entr_backward, (x,), quietly(values, x._array), (x,))


def _entr_backward(ctx: Node, grad: Tensor) -> Tensor:
    return grad * (-(ctx.saved[0].log()) - 1)


# ------------------------------------------------------------------------------------------------ of two


def zeta(input: TensorLike, other: TensorLike) -> Tensor:
    """Hurwitz's zeta, the sum of (other + k)**-input over k = 0, 1, ... Differentiable by other alone."""
    s, q = (as_floating(value) for value in operands(input, other, "zeta"))
    broadcast_shape(s._array.shape, q._array.shape)
    out = in_double(special_values.zeta, s._array, q._array)
    return _core.record("SpecialZetaBackward0", _zeta_backward, (s, q), out, (s, q), extra=shapes_of(s, q))


def _zeta_backward(ctx: Node, grad: Tensor) -> Pair:
    if ctx.needs[0]:
        raise NotImplementedError("the derivative for 'input' of zeta is not implemented")
    s, q = ctx.saved
    return sum_pair(None, grad * -s * zeta(s + 1, q), ctx.extra)


def igamma(input: Tensor, other: Tensor) -> Tensor:
    """The regularized lower incomplete gamma function P(input, other). Differentiable by other alone."""
    return _incomplete(input, other, False)


def igammac(input: Tensor, other: Tensor) -> Tensor:
    """The regularized upper incomplete gamma function Q(input, other) = 1 - P. Differentiable by other alone."""
    return _incomplete(input, other, True)


gammainc = igamma
gammaincc = igammac


def _incomplete(input: Tensor, other: Tensor, upper: bool) -> Tensor:
    name = "igammac" if upper else "igamma"
    a, x = (as_floating(value) for value in operands(input, other, name))
    broadcast_shape(a._array.shape, x._array.shape)
    out = in_double(lambda p, q: special_values.gamma_ratio(p, q, upper), a._array, x._array)
    extra: Any = (upper, shapes_of(a, x))
    return _core.record(f"{name.capitalize()}Backward0", _incomplete_backward, (a, x), out, (a, x), extra=extra)


def _incomplete_backward(ctx: Node, grad: Tensor) -> Pair:
    upper, shapes = ctx.extra
    if ctx.needs[0]:
        raise NotImplementedError(
            f"the derivative for 'input' of {'igammac' if upper else 'igamma'} is not implemented"
        )
    a, x = ctx.saved
    density = exp((a - 1) * x.log() - x - lgamma(a))
    return sum_pair(None, grad * (-density if upper else density), shapes)
