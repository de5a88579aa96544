"""Activations by name, each a value and a derivative as in the contract's table."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..contract import ACTIVATION_KINDS, Array
from . import checks
from .elementwise import quiet

Function = Callable[[Array, float, float], Array]

_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)
_GELU_RATE, _GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


def _phi(x: Array) -> Array:
    """The normal distribution: erfc keeps its digits where it is small."""
    return np.asarray(_erfc(x * -math.sqrt(0.5)), x.dtype) / 2


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _finite(x: Array, limit: float) -> Array:
    """x for a product whose other factor becomes 0 or 1 before x reaches the limit; NaN is kept."""
    return np.clip(x, -limit, limit)


def _lowest(x: Array) -> Array:
    """x with -inf replaced by the lowest number: it stands beside a factor that is 0 there."""
    return np.asarray(np.maximum(x, np.finfo(x.dtype).min))


def _gelu_slope(x: Array, a: float, b: float) -> Array:
    x = _finite(x, 50)
    return np.asarray(_phi(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


def _gelu_tanh(x: Array, a: float, b: float) -> Array:
    z = _GELU_RATE * x * (1 + _GELU_CUBE * x * x)
    return _lowest(x) * _sigmoid(2 * z)


def _gelu_tanh_slope(x: Array, a: float, b: float) -> Array:
    x = _finite(x, 100)
    z = _GELU_RATE * (x + _GELU_CUBE * x**3)
    s = _sigmoid(2 * z)
    return np.asarray(s + x * s * (1 - s) * 2 * _GELU_RATE * (1 + 3 * _GELU_CUBE * x * x))


def _silu_slope(x: Array, a: float, b: float) -> Array:
    s, x = _sigmoid(x), _finite(x, 1e4)
    return np.asarray(s + x * s * (1 - s))


def _softplus(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _mish_slope(x: Array, a: float, b: float) -> Array:
    x = _finite(x, 1e4)
    t = np.tanh(_softplus(x))
    return np.asarray(t + x * _sigmoid(x) * (1 - t * t))


def _softsign(x: Array, a: float, b: float) -> Array:
    x = _finite(x, float(np.finfo(x.dtype).max))
    return np.asarray(x / (1 + np.abs(x)))


def _negative(x: Array) -> Array:
    return np.minimum(x, 0)


def _hardswish(x: Array, a: float, b: float) -> Array:
    return np.where(x <= -3, 0, np.where(x >= 3, x, x * (x + 3) / 6))


def _softshrink(x: Array, a: float, b: float) -> Array:
    return np.where(x > a, x - a, np.where(x < -a, x + a, x * 0))


def _power(x: Array, a: float) -> Array:
    if abs(a) == 0.5:
        return np.asarray(np.sqrt(x) if a > 0 else 1 / np.sqrt(x))
    return np.asarray(np.power(x, x.dtype.type(a)))


FUNCTIONS: dict[str, Function] = {
    "gelu": lambda x, a, b: _lowest(x) * _phi(x),
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x, a, b: _lowest(x) * _sigmoid(x),
    "elu": lambda x, a, b: np.where(x > 0, x, a * np.expm1(_negative(x))),
    "celu": lambda x, a, b: np.maximum(x, 0) + _negative(a * np.expm1(_negative(x / a))),
    "selu": lambda x, a, b: np.where(x > 0, b * x, a * np.expm1(_negative(x))),
    "softplus": lambda x, a, b: np.where(a * x > b, x, _softplus(a * x) / a),
    "logsigmoid": lambda x, a, b: _negative(x) - np.log1p(np.exp(-np.abs(x))),
    "mish": lambda x, a, b: _lowest(x) * np.tanh(_softplus(x)),
    "tanhshrink": lambda x, a, b: x - np.tanh(x),
    "softsign": _softsign,
    "hardswish": _hardswish,
    "hardsigmoid": lambda x, a, b: np.clip((x + 3) / 6, 0, 1),
    "hardtanh": lambda x, a, b: np.minimum(np.maximum(x, a), b),
    "clamp": lambda x, a, b: np.minimum(np.maximum(x, a), b),
    "softshrink": _softshrink,
    "hardshrink": lambda x, a, b: np.where((x >= -a) & (x <= a), 0, x),
    "threshold": lambda x, a, b: np.where(x <= a, b, x),
    "log": lambda x, a, b: np.log(x),
    "sqrt": lambda x, a, b: np.sqrt(x),
    "erf": lambda x, a, b: np.asarray(_erf(x), x.dtype),
    "pow": lambda x, a, b: _power(x, a),
}

# The derivatives; where FLAT holds there is none at all.
SLOPES: dict[str, Function] = {
    "gelu": _gelu_slope,
    "gelu_tanh": _gelu_tanh_slope,
    "silu": _silu_slope,
    "elu": lambda x, a, b: np.where(x > 0, 1, a * np.exp(_negative(x))),
    "celu": lambda x, a, b: np.where(x > 0, 1, np.exp(_negative(x / a))),
    "selu": lambda x, a, b: np.where(x > 0, b, a * np.exp(_negative(x))),
    "softplus": lambda x, a, b: np.where(a * x > b, 1, _sigmoid(a * x)),
    "logsigmoid": lambda x, a, b: _sigmoid(-x),
    "mish": _mish_slope,
    "tanhshrink": lambda x, a, b: np.tanh(x) ** 2,
    "softsign": lambda x, a, b: (1 / (1 + np.abs(x))) ** 2,
    "hardswish": lambda x, a, b: np.where(x >= 3, 1, x / 3 + 0.5),
    "hardsigmoid": lambda x, a, b: np.full_like(x, 1 / 6),
    "hardtanh": lambda x, a, b: np.ones_like(x),
    "clamp": lambda x, a, b: np.ones_like(x),
    "softshrink": lambda x, a, b: np.ones_like(x),
    "hardshrink": lambda x, a, b: np.ones_like(x),
    "threshold": lambda x, a, b: np.ones_like(x),
    "log": lambda x, a, b: 1 / x,
    "sqrt": lambda x, a, b: 0.5 / np.sqrt(x),
    "erf": lambda x, a, b: 2 / math.sqrt(math.pi) * np.exp(-x * x),
    "pow": lambda x, a, b: a * _power(x, a - 1) if a else np.zeros_like(x),
}

FLAT: dict[str, Function] = {
    "hardswish": lambda x, a, b: x <= -3,
    "hardsigmoid": lambda x, a, b: ~((x > -3) & (x < 3)),
    "hardtanh": lambda x, a, b: ~((x > a) & (x < b)),
    "clamp": lambda x, a, b: ~((x >= a) & (x <= b)),
    "softshrink": lambda x, a, b: ~((x < -a) | (x > a)),
    "hardshrink": lambda x, a, b: ~((x < -a) | (x > a)),
    "threshold": lambda x, a, b: x <= a,
}


def check_kind(kind: str) -> None:
    if kind not in ACTIVATION_KINDS:
        raise ValueError(f"kind: expected one of {', '.join(ACTIVATION_KINDS)}, got {kind!r}")


@quiet
def activation_forward(kind: str, x: Array, a: float, b: float, out: Array) -> None:
    check_kind(kind)
    checks.equal_shapes(("x", x), out=("out", out))
    out[...] = FUNCTIONS[kind](x, a, b)


@quiet
def activation_backward(kind: str, grad: Array, x: Array, a: float, b: float, grad_x: Array) -> None:
    check_kind(kind)
    checks.equal_shapes(("grad", grad), ("x", x), out=("grad_x", grad_x))
    flat = FLAT[kind](x, a, b) if kind in FLAT else False
    grad_x[...] = np.where(flat, 0, grad * SLOPES[kind](x, a, b))
