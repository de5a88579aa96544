"""Steps of the optimizers over lists of parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..contract import Array
from . import checks
from .elementwise import quiet


@quiet
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
    checks.optimizer(params, grads, {"momentum_buffers": momentum_buffers, "initialized": initialized})
    for i, (p, grad) in enumerate(zip(params, grads, strict=True)):
        d = -grad if maximize else grad
        if weight_decay != 0:
            d = d + weight_decay * p
        if momentum_buffers is not None:
            buffer = momentum_buffers[i]
            if initialized[i]:
                buffer *= momentum
                buffer += (1 - dampening) * d
            else:
                buffer[...] = d
            d = d + momentum * buffer if nesterov else buffer
        p -= lr * d


@quiet
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
    state = {"exp_avgs": exp_avgs, "exp_avg_sqs": exp_avg_sqs, "max_exp_avg_sqs": max_exp_avg_sqs, "steps": steps}
    checks.optimizer(params, grads, state)
    for i, (p, grad, m, v, t) in enumerate(zip(params, grads, exp_avgs, exp_avg_sqs, steps, strict=True)):
        g = -grad if maximize else grad
        if weight_decay != 0:
            if decoupled:
                p *= 1 - lr * weight_decay
            else:
                g = g + weight_decay * p
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g * g
        if max_exp_avg_sqs is not None:
            v = np.maximum(max_exp_avg_sqs[i], v, out=max_exp_avg_sqs[i])
        p -= lr / (1 - beta1**t) * m / (np.sqrt(v) / math.sqrt(1 - beta2**t) + eps)
