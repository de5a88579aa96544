"""Products of matrices, vectors and batches of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.broadcast import broadcast_shape, sum_to
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["addmm", "baddbmm", "bmm", "dot", "matmul", "mm", "mv", "outer"]


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product, as NumPy's @: 1-D operands are vectors, leading axes are a batch and broadcast.

    input: (..., M, K) or (K,), other: (..., K, N) or (K,). Raises RuntimeError where the shapes or dtypes don't fit.
    """
    a, b = tensor_argument(input, "matmul"), tensor_argument(other, "matmul", "other")
    x, y = a._array, b._array
    if x.ndim == 0 or y.ndim == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {x.ndim}D and {y.ndim}D")
    if x.dtype != y.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {a.dtype} != {b.dtype}")
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        if x.ndim == 1 and y.ndim == 1:
            raise RuntimeError(
                f"inconsistent tensor size, expected tensor {list(x.shape)} and src {list(y.shape)} "
                "to have the same number of elements"
            )
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({_extents(x)} and {_extents(y)})")
    if x.dtype == np.float16:
        single = np.dtype(np.float32)
        return cast(matmul(cast(a, single), cast(b, single)), x.dtype)
    if x.ndim == 1 or y.ndim == 1:
        return _with_vectors(a, b)
    if y.ndim == 2 and x.ndim > 2:  # one matrix for the whole batch: one product
        rows = a.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        return matmul(rows, b).reshape(*x.shape[:-1], y.shape[-1])
    batch = () if x.ndim == y.ndim == 2 else broadcast_shape(x.shape[:-2], y.shape[:-2])
    out = _product(x, y, batch)
    return _core.record("MmBackward0", _matmul_backward, (a, b), out, _saved(a, b), extra=(x.shape, y.shape))


def _saved(a: Tensor, b: Tensor) -> tuple[Tensor | None, Tensor | None]:
    return a if b.requires_grad else None, b if a.requires_grad else None


def _extents(array: NDArray[Any]) -> str:
    return "x".join(map(str, array.shape))


def _with_vectors(a: Tensor, b: Tensor) -> Tensor:
    first, second = a._array.ndim, b._array.ndim
    out = matmul(a.unsqueeze(0) if first == 1 else a, b.unsqueeze(-1) if second == 1 else b)
    if second == 1:
        out = out.squeeze(-1)
    return out.squeeze(-1 if second == 1 else -2) if first == 1 else out


def _product(x: NDArray[Any], y: NDArray[Any], batch: tuple[int, ...]) -> NDArray[Any]:
    if x.dtype not in KERNEL_DTYPES:
        product: NDArray[Any] = np.matmul(x, y)
        return product
    out = np.empty((*batch, x.shape[-2], y.shape[-1]), x.dtype)
    first, transpose_a = _layout(x, batch)
    second, transpose_b = _layout(y, batch)
    products = out.reshape(math.prod(batch), *out.shape[-2:])
    K.matmul(first, second, transpose_a, transpose_b, None, "none", False, products)
    return out


def _layout(x: NDArray[Any], batch: tuple[int, ...]) -> tuple[NDArray[Any], bool]:
    """x as (batch | 1, rows, columns), dense, or dense with the last two axes swapped: then (swapped, True)."""
    lead = x.shape[:-2]
    if lead != batch and math.prod(lead) != 1:
        x = np.broadcast_to(x, (*batch, *x.shape[-2:]))
        lead = batch
    swapped = x.swapaxes(-1, -2)
    transposed = not x.flags.c_contiguous and swapped.flags.c_contiguous
    array = dense(_core.wrap(swapped if transposed else x))
    return array.reshape(math.prod(lead), *array.shape[-2:]), transposed


def _matmul_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    a, b = ctx.saved
    first, second = ctx.needs
    shape_a, shape_b = ctx.extra
    return (
        sum_to(matmul(grad, b.transpose(-1, -2)), shape_a) if first else None,
        sum_to(matmul(a.transpose(-1, -2), grad), shape_b) if second else None,
    )


def _check_dims(function: str, tensor: Tensor, argument: str, dims: int) -> None:
    array = tensor_argument(tensor, function, argument)._array
    if array.ndim != dims:
        raise RuntimeError(
            f"{function}(): {argument} must be a {dims}-D tensor, got {array.ndim}-D of shape {list(array.shape)}"
        )


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices: (M, K) and (K, N) give (M, N)."""
    _check_dims("mm", input, "input", 2)
    _check_dims("mm", mat2, "mat2", 2)
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices: (B, M, K) and (B, K, N) give (B, M, N)."""
    _check_dims("bmm", input, "batch1", 3)
    _check_dims("bmm", mat2, "batch2", 3)
    if input._array.shape[0] != mat2._array.shape[0]:
        raise RuntimeError(
            f"bmm(): expected mat2 to have a batch of {input._array.shape[0]} as input has, "
            f"got shape {list(mat2._array.shape)}"
        )
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix (M, K) and a vector (K,)."""
    _check_dims("mv", input, "input", 2)
    _check_dims("mv", vec, "vec", 1)
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The inner product of two vectors of one length."""
    _check_dims("dot", input, "input", 1)
    _check_dims("dot", tensor, "tensor", 1)
    return matmul(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The outer product of two vectors: (M,) and (N,) give (M, N)."""
    _check_dims("outer", input, "input", 1)
    _check_dims("outer", vec2, "vec2", 1)
    return input.unsqueeze(1) * vec2


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2), input broadcast."""
    product = mm(mat1, mat2)
    return _plus(input, product, beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * bmm(batch1, batch2), input broadcast."""
    return _plus(input, bmm(batch1, batch2), beta, alpha)


def _plus(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    if product._array.dtype.kind in "iu":  # PyTorch cuts the factors to integers
        beta, alpha = int(beta), int(alpha)
    if alpha != 1:
        product = product * alpha
    if beta == 0:  # NaN in input is then ignored
        return product
    return product + (input if beta == 1 else input * beta)
