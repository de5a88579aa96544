"""Softmax and its logarithm along the last axis."""

from __future__ import annotations

from .types import Array


def softmax_forward(x: Array, out: Array) -> None:
    """out[m] = exp(x[m] - max x[m]) / sum. x, out: (M, N).

    A row whose maximum is -inf, or that holds +inf or NaN, is NaN throughout, as in PyTorch.
    """
    raise NotImplementedError


def softmax_backward(grad: Array, out: Array, grad_x: Array) -> None:
    """grad_x[m] = out[m] * (grad[m] - <grad[m], out[m]>). All (M, N); out is forward's."""
    raise NotImplementedError


def log_softmax_forward(x: Array, out: Array) -> None:
    """out[m] = x[m] - max - log(sum(exp(x[m] - max))). x, out: (M, N)."""
    raise NotImplementedError


def log_softmax_backward(grad: Array, out: Array, grad_x: Array) -> None:
    """grad_x[m] = grad[m] - exp(out[m]) * sum(grad[m]). All (M, N); out is forward's."""
    raise NotImplementedError
