"""Activations and arithmetic, element by element."""

from __future__ import annotations

from .types import Array


def relu_forward(x: Array, out: Array) -> None:
    """out = max(x, 0), NaN kept. Any equal shapes; out may be x."""
    raise NotImplementedError


def relu_backward(grad: Array, out: Array, grad_x: Array) -> None:
    """grad_x = grad where out > 0 (or out is NaN), else 0; out is forward's. Equal shapes; grad_x may be grad."""
    raise NotImplementedError


def leaky_relu_forward(x: Array, slope: float, out: Array) -> None:
    """out = x where x > 0 else slope * x. Equal shapes; out may be x."""
    raise NotImplementedError


def leaky_relu_backward(grad: Array, x: Array, slope: float, grad_x: Array) -> None:
    """grad_x = grad where x > 0 else slope * grad; x is forward's input. Equal shapes; grad_x may be grad."""
    raise NotImplementedError


def sigmoid_forward(x: Array, out: Array) -> None:
    """out = 1 / (1 + exp(-x)), without overflow at either end. Equal shapes; out may be x."""
    raise NotImplementedError


def sigmoid_backward(grad: Array, out: Array, grad_x: Array) -> None:
    """grad_x = grad * out * (1 - out); out is forward's. Equal shapes; grad_x may be grad."""
    raise NotImplementedError


def tanh_forward(x: Array, out: Array) -> None:
    """out = tanh(x). Equal shapes; out may be x."""
    raise NotImplementedError


def tanh_backward(grad: Array, out: Array, grad_x: Array) -> None:
    """grad_x = grad * (1 - out * out); out is forward's. Equal shapes; grad_x may be grad."""
    raise NotImplementedError


def exp_forward(x: Array, out: Array) -> None:
    """out = e ** x. Equal shapes; out may be x. The gradient is grad * out: mul."""
    raise NotImplementedError


def add(a: Array, b: Array, out: Array) -> None:
    """out = a + b. out: (A, R, C); a and b: (A|1, R|1, C|1), each extent out's or 1, broadcast; dense as they are."""
    raise NotImplementedError


def sub(a: Array, b: Array, out: Array) -> None:
    """out = a - b; shapes as in add."""
    raise NotImplementedError


def mul(a: Array, b: Array, out: Array) -> None:
    """out = a * b; shapes as in add."""
    raise NotImplementedError


def div(a: Array, b: Array, out: Array) -> None:
    """out = a / b; shapes as in add; division by zero gives inf or NaN, without a warning."""
    raise NotImplementedError


def copy(x: Array, out: Array) -> None:
    """out = x. Equal shapes."""
    raise NotImplementedError
