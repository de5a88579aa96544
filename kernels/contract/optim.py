"""Optimizers: one call updates every parameter of a group."""

from __future__ import annotations

from collections.abc import Sequence

from .types import Array

# One call updates every parameter of a group: lists of equal length, the arrays at one place of equal shape.
# All arrays of one call have one dtype. params and the state arrays are updated in place; grads are not changed.
# ``steps`` counts this update too: 1 at the first. Any list but grads may be a ``pinned.Pinned``: its arrays are not
# looked at again.


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
    """Adam (Kingma & Ba 2015), AdamW where decoupled (Loshchilov & Hutter 2019), AMSGrad where max_exp_avg_sqs is
    given.

    g = -grad if maximize else grad; decoupled: p *= 1 - lr * weight_decay, else g += weight_decay * p;
    m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g * g; (vmax = max(vmax, v), used for v below);
    p -= lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps).
    """
    raise NotImplementedError
