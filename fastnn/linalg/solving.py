"""Inverses and systems of equations, by LAPACK through NumPy, with their gradients (M. Giles, 2008)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.linalg._matrices import LinAlgError, adjoint, array, call, eye_like, floating, matrices
from fastnn.ops.broadcast import broadcast_shape, sum_to
from fastnn.ops.dims import integer
from fastnn.ops.gate import tensor_argument
from fastnn.ops.join import tril, triu
from fastnn.ops.matmul import matmul
from fastnn.ops.shape import expand, movedim, reshape

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.dims import Array
    from fastnn.tensor import Tensor

    Pair = tuple[Tensor | None, Tensor | None]

__all__ = [
    "cholesky_inverse", "cholesky_solve", "inv", "inv_ex", "lstsq", "matrix_exp", "matrix_power", "multi_dot", "pinv",
    "solve", "solve_ex", "solve_triangular", "tensorinv", "tensorsolve", "triangular_solve",
]  # fmt: skip


class WithInfo(NamedTuple):
    """What inv_ex and solve_ex return."""

    result: Tensor
    info: Tensor


# ------------------------------------------------------------------------------------------------ inverse


def inv(A: Tensor) -> Tensor:
    """The inverse of square (..., N, N) matrices. LinAlgError for singular ones."""
    a = matrices(A, "inv", square=True)
    return _inverse(a)


def _inverse(a: Tensor) -> Tensor:
    out = array(np.linalg.inv, a._array)
    return _core.record("LinalgInvExBackward0", _inv_backward, (a,), out, (), True)


def _inv_backward(ctx: Node, grad: Tensor) -> Tensor:
    (out,) = ctx.saved
    return -matmul(adjoint(out), matmul(grad, adjoint(out)))


def inv_ex(A: Tensor, *, check_errors: bool = False) -> WithInfo:
    """(inverse, info): info is 0. Singular matrices: LinAlgError if check_errors, else infinities and info 1."""
    a = matrices(A, "inv_ex", square=True)
    info = _singular(a._array)
    if check_errors or not info.any():
        return WithInfo(_inverse(a), _core.wrap(info))
    from fastnn.ops.select import where

    bad: Tensor = _core.wrap(np.asarray(info > 0)[..., None, None])
    return WithInfo(where(bad, float("inf"), _inverse(where(bad, _core.wrap(eye_like(a._array)), a))), _core.wrap(info))


def _singular(x: Array) -> Array:
    """1 for each matrix that elimination finds singular, else 0."""
    sign, _ = call(np.linalg.slogdet, x)
    return np.asarray(sign == 0).astype(np.int32)


def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """The Moore-Penrose inverse of (..., M, N) matrices, (..., N, M).

    Singular values up to max(atol, rtol * largest) count as 0; rtol (or rcond): max(M, N) * eps unless given.
    hermitian: the matrix is symmetric. The gradient (Golub & Pereyra, 1973) is that of a constant rank.
    """
    a = matrices(A, "pinv", square=hermitian)
    relative = rtol if rtol is not None else rcond
    if hermitian:
        out = _hermitian_pinv(a._array, atol, relative)
        return _core.record("LinalgPinvBackward0", _pinv_backward, (a,), out, (a,), True)
    u, s, vh = call(np.linalg.svd, a._array, full_matrices=False)
    keep = s > tolerance(a._array, s, atol, relative)[..., None]
    with np.errstate(divide="ignore"):
        inverse = np.where(keep, 1 / s, 0).astype(s.dtype)
    out = np.asarray(np.matmul(vh.swapaxes(-1, -2) * inverse[..., None, :], u.swapaxes(-1, -2)))
    return _core.record("LinalgPinvBackward0", _pinv_backward, (a,), out, (a,), True)


def _hermitian_pinv(x: Array, atol: Any, rtol: Any) -> Array:
    """By eigenvalues, whose signs the inverse keeps."""
    values, vectors = call(np.linalg.eigh, x)
    sizes = np.abs(values)
    with np.errstate(divide="ignore"):
        inverse = np.where(sizes > tolerance(x, sizes, atol, rtol)[..., None], 1 / values, 0).astype(x.dtype)
    out: Array = np.matmul(vectors * inverse[..., None, :], vectors.swapaxes(-1, -2))
    return out


def tolerance(x: Array, values: Array, atol: Any, rtol: Any) -> Array:
    """What singular values must exceed to count: max(atol, rtol * the largest of them)."""
    absolute = 0.0 if atol is None else _plain(atol)
    if rtol is None:
        none = atol is None or not np.any(np.asarray(absolute) > 0)
        relative: Any = max(x.shape[-2:]) * np.finfo(x.dtype).eps if none else 0.0
    else:
        relative = _plain(rtol)
    largest = np.max(values, axis=-1, initial=0)
    return np.asarray(np.maximum(absolute, relative * largest))


def _plain(value: Any) -> Any:
    return value._array if isinstance(value, _core.TensorBase) else value


def _pinv_backward(ctx: Node, grad: Tensor) -> Tensor:
    a, p = ctx.saved
    ph, gh = adjoint(p), adjoint(grad)
    if a._array.shape[-2] <= a._array.shape[-1]:
        k = matmul(gh, p)
        kph = matmul(k, ph)
        first = kph - adjoint(matmul(p, k)) - matmul(matmul(a, p), kph)
        return first + matmul(matmul(ph, p), gh - matmul(k, a))
    k = matmul(p, gh)
    phk = matmul(ph, k)
    first = phk - adjoint(matmul(k, p)) - matmul(matmul(phk, p), a)
    return first + matmul(matmul(gh - matmul(a, k), p), ph)


# ------------------------------------------------------------------------------------------------ systems


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A @ X = B (X @ A = B, unless left), A (..., N, N), B (..., N, K) or (..., N): a vector for each matrix.

    LinAlgError for a singular A, RuntimeError for shapes that don't fit.
    """
    a, b = matrices(A, "solve", square=True), tensor_argument(B, "linalg.solve", "B")
    _same_dtype(a, b, "solve")
    x, y = a._array, b._array
    vector = y.ndim == 1 or (x.ndim - 1 == y.ndim and y.shape == x.shape[:-1])
    rows = b.unsqueeze(-1) if vector else b
    if not left and not vector:
        return adjoint(solve(adjoint(a), adjoint(rows)))
    if rows._array.shape[-2] != x.shape[-1]:
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({x.shape[-2]}x{x.shape[-1]} and {'x'.join(map(str, y.shape))})"
        )
    if not left:
        a = adjoint(a)
    out = _solve(a, rows)
    return out.squeeze(-1) if vector else out


def _same_dtype(a: Tensor, b: Tensor, name: str) -> None:
    if a._array.dtype != b._array.dtype:
        raise RuntimeError(
            f"linalg.{name}: Expected A and B to have the same dtype, but found A of type {a.dtype} and B of type "
            f"{b.dtype}"
        )


def _solve(a: Tensor, b: Tensor) -> Tensor:
    broadcast_shape(a._array.shape[:-2], b._array.shape[:-2])
    out = array(np.linalg.solve, a._array, b._array)
    shapes = (a._array.shape, b._array.shape)
    return _core.record("LinalgSolveBackward0", _solve_backward, (a, b), out, (a,), True, extra=shapes)


def _solve_backward(ctx: Node, grad: Tensor) -> Pair:
    a, out = ctx.saved
    shape_a, shape_b = ctx.extra
    to_b = _solve(adjoint(a), grad)
    to_a = sum_to(-matmul(to_b, adjoint(out)), shape_a) if ctx.needs[0] else None
    return to_a, sum_to(to_b, shape_b) if ctx.needs[1] else None


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> WithInfo:
    """(solution, info): as solve, with info 0; for singular matrices info is 1 and X NaN, unless check_errors."""
    a = matrices(A, "solve_ex", square=True)
    info = _singular(a._array)
    if check_errors or not info.any():
        return WithInfo(solve(a, B, left=left), _core.wrap(info))
    from fastnn.ops.select import where

    bad: Tensor = _core.wrap(np.asarray(info > 0)[..., None, None])
    out = solve(where(bad, _core.wrap(eye_like(a._array)), a), B, left=left)
    wide = bad if out._array.ndim >= bad._array.ndim else bad.squeeze(-1)
    return WithInfo(where(wide, float("nan"), out), _core.wrap(info))


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with A @ X = B (X @ A = B, unless left), of triangular A (..., N, N): the other triangle isn't read.

    unitriangular: the diagonal counts as ones. B: (..., N, K), or (..., K, N) unless left; batches are broadcast.
    """
    a, b = matrices(A, "solve_triangular", square=True), matrices(B, "solve_triangular", "B")
    _same_dtype(a, b, "solve_triangular")
    if not left:
        return adjoint(
            solve_triangular(adjoint(a), adjoint(b), upper=not upper, left=True, unitriangular=unitriangular)
        )
    if b._array.shape[-2] != a._array.shape[-1]:
        raise RuntimeError(
            f"linalg.solve_triangular: Incompatible shapes of A and B for the equation AX = B "
            f"({a._array.shape[-2]}x{a._array.shape[-1]} and {b._array.shape[-2]}x{b._array.shape[-1]})"
        )
    broadcast_shape(a._array.shape[:-2], b._array.shape[:-2])
    matrix = np.triu(a._array) if upper else np.tril(a._array)
    if unitriangular:
        eye = eye_like(matrix)
        matrix = matrix * (1 - eye) + eye
    try:
        out = array(np.linalg.solve, matrix, b._array)
    except LinAlgError:  # a zero on the diagonal: infinities and NaN, as substitution gives
        out = _substituted(matrix, b._array, upper)
    return _core.record(
        "LinalgSolveTriangularBackward0", _triangular_backward, (a, b), out, (a,), True, (upper, unitriangular)
    )


def _substituted(matrix: Array, b: Array, upper: bool) -> Array:
    batch = broadcast_shape(matrix.shape[:-2], b.shape[:-2])
    out = np.array(np.broadcast_to(b, (*batch, *b.shape[-2:])))
    n = matrix.shape[-1]
    with np.errstate(all="ignore"):
        for i in reversed(range(n)) if upper else range(n):
            done = slice(i + 1, n) if upper else slice(0, i)
            known = np.matmul(matrix[..., i : i + 1, done], out[..., done, :])[..., 0, :]
            out[..., i, :] = (out[..., i, :] - known) / matrix[..., i, i][..., None]
    return out


def _triangular_backward(ctx: Node, grad: Tensor) -> Pair:
    a, out = ctx.saved
    upper, unit = ctx.extra
    to_b = solve_triangular(adjoint(a), grad, upper=not upper, unitriangular=unit)
    to_a = None
    if ctx.needs[0]:
        full = -matmul(to_b, adjoint(out))
        full = triu(full, int(unit)) if upper else tril(full, -int(unit))
        to_a = sum_to(full, a._array.shape)
    if not ctx.needs[1]:
        return to_a, None
    shape = (*to_b._array.shape[:-2], *grad._array.shape[-2:])
    return to_a, to_b if to_b._array.shape == shape else reshape(to_b, shape)


class TriangularSolve(NamedTuple):
    """What triangular_solve returns."""

    solution: Tensor
    cloned_coefficient: Tensor


def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> TriangularSolve:
    """(X, a copy of A) with A @ X = b: solve_triangular in its older form."""
    matrix = adjoint(A) if transpose else A
    x = solve_triangular(matrix, b, upper=upper != transpose, unitriangular=unitriangular)
    return TriangularSolve(x, A.clone())


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A @ X = B, given the Cholesky factor L of A (its transpose, for upper)."""
    lower = adjoint(L) if upper else L
    inner = solve_triangular(lower, B, upper=False)
    return solve_triangular(adjoint(lower), inner, upper=True)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, given its Cholesky factor L (its transpose, for upper)."""
    eye: Tensor = _core.wrap(eye_like(matrices(L, "cholesky_inverse", "L", square=True)._array))
    return cholesky_solve(expand(eye, L._array.shape), L, upper)


class LeastSquares(NamedTuple):
    """What lstsq returns."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:
    """The X with the smallest |A @ X - B|, A (..., M, N), B (..., M, K) or (..., M); the shortest one of several.

    rcond: smaller singular values count as 0, relative to the largest: max(M, N) * eps for None. driver: "gels",
    "gelsy" (the default), "gelsd" or "gelss": all solve by singular values here; rank is empty for "gels",
    singular_values for all but the last two. residuals: of full rank with M > N, but for "gelsy", else empty.
    """
    a, b = matrices(A, "lstsq"), tensor_argument(B, "linalg.lstsq", "other")
    floating(b, "lstsq", "other")
    _same_dtype(a, b, "lstsq")
    name = "gelsy" if driver is None else driver
    if name not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            f"linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}"
        )
    x = a._array
    vector = b._array.ndim == 1 or (x.ndim - 1 == b._array.ndim and b._array.shape == x.shape[:-1])
    rows = b.unsqueeze(-1) if vector else b
    if rows._array.shape[-2] != x.shape[-2]:
        raise RuntimeError(
            f"linalg.lstsq: input.size(-2) should match other.size(-2), got {x.shape[-2]} and {rows._array.shape[-2]}"
        )
    batch = broadcast_shape(x.shape[:-2], rows._array.shape[:-2])
    values = call(np.linalg.svd, x, compute_uv=False)
    rank = (values > tolerance(x, values, None, rcond)[..., None]).sum(-1).astype(np.int64)
    solution = matmul(pinv(a, rtol=rcond), rows)
    empty = np.zeros(0, x.dtype)
    residuals = reshape(solution, (-1,))[:0]
    if x.shape[-2] > x.shape[-1] and name != "gelsy" and (name == "gels" or bool((rank == x.shape[-1]).all())):
        apart = matmul(a, solution) - rows
        residuals = (apart * apart).sum(-2)
        residuals = expand(residuals, (*batch, residuals._array.shape[-1]))
    return LeastSquares(
        solution.squeeze(-1) if vector else solution,
        residuals,
        _core.wrap(np.zeros(0, np.int64) if name == "gels" else np.asarray(rank)),
        _core.wrap(values if name in ("gelsd", "gelss") else empty),
    )


# ------------------------------------------------------------------------------------------------ products, powers


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices in the order that takes the fewest multiplications.

    The first and the last may be vectors. RuntimeError for fewer than two, or other dimensions.
    """
    given = [tensor_argument(item, "linalg.multi_dot", f"tensors[{i}]") for i, item in enumerate(tensors)]
    if len(given) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(given)}")
    for i, item in enumerate(given):
        allowed = (1, 2) if i in (0, len(given) - 1) else (2,)
        if item._array.ndim not in allowed:
            raise RuntimeError(
                f"multi_dot(): tensor {i} must be {' or '.join(map(str, allowed))}D but got {item._array.ndim}D"
            )
    first, last = given[0]._array.ndim == 1, given[-1]._array.ndim == 1
    chain = list(given)
    if first:
        chain[0] = chain[0].unsqueeze(0)
    if last:
        chain[-1] = chain[-1].unsqueeze(-1)
    sizes = [item._array.shape[0] for item in chain] + [chain[-1]._array.shape[1]]
    for i, item in enumerate(chain):
        if item._array.shape[1] != sizes[i + 1]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(item._array.shape)} and "
                f"{list(chain[i + 1]._array.shape)} cannot be multiplied"
            )
    out = _in_order(chain, _cuts(sizes), 0, len(chain) - 1)
    if first:
        out = out.squeeze(0)
    return out.squeeze(-1) if last else out


def _cuts(sizes: list[int]) -> dict[tuple[int, int], int]:
    """For each run of matrices, where to cut it in two (Cormen et al., matrix chain multiplication)."""
    count = len(sizes) - 1
    costs = {(i, i): 0 for i in range(count)}
    cuts = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [(costs[i, k] + costs[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
            costs[i, j], cuts[i, j] = min(options)
    return cuts


def _in_order(chain: list[Tensor], cuts: dict[tuple[int, int], int], i: int, j: int) -> Tensor:
    if i == j:
        return chain[i]
    k = cuts[i, j]
    return matmul(_in_order(chain, cuts, i, k), _in_order(chain, cuts, k + 1, j))


def matrix_power(A: Tensor, n: int) -> Tensor:
    """The n-th power of square (..., N, N) matrices, by repeated squaring; of the inverse, for a negative n."""
    a = tensor_argument(A, "linalg.matrix_power", "A")
    x = a._array
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they have shape {list(x.shape)}"
        )
    power = integer(n, "linalg.matrix_power", "n")
    if power < 0:
        return matrix_power(inv(a), -power)
    if power == 0:
        return a * 0 + _core.wrap(eye_like(x))
    out = None
    while True:
        if power & 1:
            out = a if out is None else matmul(out, a)
        power >>= 1
        if not power:
            break
        a = matmul(a, a)
    assert out is not None
    return out.clone() if out is A else out


_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
    10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip


def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square (..., N, N) matrices: scaled, Pade's approximant of degree 13, squared (Higham)."""
    a = matrices(A, "matrix_exp", square=True)
    norm = float(np.abs(a._array).sum(-2).max(initial=0))
    squarings = max(0, int(np.ceil(np.log2(norm / 4.25)))) if np.isfinite(norm) and norm > 4.25 else 0
    scaled = a * 0.5**squarings
    eye: Tensor = _core.wrap(eye_like(a._array))
    two = matmul(scaled, scaled)
    four = matmul(two, two)
    six = matmul(four, two)
    c = _PADE
    odd = matmul(six, six * c[13] + four * c[11] + two * c[9]) + six * c[7] + four * c[5] + two * c[3] + eye * c[1]
    odd = matmul(scaled, odd)
    even = matmul(six, six * c[12] + four * c[10] + two * c[8]) + six * c[6] + four * c[4] + two * c[2] + eye * c[0]
    out = _solve(even - odd, even + odd)
    for _ in range(squarings):
        out = matmul(out, out)
    return out


# ------------------------------------------------------------------------------------------------ of tensors


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of A as a map from its last dimensions to its first ind ones."""
    a = tensor_argument(A, "linalg.tensorinv", "A")
    shape = a._array.shape
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    first, last = shape[:ind], shape[ind:]
    rows, columns = int(np.prod(first)), int(np.prod(last))
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{columns} != {rows}"
        )
    return reshape(inv(reshape(a, (rows, columns))), (*last, *first))


def tensorsolve(A: Tensor, B: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B. dims: dimensions of A that are moved to its end first."""
    a, b = tensor_argument(A, "linalg.tensorsolve", "A"), tensor_argument(B, "linalg.tensorsolve", "B")
    if dims is not None:
        a = movedim(a, tuple(dims), tuple(range(a._array.ndim - len(dims), a._array.ndim)))
    shape = a._array.shape[b._array.ndim :]
    columns = int(np.prod(shape))
    if a._array.size != columns * columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {columns} != {a._array.size // max(columns, 1)}"
        )
    return reshape(solve(reshape(a, (columns, columns)), reshape(b, (-1,))), shape)
