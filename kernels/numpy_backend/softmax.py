"""Softmax and its logarithm over rows, shifted by each row's maximum."""

from __future__ import annotations

import numpy as np

from ..contract import Array
from . import checks
from .elementwise import quiet


def _shift(x: Array, out: Array) -> None:
    """out = x - max of the row; a row that holds +inf or NaN, or nothing above -inf, gets a NaN."""
    np.subtract(x, x.max(axis=1, keepdims=True, initial=-np.inf), out=out)


@quiet
def softmax_forward(x: Array, out: Array) -> None:
    checks.rows(("x", x), out=("out", out))
    _shift(x, out)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)


@quiet
def softmax_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.rows(("grad", grad), ("out", out), out=("grad_x", grad_x))
    np.multiply(grad, out, out=grad_x)
    np.subtract(grad, grad_x.sum(axis=1, keepdims=True), out=grad_x)
    grad_x *= out


@quiet
def log_softmax_forward(x: Array, out: Array) -> None:
    checks.rows(("x", x), out=("out", out))
    _shift(x, out)
    out -= np.log(np.exp(out).sum(axis=1, keepdims=True))


@quiet
def log_softmax_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.rows(("grad", grad), ("out", out), out=("grad_x", grad_x))
    np.exp(out, out=grad_x)
    grad_x *= grad.sum(axis=1, keepdims=True)
    np.subtract(grad, grad_x, out=grad_x)
