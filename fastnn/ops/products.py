"""Products beyond matmul: inner, kron, cross, tensordot, trace, distances, covariance, and what adds to a product."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.broadcast import broadcast_shape
from fastnn.ops.dims import Array, integer, wrap_dim
from fastnn.ops.gate import tensor_argument
from fastnn.ops.matmul import bmm, dot, matmul, mm, mv, outer
from fastnn.ops.reduce import infinite_for_zero
from fastnn.ops.shape import expand, permute, reshape, squeeze, transpose

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = [
    "addbmm", "addmv", "addr", "cdist", "chain_matmul", "corrcoef", "cov", "cross", "ger", "inner", "kron", "tensordot",
    "trace", "vdot",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ added to a product


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec), input broadcast."""
    return scaled_sum(input, mv(mat, vec), beta, alpha, "addmv")


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2), input broadcast."""
    return scaled_sum(input, outer(vec1, vec2), beta, alpha, "addr")


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * the sum of bmm(batch1, batch2) over the batch, input broadcast."""
    return scaled_sum(input, bmm(batch1, batch2).sum(0), beta, alpha, "addbmm")


def scaled_sum(input: Tensor, product: Tensor, beta: float, alpha: float, name: str) -> Tensor:
    """beta * input + alpha * product. beta 0 ignores input, NaN and all; integers keep their dtype."""
    tensor_argument(input, name)
    if product._array.dtype.kind in "iu":  # PyTorch cuts the factors to integers
        beta, alpha = int(beta), int(alpha)
    shape = product._array.shape
    if broadcast_shape(input._array.shape, shape) != shape:
        raise RuntimeError(
            f"{name}(): expected input to broadcast to the product's shape {list(shape)}, got "
            f"{list(input._array.shape)}"
        )
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return product + (input if beta == 1 else input * beta)


# ------------------------------------------------------------------------------------------------ inner, outer, cross


ger = outer


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The inner product of two vectors: dot, as there are no complex numbers."""
    return dot(input, other)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """The products of all rows: sums over the last dimension of both; (..., N) and (...', N) give (..., ...')."""
    a, b = tensor_argument(input, "inner"), tensor_argument(other, "inner", "other")
    x, y = a._array, b._array
    if x.ndim == 0 or y.ndim == 0:
        return a * b
    if x.shape[-1] != y.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(x.shape)} and "
            f"{list(y.shape)}"
        )
    return tensordot(a, b, ([-1], [-1]))


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over dims: the last so many of a and first of b, or a pair of lists, one for each tensor.

    RuntimeError for dims that don't match.
    """
    x, y = tensor_argument(a, "tensordot", "a")._array, tensor_argument(b, "tensordot", "b")._array
    if isinstance(dims, _core.TensorBase):
        dims = dims._array.tolist()
    if isinstance(dims, (tuple, list)):
        first, second = ([*given] if isinstance(given, (tuple, list)) else [given] for given in dims)
    else:
        count = integer(dims, "tensordot", "dims")
        if count < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={count}")
        if count > min(x.ndim, y.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={count}")
        first, second = list(range(x.ndim - count, x.ndim)), list(range(count))
    if len(first) != len(second):
        raise RuntimeError(f"both dimension lists should have same length, got {first} and {second}")
    mine = [wrap_dim(d, x.ndim, "tensordot") for d in first]
    theirs = [wrap_dim(d, y.ndim, "tensordot") for d in second]
    for p, q in zip(mine, theirs, strict=True):  # one of them may have size 1
        if x.shape[p] == 1 != y.shape[q]:
            b = b.sum(q, True, dtype=b.dtype)
        elif y.shape[q] == 1 != x.shape[p]:
            a = a.sum(p, True, dtype=a.dtype)
        elif x.shape[p] != y.shape[q]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {x.shape[p]} in dim {p} and second has size "
                f"{y.shape[q]} in dim {q}"
            )
    x, y = a._array, b._array
    free_a = [d for d in range(x.ndim) if d not in mine]
    free_b = [d for d in range(y.ndim) if d not in theirs]
    size = math.prod([x.shape[d] for d in mine])
    shape_a, shape_b = [x.shape[d] for d in free_a], [y.shape[d] for d in free_b]
    left = reshape(permute(a, (*free_a, *mine)), (math.prod(shape_a), size))
    right = reshape(permute(b, (*theirs, *free_b)), (size, math.prod(shape_b)))
    return reshape(mm(left, right), (*shape_a, *shape_b))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker's product: blocks of other, one for each element of input."""
    a, b = tensor_argument(input, "kron"), tensor_argument(other, "kron", "other")
    ndim = max(a._array.ndim, b._array.ndim)
    x, y = ((1,) * (ndim - t._array.ndim) + t._array.shape for t in (a, b))
    wide = reshape(a, tuple([n for m in x for n in (m, 1)]))
    fine = reshape(b, tuple([n for m in y for n in (1, m)]))
    return reshape(wide * fine, tuple([m * n for m, n in zip(x, y, strict=True)]))


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of three elements along dim: for None, the first dimension of that size."""
    a, b = tensor_argument(input, "cross"), tensor_argument(other, "cross", "other")
    if dim is None:
        shape = a._array.shape
        if 3 not in shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = shape.index(3)
    return linalg_cross(a, b, dim=dim)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of three elements along dim, broadcast. RuntimeError for another size."""
    from fastnn.ops.join import roll

    a, b = tensor_argument(input, "linalg.cross"), tensor_argument(other, "linalg.cross", "other")
    if a._array.ndim != b._array.ndim:
        raise RuntimeError(
            f"linalg.cross: inputs must have the same number of dimensions, got {a._array.ndim} and {b._array.ndim}"
        )
    axis = wrap_dim(dim, a._array.ndim, "linalg.cross")
    if a._array.shape[axis] != 3 or b._array.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {axis} must have length 3. Got {a._array.shape[axis]} and "
            f"{b._array.shape[axis]}"
        )
    shape = broadcast_shape(a._array.shape, b._array.shape)
    a, b = expand(a, shape), expand(b, shape)
    return roll(a, -1, axis) * roll(b, -2, axis) - roll(a, -2, axis) * roll(b, -1, axis)


def chain_matmul(*matrices: Any) -> Tensor:
    """The product of several matrices, in the order that takes the fewest multiplications."""
    from fastnn.linalg import multi_dot

    given = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], (tuple, list)) else matrices
    if not given:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    return given[0].clone() if len(given) == 1 else multi_dot(list(given))


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    from fastnn.ops.pieces import diagonal

    x = tensor_argument(input, "trace")._array
    if x.ndim != 2:
        raise RuntimeError("trace: expected a matrix")
    return diagonal(input).sum()


# ------------------------------------------------------------------------------------------------ distances


def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """The p-norm of the difference of each row of x1, (..., P, M), and each of x2, (..., R, M): (..., P, R).

    compute_mode: Euclidean distances by matrix products where there are more than 25 rows
    ("use_mm_for_euclid_dist_if_necessary"), always ("use_mm_for_euclid_dist") or never
    ("donot_use_mm_for_euclid_dist"). The gradient is 0 where the distance is.
    """
    a, b = tensor_argument(x1, "cdist", "x1"), tensor_argument(x2, "cdist", "x2")
    x, y = a._array, b._array
    if x.dtype.kind != "f" or y.dtype.kind != "f":
        raise RuntimeError(f"cdist only supports floating-point dtypes, X1 got: {a.dtype}, X2 got: {b.dtype}")
    if x.ndim < 2 or y.ndim < 2:
        raise RuntimeError(f"cdist only supports at least 2D tensors, got: {x.ndim}D and {y.ndim}D")
    if x.shape[-1] != y.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x.shape[-1]} X2: {y.shape[-1]}")
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values, got {p}")
    modes = {
        None: x.shape[-2] > 25 or y.shape[-2] > 25,
        "use_mm_for_euclid_dist_if_necessary": x.shape[-2] > 25 or y.shape[-2] > 25,
        "use_mm_for_euclid_dist": True,
        "donot_use_mm_for_euclid_dist": False,
    }
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    if p == 2:
        batch = broadcast_shape(x.shape[:-2], y.shape[:-2])
        a = expand(a, (*batch, *x.shape[-2:])) if x.shape[:-2] != batch else a
        b = expand(b, (*batch, *y.shape[-2:])) if y.shape[:-2] != batch else b
        return _euclidean(a, b, modes[compute_mode])
    from fastnn.ops.norm import norm

    return norm(a.unsqueeze(-2) - b.unsqueeze(-3), p, -1)


def _euclidean(a: Tensor, b: Tensor, by_product: bool) -> Tensor:
    x, y = a._array, b._array
    if by_product:
        squares = (x * x).sum(-1)[..., :, None] + (y * y).sum(-1)[..., None, :] - 2 * np.matmul(x, y.swapaxes(-1, -2))
        out: Array = np.sqrt(np.maximum(squares, 0))
    else:
        apart = x[..., :, None, :] - y[..., None, :, :]
        out = np.sqrt(np.asarray(np.einsum("...i,...i->...", apart, apart)))
    return _core.record("CdistBackward0", _euclidean_backward, (a, b), out, (a, b), True)


def _euclidean_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    a, b, out = ctx.saved
    share = grad / infinite_for_zero(out)
    first = second = None
    if ctx.needs[0]:
        first = share.sum(-1, True) * a - matmul(share, b)
    if ctx.needs[1]:
        second = share.sum(-2).unsqueeze(-1) * b - matmul(transpose(share, -1, -2), a)
    return first, second


# ------------------------------------------------------------------------------------------------ covariance


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of the rows of input, (variables, observations) or (observations,).

    correction: subtracted from the number of observations. fweights: how often each observation counts (integers);
    aweights: how much (floats). RuntimeError for weights of another size or negative ones.
    """
    x = tensor_argument(input, "cov")
    if x._array.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {x._array.ndim}"
        )
    if x._array.dtype == np.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    from fastnn.ops.arithmetic import as_floating

    rows = as_floating(x)
    rows = rows.unsqueeze(0) if rows._array.ndim < 2 else rows
    if x._array.ndim == 0:
        rows = reshape(rows, (1, 1))
    count = rows._array.shape[1]
    weights: Any = None
    if fweights is not None:
        weights = _cov_weights(fweights, count, "fweights", "iu")
    if aweights is not None:
        shares = _cov_weights(aweights, count, "aweights", "f")
        weights = shares if weights is None else weights * shares
    if weights is None:
        mean, total = rows.mean(1, True), float(count)
        product = matmul(rows - mean, transpose(rows - mean, 0, 1))
        return squeeze(product / _divisor(total - correction))
    total_weight = weights.sum()
    mean = (rows * weights).sum(1, True) / total_weight
    centred = rows - mean
    product = matmul(centred * weights.to(centred.dtype), transpose(centred, 0, 1))
    if correction != 0 and aweights is not None:
        divisor = total_weight - (weights * aweights).sum() / total_weight * correction
    else:
        divisor = total_weight - correction
    return squeeze(product / divisor.clamp(min=0).to(product.dtype))


def _divisor(freedom: float) -> Tensor | float:
    return freedom if freedom > 0 else _core.wrap(np.zeros(()))


def _cov_weights(weights: Tensor, count: int, name: str, kinds: str) -> Tensor:
    w = tensor_argument(weights, "cov", name)._array
    if w.dtype.kind not in kinds:
        kind = "integral" if kinds == "iu" else "floating point"
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {weights.dtype} dtype")
    if w.ndim > 1 or w.size != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same number of elements as there are observations ({count})"
        )
    if w.size and w.min() < 0:
        raise RuntimeError(f"cov(): {name} cannot be negative")
    return weights


def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of the rows of input: covariances over both deviations, limited to [-1, 1]."""
    from fastnn.ops.pieces import diagonal

    if tensor_argument(input, "corrcoef")._array.ndim > 2:
        raise RuntimeError("corrcoef(): expected input to have two or fewer dimensions")
    matrix = cov(input)
    if matrix._array.ndim == 0:
        return matrix / matrix
    deviations = diagonal(matrix).sqrt()
    return (matrix / deviations.unsqueeze(1) / deviations.unsqueeze(0)).clamp(-1, 1)
