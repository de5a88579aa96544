"""Ready parametrizations: weight normalization, spectral normalization, orthogonal matrices."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from fastnn import _core
from fastnn.autograd import no_grad
from fastnn.creation import eye, zeros_like
from fastnn.nn.module import Module
from fastnn.nn.utils import parametrize
from fastnn.nn.utils.spectral_norm import as_matrix, default_dim
from fastnn.nn.utils.weight_norm import norm_except_dim, weight_of
from fastnn.ops.distance import normalize
from fastnn.ops.join import cat
from fastnn.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


def _tensor_of(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# ------------------------------------------------------------------------------------------------ weight norm


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_of(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Make ``name`` g v / ‖v‖, of ``original0`` = g, the norms over all dimensions but ``dim`` (None: over all), and
    ``original1`` = v (Salimans and Kingma 2016). Returns the module. ``load_state_dict`` also takes the keys of the
    older ``nn.utils.weight_norm``.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


# ------------------------------------------------------------------------------------------------ spectral norm


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.dim()
        if not -ndim <= dim < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        self.n_power_iterations = n_power_iterations
        if ndim > 1:
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                height, width = matrix.shape
                self.register_buffer("_u", normalize(matrix.new_empty(height).normal_(0, 1), dim=0, eps=eps))
                self.register_buffer("_v", normalize(matrix.new_empty(width).normal_(0, 1), dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _iterate(self, matrix: Tensor, steps: int) -> None:
        """Steps of the power method, in place."""
        with no_grad():
            for _ in range(steps):
                self._u.copy_(normalize(matrix.mv(self._v), dim=0, eps=self.eps))
                self._v.copy_(normalize(matrix.t().mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # so that an earlier forward can still run backward
        return weight / u.dot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Make ``name`` its original divided by its largest singular value, as a matrix with ``dim`` first, or a vector by
    its length (Miyato et al. 2018). Returns the module.

    In training each use does ``n_power_iterations`` steps of the power method; 15 are done at once. ``dim`` is 1 for
    transposed convolutions and else 0 where None. ValueError where there is no such tensor or n_power_iterations < 1,
    IndexError for a dimension out of range.
    """
    weight = _tensor_of(module, name)
    made = _SpectralNorm(weight, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    return parametrize.register_parametrization(module, name, made)


# ------------------------------------------------------------------------------------------------ orthogonal


class _Orthogonal(Module):
    """X ↦ a matrix with orthonormal columns (rows, where it has more columns than rows). A buffer ``base``, with
    trivialization, is where the original's starting value -I leads."""

    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        from fastnn import linalg

        transposed = X.size(-2) < X.size(-1)
        if transposed:
            X = X.mT
        n, k = X.size(-2), X.size(-1)
        if self.orthogonal_map == "householder":
            below = X.tril(-1)
            Q = _reflected(below, 2.0 / (1.0 + (below * below).sum(-2)))
            Q = Q * X.detach().diagonal(dim1=-2, dim2=-1).trunc().unsqueeze(-2)
        else:
            X = X.tril()
            if n != k:
                X = cat([X, X.new_zeros((*X.shape[:-2], n, n - k))], -1)
            A = X - X.mT
            if self.orthogonal_map == "matrix_exp":
                Q = linalg.matrix_exp(A)
            else:
                one = eye(n, dtype=A.dtype)
                Q = linalg.solve(one - A * 0.5, one + A * 0.5)
            Q = Q[..., :k] if n != k else Q
        if self.use_trivialization:
            assert self.base is not None
            Q = self.base @ Q
        return Q.mT if transposed else Q

    def right_inverse(self, Q: Tensor) -> Tensor:
        if tuple(Q.shape) != tuple(self.shape):
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
            )
        with no_grad():
            return self._completed(Q) if self.use_trivialization else self._reflectors(Q)

    def _completed(self, Q: Tensor) -> Tensor:
        """Sets base to Q, made orthogonal and completed to a square; the original is -I."""
        tall = Q.mT if Q.size(-2) < Q.size(-1) else Q
        n, k = tall.size(-2), tall.size(-1)
        if n != k:
            tall = cat([tall, tall.new_empty((*tall.shape[:-2], n, n - k)).normal_()], -1)
        if n != k or not _is_orthogonal(tall):
            tall = _made_orthogonal(tall)
        self.base = tall.clone()
        minus = zeros_like(Q)
        places = np.arange(min(Q.size(-2), Q.size(-1)))
        minus._array[..., places, places] = -1
        return minus

    def _reflectors(self, Q: Tensor) -> Tensor:
        """The Householder vectors of Q's QR decomposition below the diagonal, and the signs of R's diagonal on it."""
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                "use_trivialization=False."
            )
        transposed = Q.size(-2) < Q.size(-1)
        array = (Q.mT if transposed else Q)._array
        matrices = array.reshape(-1, *array.shape[-2:])
        found = np.empty_like(matrices)
        for matrix, out in zip(matrices, found, strict=True):
            h, tau = np.linalg.qr(matrix, mode="raw")
            out[...] = h.T
            places = np.arange(out.shape[-1])
            signs = np.sign(out[places, places])
            out[places, places] = np.where(tau == 0, -signs, signs)
        made = _core.wrap(found.reshape(array.shape))
        return made.mT if transposed else made


def _reflected(vectors: Tensor, tau: Tensor) -> Tensor:
    """The first k columns of H_1 ... H_k, H_i = I - tau_i v_i v_iᵀ, v_i: column i with a 1 on the diagonal."""
    n, k = vectors.size(-2), vectors.size(-1)
    Q = eye(n, k, dtype=vectors.dtype).expand(*vectors.shape[:-2], n, k)
    columns = vectors + eye(n, k, dtype=vectors.dtype)
    for i in reversed(range(k)):
        v = columns[..., i : i + 1]
        Q = Q - tau[..., i].unsqueeze(-1).unsqueeze(-1) * v @ (v.mT @ Q)
    return Q


def _is_orthogonal(Q: Tensor) -> bool:
    array = Q._array
    one = np.swapaxes(array, -2, -1) @ array
    eps = 10 * array.shape[-1] * np.finfo(array.dtype).eps
    return bool(np.allclose(one, np.eye(one.shape[-1], dtype=one.dtype), atol=eps))


def _made_orthogonal(A: Tensor) -> Tensor:
    """The Q of A = QR with a positive diagonal of R."""
    q, r = np.linalg.qr(A._array)
    signs = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
    return _core.wrap(q * np.where(signs == 0, 1, signs)[..., None, :].astype(q.dtype))


def orthogonal(
    module: M, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> M:
    """Make ``name`` a matrix (a batch of them) with orthonormal columns, or rows where there are fewer of those.

    ``orthogonal_map``: "matrix_exp", "cayley" or "householder" (None: the first for square matrices, else the last).
    ``use_trivialization``: the map is relative to a matrix ``base`` (Lezcano-Casado 2019), and the tensor can be
    assigned to. It starts as the present value, made orthogonal. Returns the module. ValueError where there is no such
    tensor, for a vector, or an unknown map.
    """
    weight = _tensor_of(module, name)
    if weight.dim() < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.size(-2) == weight.size(-1) else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)
