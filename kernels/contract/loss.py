"""Losses with their gradients in the same pass."""

from __future__ import annotations

from .types import Array, Labels


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


# Each loss of x and its target t, element by element. 0 times an infinity is 0, a right prediction's limit.
LOSS_KINDS = {
    "mse": "(x - t)**2",
    "l1": "|x - t|; the slope at 0 is 0",
    "smooth_l1": "(x - t)**2 / (2 * a) where |x - t| < a, else |x - t| - a / 2",
    "huber": "(x - t)**2 / 2 where |x - t| < a, else a * (|x - t| - a / 2)",
    "bce": "-(t * log(x) + (1 - t) * log(1 - x)), the logarithms at least -100; the slope's divisor at least 1e-12",
    "bce_with_logits": "(1 - t) * x + (1 + (p - 1) * t) * log(1 + exp(-x)), p = pos_weight (or 1)",
    "kl": "t * (log(t) - x)",
    "kl_log": "exp(t) * (t - x)",
}


def pointwise_loss(
    kind: str,
    x: Array,
    target: Array,
    weight: Array | None,
    pos_weight: Array | None,
    a: float,
    reduction: str,
    losses: Array | None,
    grad: Array | None,
) -> float:
    """A loss that LOSS_KINDS names, times weight (or 1), with its derivative by x in the same pass. Equal shapes.

    Returns sum or "mean" (sum / size; NaN for no elements) of the losses, 0.0 for "none". losses and grad are written
    where they are not None; grad is the derivative of the reduced loss (of the sum for "none"). pos_weight is read by
    bce_with_logits alone. Sums run in float64, by chunks whose borders depend on the size alone.
    """
    raise NotImplementedError
