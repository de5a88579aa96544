"""Norms, determinants, ranks and condition numbers, with gradients made of recorded ops."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.dtypes import to_numpy_dtype
from fastnn.linalg._matrices import adjoint, call, floating, matrices
from fastnn.linalg.decompositions import svdvals
from fastnn.linalg.solving import _inverse, inv, tolerance
from fastnn.ops.dims import Dims, wrap_dim
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.norm import norm as vector
from fastnn.ops.shape import movedim, reshape

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["cond", "det", "logdet", "matrix_norm", "matrix_rank", "norm", "slogdet", "vecdot", "vector_norm"]


# ------------------------------------------------------------------------------------------------ norms


def vector_norm(x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of vectors along dim (of all elements, for None): sum(|x|**ord)**(1/ord).

    ord: a number; inf and -inf: the largest and the smallest |x|; 0: how many are not 0.
    """
    a = tensor_argument(x, "linalg.vector_norm", "x")
    if not isinstance(ord, (int, float)):
        raise TypeError(f"linalg.vector_norm(): argument 'ord' must be Number, not {type(ord).__name__}")
    return vector(a, float(ord), dim, keepdim, dtype=dtype)


def matrix_norm(
    A: Tensor, ord: float | str = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of the matrices in two dimensions.

    ord: "fro" (root of the sum of squares), "nuc" (sum of the singular values), inf, -inf (largest, smallest sum of a
    row's absolute values), 1, -1 (of a column's), 2, -2 (largest, smallest singular value).
    """
    a = tensor_argument(A, "linalg.matrix_norm", "A")
    if dtype is not None:
        a = cast(a, to_numpy_dtype(dtype, "linalg.matrix_norm"))
    if a._array.dtype != np.float16:  # which has no singular values, but sums
        floating(a, "matrix_norm")
    ndim = a._array.ndim
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    if ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    row, column = (wrap_dim(d, ndim, "linalg.matrix_norm") for d in dim)
    if row == column:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord == "fro":
        return vector(a, 2.0, (row, column), keepdim)
    if ord == "nuc" or ord in (2, -2):
        moved = movedim(a, (row, column), (-2, -1))
        values = svdvals(moved)
        out = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
        if keepdim:
            out = reshape(out, tuple([1 if i in (row, column) else n for i, n in enumerate(a._array.shape)]))
        return out
    if isinstance(ord, str) or abs(ord) not in (1, math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    summed, over = (row, column) if abs(ord) == 1 else (column, row)
    sums = vector(a, 1.0, summed, True)
    out = sums.amax(over, True) if ord > 0 else sums.amin(over, True)
    return out if keepdim else out.squeeze((row, column))


def norm(
    A: Tensor, ord: float | str | None = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """vector_norm or matrix_norm: the latter for a dim of two, a matrix without dim, or an ord that is a string.

    Without ord the root of the sum of squares over dim.
    """
    a = tensor_argument(A, "linalg.norm", "A")
    if ord is None:
        return vector(a, 2.0, dim, keepdim, dtype=dtype)
    if dim is None and a._array.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {a._array.ndim}D."
        )
    pair = (0, 1) if dim is None and a._array.ndim == 2 else dim
    if isinstance(pair, (tuple, list)) and len(pair) == 2:
        return matrix_norm(a, ord, pair, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: order {ord} can only be used if either len(dim) == 2")
    return vector_norm(a, ord, pair, keepdim, dtype=dtype)


def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """The condition number of matrices: norm(A) * norm(inv(A)); for None, 2 and -2 by singular values.

    p: as matrix_norm's ord. Infinite for singular matrices.
    """
    a = matrices(A, "cond")
    if p is None or p in (2, -2):
        values = svdvals(a)
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    matrices(a, f"cond(p={p})", square=True)
    try:
        other = inv(a)
    except RuntimeError:
        from fastnn.linalg.solving import inv_ex

        other = inv_ex(a).result
    return matrix_norm(a, p) * matrix_norm(other, p)


def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """How many singular values exceed max(atol, rtol * largest): int64. tol: an older name of atol alone.

    rtol: max(M, N) * eps unless it or atol is given. hermitian: the matrix is symmetric. Not differentiable.
    """
    a = matrices(A, "matrix_rank", square=hermitian)
    if tol is not None:
        atol, rtol = tol, 0.0
    x = a._array
    values = np.abs(call(np.linalg.eigvalsh, x)) if hermitian else call(np.linalg.svd, x, compute_uv=False)
    bound = tolerance(x, values, atol, rtol)
    return _core.wrap(np.asarray((values > bound[..., None]).sum(-1)).astype(np.int64))


# ------------------------------------------------------------------------------------------------ determinants


class SignLogDet(NamedTuple):
    """What slogdet returns."""

    sign: Tensor
    logabsdet: Tensor


def det(A: Tensor) -> Tensor:
    """The determinant of square (..., N, N) matrices. The gradient of singular ones is that of their minors."""
    a = matrices(A, "det", square=True)
    return _core.record(
        "LinalgDetBackward0", _det_backward, (a,), np.asarray(call(np.linalg.det, a._array)), (a,), True
    )


def _det_backward(ctx: Node, grad: Tensor) -> Tensor:
    a, out = ctx.saved
    wide = grad.unsqueeze(-1).unsqueeze(-1)
    if bool((out._array != 0).all()):
        return wide * out.unsqueeze(-1).unsqueeze(-1) * adjoint(_inverse(a))
    _core.no_double_backward(ctx)
    u, s, vh = call(np.linalg.svd, a._array)
    others = np.ones_like(s)
    for i in range(s.shape[-1]):
        others[..., i] = np.prod(np.delete(s, i, -1), -1)
    turned = np.linalg.det(u) * np.linalg.det(vh)
    minors = np.matmul(u * others[..., None, :], vh) * turned[..., None, None]
    return wide * _core.wrap(minors.astype(a._array.dtype, copy=False))


def slogdet(A: Tensor) -> SignLogDet:
    """(sign, log|det|) of square (..., N, N) matrices; 0 and -inf for singular ones. The sign has no gradient."""
    a = matrices(A, "slogdet", square=True)
    sign, logs = call(np.linalg.slogdet, a._array)
    outs = (np.asarray(sign), np.asarray(logs))
    return SignLogDet(*_core.record("LinalgSlogdetBackward0", _slogdet_backward, (a,), outs, (a,)))


def _slogdet_backward(ctx: Node, grad_sign: Tensor | None, grad: Tensor | None) -> Tensor | None:
    (a,) = ctx.saved
    if grad is None:
        return None
    return grad.unsqueeze(-1).unsqueeze(-1) * adjoint(_inverse(a))


def logdet(input: Tensor) -> Tensor:
    """log(det) of square matrices: NaN for a negative determinant, -inf for a singular matrix."""
    from fastnn.ops.select import where

    sign, logs = slogdet(input)
    return where(sign < 0, math.nan, logs)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The sums of x * y along dim, broadcast."""
    a, b = tensor_argument(x, "linalg.vecdot", "x"), tensor_argument(y, "linalg.vecdot", "y")
    if a._array.dtype != b._array.dtype:
        raise RuntimeError(f"linalg.vecdot: Expected x and y to have the same dtype, got {a.dtype} and {b.dtype}")
    return (a * b).sum(dim, dtype=a.dtype)
