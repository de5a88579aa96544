"""The older names of linear algebra, at the top level: svd, qr, cholesky ... with arguments of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.linalg import decompositions, solving
from fastnn.linalg._matrices import adjoint, matrices

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["cholesky", "inverse", "matrix_power", "pinverse", "qr", "svd"]


class OldSVD(NamedTuple):
    """What the older svd returns: V where linalg.svd has its transpose."""

    U: Tensor
    S: Tensor
    V: Tensor


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> OldSVD:
    """(U, S, V) with input = U @ diag(S) @ V.T. some: not the full matrices; compute_uv=False: U and V are zeros."""
    a = matrices(input, "svd", "input")
    if not compute_uv:
        batch, m, n = a._array.shape[:-2], a._array.shape[-2], a._array.shape[-1]
        empty = [_core.wrap(np.zeros((*batch, size, size), a._array.dtype)) for size in (m, n)]
        return OldSVD(empty[0], decompositions.svdvals(a), empty[1])
    u, s, vh = decompositions.svd(a, full_matrices=not some)
    return OldSVD(u, s, adjoint(vh))


def qr(input: Tensor, some: bool = True) -> Any:
    """(Q, R); some: of the reduced sizes."""
    return decompositions.qr(input, "reduced" if some else "complete")


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The lower Cholesky factor (the upper one, for upper) of symmetric positive definite matrices."""
    return decompositions.cholesky(input, upper=upper)


def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices: linalg.inv."""
    return solving.inv(input)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The Moore-Penrose inverse; singular values below rcond times the largest count as 0."""
    return solving.pinv(input, rtol=rcond)


def matrix_power(input: Tensor, n: int) -> Tensor:
    """The n-th power of square matrices: linalg.matrix_power."""
    return solving.matrix_power(input, n)
