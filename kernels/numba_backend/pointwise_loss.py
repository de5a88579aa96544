"""Losses element by element with their slopes: a formula each, compiled into one loop a formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..contract import Array
from ..numpy_backend.elementwise import quiet
from ..numpy_backend.pointwise_loss import check_pointwise_loss, reduced
from . import _math
from ._jit import CONTRACT, jit
from ._loop import GRAIN, chunked, flat

Formula = Callable[..., Any]
_formula = register_jitable(error_model="numpy", fastmath=set(CONTRACT))


@jit(CONTRACT)
def _zero_wins(factor: Any, x: Any) -> Any:
    return factor * x if factor != 0 else type(x)(0)


@_formula
def _mse(x: Any, t: Any, a: Any, p: Any) -> Any:
    e = x - t
    return e * e, e + e


@_formula
def _l1(x: Any, t: Any, a: Any, p: Any) -> Any:
    e = x - t
    sign = type(x)(1) if e > 0 else (type(x)(-1) if e < 0 else type(x)(0))
    return abs(e), sign


@_formula
def _smooth_l1(x: Any, t: Any, a: Any, p: Any) -> Any:
    e, half = x - t, type(x)(0.5)
    if e >= a:
        return e - half * a, type(x)(1)
    if e <= -a:
        return -e - half * a, type(x)(-1)
    return half * e * e / a, e / a


@_formula
def _huber(x: Any, t: Any, a: Any, p: Any) -> Any:
    e, half = x - t, type(x)(0.5)
    if e >= a:
        return a * (e - half * a), a
    if e <= -a:
        return a * (-e - half * a), -a
    return half * e * e, e


@_formula
def _bce(x: Any, t: Any, a: Any, p: Any) -> Any:
    one, least = type(x)(1), type(x)(-100)
    log_rest, log_x = np.log1p(-x), np.log(x)
    log_rest = least if log_rest < least else log_rest
    log_x = least if log_x < least else log_x
    divisor = (one - x) * x
    divisor = type(x)(1e-12) if divisor < type(x)(1e-12) else divisor
    return (t - one) * log_rest - t * log_x, (x - t) / divisor


@_formula
def _bce_with_logits(x: Any, t: Any, a: Any, p: Any) -> Any:
    one = type(x)(1)
    other, positive = one - t, p * t
    both = other + positive
    e = _math.exp(-abs(x))
    soft = both * math.log1p(e)
    if x < 0:
        return _zero_wins(positive, -x) + soft, both * (e / (one + e)) - positive
    return _zero_wins(other, x) + soft, other - both * (e / (one + e))


@_formula
def _kl(x: Any, t: Any, a: Any, p: Any) -> Any:
    return _zero_wins(t, np.log(t) - x), -t


@_formula
def _kl_log(x: Any, t: Any, a: Any, p: Any) -> Any:
    e = _math.exp(t)
    return _zero_wins(e, t - x), -e


def _loop(formula: Formula) -> Callable[..., None]:
    @jit(CONTRACT)
    def loop(
        x: Array,
        target: Array,
        weight: Array,
        pos_weight: Array,
        a: Any,
        scale: Any,
        losses: Array,
        grad: Array,
        parts: Array,
        first: int,
        last: int,
    ) -> None:
        """Chunks [first, last). weight, pos_weight, losses and grad may have no elements."""
        one = x.dtype.type(1)
        for part in range(first, last):
            total = 0.0
            for i in range(part * GRAIN, min(len(x), (part + 1) * GRAIN)):
                p = pos_weight[i] if len(pos_weight) else one
                w = weight[i] if len(weight) else one
                loss, slope = formula(x[i], target[i], a, p)
                loss *= w
                total += np.float64(loss)
                if len(losses):
                    losses[i] = loss
                if len(grad):
                    grad[i] = slope * w * scale
            parts[part] = total

    return loop


_LOOPS = {
    "mse": _loop(_mse),
    "l1": _loop(_l1),
    "smooth_l1": _loop(_smooth_l1),
    "huber": _loop(_huber),
    "bce": _loop(_bce),
    "bce_with_logits": _loop(_bce_with_logits),
    "kl": _loop(_kl),
    "kl_log": _loop(_kl_log),
}


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
    none = np.empty(0, x.dtype)
    scale = 1 / x.size if reduction == "mean" and x.size else 1.0
    parts = np.empty(-(-x.size // GRAIN))
    chunked(
        _LOOPS[kind],
        len(parts),
        1,
        flat(x),
        flat(target),
        flat(none if weight is None else weight),
        flat(none if pos_weight is None else pos_weight),
        x.dtype.type(a),
        x.dtype.type(scale),
        none if losses is None else losses.reshape(-1),
        none if grad is None else grad.reshape(-1),
        parts,
    )
    return reduced(float(np.cumsum(parts)[-1]) if len(parts) else 0.0, x.size, reduction)
