"""Activations and functions of one array that have a name: one kernel for all values, one for all gradients."""

from __future__ import annotations

from .types import Array

# What each is of x, a and b; where a limit and arithmetic disagree (0 times infinity) it is the limit.
ACTIVATION_KINDS = {
    "gelu": "x * Phi(x), Phi the normal distribution (Hendrycks & Gimpel 2016)",
    "gelu_tanh": "x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2",
    "silu": "x * sigmoid(x)",
    "elu": "x where x > 0 else a * (exp(x) - 1)",
    "celu": "max(x, 0) + min(0, a * (exp(x / a) - 1)), a > 0",
    "selu": "b * x where x > 0 else a * (exp(x) - 1)",
    "softplus": "x where a * x > b else log(1 + exp(a * x)) / a",
    "logsigmoid": "log(sigmoid(x))",
    "mish": "x * tanh(log(1 + exp(x)))",
    "tanhshrink": "x - tanh(x)",
    "softsign": "x / (1 + |x|)",
    "hardswish": "x * min(max(x + 3, 0), 6) / 6; the slope is 0 up to -3 and 1 from 3",
    "hardsigmoid": "min(max(x + 3, 0), 6) / 6; no slope at -3 and 3",
    "hardtanh": "min(max(x, a), b); no slope at a and b",
    "clamp": "min(max(x, a), b); a slope of 1 at a and b",
    "softshrink": "x - a where x > a, x + a where x < -a, else 0",
    "hardshrink": "0 where -a <= x <= a else x",
    "threshold": "b where x <= a else x",
    "log": "the natural logarithm: -inf at 0, NaN below",
    "sqrt": "the square root: NaN below 0",
    "pow": "x ** a: NaN where x < 0 and a is no integer; 0.5 and -0.5 by the square root; the slope is 0 where a is 0",
    "erf": "2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x",
}


def activation_forward(kind: str, x: Array, a: float, b: float, out: Array) -> None:
    """out = the function named kind, of x, a and b; NaN is kept. Equal shapes; out may be x.

    ValueError for a kind that ACTIVATION_KINDS does not list.
    """
    raise NotImplementedError


def activation_backward(kind: str, grad: Array, x: Array, a: float, b: float, grad_x: Array) -> None:
    """grad_x = grad times the derivative at x, forward's input; 0 where x lies on a flat piece, whatever grad
    is, and where x is NaN in hardsigmoid, hardtanh, clamp and the shrinks, as in PyTorch.

    Equal shapes; grad_x may be grad.
    """
    raise NotImplementedError
