"""Linear algebra, as torch.linalg: float32 and float64 matrices, by LAPACK through NumPy, differentiable.

norms.py: norms, determinants, ranks. solving.py: inverses and systems of equations. decompositions.py: Cholesky, QR,
SVD and symmetric eigenvalues. What needs complex numbers (eig, eigvals) or LU factors raises NotImplementedError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnn.linalg._matrices import LinAlgError
from fastnn.linalg.decompositions import cholesky, cholesky_ex, eigh, eigvalsh, qr, svd, svdvals
from fastnn.linalg.norms import cond, det, matrix_norm, matrix_rank, norm, slogdet, vecdot, vector_norm
from fastnn.linalg.solving import (
    inv,
    inv_ex,
    lstsq,
    matrix_exp,
    matrix_power,
    multi_dot,
    pinv,
    solve,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)
from fastnn.ops.grids import vander as _vander
from fastnn.ops.matmul import matmul
from fastnn.ops.out import LINALG, take_out
from fastnn.ops.pieces import diagonal as _diagonal
from fastnn.ops.products import linalg_cross as cross

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "inv_ex",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of the matrices in dimensions dim1 and dim2, as a view."""
    return _diagonal(A, offset, dim1, dim2)


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers 1, x, ..., x**(N - 1) of vectors (..., n), as columns; N: n unless given."""
    return _vander(x if x._array.ndim else x.unsqueeze(0), N, increasing=True)


def eig(A: Tensor) -> Any:
    """Not offered: the eigenvalues of a matrix that isn't symmetric are complex. See eigh."""
    raise NotImplementedError("linalg.eig: the results are complex, and fastnn has real tensors only; see eigh")


def eigvals(A: Tensor) -> Any:
    """Not offered: the eigenvalues of a matrix that isn't symmetric are complex. See eigvalsh."""
    raise NotImplementedError("linalg.eigvals: the results are complex, and fastnn has real tensors only; see eigvalsh")


take_out(globals(), LINALG)
