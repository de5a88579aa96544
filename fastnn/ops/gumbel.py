"""gumbel_softmax: samples of a categorical distribution that gradients pass through (Jang et al. 2017)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.creation import empty_like
from fastnn.ops.dims import wrap_dim
from fastnn.ops.gate import tensor_argument
from fastnn.ops.softmax import softmax

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["gumbel_softmax"]


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax((logits + g) / tau) along dim, g drawn from Gumbel(0, 1).

    hard: 1 at the largest and 0 elsewhere, with the gradient of the soft sample. eps: of no effect, as in PyTorch.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    x = tensor_argument(logits, "gumbel_softmax")._array
    noise = -empty_like(logits.detach()).exponential_().log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    axis = wrap_dim(dim, x.ndim, "gumbel_softmax")
    best = np.expand_dims(soft._array.argmax(axis), axis)
    ones = np.zeros_like(soft._array)
    np.put_along_axis(ones, best, 1, axis)
    return _core.wrap(ones) - soft.detach() + soft
