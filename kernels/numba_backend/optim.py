"""Steps of the optimizers: one pass over the elements of each parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..contract import Array
from ..numpy_backend import checks
from ._jit import CONTRACT, jit
from ._loop import flat, pieces


@jit(CONTRACT)
def _sgd(
    p: Array,
    grad: Array,
    buffer: Array,
    initialized: bool,
    numbers: tuple[Any, ...],
    nesterov: bool,
) -> None:
    """numbers: sign of the gradient, lr, momentum, 1 - dampening, weight_decay. buffer has no elements: no momentum."""
    sign, lr, momentum, fresh, weight_decay = numbers
    zero = p.dtype.type(0)
    # A factor of zero is left out, as in PyTorch: it would make a NaN of an infinite parameter or of an unset buffer.
    decays = weight_decay != zero
    if len(buffer) == 0:
        for i in range(len(p)):
            decay = weight_decay * p[i] if decays else zero
            p[i] -= lr * (sign * grad[i] + decay)
        return
    for i in range(len(p)):
        decay = weight_decay * p[i] if decays else zero
        d = sign * grad[i] + decay
        b = momentum * buffer[i] + fresh * d if initialized else d
        buffer[i] = b
        p[i] -= lr * (d + momentum * b if nesterov else b)


@jit(CONTRACT)
def _adam(p: Array, grad: Array, m: Array, v: Array, largest: Array, numbers: tuple[Any, ...]) -> None:
    """numbers: sign, decay of p, weight decay in the gradient, betas, 1 - betas, step size, sqrt(1 - beta2**t), eps.

    largest has no elements: no AMSGrad.
    """
    sign, shrink, decay, beta1, beta2, fresh1, fresh2, step, correction, eps = numbers
    amsgrad, decays, zero = len(largest) > 0, decay != p.dtype.type(0), p.dtype.type(0)
    for i in range(len(p)):
        value = p[i] * shrink
        g = sign * grad[i] + (decay * value if decays else zero)
        mean = beta1 * m[i] + fresh1 * g
        square = beta2 * v[i] + fresh2 * g * g
        m[i] = mean
        v[i] = square
        if amsgrad:
            square = largest[i] if largest[i] > square else square  # a NaN in square stays
            largest[i] = square
        p[i] = value - step * (mean / (np.sqrt(square) / correction + eps))


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
    if not params:
        return
    real = params[0].dtype.type
    numbers = tuple(real(x) for x in (-1 if maximize else 1, lr, momentum, 1 - dampening, weight_decay))
    buffers: Sequence[Array] = [np.empty(0, real)] * len(params) if momentum_buffers is None else momentum_buffers
    for p, grad, buffer, known in zip(params, grads, buffers, initialized, strict=True):
        pieces(_sgd, (p.reshape(-1), flat(grad), buffer.reshape(-1)), bool(known), numbers, bool(nesterov))


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
    if not params:
        return
    real = params[0].dtype.type
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    decay = 0.0 if decoupled else weight_decay
    fixed = tuple(real(x) for x in (-1 if maximize else 1, shrink, decay, beta1, beta2, 1 - beta1, 1 - beta2))
    largest: Sequence[Array] = [np.empty(0, real)] * len(params) if max_exp_avg_sqs is None else max_exp_avg_sqs
    for p, grad, m, v, most, t in zip(params, grads, exp_avgs, exp_avg_sqs, largest, steps, strict=True):
        numbers = (*fixed, real(lr / (1 - beta1**t)), real(math.sqrt(1 - beta2**t)), real(eps))
        arrays = p.reshape(-1), flat(grad), m.reshape(-1), v.reshape(-1), most.reshape(-1)
        pieces(_adam, arrays, numbers)
