"""Products of matrices: NumPy's own, with the epilogue as separate passes."""

from __future__ import annotations

import numpy as np

from ..contract import Array
from . import checks
from .elementwise import (
    quiet,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    tanh_backward,
    tanh_forward,
)

_FORWARD = {"relu": relu_forward, "sigmoid": sigmoid_forward, "tanh": tanh_forward}
_BACKWARD = {"relu": relu_backward, "sigmoid": sigmoid_backward, "tanh": tanh_backward}


@quiet
def matmul(
    a: Array,
    b: Array,
    transpose_a: bool,
    transpose_b: bool,
    bias: Array | None,
    activation: str,
    accumulate: bool,
    out: Array,
) -> None:
    checks.matmul(a, b, transpose_a, transpose_b, bias, activation, out)
    left = a.swapaxes(1, 2) if transpose_a else a
    right = b.swapaxes(1, 2) if transpose_b else b
    left = np.broadcast_to(left, (out.shape[0], *left.shape[1:]))
    if accumulate:
        out += np.matmul(left, right)
    else:
        np.matmul(left, right, out=out)
    if bias is not None:
        out += bias
    if activation != "none":
        _FORWARD[activation](out, out)


@quiet
def linear_forward(x: Array, weight: Array, bias: Array | None, activation: str, out: Array) -> None:
    checks.linear_forward(x, weight, bias, activation, out)
    np.matmul(x, weight.T, out=out)
    if bias is not None:
        out += bias
    if activation != "none":
        _FORWARD[activation](out, out)


@quiet
def linear_backward(
    grad: Array,
    x: Array,
    weight: Array,
    out: Array | None,
    activation: str,
    workspace: Array | None,
    grad_x: Array | None,
    grad_weight: Array | None,
    grad_bias: Array | None,
) -> None:
    checks.linear_backward(grad, x, weight, out, activation, workspace, grad_x, grad_weight, grad_bias)
    g = grad
    if out is not None and workspace is not None and activation != "none":
        _BACKWARD[activation](grad, out, workspace)
        g = workspace
    if grad_x is not None:
        np.matmul(g, weight, out=grad_x)
    if grad_weight is not None:
        np.matmul(g.T, x, out=grad_weight)
    if grad_bias is not None:
        # In float64: a lone float32 accumulator loses small terms over a long batch.
        grad_bias[...] = g.sum(axis=0, dtype=np.float64)
