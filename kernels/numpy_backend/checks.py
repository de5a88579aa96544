"""What each kernel checks before it writes: the rules of the contract, used by the numpy and the numba backend.

Every function raises ValueError (IndexError for labels) that names the argument, what it was and what was expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..contract import ACTIVATIONS, Array, Labels, Mask

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
UINT8 = np.dtype(np.uint8)
INT64 = np.dtype(np.int64)


def fits(array: Array, shape: tuple[int, ...], dtype: np.dtype[Any], written: bool = False) -> bool:
    """Whether an array is dense, of that shape and dtype, and writeable where it is written."""
    if array.shape != shape or array.dtype != dtype:
        return False
    flags = array.flags
    return flags.carray if written else flags.c_contiguous and flags.aligned


def expect(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype[Any], written: bool = False) -> None:
    """Raises ValueError unless the array fits."""
    if fits(array, shape, dtype, written):
        return
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name}: expected shape {shape} of {dtype}, got shape {array.shape} of {array.dtype}")
    if not (array.flags.c_contiguous and array.flags.aligned):
        raise ValueError(f"{name}: expected a C-contiguous, aligned array, got strides {array.strides}")
    raise ValueError(f"{name}: expected a writeable array, got a read-only one")


def floating(name: str, array: Array, dimensions: int | None = None) -> np.dtype[Any]:
    """The dtype of a dense float32 or float64 array, of that many dimensions where a number is given."""
    if array.dtype != FLOAT32 and array.dtype != FLOAT64:
        raise ValueError(f"{name}: expected float32 or float64, got {array.dtype}")
    if dimensions is not None and array.ndim != dimensions:
        raise ValueError(f"{name}: expected {dimensions} dimensions, got shape {array.shape}")
    expect(name, array, array.shape, array.dtype)
    return array.dtype


def equal_shapes(first: tuple[str, Array], *others: tuple[str, Array], out: tuple[str, Array]) -> None:
    """All arrays have the shape and dtype of the first; the last is written."""
    name, array = first
    dtype = floating(name, array)
    for other, value in others:
        expect(other, value, array.shape, dtype)
    expect(*out, array.shape, dtype, written=True)


def rows(first: tuple[str, Array], *others: tuple[str, Array], out: tuple[str, Array]) -> None:
    """As equal_shapes, for (M, N)."""
    floating(*first, dimensions=2)
    equal_shapes(first, *others, out=out)


def activation_name(activation: str) -> None:
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation: expected one of {ACTIVATIONS}, got {activation!r}")


def matmul(
    a: Array, b: Array, transpose_a: bool, transpose_b: bool, bias: Array | None, activation: str, out: Array
) -> None:
    activation_name(activation)
    dtype = floating("out", out, 3)
    floating("a", a, 3)
    floating("b", b, 3)
    batch, m, n = out.shape
    k = a.shape[1] if transpose_a else a.shape[2]
    batch_a, batch_b = (1 if array.shape[0] == 1 else batch for array in (a, b))
    expect("a", a, (batch_a, k, m) if transpose_a else (batch_a, m, k), dtype)
    expect("b", b, (batch_b, n, k) if transpose_b else (batch_b, k, n), dtype)
    if bias is not None:
        expect("bias", bias, (n,), dtype)
    expect("out", out, out.shape, dtype, written=True)


def linear_forward(x: Array, weight: Array, bias: Array | None, activation: str, out: Array) -> None:
    activation_name(activation)
    dtype = floating("x", x, 2)
    floating("weight", weight, 2)
    (m, k), n = x.shape, weight.shape[0]
    expect("weight", weight, (n, k), dtype)
    if bias is not None:
        expect("bias", bias, (n,), dtype)
    expect("out", out, (m, n), dtype, written=True)


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
    activation_name(activation)
    dtype = floating("x", x, 2)
    floating("weight", weight, 2)
    (m, k), n = x.shape, weight.shape[0]
    expect("weight", weight, (n, k), dtype)
    expect("grad", grad, (m, n), dtype)
    if activation != "none":
        if out is None or workspace is None:
            raise ValueError(f"out, workspace: expected shape {(m, n)} for activation {activation!r}, got None")
        expect("out", out, (m, n), dtype)
        expect("workspace", workspace, (m, n), dtype, written=True)
    for name, array, shape in (
        ("grad_x", grad_x, (m, k)),
        ("grad_weight", grad_weight, (n, k)),
        ("grad_bias", grad_bias, (n,)),
    ):
        if array is not None:
            expect(name, array, shape, dtype, written=True)


def cross_entropy(
    logits: Array,
    target: Labels,
    weight: Array | None,
    ignore_index: int,
    reduction: str,
    losses: Array,
    grad: Array | None,
) -> None:
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"reduction: expected 'none', 'sum' or 'mean', got {reduction!r}")
    dtype = floating("logits", logits, 2)
    m, n = logits.shape
    expect("target", target, (m,), INT64)
    if weight is not None:
        expect("weight", weight, (n,), dtype)
    expect("losses", losses, (m,), dtype, written=True)
    if grad is not None:
        expect("grad", grad, (m, n), dtype, written=True)
    wrong = ((target < 0) | (target >= n)) & (target != ignore_index)
    if wrong.any():
        raise IndexError(f"Target {target[wrong][0]} is out of bounds.")


def binary(a: Array, b: Array, out: Array) -> None:
    """a and b broadcast to out, all with three dimensions."""
    dtype = floating("out", out, 3)
    expect("out", out, out.shape, dtype, written=True)
    for name, array in (("a", a), ("b", b)):
        if fits(array, out.shape, dtype):
            continue
        floating(name, array, 3)
        for extent, full in zip(array.shape, out.shape, strict=True):
            if extent not in (1, full):
                raise ValueError(f"{name}: expected a shape that broadcasts to {out.shape}, got {array.shape}")
        expect(name, array, array.shape, dtype)


def sum_forward(x: Array, out: Array) -> None:
    dtype = floating("x", x, 3)
    expect("out", out, (x.shape[0], x.shape[2]), dtype, written=True)


def probability(p: float) -> None:
    if not 0.0 <= p < 1.0:
        raise ValueError(f"p: expected 0 <= p < 1, got {p}")


def dropout_forward(x: Array, p: float, out: Array, mask: Mask) -> None:
    probability(p)
    equal_shapes(("x", x), out=("out", out))
    expect("mask", mask, x.shape, UINT8, written=True)


def dropout_backward(grad: Array, mask: Mask, p: float, grad_x: Array) -> None:
    probability(p)
    equal_shapes(("grad", grad), out=("grad_x", grad_x))
    expect("mask", mask, grad.shape, UINT8)


def optimizer(params: Sequence[Array], grads: Sequence[Array], state: dict[str, Sequence[Any] | None]) -> None:
    """params, grads and each list of state (None, arrays, or one number a parameter) go together."""
    for name, values in (("grads", grads), *state.items()):
        if values is not None and len(values) != len(params):
            raise ValueError(f"{name}: expected {len(params)} entries, one a parameter, got {len(values)}")
    if not params:
        return
    dtype = floating("params[0]", params[0])
    arrays = [("params", params, True), ("grads", grads, False)]
    for name, values in state.items():
        if values is not None and isinstance(values[0], np.ndarray):
            arrays.append((name, values, True))
    for i, param in enumerate(params):
        shape = param.shape
        for name, each, written in arrays:
            if not fits(each[i], shape, dtype, written):
                expect(f"{name}[{i}]", each[i], shape, dtype, written)
