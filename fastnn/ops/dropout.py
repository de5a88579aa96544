"""dropout: a counter-based random mask, applied in the pass that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.gate import cast, floating, tensor_argument
from fastnn.ops.in_place import in_place
from fastnn.ops.select import where
from fastnn.random import next_dropout_key

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["dropout", "dropout_"]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes each element with probability p and divides the others by 1 - p (in training; else input itself).

    Raises ValueError for a p outside [0, 1]. A dropped inf or NaN becomes 0. The mask depends on the seed and on
    how much was drawn before, not on the number of threads.
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if inplace:
        return dropout_(input, p, training)
    tensor = tensor_argument(input, "dropout")
    if not training or p == 0.0:
        return tensor
    if tensor._array.dtype == np.float16:
        return cast(dropout(cast(tensor, np.dtype(np.float32)), p), np.dtype(np.float16))
    x = floating(tensor, "dropout")
    mask = np.empty(x.shape, np.uint8)
    if p == 1.0:
        mask.fill(0)
        out = np.zeros_like(x)
    else:
        out = np.empty_like(x)
        seed, offset = next_dropout_key(x.size)
        K.dropout_forward(x, p, seed, offset, out, mask)
    return _core.record("DropoutBackward0", _dropout_backward, (tensor,), out, extra=(mask, p))


def _dropout_backward(ctx: Node, grad: Tensor) -> Tensor:
    mask, p = ctx.extra
    if p == 1.0:
        return grad * 0
    if _core.is_grad_enabled():
        return where(_core.wrap(mask.view(np.bool_)), grad / (1 - p), 0.0)
    grad_x = np.empty(mask.shape, grad._array.dtype)
    K.dropout_backward(dense(grad), mask, p, grad_x)
    return _core.wrap(grad_x)


def dropout_(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """dropout in place."""
    if not training or p == 0.0:
        return input
    return in_place(dropout, input, p)
