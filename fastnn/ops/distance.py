"""pdist and normalize: distances between a matrix's rows, and vectors scaled to length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Dims
from fastnn.ops.gate import tensor_argument
from fastnn.ops.gather import index_select
from fastnn.ops.norm import norm
from fastnn.ops.out import put

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["normalize", "pdist"]


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of rows i < j of input (N, M), N * (N - 1) / 2 of them, in order of i, then j.

    RuntimeError for other dimensions, a negative p, or integers.
    """
    x = tensor_argument(input, "pdist")._array
    if x.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {x.ndim}D")
    if x.dtype.kind != "f":
        raise RuntimeError(f"pdist only supports floating-point dtypes, got {input.dtype}")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = np.triu_indices(x.shape[0], 1)
    if first.size == 0 or x.shape[1] == 0:
        return input.sum() * _core.wrap(np.zeros(first.size, x.dtype))
    return norm(index_select(input, 0, _core.wrap(first)) - index_select(input, 0, _core.wrap(second)), p, 1)


def normalize(input: Tensor, p: float = 2.0, dim: Dims = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """input / max(its p-norm over dim, eps). out: a tensor to write to, where nothing needs gradients."""
    result = input / norm(tensor_argument(input, "normalize"), p, dim, keepdim=True).clamp_min(eps)
    return result if out is None else put("normalize", result, out, (input,))
