"""The contract: what every kernel takes, writes and promises, whichever backend it comes from.

Each function below is a signature with its meaning and no body; the three backends define the same names with
the same parameters (``tests/kernels/test_contract.py`` compares them). Rules that hold for all of them:

* Inputs are dense arrays: C-contiguous, aligned, native byte order, float32 or float64 (all of one call the
  same) unless a line says otherwise. They may be read-only; no kernel writes to an input.
* Outputs are handed in, dense, writeable, of the stated shape, and do not overlap an input unless a line allows
  it. A kernel allocates nothing whose size grows with its arrays. Every element of an output is overwritten.
* Any extent may be zero. ``K = 0`` is an empty sum: zero.
* NaN and infinities pass through as IEEE 754 arithmetic has them.
* An output has the same bits for any number of threads.
* The caller (``fastnn.ops``) has checked dtypes and shapes; a kernel checks only what would make it touch foreign
  memory, and raises ``ValueError`` (``IndexError`` for labels) before it writes anything.

Letters: M rows, N columns or outputs, K the summed extent, B a batch, A/R/C outer, reduced and inner extents.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Mask = NDArray[np.uint8]
    Labels = NDArray[np.int64]
else:  # importing numpy.typing is a sizeable part of importing fastnn
    Array = Mask = Labels = np.ndarray

# The activations that a product's epilogue can apply: those whose derivative is a function of the output.
ACTIVATIONS = ("none", "relu", "sigmoid", "tanh")

# ----------------------------------------------------------------------------------------------- linear


def matmul(
    a: Array, b: Array, transpose_a: bool, transpose_b: bool, bias: Array | None, activation: str, accumulate: bool, out: Array
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


# ----------------------------------------------------------------------------------------------- softmax


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


# ----------------------------------------------------------------------------------------------- loss


def cross_entropy_forward(
    logits: Array,
    target: Labels,
    weight: Array | None,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
    losses: Array,
    grad: Array | None,
) -> float:
    """Cross-entropy of class labels, with the gradient in the same pass; returns the reduced loss.

    logits, grad: (M, N); target: (M,) int64 in [0, N) or ignore_index, else IndexError("Target T is out of bounds.")
    before anything is written; weight: (N,) or None; losses: (M,), 0 where the target is ignored.
    With w = weight (or ones), s = label_smoothing, l = log_softmax(logits[m]), t = target[m]:
    losses[m] = -(1 - s) * w[t] * l[t] - (s / N) * sum_c(w[c] * l[c]).
    reduction: "none" (returns 0.0), "sum", or "mean": sum(losses) / sum of w[t] over the targets not ignored
    (0 / 0 = NaN when all are). grad, where not None, becomes the derivative of the reduced loss (of sum(losses)
    for "none") with respect to logits. Sums over m run in float64, in order.
    """
    raise NotImplementedError


# ----------------------------------------------------------------------------------------------- elementwise


def relu_forward(x: Array, out: Array) -> None:
    """out = max(x, 0), NaN kept. Any equal shapes; out may be x."""
    raise NotImplementedError


def relu_backward(grad: Array, out: Array, grad_x: Array) -> None:
    """grad_x = grad where out > 0 (or out is NaN), else 0; out is forward's. Equal shapes; grad_x may be grad."""
    raise NotImplementedError


def leaky_relu_forward(x: Array, slope: float, out: Array) -> None:
    """out = x where x > 0 else slope * x. Equal shapes; out may be x."""
    raise NotImplementedError


def leaky_relu_backward(grad: Array, x: Array, slope: float, grad_x: Array) -> None:
    """grad_x = grad where x > 0 else slope * grad; x is forward's input. Equal shapes; grad_x may be grad."""
    raise NotImplementedError


def sigmoid_forward(x: Array, out: Array) -> None:
    """out = 1 / (1 + exp(-x)), without overflow at either end. Equal shapes; out may be x."""
    raise NotImplementedError


def sigmoid_backward(grad: Array, out: Array, grad_x: Array) -> None:
    """grad_x = grad * out * (1 - out); out is forward's. Equal shapes; grad_x may be grad."""
    raise NotImplementedError


def tanh_forward(x: Array, out: Array) -> None:
    """out = tanh(x). Equal shapes; out may be x."""
    raise NotImplementedError


def tanh_backward(grad: Array, out: Array, grad_x: Array) -> None:
    """grad_x = grad * (1 - out * out); out is forward's. Equal shapes; grad_x may be grad."""
    raise NotImplementedError


def exp_forward(x: Array, out: Array) -> None:
    """out = e ** x. Equal shapes; out may be x. The gradient is grad * out: mul."""
    raise NotImplementedError


def add(a: Array, b: Array, out: Array) -> None:
    """out = a + b. out: (A, R, C); a and b: (A|1, R|1, C|1), each extent out's or 1, broadcast; dense as they are."""
    raise NotImplementedError


def sub(a: Array, b: Array, out: Array) -> None:
    """out = a - b; shapes as in add."""
    raise NotImplementedError


def mul(a: Array, b: Array, out: Array) -> None:
    """out = a * b; shapes as in add."""
    raise NotImplementedError


def div(a: Array, b: Array, out: Array) -> None:
    """out = a / b; shapes as in add; division by zero gives inf or NaN, without a warning."""
    raise NotImplementedError


def copy(x: Array, out: Array) -> None:
    """out = x. Equal shapes."""
    raise NotImplementedError


# ----------------------------------------------------------------------------------------------- reduce


def sum_forward(x: Array, out: Array) -> None:
    """out[a, c] = sum of x[a, :, c]. x: (A, R, C), out: (A, C).

    Summed by blocks whose borders depend on R alone, so that ones added to 2**24 are not lost (relative error
    about 1e-7 * log(R), for every axis).
    """
    raise NotImplementedError


# ----------------------------------------------------------------------------------------------- dropout


def dropout_forward(x: Array, p: float, seed: int, offset: int, out: Array, mask: Mask) -> None:
    """mask = (u >= p); out = x / (1 - p) where mask else 0 (chosen, not multiplied: inf gives 0). 0 <= p < 1.

    x, out, mask (uint8): equal shapes, counted flat. Element i has u = word(i % 4) * 2**-32 of Philox-4x32-7
    (Salmon et al. 2011) with key (seed mod 2**32, seed >> 32) and counter block offset + i // 4, a 64-bit count in words 0 and 1
    (words 2 and 3 are zero), compared as integers: keep where word >= floor(p * 2**32). out may be x.
    """
    raise NotImplementedError


def dropout_backward(grad: Array, mask: Mask, p: float, grad_x: Array) -> None:
    """grad_x = grad / (1 - p) where mask else 0. Equal shapes; grad_x may be grad."""
    raise NotImplementedError


# ----------------------------------------------------------------------------------------------- optim
# One call updates every parameter of a group: lists of equal length, the arrays at one place of equal shape.
# All arrays of one call have one dtype. params and the state arrays are updated in place; grads are not changed.
# ``steps`` counts this update too: 1 at the first.


def sgd_step(
    params: Sequence[Array],
    grads: Sequence[Array],
    momentum_buffers: Sequence[Array] | None,
    initialized: Sequence[bool],
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """SGD as in PyTorch: d = (-grad if maximize else grad) + weight_decay * p;
    buf = d if not initialized else momentum * buf + (1 - dampening) * d; d = d + momentum * buf if nesterov else buf;
    p -= lr * d. momentum_buffers is None where momentum is 0.
    """
    raise NotImplementedError


def adam_step(
    params: Sequence[Array],
    grads: Sequence[Array],
    exp_avgs: Sequence[Array],
    exp_avg_sqs: Sequence[Array],
    max_exp_avg_sqs: Sequence[Array] | None,
    steps: Sequence[int],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """Adam (Kingma & Ba 2015), AdamW where decoupled (Loshchilov & Hutter 2019), AMSGrad where max_exp_avg_sqs is given.

    g = -grad if maximize else grad; decoupled: p *= 1 - lr * weight_decay, else g += weight_decay * p;
    m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g * g; (vmax = max(vmax, v), used for v below);
    p -= lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps).
    """
    raise NotImplementedError


# Every kernel's name: the functions above.
KERNELS = tuple(name for name, value in list(globals().items()) if isinstance(value, FunctionType))
