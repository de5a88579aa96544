"""Passes over elements, each a NumPy ufunc or two."""

from __future__ import annotations

import numpy as np

from ..contract import Array
from . import checks

# NaN and infinities are results here, not events to warn of.
quiet = np.errstate(all="ignore")


def relu_forward(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    np.maximum(x, 0, out=out)


def relu_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.equal_shapes(("grad", grad), ("out", out), out=("grad_x", grad_x))
    np.copyto(grad_x, grad)
    np.copyto(grad_x, 0, where=out <= 0)


@quiet
def leaky_relu_forward(x: Array, slope: float, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    positive = x > 0
    np.copyto(out, x)
    np.multiply(out, slope, out=out, where=~positive)


@quiet
def leaky_relu_backward(grad: Array, x: Array, slope: float, grad_x: Array) -> None:
    checks.equal_shapes(("grad", grad), ("x", x), out=("grad_x", grad_x))
    positive = x > 0
    np.copyto(grad_x, grad)
    np.multiply(grad_x, slope, out=grad_x, where=~positive)


@quiet
def sigmoid_forward(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    # exp(-x) = inf far to the left is right: 1 / inf = 0.
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1
    np.reciprocal(out, out=out)


@quiet
def sigmoid_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.equal_shapes(("grad", grad), ("out", out), out=("grad_x", grad_x))
    np.multiply(grad, out * (1 - out), out=grad_x)


@quiet
def tanh_forward(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    np.tanh(x, out=out)


@quiet
def tanh_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.equal_shapes(("grad", grad), ("out", out), out=("grad_x", grad_x))
    np.multiply(grad, 1 - out * out, out=grad_x)


@quiet
def exp_forward(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    np.exp(x, out=out)


@quiet
def add(a: Array, b: Array, out: Array) -> None:
    checks.binary(a, b, out)
    np.add(a, b, out=out)


@quiet
def sub(a: Array, b: Array, out: Array) -> None:
    checks.binary(a, b, out)
    np.subtract(a, b, out=out)


@quiet
def mul(a: Array, b: Array, out: Array) -> None:
    checks.binary(a, b, out)
    np.multiply(a, b, out=out)


@quiet
def div(a: Array, b: Array, out: Array) -> None:
    checks.binary(a, b, out)
    np.divide(a, b, out=out)


def copy(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    np.copyto(out, x)
