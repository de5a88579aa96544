"""How an activation by name becomes an op: the kernel's value and gradient, and the derivative as recorded ops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.activation import sigmoid, tanh
from fastnn.ops.elementwise import abs as abs_
from fastnn.ops.elementwise import erf, exp
from fastnn.ops.gate import cast, floating, tensor_argument
from fastnn.ops.select import where

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

_HALF, _FULL = np.dtype(np.float16), np.dtype(np.float32)


def by_name(kind: str, name: str, input: Tensor, a: float = 0.0, b: float = 0.0) -> Tensor:
    """The kernel named kind of the tensor, on the tape; float16 goes through float32. name: the public function's."""
    tensor = tensor_argument(input, name)
    if tensor._array.dtype == _HALF:
        return cast(by_name(kind, name, cast(tensor, _FULL), a, b), _HALF)
    x = floating(tensor, name)
    out = np.empty(x.shape, x.dtype)
    K.activation_forward(kind, x, a, b, out)
    node = _NODES.get(name) or f"{name.capitalize()}Backward0"
    return _core.record(node, _backward, (tensor,), out, (tensor,), extra=(kind, a, b))


_NODES = {"logsigmoid": "LogSigmoidBackward0", "relu6": "HardtanhBackward0"}


def _backward(ctx: Node, grad: Tensor) -> Tensor:
    kind, a, b = ctx.extra
    (x,) = ctx.saved
    if _core.is_grad_enabled():
        return SLOPES[kind](grad, x, a, b)
    values = dense(x)
    grad_x = np.empty(values.shape, values.dtype)
    K.activation_backward(kind, dense(grad), values, a, b, grad_x)
    return _core.wrap(grad_x)


# ------------------------------------------------------------------- derivatives that can be differentiated again

Slope = Callable[["Tensor", "Tensor", float, float], "Tensor"]


def _gelu(g: Tensor, x: Tensor, a: float, b: float) -> Tensor:
    x = x.clamp(-50, 50)
    density = exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return g * ((erf(x * math.sqrt(0.5)) + 1) * 0.5 + x * density)


def _gelu_tanh(g: Tensor, x: Tensor, a: float, b: float) -> Tensor:
    x, rate = x.clamp(-100, 100), 2 * math.sqrt(2 / math.pi)
    square = x * x * 0.044715
    s = sigmoid(x * (square + 1) * rate)
    return g * (s + x * s * (1 - s) * (square * 3 + 1) * rate)


def _silu(g: Tensor, x: Tensor, a: float, b: float) -> Tensor:
    x = x.clamp(-1e4, 1e4)
    s = sigmoid(x)
    return g * (s + x * s * (1 - s))


def _mish(g: Tensor, x: Tensor, a: float, b: float) -> Tensor:
    x = x.clamp(-1e4, 1e4)
    t = tanh(by_name("softplus", "softplus", x, 1.0, 100.0))
    return g * (t + x * sigmoid(x) * (1 - t * t))


def _exponential(g: Tensor, x: Tensor, factor: float, right: float) -> Tensor:
    """right where x > 0, factor * exp(x) elsewhere; not computed where it is not taken."""
    left = x > 0
    return where(left, g * right, g * exp(where(left, 0.0, x)) * factor)


def _softplus(g: Tensor, x: Tensor, a: float, b: float) -> Tensor:
    return where(x * a > b, g, g * sigmoid(x * a))


def _softsign(g: Tensor, x: Tensor, a: float, b: float) -> Tensor:
    r = 1 / (abs_(x) + 1)
    return g * r * r


def _hardswish(g: Tensor, x: Tensor, a: float, b: float) -> Tensor:
    return where(x <= -3, 0.0, where(x >= 3, g, g * (x * (1 / 3) + 0.5)))


def _tanhshrink(g: Tensor, x: Tensor, a: float, b: float) -> Tensor:
    t = tanh(x)
    return g * (t * t)


SLOPES: dict[str, Slope] = {
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "mish": _mish,
    "elu": lambda g, x, a, b: _exponential(g, x, a, 1.0),
    "celu": lambda g, x, a, b: _exponential(g, x * (1 / a), 1.0, 1.0),
    "selu": _exponential,
    "softplus": _softplus,
    "logsigmoid": lambda g, x, a, b: g * sigmoid(-x),
    "softsign": _softsign,
    "tanhshrink": _tanhshrink,
    "hardswish": _hardswish,
    "hardsigmoid": lambda g, x, a, b: where((x > -3) & (x < 3), g * (1 / 6), 0.0),
    "hardtanh": lambda g, x, a, b: where((x > a) & (x < b), g, 0.0),
    "softshrink": lambda g, x, a, b: where((x < -a) | (x > a), g, 0.0),
    "hardshrink": lambda g, x, a, b: where((x < -a) | (x > a), g, 0.0),
    "threshold": lambda g, x, a, b: where(x <= a, 0.0, g),
}
