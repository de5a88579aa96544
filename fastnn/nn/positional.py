"""Positions for attention, which PyTorch leaves to its users: sinusoidal ones, and learned ones.

Both add to (N, L, E), or, with batch_first=False, to (L, N, E), what stands for each place in the sequence.
"""

from __future__ import annotations

import numpy as np

from fastnn.convert import leaf
from fastnn.creation import empty
from fastnn.nn import init
from fastnn.nn.module import Module
from fastnn.nn.parameter import Parameter
from fastnn.tensor import Tensor


class _PositionalEncoding(Module):
    weight: Tensor

    def __init__(self, max_len: int, embedding_dim: int, batch_first: bool) -> None:
        super().__init__()
        name = type(self).__name__
        for argument, value in (("max_len", max_len), ("embedding_dim", embedding_dim)):
            if value < 1:
                raise ValueError(f"{name}: argument '{argument}' must be positive, got {value}")
        self.max_len, self.embedding_dim, self.batch_first = max_len, embedding_dim, batch_first

    def forward(self, input: Tensor) -> Tensor:
        """input + the rows of ``weight`` for its places. ValueError for another width, or a longer sequence."""
        if input.ndim != 3 or input.shape[2] != self.embedding_dim:
            raise ValueError(
                f"{type(self).__name__}: expected a batch of sequences of width {self.embedding_dim}, "
                f"got shape {tuple(input.shape)}"
            )
        length = input.shape[1 if self.batch_first else 0]
        if length > self.max_len:
            raise ValueError(f"{type(self).__name__}: a sequence of {length} is longer than max_len={self.max_len}")
        rows = self.weight[:length]
        return input + (rows if self.batch_first else rows.unsqueeze(1))

    def extra_repr(self) -> str:
        return f"{self.max_len}, {self.embedding_dim}, batch_first={self.batch_first}"


class SinusoidalPositionalEncoding(_PositionalEncoding):
    """Sines and cosines of wave lengths from 2 pi to 10000 * 2 pi (Vaswani et al. 2017, section 3.5):
    sin(place / 10000 ** (2i / E)) at 2i, its cosine at 2i + 1. Nothing is learned, and nothing saved.
    """

    def __init__(self, max_len: int, embedding_dim: int, batch_first: bool = True) -> None:
        super().__init__(max_len, embedding_dim, batch_first)
        pairs = np.arange((embedding_dim + 1) // 2)
        angles = np.arange(max_len)[:, None] / 10000.0 ** (2 * pairs / embedding_dim)
        both = np.stack([np.sin(angles), np.cos(angles)], 2).reshape(max_len, -1)[:, :embedding_dim]
        self.register_buffer("weight", leaf(both.astype(np.float32)), persistent=False)


class LearnedPositionalEncoding(_PositionalEncoding):
    """A vector for each place, learned; drawn from N(0, 0.02) as in GPT-2."""

    def __init__(self, max_len: int, embedding_dim: int, batch_first: bool = True) -> None:
        super().__init__(max_len, embedding_dim, batch_first)
        self.weight = Parameter(empty(max_len, embedding_dim))
        init.normal_(self.weight, 0.0, 0.02)
