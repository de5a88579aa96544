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
