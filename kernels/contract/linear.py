"""Products of matrices, and the linear layer."""

from __future__ import annotations

from .types import Array


def matmul(
    a: Array,
    b: Array,
    transpose_a: bool,
    transpose_b: bool,
    bias: Array | None,
    activation: str,
    accumulate: bool,
    out: Array,
) -> None:
    """out = activation(op(a) @ op(b) + bias + (out if accumulate else 0)), for each matrix of a batch.

    a: (B|1, M, K), or (B|1, K, M) with transpose_a; b: (B|1, K, N), or (B|1, N, K) with transpose_b;
    bias: (N,) or None; out: (B, M, N). A batch extent of 1 in a or b is used for all B.
    """
    raise NotImplementedError


def linear_forward(x: Array, weight: Array, bias: Array | None, activation: str, out: Array) -> None:
    """out = activation(x @ weight.T + bias). x: (M, K), weight: (N, K), bias: (N,) or None, out: (M, N).

    Backward needs x, weight, and out where the activation is not "none".
    """
    raise NotImplementedError


def linear_backward(
    grad: Array,
    x: Array,
    weight: Array,
    out: Array | None,
    activation: str,
    workspace: Array | None,
    grad_x: Array | None,
    grad_weight: Array | None,
    grad_bias: Array | None,
) -> None:
    """The gradients of linear_forward; one that is None is not computed.

    grad, out, workspace: (M, N); grad_x: (M, K); grad_weight: (N, K); grad_bias: (N,).
    With g = grad * activation'(out): grad_x = g @ weight, grad_weight = g.T @ x, grad_bias = g.sum(0).
    out and workspace may be None where the activation is "none"; otherwise g is left in workspace.
    """
    raise NotImplementedError
