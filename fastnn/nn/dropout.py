"""Dropout (Srivastava et al. 2014), of elements, of channels, and for SELU networks (Klambauer et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from fastnn.nn.module import Module
from fastnn.ops import dropout_kinds as kinds
from fastnn.ops.dropout import dropout
from fastnn.tensor import Tensor


class _Dropout(Module):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, zeroes each element with probability ``p`` and scales the others by 1 / (1 - p).

    ValueError for a ``p`` outside [0, 1].
    """

    function = staticmethod(dropout)


class Dropout1d(_Dropout):
    """Dropout of whole channels of (N, C, L) or (C, L)."""

    function = staticmethod(kinds.dropout1d)


class Dropout2d(_Dropout):
    """Dropout of whole channels of (N, C, H, W)."""

    function = staticmethod(kinds.dropout2d)


class Dropout3d(_Dropout):
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W)."""

    function = staticmethod(kinds.dropout3d)


class AlphaDropout(_Dropout):
    """Dropout that sets elements to SELU's lower limit and keeps mean 0 and variance 1. See alpha_dropout."""

    function = staticmethod(kinds.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels of (N, C, ...)."""

    function = staticmethod(kinds.feature_alpha_dropout)
