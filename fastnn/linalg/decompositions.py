"""cholesky, qr, svd and eigh by LAPACK through NumPy, with their gradients.

The gradients are the usual ones of matrix calculus: M. Giles, "Collected matrix derivative results for forward and
reverse mode algorithmic differentiation" (2008), I. Murray, "Differentiation of the Cholesky decomposition" (2016),
S. Walter and L. Lehmann on QR (2010), J. Townsend, "Differentiating the singular value decomposition" (2016). All are
made of recorded ops and can be differentiated again. Those of singular vectors and eigenvectors are finite only where
the values differ from each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.linalg._matrices import adjoint, array, call, matrices
from fastnn.ops.join import cat, tril, triu
from fastnn.ops.matmul import matmul
from fastnn.ops.pad import pad
from fastnn.ops.pieces import diagonal, narrow

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.dims import Array
    from fastnn.tensor import Tensor

__all__ = ["cholesky", "cholesky_ex", "eigh", "eigvalsh", "qr", "svd", "svdvals"]


class QR(NamedTuple):
    """What qr returns."""

    Q: Tensor
    R: Tensor


class SVD(NamedTuple):
    """What svd returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class Eigh(NamedTuple):
    """What eigh returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class CholeskyEx(NamedTuple):
    """What cholesky_ex returns."""

    L: Tensor
    info: Tensor


# ------------------------------------------------------------------------------------------------ Cholesky


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular L with A = L @ L.T (for upper, its transpose), of symmetric (..., N, N) matrices.

    The lower triangle alone is read (the upper one, for upper). LinAlgError unless A is positive definite.
    """
    a = matrices(A, "cholesky", square=True)
    if upper:
        return adjoint(cholesky(adjoint(a)))
    try:
        out = array(np.linalg.cholesky, a._array)
    except RuntimeError as error:
        raise type(error)(
            "linalg.cholesky: The factorization could not be completed because the input is not positive-definite"
        ) from None
    return _core.record("LinalgCholeskyBackward0", _cholesky_backward, (a,), out, (), True)


def _cholesky_backward(ctx: Node, grad: Tensor) -> Tensor:
    """L^-T sym(phi(L^T G)) L^-1, phi: the lower triangle with the diagonal halved."""
    from fastnn.linalg.solving import solve_triangular

    (lower,) = ctx.saved
    inner = tril(matmul(adjoint(lower), grad))
    half = inner - diagonal(inner, 0, -2, -1).diag_embed() * 0.5
    upper = adjoint(lower)
    left = solve_triangular(upper, half, upper=True)
    right = adjoint(solve_triangular(upper, adjoint(left), upper=True))
    return (right + adjoint(right)) * 0.5


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> CholeskyEx:
    """(L, info) of each matrix: as cholesky, but where one is not positive definite info is 1 and L holds NaN.

    check_errors: raise as cholesky does.
    """
    a = matrices(A, "cholesky_ex", square=True)
    if check_errors:
        return CholeskyEx(cholesky(a, upper=upper), _core.wrap(np.zeros(a._array.shape[:-2], np.int32)))
    info = np.zeros(a._array.shape[:-2], np.int32)
    for at in np.ndindex(*info.shape):
        info[at] = not _positive_definite(a._array[at])
    if not info.any():
        return CholeskyEx(cholesky(a, upper=upper), _core.wrap(info))
    from fastnn.ops.select import where

    bad: Tensor = _core.wrap(np.asarray(info > 0)[..., None, None])
    safe = where(bad, _core.wrap(np.eye(a._array.shape[-1], dtype=a._array.dtype)), a)
    return CholeskyEx(where(bad, float("nan"), cholesky(safe, upper=upper)), _core.wrap(info))


def _positive_definite(matrix: Array) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


# ------------------------------------------------------------------------------------------------ QR


def qr(A: Tensor, mode: str = "reduced") -> QR:
    """(Q, R) with A = Q @ R, Q of orthonormal columns and R upper triangular, of (..., M, N) matrices.

    mode: "reduced": (M, K) and (K, N), K the smaller of both; "complete": (M, M) and (M, N); "r": Q is empty.
    The gradient exists for "reduced", and for "complete" where M <= N.
    """
    a = matrices(A, "qr")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    if mode == "r":
        r = call(np.linalg.qr, a._array, mode="r")
        made: Tensor = _core.record("LinalgQrBackward0", _no_qr_backward, (a,), r, extra=mode)
        return QR(_core.wrap(np.zeros(0, a._array.dtype)), made)
    q, r = call(np.linalg.qr, a._array, mode=mode)
    outs = _core.record("LinalgQrBackward0", _qr_backward, (a,), (q, r), (0, 1), extra=mode)
    return QR(*outs)


def _no_qr_backward(ctx: Node, grad: Tensor) -> Tensor:
    raise RuntimeError(
        "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use mode='reduced' or "
        "'complete' if you are going to differentiate through linalg.qr."
    )


def _qr_backward(ctx: Node, grad_q: Tensor | None, grad_r: Tensor | None) -> Tensor:
    """More columns than rows, A = [B | C] = Q [S | T]: C = Q T makes a square problem of B whose Q has C's gradient."""
    q, r = ctx.saved
    rows, columns = q._array.shape[-2], r._array.shape[-1]
    if ctx.extra == "complete" and rows > columns:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols; use mode='reduced'"
        )
    if rows >= columns:
        return _tall_qr_backward(q, r, grad_q, grad_r)
    square = narrow(r, -1, 0, rows)
    if grad_r is None:
        return pad(_tall_qr_backward(q, square, grad_q, None), (0, columns - rows))
    rest, grad_rest = narrow(r, -1, rows, columns - rows), narrow(grad_r, -1, rows, columns - rows)
    through = matmul(q, matmul(rest, adjoint(grad_rest)))
    grad_q = through if grad_q is None else grad_q + through
    first = _tall_qr_backward(q, square, grad_q, narrow(grad_r, -1, 0, rows))
    return cat([first, matmul(q, grad_rest)], -1)


def _tall_qr_backward(q: Tensor, r: Tensor, grad_q: Tensor | None, grad_r: Tensor | None) -> Tensor:
    """(Q sym(triu(M)) + grad_q) R^-T, M = grad_r R^T - Q^T grad_q."""
    from fastnn.linalg.solving import solve_triangular

    inner = None if grad_r is None else matmul(grad_r, adjoint(r))
    if grad_q is not None:
        term = matmul(adjoint(q), grad_q)
        inner = -term if inner is None else inner - term
    assert inner is not None
    right = matmul(q, triu(inner) + adjoint(triu(inner, 1)))
    if grad_q is not None:
        right = right + grad_q
    return adjoint(solve_triangular(r, adjoint(right), upper=True))


# ------------------------------------------------------------------------------------------------ SVD


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> SVD:
    """(U, S, Vh) with A = U @ diag(S) @ Vh, of (..., M, N) matrices: singular values from the largest on.

    full_matrices: (M, M) and (N, N) matrices; else (M, K) and (K, N), K the smaller of both. The gradients of U and Vh
    need different singular values. driver: for GPUs; RuntimeError.
    """
    a = matrices(A, "svd")
    if driver is not None:
        raise RuntimeError("linalg.svd: keyword argument `driver=` is only supported on CUDA inputs")
    u, s, vh = call(np.linalg.svd, a._array, full_matrices=full_matrices)
    full = full_matrices and a._array.shape[-1] != a._array.shape[-2]
    return SVD(*_core.record("LinalgSvdBackward0", _svd_backward, (a,), (u, s, vh), (0, 1, 2), extra=full))


def _svd_backward(ctx: Node, grad_u: Tensor | None, grad_s: Tensor | None, grad_vh: Tensor | None) -> Tensor:
    u, s, vh = ctx.saved
    size = s._array.shape[-1]
    if ctx.extra:  # what is beyond the singular values' vectors is arbitrary, and so is not differentiated
        u, vh = narrow(u, -1, 0, size), narrow(vh, -2, 0, size)
        grad_u = None if grad_u is None else narrow(grad_u, -1, 0, size)
        grad_vh = None if grad_vh is None else narrow(grad_vh, -2, 0, size)
    if grad_u is None and grad_vh is None:
        assert grad_s is not None
        return matmul(u * grad_s.unsqueeze(-2), vh)
    squares = s * s
    apart = squares.unsqueeze(-2) - squares.unsqueeze(-1)
    one: Any = np.eye(size, dtype=s._array.dtype)
    apart = apart + _core.wrap(one)  # the diagonal of what it divides is 0
    middle = None
    if grad_u is not None:
        skew = matmul(adjoint(u), grad_u)
        middle = (skew - adjoint(skew)) / apart * s.unsqueeze(-2)
    if grad_vh is not None:
        skew = matmul(vh, adjoint(grad_vh))
        term = s.unsqueeze(-1) * ((skew - adjoint(skew)) / apart)
        middle = term if middle is None else middle + term
    assert middle is not None
    if grad_s is not None:
        middle = middle + grad_s.diag_embed()
    rows, columns = u._array.shape[-2], vh._array.shape[-1]
    if rows > columns and grad_u is not None:
        across = grad_u / s.unsqueeze(-2)
        left = matmul(u, middle) + across - matmul(u, matmul(adjoint(u), across))
        return matmul(left, vh)
    if rows < columns and grad_vh is not None:
        across = grad_vh / s.unsqueeze(-1)
        right = matmul(middle, vh) + across - matmul(matmul(across, adjoint(vh)), vh)
        return matmul(u, right)
    return matmul(u, matmul(middle, vh))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of (..., M, N) matrices, from the largest on."""
    return svd(A, False, driver=driver).S


# ------------------------------------------------------------------------------------------------ eigenvalues


def eigh(A: Tensor, UPLO: str = "L") -> Eigh:
    """(eigenvalues, eigenvectors) of symmetric (..., N, N) matrices, from the smallest on; the vectors are columns.

    UPLO: which triangle is read, "L" or "U". The gradient is that of symmetric matrices.
    """
    a = matrices(A, "eigh", square=True)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    values, vectors = call(np.linalg.eigh, a._array, UPLO=UPLO.upper())
    return Eigh(*_core.record("LinalgEighBackward0", _eigh_backward, (a,), (values, vectors), (0, 1)))


def _eigh_backward(ctx: Node, grad_values: Tensor | None, grad_vectors: Tensor | None) -> Tensor:
    values, vectors = ctx.saved
    if grad_vectors is None:
        assert grad_values is not None
        return matmul(vectors * grad_values.unsqueeze(-2), adjoint(vectors))
    apart = values.unsqueeze(-2) - values.unsqueeze(-1)
    product = matmul(adjoint(vectors), grad_vectors)
    eye: Any = np.eye(values._array.shape[-1], dtype=values._array.dtype)
    middle = (product - diagonal(product, 0, -2, -1).diag_embed()) / (apart + _core.wrap(eye))
    if grad_values is not None:
        middle = middle + grad_values.diag_embed()
    out = matmul(vectors, matmul(middle, adjoint(vectors)))
    return (out + adjoint(out)) * 0.5


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric (..., N, N) matrices, from the smallest on."""
    return eigh(A, UPLO).eigenvalues
