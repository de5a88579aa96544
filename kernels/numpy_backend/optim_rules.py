"""The other optimizers by name, and clipping of gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..contract import RULE_STATES, Array
from . import checks
from .elementwise import quiet


def _rmsprop(p: Array, d: Array, a: Array, b: Any, c: Any, f: Array, lr: float, o: Sequence[float]) -> None:
    alpha, eps, momentum, _ = o
    a[...] = alpha * a + (1 - alpha) * d * d
    if c is not None:
        c += (1 - alpha) * (d - c)
    u = d / (np.sqrt(a if c is None else a - c * c) + eps)
    if b is not None:
        b[...] = u = momentum * b + u
    p -= lr * u


def _adagrad(p: Array, d: Array, a: Array, b: Any, c: Any, f: Array, lr: float, o: Sequence[float]) -> None:
    a += d * d
    p -= f[0] * d / (np.sqrt(a) + o[0])


def _adadelta(p: Array, d: Array, a: Array, b: Any, c: Any, f: Array, lr: float, o: Sequence[float]) -> None:
    rho, eps, *_ = o
    a[...] = rho * a + (1 - rho) * d * d
    u = d * np.sqrt(b + eps) / np.sqrt(a + eps)
    b[...] = rho * b + (1 - rho) * u * u
    p -= lr * u


def _adamax(p: Array, d: Array, a: Array, b: Any, c: Any, f: Array, lr: float, o: Sequence[float]) -> None:
    beta1, beta2, eps, _ = o
    a += (1 - beta1) * (d - a)
    b[...] = np.maximum(beta2 * b, np.abs(d) + eps)
    p -= f[0] * a / b


def _nadam(p: Array, d: Array, a: Array, b: Any, c: Any, f: Array, lr: float, o: Sequence[float]) -> None:
    beta1, beta2, eps, _ = o
    a += (1 - beta1) * (d - a)
    b[...] = beta2 * b + (1 - beta2) * d * d
    p -= (f[0] * d + f[1] * a) / (np.sqrt(b * f[2]) + eps)


def _radam(p: Array, d: Array, a: Array, b: Any, c: Any, f: Array, lr: float, o: Sequence[float]) -> None:
    beta1, beta2, eps, _ = o
    a += (1 - beta1) * (d - a)
    b[...] = beta2 * b + (1 - beta2) * d * d
    p -= f[0] * a / (np.sqrt(b) + eps) if f[1] != 0 else f[0] * a


def _lion(p: Array, d: Array, a: Array, b: Any, c: Any, f: Array, lr: float, o: Sequence[float]) -> None:
    beta1, beta2, *_ = o
    p -= lr * np.sign(beta1 * a + (1 - beta1) * d)
    a[...] = beta2 * a + (1 - beta2) * d


_STEPS: dict[str, Callable[..., None]] = {
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "adamax": _adamax,
    "nadam": _nadam,
    "radam": _radam,
    "lion": _lion,
}


@quiet
def rule_step(
    rule: str,
    params: Sequence[Array],
    grads: Sequence[Array],
    first: Sequence[Array] | None,
    second: Sequence[Array] | None,
    third: Sequence[Array] | None,
    factors: Array,
    lr: float,
    weight_decay: float,
    options: Sequence[float],
    maximize: bool,
) -> None:
    if rule not in _STEPS:
        raise ValueError(f"rule: expected one of {', '.join(_STEPS)}, got {rule!r}")
    least, most = RULE_STATES[rule]
    states: dict[str, Sequence[Any] | None] = {"first": first, "second": second, "third": third}
    for k, (name, state) in enumerate(states.items()):
        if (state is None and k < least) or (state is not None and k >= most):
            raise ValueError(f"{name}: expected {'arrays' if k < least else 'None'} for {rule}")
    if len(options) != 4:
        raise ValueError(f"options: expected 4 numbers, got {len(options)}")
    checks.optimizer(params, grads, states)
    checks.expect("factors", factors, (len(params), 3), np.dtype(np.float64))
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        d = -grad if maximize else grad
        if weight_decay != 0:
            if options[3]:
                p *= 1 - lr * weight_decay
            else:
                d = d + weight_decay * p
        own = [None if state is None else state[i] for state in states.values()]
        _STEPS[rule](p, d, *own, factors[i].astype(p.dtype), lr, options)


def _same_dtype(grads: Sequence[Array], written: bool) -> None:
    for i, grad in enumerate(grads):
        dtype = checks.floating("grads[0]", grads[0])
        checks.expect(f"grads[{i}]", grad, grad.shape, dtype, written)


@quiet
def gradient_norm(grads: Sequence[Array], order: float) -> float:
    if order not in (1, 2, math.inf):
        raise ValueError(f"order: expected 1, 2 or inf, got {order}")
    _same_dtype(grads, written=False)
    flat = np.concatenate([np.zeros(0), *(grad.ravel().astype(np.float64) for grad in grads)])
    return float(np.linalg.norm(flat, order)) if flat.size else 0.0


@quiet
def scale_gradients(grads: Sequence[Array], factor: float, limit: float) -> None:
    _same_dtype(grads, written=True)
    for grad in grads:
        grad *= factor
        np.clip(grad, -limit, limit, out=grad)
