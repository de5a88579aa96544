"""Passes over elements."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..contract import Array
from ..numpy_backend import checks
from ..numpy_backend.elementwise import quiet
from . import _math
from ._jit import CONTRACT, jit
from ._loop import chunked, flat, pieces, rows_per_chunk


@jit()
def _relu_forward(x: Array, out: Array) -> None:
    zero = out.dtype.type(0)
    for i in range(len(x)):
        out[i] = zero if x[i] < zero else x[i]


@jit()
def _relu_backward(grad: Array, out: Array, grad_x: Array) -> None:
    zero = grad_x.dtype.type(0)
    for i in range(len(grad)):
        g = grad[i]
        grad_x[i] = zero if out[i] <= zero else g


@jit()
def _leaky_relu_forward(x: Array, out: Array, slope: Any) -> None:
    zero = out.dtype.type(0)
    for i in range(len(x)):
        out[i] = x[i] if x[i] > zero else slope * x[i]


@jit()
def _leaky_relu_backward(grad: Array, x: Array, grad_x: Array, slope: Any) -> None:
    zero = grad_x.dtype.type(0)
    for i in range(len(grad)):
        g = grad[i]
        grad_x[i] = g if x[i] > zero else slope * g


@jit(CONTRACT)
def _sigmoid_forward(x: Array, out: Array) -> None:
    one = out.dtype.type(1)
    for i in range(len(x)):
        out[i] = one / (one + _math.exp(-x[i]))


@jit(CONTRACT)
def _sigmoid_backward(grad: Array, out: Array, grad_x: Array) -> None:
    one = grad_x.dtype.type(1)
    for i in range(len(grad)):
        grad_x[i] = grad[i] * (out[i] * (one - out[i]))


@jit(CONTRACT)
def _tanh_forward(x: Array, out: Array) -> None:
    for i in range(len(x)):
        out[i] = _math.tanh(x[i])


@jit(CONTRACT)
def _tanh_backward(grad: Array, out: Array, grad_x: Array) -> None:
    one = grad_x.dtype.type(1)
    for i in range(len(grad)):
        grad_x[i] = grad[i] * (one - out[i] * out[i])


@jit(CONTRACT)
def _exp_forward(x: Array, out: Array) -> None:
    for i in range(len(x)):
        out[i] = _math.exp(x[i])


def relu_forward(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    pieces(_relu_forward, (flat(x), out.reshape(-1)))


def relu_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.equal_shapes(("grad", grad), ("out", out), out=("grad_x", grad_x))
    pieces(_relu_backward, (flat(grad), flat(out), grad_x.reshape(-1)))


def leaky_relu_forward(x: Array, slope: float, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    pieces(_leaky_relu_forward, (flat(x), out.reshape(-1)), x.dtype.type(slope))


def leaky_relu_backward(grad: Array, x: Array, slope: float, grad_x: Array) -> None:
    checks.equal_shapes(("grad", grad), ("x", x), out=("grad_x", grad_x))
    pieces(_leaky_relu_backward, (flat(grad), flat(x), grad_x.reshape(-1)), x.dtype.type(slope))


def sigmoid_forward(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    pieces(_sigmoid_forward, (flat(x), out.reshape(-1)))


def sigmoid_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.equal_shapes(("grad", grad), ("out", out), out=("grad_x", grad_x))
    pieces(_sigmoid_backward, (flat(grad), flat(out), grad_x.reshape(-1)))


def tanh_forward(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    pieces(_tanh_forward, (flat(x), out.reshape(-1)))


def tanh_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.equal_shapes(("grad", grad), ("out", out), out=("grad_x", grad_x))
    pieces(_tanh_backward, (flat(grad), flat(out), grad_x.reshape(-1)))


def exp_forward(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    pieces(_exp_forward, (flat(x), out.reshape(-1)))


def copy(x: Array, out: Array) -> None:
    checks.equal_shapes(("x", x), out=("out", out))
    np.copyto(out, x)


# ----------------------------------------------------------------------------------------------- two operands
# On equal shapes NumPy's own loops are vector code that waits for memory; broadcast along an inner extent they are not.


def _broadcast(apply: Callable[[Any, Any], Any]) -> Callable[..., None]:
    """The loop of a binary operator over rows of broadcast operands."""

    @jit()
    def broadcast(
        a: Array,
        b: Array,
        out: Array,
        middle: int,
        columns: int,
        a_steps: tuple[int, int, int],
        b_steps: tuple[int, int, int],
        first: int,
        last: int,
    ) -> None:
        """Rows [first, last) of out. Steps are in elements, 0 along an extent that is repeated."""
        for row in range(first, last):
            outer, inner = row // middle, row % middle
            start_a = outer * a_steps[0] + inner * a_steps[1]
            start_b = outer * b_steps[0] + inner * b_steps[1]
            to = row * columns
            # One loop each, and unsigned indices, so that each becomes vector instructions.
            if a_steps[2] == 0 and b_steps[2] == 0:
                both = apply(a[start_a], b[start_b])
                for i in range(columns):
                    out[np.uintp(to + i)] = both
            elif a_steps[2] == 0:
                left = a[start_a]
                for i in range(columns):
                    out[np.uintp(to + i)] = apply(left, b[np.uintp(start_b + i)])
            elif b_steps[2] == 0:
                right = b[start_b]
                for i in range(columns):
                    out[np.uintp(to + i)] = apply(a[np.uintp(start_a + i)], right)
            else:
                for i in range(columns):
                    out[np.uintp(to + i)] = apply(a[np.uintp(start_a + i)], b[np.uintp(start_b + i)])

    return broadcast


def _steps(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Elements from one place to the next along each extent of a dense array; 0 along an extent of 1."""
    outer, middle, inner = shape
    return (middle * inner if outer > 1 else 0, inner if middle > 1 else 0, 1 if inner > 1 else 0)


def _rows(loop: Callable[..., None], a: Array, b: Array, out: Array) -> None:
    if out.size == 0:
        return
    outer, middle, columns = out.shape
    shapes = a.shape, b.shape
    if columns == 1:  # the extents before it make longer rows
        outer, middle, columns = 1, outer, middle
        shapes = (1, *a.shape[:2]), (1, *b.shape[:2])
    operands = flat(a), flat(b), out.reshape(-1), middle, columns, _steps(shapes[0]), _steps(shapes[1])
    chunked(loop, outer * middle, rows_per_chunk(columns), *operands)


_add_rows = _broadcast(operator.add)
_sub_rows = _broadcast(operator.sub)
_mul_rows = _broadcast(operator.mul)
_div_rows = _broadcast(operator.truediv)


@quiet
def add(a: Array, b: Array, out: Array) -> None:
    checks.binary(a, b, out)
    if a.shape == b.shape:
        np.add(a, b, out=out)
    else:
        _rows(_add_rows, a, b, out)


@quiet
def sub(a: Array, b: Array, out: Array) -> None:
    checks.binary(a, b, out)
    if a.shape == b.shape:
        np.subtract(a, b, out=out)
    else:
        _rows(_sub_rows, a, b, out)


@quiet
def mul(a: Array, b: Array, out: Array) -> None:
    checks.binary(a, b, out)
    if a.shape == b.shape:
        np.multiply(a, b, out=out)
    else:
        _rows(_mul_rows, a, b, out)


@quiet
def div(a: Array, b: Array, out: Array) -> None:
    checks.binary(a, b, out)
    if a.shape == b.shape:
        np.divide(a, b, out=out)
    else:
        _rows(_div_rows, a, b, out)
