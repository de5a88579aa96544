"""Activations by name: a formula of one element each, compiled into one loop a formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..contract import Array
from ..numpy_backend import checks
from ..numpy_backend.activation import check_kind
from . import _math
from ._jit import CONTRACT, jit
from ._loop import flat, pieces

Formula = Callable[..., Any]
# A formula stays a plain function that loops may call: a compiled one among a loop's variables would make the key of
# Numba's cache another one in each process.
_formula = register_jitable(error_model="numpy", fastmath=set(CONTRACT))


@jit(CONTRACT)
def _sigmoid(x: Any) -> Any:
    one = type(x)(1)
    return one / (one + _math.exp(-x))


@jit(CONTRACT)
def _phi(x: Any) -> Any:
    return type(x)(0.5) * math.erfc(x * type(x)(-0.7071067811865476))


@jit()
def _limited(x: Any, limit: float) -> Any:
    """NaN is kept."""
    if x > limit:
        return type(x)(limit)
    return type(x)(-limit) if x < -limit else x


@jit()
def _lowest(x: Any) -> Any:
    """-inf, beside a factor that is 0 there, as a finite number."""
    return type(x)(-3e38) if x < -3.4028234e38 else x


@jit(CONTRACT)
def _log1p_exp(x: Any) -> Any:
    """log(1 + exp(-|x|))"""
    return math.log1p(_math.exp(-abs(x)))


@jit(CONTRACT)
def _positive(x: Any) -> Any:
    return type(x)(0) if x < 0 else x


@jit(CONTRACT)
def _tanh_softplus(x: Any) -> Any:
    return math.tanh(_positive(x) + _log1p_exp(x))


@_formula
def _gelu(x: Any, a: Any, b: Any) -> Any:
    return _lowest(x) * _phi(x)


@_formula
def _d_gelu(g: Any, x: Any, a: Any, b: Any) -> Any:
    y = _limited(x, 50.0)
    return g * (_phi(y) + y * _math.exp(y * y * type(x)(-0.5)) * type(x)(0.3989422804014327))


@_formula
def _gelu_tanh(x: Any, a: Any, b: Any) -> Any:
    return _lowest(x) * _sigmoid(x * type(x)(1.5957691216057308) * (type(x)(1) + type(x)(0.044715) * x * x))


@_formula
def _d_gelu_tanh(g: Any, x: Any, a: Any, b: Any) -> Any:
    one, rate = type(x)(1), type(x)(1.5957691216057308)
    y = _limited(x, 100.0)
    cube = type(x)(0.044715) * y * y
    s = _sigmoid(y * rate * (one + cube))
    return g * (s + y * (s * (one - s)) * rate * (one + type(x)(3) * cube))


@_formula
def _silu(x: Any, a: Any, b: Any) -> Any:
    return _lowest(x) * _sigmoid(x)


@_formula
def _d_silu(g: Any, x: Any, a: Any, b: Any) -> Any:
    s = _sigmoid(x)
    return g * (s + _limited(x, 1e4) * (s * (type(x)(1) - s)))


@_formula
def _elu(x: Any, a: Any, b: Any) -> Any:
    return x if x > 0 else a * math.expm1(x)


@_formula
def _d_elu(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g if x > 0 else g * (a * _math.exp(x))


@_formula
def _celu(x: Any, a: Any, b: Any) -> Any:
    return x if x > 0 else a * math.expm1(x / a)


@_formula
def _d_celu(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g if x > 0 else g * _math.exp(x / a)


@_formula
def _selu(x: Any, a: Any, b: Any) -> Any:
    return b * x if x > 0 else a * math.expm1(x)


@_formula
def _d_selu(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g * b if x > 0 else g * (a * _math.exp(x))


@_formula
def _softplus(x: Any, a: Any, b: Any) -> Any:
    return x if a * x > b else (_positive(a * x) + _log1p_exp(a * x)) / a


@_formula
def _d_softplus(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g if a * x > b else g * _sigmoid(a * x)


@_formula
def _logsigmoid(x: Any, a: Any, b: Any) -> Any:
    return -_positive(-x) - _log1p_exp(x)


@_formula
def _d_logsigmoid(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g * _sigmoid(-x)


@_formula
def _mish(x: Any, a: Any, b: Any) -> Any:
    return _lowest(x) * _tanh_softplus(x)


@_formula
def _d_mish(g: Any, x: Any, a: Any, b: Any) -> Any:
    t = _tanh_softplus(x)
    return g * (t + _limited(x, 1e4) * _sigmoid(x) * (type(x)(1) - t * t))


@_formula
def _tanhshrink(x: Any, a: Any, b: Any) -> Any:
    return x - _math.tanh(x)


@_formula
def _d_tanhshrink(g: Any, x: Any, a: Any, b: Any) -> Any:
    t = _math.tanh(x)
    return g * (t * t)


@_formula
def _softsign(x: Any, a: Any, b: Any) -> Any:
    y = _limited(x, 3.4028234e38)
    return y / (type(x)(1) + abs(y))


@_formula
def _d_softsign(g: Any, x: Any, a: Any, b: Any) -> Any:
    r = type(x)(1) / (type(x)(1) + abs(x))
    return g * r * r


@_formula
def _hardswish(x: Any, a: Any, b: Any) -> Any:
    if x <= -3:
        return type(x)(0)
    return x if x >= 3 else x * (x + type(x)(3)) / type(x)(6)


@_formula
def _d_hardswish(g: Any, x: Any, a: Any, b: Any) -> Any:
    if x <= -3:
        return type(x)(0)
    return g if x >= 3 else g * (x / type(x)(3) + type(x)(0.5))


@_formula
def _hardsigmoid(x: Any, a: Any, b: Any) -> Any:
    if x <= -3:
        return type(x)(0)
    return type(x)(1) if x >= 3 else (x + type(x)(3)) / type(x)(6)


@_formula
def _d_hardsigmoid(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g / type(x)(6) if x > -3 and x < 3 else type(x)(0)


@_formula
def _clamp(x: Any, a: Any, b: Any) -> Any:
    y = a if x < a else x
    return b if y > b else y


@_formula
def _d_hardtanh(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g if x > a and x < b else type(x)(0)


@_formula
def _d_clamp(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g if x >= a and x <= b else type(x)(0)


@_formula
def _softshrink(x: Any, a: Any, b: Any) -> Any:
    if x > a:
        return x - a
    return x + a if x < -a else x * type(x)(0)


@_formula
def _hardshrink(x: Any, a: Any, b: Any) -> Any:
    return type(x)(0) if x >= -a and x <= a else x


@_formula
def _d_shrink(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g if x < -a or x > a else type(x)(0)


@_formula
def _threshold(x: Any, a: Any, b: Any) -> Any:
    return b if x <= a else x


@_formula
def _d_threshold(g: Any, x: Any, a: Any, b: Any) -> Any:
    return type(x)(0) if x <= a else g


@_formula
def _log(x: Any, a: Any, b: Any) -> Any:
    return np.log(x)


@_formula
def _d_log(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g / x


@_formula
def _sqrt(x: Any, a: Any, b: Any) -> Any:
    return np.sqrt(x)


@_formula
def _d_sqrt(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g / (type(x)(2) * np.sqrt(x))


@_formula
def _erf(x: Any, a: Any, b: Any) -> Any:
    return math.erf(x)


@_formula
def _d_erf(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g * (_math.exp(-(x * x)) * type(x)(1.1283791670955126))


@_formula
def _pow(x: Any, a: Any, b: Any) -> Any:
    if a == type(x)(0.5):
        return np.sqrt(x)
    if a == type(x)(-0.5):
        return type(x)(1) / np.sqrt(x)
    return x**a


@_formula
def _d_pow(g: Any, x: Any, a: Any, b: Any) -> Any:
    return g * (a * _pow(x, a - type(x)(1), b)) if a != 0 else type(x)(0)


def _forward(formula: Formula) -> Callable[..., None]:
    @jit(CONTRACT)
    def loop(x: Array, out: Array, a: Any, b: Any) -> None:
        for i in range(len(x)):
            out[i] = formula(x[i], a, b)

    return loop


def _backward(formula: Formula) -> Callable[..., None]:
    @jit(CONTRACT)
    def loop(grad: Array, x: Array, grad_x: Array, a: Any, b: Any) -> None:
        for i in range(len(x)):
            grad_x[i] = formula(grad[i], x[i], a, b)

    return loop


_FORMULAS: dict[str, tuple[Formula, Formula]] = {
    "gelu": (_gelu, _d_gelu),
    "gelu_tanh": (_gelu_tanh, _d_gelu_tanh),
    "silu": (_silu, _d_silu),
    "elu": (_elu, _d_elu),
    "celu": (_celu, _d_celu),
    "selu": (_selu, _d_selu),
    "softplus": (_softplus, _d_softplus),
    "logsigmoid": (_logsigmoid, _d_logsigmoid),
    "mish": (_mish, _d_mish),
    "tanhshrink": (_tanhshrink, _d_tanhshrink),
    "softsign": (_softsign, _d_softsign),
    "hardswish": (_hardswish, _d_hardswish),
    "hardsigmoid": (_hardsigmoid, _d_hardsigmoid),
    "hardtanh": (_clamp, _d_hardtanh),
    "clamp": (_clamp, _d_clamp),
    "softshrink": (_softshrink, _d_shrink),
    "hardshrink": (_hardshrink, _d_shrink),
    "threshold": (_threshold, _d_threshold),
    "log": (_log, _d_log),
    "sqrt": (_sqrt, _d_sqrt),
    "erf": (_erf, _d_erf),
    "pow": (_pow, _d_pow),
}
_FORWARD = {kind: _forward(value) for kind, (value, _) in _FORMULAS.items()}
_BACKWARD = {kind: _backward(slope) for kind, (_, slope) in _FORMULAS.items()}


def activation_forward(kind: str, x: Array, a: float, b: float, out: Array) -> None:
    check_kind(kind)
    checks.equal_shapes(("x", x), out=("out", out))
    real = x.dtype.type
    pieces(_FORWARD[kind], (flat(x), out.reshape(-1)), real(a), real(b))


def activation_backward(kind: str, grad: Array, x: Array, a: float, b: float, grad_x: Array) -> None:
    check_kind(kind)
    checks.equal_shapes(("grad", grad), ("x", x), out=("grad_x", grad_x))
    real = x.dtype.type
    pieces(_BACKWARD[kind], (flat(grad), flat(x), grad_x.reshape(-1)), real(a), real(b))
