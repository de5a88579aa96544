"""Cross-entropy of class labels, and its gradient."""

from __future__ import annotations

import numpy as np

from ..contract import Array, Labels
from . import checks
from .elementwise import quiet
from .softmax import log_softmax_forward


@quiet
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
    checks.cross_entropy(logits, target, weight, ignore_index, reduction, losses, grad)
    classes = logits.shape[1]
    kept = np.flatnonzero(target != ignore_index)
    labels = target[kept]
    log_p = np.empty_like(logits)
    log_softmax_forward(logits, log_p)
    log_p = log_p[kept]
    w = np.ones(classes, logits.dtype) if weight is None else weight
    s = label_smoothing
    here = np.arange(len(kept)), labels

    losses[...] = 0
    losses[kept] = -(1 - s) * w[labels] * log_p[here]
    if s != 0:  # Otherwise a log-probability of -inf would give 0 * inf.
        losses[kept] -= (s / classes) * (w * log_p).sum(axis=1)

    divisor = np.float64(1)
    if reduction == "mean":
        divisor = _in_order(w[labels])
    if grad is not None:
        # d losses[m] / d logits[m, c] =
        #     p[c] * ((1 - s) * w[t] + s / N * sum(w)) - (1 - s) * w[t] * (c == t) - s / N * w[c]
        share = s / max(classes, 1)
        rows = np.exp(log_p)
        rows *= ((1 - s) * w[labels] + share * w.sum())[:, None]
        rows[here] -= (1 - s) * w[labels]
        if s != 0:
            rows -= share * w
        rows /= divisor.astype(rows.dtype)
        grad[...] = 0
        grad[kept] = rows
    return 0.0 if reduction == "none" else float(_in_order(losses) / divisor)


def _in_order(values: Array) -> np.float64:
    """The float64 sum from first to last; zero for none."""
    return np.float64(np.cumsum(values, dtype=np.float64)[-1]) if len(values) else np.float64(0)
