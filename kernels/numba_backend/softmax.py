"""Softmax and its logarithm over rows, and their gradients."""

from __future__ import annotations

import math
from typing import Any

from ..contract import Array
from ..numpy_backend import checks
from . import _math
from ._jit import CONTRACT, REASSOCIATE, jit
from ._loop import chunked, flat, rows_per_chunk


@jit(REASSOCIATE)
def _sum(row: Array) -> Any:
    total = row.dtype.type(0)
    for i in range(len(row)):
        total += row[i]
    return total


@jit(REASSOCIATE)
def _dot(a: Array, b: Array) -> Any:
    total = a.dtype.type(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@jit(CONTRACT)
def _exp_shifted(row: Array, shift: Any, out: Array) -> None:
    for i in range(len(row)):
        out[i] = _math.exp(row[i] - shift)


@jit()
def _softmax_forward(x: Array, out: Array, n: int, first: int, last: int) -> None:
    one = out.dtype.type(1)
    for m in range(first, last):
        row, target = x[m * n : (m + 1) * n], out[m * n : (m + 1) * n]
        _exp_shifted(row, _math.largest(row), target)
        scale = one / _sum(target)
        for i in range(n):
            target[i] *= scale


@jit(CONTRACT)
def _softmax_backward(grad: Array, out: Array, grad_x: Array, n: int, first: int, last: int) -> None:
    for m in range(first, last):
        g, p, target = grad[m * n : (m + 1) * n], out[m * n : (m + 1) * n], grad_x[m * n : (m + 1) * n]
        mean = _dot(g, p)
        for i in range(n):
            target[i] = p[i] * (g[i] - mean)


@jit()
def _log_softmax_forward(x: Array, out: Array, n: int, first: int, last: int) -> None:
    for m in range(first, last):
        row, target = x[m * n : (m + 1) * n], out[m * n : (m + 1) * n]
        shift = _math.largest(row)
        _exp_shifted(row, shift, target)
        log = out.dtype.type(math.log(_sum(target)))
        for i in range(n):
            target[i] = (row[i] - shift) - log


@jit(CONTRACT)
def _log_softmax_backward(grad: Array, out: Array, grad_x: Array, n: int, first: int, last: int) -> None:
    for m in range(first, last):
        g, log_p, target = grad[m * n : (m + 1) * n], out[m * n : (m + 1) * n], grad_x[m * n : (m + 1) * n]
        total = _sum(g)
        for i in range(n):
            target[i] = g[i] - _math.exp(log_p[i]) * total


def softmax_forward(x: Array, out: Array) -> None:
    checks.rows(("x", x), out=("out", out))
    m, n = x.shape
    if n:
        chunked(_softmax_forward, m, rows_per_chunk(n), flat(x), out.reshape(-1), n)


def softmax_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.rows(("grad", grad), ("out", out), out=("grad_x", grad_x))
    m, n = grad.shape
    chunked(_softmax_backward, m, rows_per_chunk(n), flat(grad), flat(out), grad_x.reshape(-1), n)


def log_softmax_forward(x: Array, out: Array) -> None:
    checks.rows(("x", x), out=("out", out))
    m, n = x.shape
    if n:
        chunked(_log_softmax_forward, m, rows_per_chunk(n), flat(x), out.reshape(-1), n)


def log_softmax_backward(grad: Array, out: Array, grad_x: Array) -> None:
    checks.rows(("grad", grad), ("out", out), out=("grad_x", grad_x))
    m, n = grad.shape
    chunked(_log_softmax_backward, m, rows_per_chunk(n), flat(grad), flat(out), grad_x.reshape(-1), n)
