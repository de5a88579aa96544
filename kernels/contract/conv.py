"""Convolutions of one to three spatial dimensions; transposed ones are the same kernels with their parts exchanged."""

from __future__ import annotations

from collections.abc import Sequence

from .types import Array

# In all of them, with G groups: x is (N, C, *S), weight (O, C/G, *K), out and grad (N, O, *P), of one to three spatial
# extents. stride and dilation hold one positive number an axis, padding a pair (before, after) an axis; a negative one
# crops. P = (S + before + after - dilation * (K - 1) - 1) // stride + 1, at least 1; what lies outside of x is zero.


def conv_forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    activation: str,
    out: Array,
) -> None:
    """out[n, o, p] = activation(bias[o] + sum of weight[o, c, k] * x[n, c', p * stride + k * dilation - before]).

    Summed over c and k; c' = o // (O/G) * C/G + c. bias: (O,) or None; activation: "none" or "relu". Backward needs x
    and weight, and out where there is an activation.
    """
    raise NotImplementedError


def conv_grad_input(
    grad: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    grad_x: Array,
) -> None:
    """grad_x: the gradient of sum(grad * conv_forward(x)) with respect to x, plus bias[c]; which is also the forward
    of a transposed convolution of grad. bias: (C,) or None.
    """
    raise NotImplementedError


def conv_grad_weight(
    grad: Array,
    x: Array,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    grad_weight: Array,
) -> None:
    """grad_weight: the gradient of sum(grad * conv_forward(x)) with respect to weight, of weight's shape."""
    raise NotImplementedError
