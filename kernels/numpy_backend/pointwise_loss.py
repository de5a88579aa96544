"""Losses element by element, each a value and a slope as in the contract's table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..contract import LOSS_KINDS, Array
from . import checks
from .elementwise import quiet

Formula = Callable[[Array, Array, float, Array], tuple[Array, Array]]


def _zero_wins(factor: Array, x: Array) -> Array:
    return np.where(factor == 0, 0, factor * x)


def _smooth_l1(x: Array, t: Array, a: float, p: Array) -> tuple[Array, Array]:
    e = x - t
    size = np.abs(e)
    return np.where(size < a, e * e / (2 * a), size - a / 2), np.where(size < a, e / a, np.sign(e))


def _huber(x: Array, t: Array, a: float, p: Array) -> tuple[Array, Array]:
    e = x - t
    size = np.abs(e)
    return np.where(size < a, e * e / 2, a * (size - a / 2)), np.where(size < a, e, a * np.sign(e))


def _l1(x: Array, t: Array, a: float, p: Array) -> tuple[Array, Array]:
    return np.abs(x - t), np.asarray((x > t).astype(x.dtype) - (x < t))


def _bce(x: Array, t: Array, a: float, p: Array) -> tuple[Array, Array]:
    loss = (t - 1) * np.maximum(np.log1p(-x), -100) - t * np.maximum(np.log(x), -100)
    return loss, (x - t) / np.maximum((1 - x) * x, 1e-12)


def _bce_with_logits(x: Array, t: Array, a: float, p: Array) -> tuple[Array, Array]:
    both = 1 - t + p * t
    straight = np.where(x < 0, _zero_wins(p * t, -x), _zero_wins(1 - t, x))
    loss = straight + both * np.log1p(np.exp(-np.abs(x)))
    return loss, np.where(x < 0, both / (1 + np.exp(-x)) - p * t, 1 - t - both / (1 + np.exp(x)))


FORMULAS: dict[str, Formula] = {
    "mse": lambda x, t, a, p: ((x - t) ** 2, 2 * (x - t)),
    "l1": _l1,
    "smooth_l1": _smooth_l1,
    "huber": _huber,
    "bce": _bce,
    "bce_with_logits": _bce_with_logits,
    "kl": lambda x, t, a, p: (_zero_wins(t, np.log(t) - x), -t),
    "kl_log": lambda x, t, a, p: (_zero_wins(np.exp(t), t - x), -np.exp(t)),
}


def check_pointwise_loss(
    kind: str,
    x: Array,
    target: Array,
    weight: Array | None,
    pos_weight: Array | None,
    reduction: str,
    losses: Array | None,
    grad: Array | None,
) -> None:
    if kind not in LOSS_KINDS:
        raise ValueError(f"kind: expected one of {', '.join(LOSS_KINDS)}, got {kind!r}")
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"reduction: expected 'none', 'sum' or 'mean', got {reduction!r}")
    dtype = checks.floating("x", x)
    checks.expect("target", target, x.shape, dtype)
    for name, array, written in (
        ("weight", weight, False),
        ("pos_weight", pos_weight, False),
        ("losses", losses, True),
        ("grad", grad, True),
    ):
        if array is not None:
            checks.expect(name, array, x.shape, dtype, written)


def reduced(total: float, size: int, reduction: str) -> float:
    """The sum as the reduction has it; the mean of nothing is NaN."""
    if reduction == "none":
        return 0.0
    return float(np.float64(total) / np.float64(size)) if reduction == "mean" else float(total)


@quiet
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
    check_pointwise_loss(kind, x, target, weight, pos_weight, reduction, losses, grad)
    one = np.ones_like(x)
    loss, slope = FORMULAS[kind](x, target, a, one if pos_weight is None else pos_weight)
    w = one if weight is None else weight
    if losses is not None:
        losses[...] = loss * w
    if grad is not None:
        grad[...] = slope * w / (x.size if reduction == "mean" and x.size else 1)
    return reduced(float((loss * w).sum(dtype=np.float64)), x.size, reduction)
