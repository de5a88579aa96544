"""local_response_norm: each channel scaled by the energy of its neighbours (Krizhevsky et al. 2012)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.ops.gate import tensor_argument
from fastnn.ops.pad import pad
from fastnn.ops.pooling_functions import avg_pool2d
from fastnn.ops.shape import reshape

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["local_response_norm"]


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """input / (k + alpha * mean of the squares of size neighbouring channels)**beta; channels beyond the ends are 0.

    input: (N, C, ...), at least 3-D (ValueError otherwise); the neighbours reach size // 2 channels back.
    """
    x = tensor_argument(input, "local_response_norm")._array
    if x.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {x.ndim} dimensions)")
    if x.size == 0:
        return input
    planes = reshape(input * input, (x.shape[0], 1, x.shape[1], -1))
    around = pad(planes, (0, 0, size // 2, (size - 1) // 2))
    energy = reshape(avg_pool2d(around, (size, 1), stride=1), x.shape)
    return input / (energy * alpha + k) ** beta
