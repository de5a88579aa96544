"""Cross-entropy of class labels, and its gradient in the same pass over the rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..contract import Array, Labels
from ..numpy_backend import checks
from . import _math
from ._jit import CONTRACT, REASSOCIATE, jit
from ._loop import chunked, flat, rows_per_chunk

TILE = 512


@jit(CONTRACT)
def _exp_tile(row: Array, shift: Any, tile: Array) -> None:
    for i in range(len(row)):
        tile[i] = _math.exp(row[i] - shift)


@jit(REASSOCIATE)
def _tile_sum(tile: Array, width: int) -> Any:
    total = tile.dtype.type(0)
    for i in range(width):
        total += tile[i]
    return total


@jit()
def _total(row: Array, shift: Any, tile: Array) -> Any:
    """sum(exp(row - shift))"""
    total = row.dtype.type(0)
    for start in range(0, len(row), TILE):
        part = row[start : start + TILE]
        _exp_tile(part, shift, tile)
        total += _tile_sum(tile, len(part))
    return total


@jit(REASSOCIATE)
def _weighted(row: Array, shift: Any, log_total: Any, weight: Array) -> Any:
    """sum(weight * log_softmax(row)); no weight: ones."""
    total = row.dtype.type(0)
    if len(weight):
        for i in range(len(row)):
            total += weight[i] * ((row[i] - shift) - log_total)
    else:
        for i in range(len(row)):
            total += (row[i] - shift) - log_total
    return total


@jit(CONTRACT)
def _gradient(row: Array, shift: Any, log_total: Any, scale: Any, target: Array) -> None:
    for i in range(len(row)):
        target[i] = _math.exp((row[i] - shift) - log_total) * scale


@jit()
def _rows(
    logits: Array,
    target: Labels,
    weight: Array,
    weight_sum: float,
    ignore_index: int,
    smoothing: float,
    divisor: float,
    losses: Array,
    grad: Array,
    first: int,
    last: int,
) -> None:
    """Rows [first, last). weight and grad may have no elements: ones, and no gradient."""
    real = losses.dtype.type
    tile = np.empty(TILE, losses.dtype)
    n = logits.shape[1]
    share = smoothing / n if n else 0.0
    for m in range(first, last):
        label = target[m]
        if label == ignore_index:
            losses[m] = real(0)
            if grad.size:
                grad[m, :] = real(0)
            continue
        row = logits[m]
        own = (1.0 - smoothing) * (np.float64(weight[label]) if len(weight) else 1.0)
        shift = _math.largest(row)
        log_total = real(math.log(_total(row, shift, tile)))
        loss = -own * np.float64((row[label] - shift) - log_total)
        if smoothing != 0.0:  # otherwise a log-probability of -inf would give 0 * inf
            loss -= share * np.float64(_weighted(row, shift, log_total, weight))
        losses[m] = real(loss)
        if grad.size:
            slope = grad[m]
            _gradient(row, shift, log_total, real((own + share * weight_sum) / divisor), slope)
            slope[label] -= real(own / divisor)
            if smoothing != 0.0:
                if len(weight):
                    for i in range(n):
                        slope[i] -= real(share / divisor) * weight[i]
                else:
                    for i in range(n):
                        slope[i] -= real(share / divisor)


@jit()
def _in_order(values: Array) -> float:
    total = 0.0
    for value in values:
        total += np.float64(value)
    return total


@jit()
def _divisor(target: Labels, weight: Array, ignore_index: int) -> float:
    """The sum of the weights of the targets that are not ignored."""
    total = 0.0
    for label in target:
        if label != ignore_index:
            total += np.float64(weight[label]) if len(weight) else 1.0
    return total


@jit()
def _quotient(total: float, divisor: float) -> float:
    """total / divisor as IEEE 754 has it, where Python would raise."""
    return total / divisor


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
    m, n = logits.shape
    labels = flat(target)
    weights = flat(np.empty(0, logits.dtype) if weight is None else weight)
    weight_sum = float(n) if weight is None else _in_order(weights)
    divisor = _divisor(labels, weights, ignore_index) if reduction == "mean" else 1.0
    read = logits.view()
    read.flags.writeable = False
    slopes = np.empty((0, 0), logits.dtype) if grad is None else grad
    smoothing = float(label_smoothing)
    chunked(
        _rows, m, rows_per_chunk(n), read, labels, weights, weight_sum, ignore_index, smoothing, divisor, losses, slopes
    )
    return 0.0 if reduction == "none" else float(_quotient(_in_order(flat(losses)), divisor))
