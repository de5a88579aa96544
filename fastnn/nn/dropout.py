"""Dropout (Srivastava et al. 2014)."""

from __future__ import annotations

from fastnn.nn.module import Module
from fastnn.ops.dropout import dropout
from fastnn.tensor import Tensor


class Dropout(Module):
    """In training, zeroes each element with probability ``p`` and scales the others by 1 / (1 - p).

    ValueError for a ``p`` outside [0, 1].
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
