"""Channels scaled by the energy of their neighbours (Krizhevsky et al. 2012)."""

from __future__ import annotations

from fastnn.nn.module import Module
from fastnn.ops.local_response import local_response_norm
from fastnn.tensor import Tensor


class LocalResponseNorm(Module):
    """x / (k + alpha * mean of squares over ``size`` neighbouring channels)**beta: (N, C, ...), at least 3-D."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """LocalResponseNorm of images (N, C, H, W), as it was first written: its window is symmetric.

    So an even ``size`` reaches over ``size - 1`` channels, though the sum is divided by ``size``.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        """See the class. ValueError for other dimensions."""
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        window = 2 * ((self.size + 1) // 2) - 1
        return local_response_norm(input, window, self.alpha * window / self.size, self.beta, self.k)
