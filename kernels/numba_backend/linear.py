"""Products of matrices: NumPy's BLAS, with bias and activation in one compiled pass behind it."""

from __future__ import annotations

import numpy as np

from ..contract import ACTIVATIONS, Array
from ..numpy_backend import checks
from ..numpy_backend.elementwise import quiet
from ..numpy_backend.linear import linear_backward as reference_backward
from . import _math
from ._jit import CONTRACT, jit
from ._loop import chunked, flat, rows_per_chunk
from .elementwise import relu_backward, sigmoid_backward, tanh_backward
from .reduce import sum_forward

_BACKWARD = {"relu": relu_backward, "sigmoid": sigmoid_backward, "tanh": tanh_backward}
_RELU, _SIGMOID = ACTIVATIONS.index("relu"), ACTIVATIONS.index("sigmoid")
TILE = 256
# Up to here NumPy's passes are done before the compiled one has been called.
FEW = 4096


@jit(CONTRACT)
def _finish(out: Array, bias: Array, columns: int, activation: int, first: int, last: int) -> None:
    """Rows [first, last) of out: bias (none where it has no elements), then activation."""
    zero, one = out.dtype.type(0), out.dtype.type(1)
    if len(bias):
        for m in range(first, last):
            row = out[m * columns : (m + 1) * columns]
            for i in range(columns):
                row[i] += bias[i]
    # Over all rows as one: a remainder at the end of each would cost as much as the rest.
    values = out[first * columns : last * columns]
    if activation == _RELU:
        for i in range(len(values)):
            values[i] = zero if values[i] < zero else values[i]
    elif activation == _SIGMOID:
        for i in range(len(values)):
            values[i] = one / (one + _math.exp(-values[i]))
    else:
        for i in range(len(values)):
            values[i] = _math.tanh(values[i])


def _epilogue(out: Array, bias: Array | None, activation: str) -> None:
    if activation == "none":
        if bias is not None:
            out += bias
        return
    columns = out.shape[-1]
    if columns == 0:
        return
    if out.size <= FEW and activation == "relu":
        if bias is not None:
            out += bias
        np.maximum(out, 0, out=out)
        return
    values = flat(np.empty(0, out.dtype) if bias is None else bias)
    rows, code = out.size // columns, ACTIVATIONS.index(activation)
    chunked(_finish, rows, rows_per_chunk(columns), out.reshape(-1), values, columns, code)


def _accumulate(left: Array, right: Array, out: Array) -> None:
    """out += left @ right, through a tile of fixed size."""
    tile = np.empty(TILE * TILE, out.dtype)
    for a, b, c in zip(left, right, out, strict=True):
        for top in range(0, c.shape[0], TILE):
            for start in range(0, c.shape[1], TILE):
                target = c[top : top + TILE, start : start + TILE]
                product = tile[: target.size].reshape(target.shape)
                np.matmul(a[top : top + TILE], b[:, start : start + TILE], out=product)
                target += product


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
    if len(left) != len(out):
        left = np.broadcast_to(left, (len(out), *left.shape[1:]))
    if accumulate:
        _accumulate(left, np.broadcast_to(right, (len(out), *right.shape[1:])), out)
    else:
        np.matmul(left, right, out=out)
    _epilogue(out, bias, activation)


@quiet
def linear_forward(x: Array, weight: Array, bias: Array | None, activation: str, out: Array) -> None:
    checks.linear_forward(x, weight, bias, activation, out)
    np.matmul(x, weight.T, out=out)
    _epilogue(out, bias, activation)


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
    if grad.size <= FEW:
        reference_backward(grad, x, weight, out, activation, workspace, grad_x, grad_weight, grad_bias)
        return
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
        sum_forward(g.reshape(1, *g.shape), grad_bias.reshape(1, -1))
