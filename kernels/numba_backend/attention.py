"""Attention by blocks of queries: products by NumPy's BLAS, the softmax and its gradient in compiled passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..contract import Array
from ..cython_backend._runtime import parallel_for
from ..numpy_backend import attention_checks as checks
from ..numpy_backend.attention import add_chunks, dropout_factors
from ..numpy_backend.elementwise import quiet
from . import _math
from ._jit import CONTRACT, jit
from ._loop import flat
from .softmax import _exp_shifted, _sum

QUERIES = 128
# Multiply-adds below which handing work to other threads costs more than it brings.
PARALLEL = 1 << 18


@jit()
def _softmax(scores: Array, lse: Array, first: int, causal: bool) -> None:
    """Scores to probabilities, row by row; query first + i sees keys up to its own number where causal."""
    zero, one, nothing = scores.dtype.type(0), scores.dtype.type(1), scores.dtype.type(-np.inf)
    for i in range(scores.shape[0]):
        row = scores[i]
        limit = min(len(row), first + i + 1) if causal else len(row)
        live = row[:limit]
        shift = _math.largest(live) if limit else nothing
        if shift == nothing:
            shift = zero
        _exp_shifted(live, shift, live)
        total = _sum(live)
        if total == zero:
            lse[i] = -nothing
        else:
            lse[i] = shift + scores.dtype.type(math.log(total))
            scale = one / total
            for k in range(limit):
                live[k] *= scale
        row[limit:] = zero


@jit(CONTRACT)
def _probabilities(scores: Array, lse: Array, first: int, causal: bool) -> None:
    """exp(scores - lse), 0 where causal hides the key."""
    zero = scores.dtype.type(0)
    for i in range(scores.shape[0]):
        row, shift = scores[i], lse[i]
        limit = min(len(row), first + i + 1) if causal else len(row)
        for k in range(limit):
            row[k] = _math.exp(row[k] - shift)
        row[limit:] = zero


@jit(CONTRACT)
def _scale_slopes(p: Array, slopes: Array, means: Array, scale: Any) -> None:
    """slopes = p * (slopes - mean of the row) * scale."""
    for i in range(p.shape[0]):
        row, target, mean = p[i], slopes[i], means[i]
        for k in range(len(row)):
            target[k] = row[k] * (target[k] - mean) * scale


def _scores(
    query: Array, key: Array, mask: Array | None, scale: float, b: int, h: int, g: int, start: int, seen: int
) -> Array:
    rows = slice(start, start + QUERIES)
    scores: Array = np.matmul(query[b, h, rows] * query.dtype.type(scale), key[b, g, :seen].T)
    if mask is not None:
        shape = (*query.shape[:3], key.shape[2])
        part = np.broadcast_to(mask, shape)[b, h, rows, :seen]
        if mask.dtype == np.uint8:
            scores[part == 0] += -np.inf
        else:
            scores += part
    return scores


def _seen(query: Array, key: Array, causal: bool, start: int) -> int:
    """How many keys, from the first, a block of queries sees at most."""
    keys: int = key.shape[2]
    return min(keys, start + QUERIES, query.shape[2]) if causal else keys


def _each(task: Callable[[int], None], count: int, work: int) -> None:
    if work < PARALLEL or count < 2:
        for i in range(count):
            task(i)
    else:
        parallel_for(task, count)


@quiet
def attention_forward(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    causal: bool,
    scale: float,
    dropout: float,
    seed: int,
    offset: int,
    out: Array,
    lse: Array,
) -> None:
    checks.forward(query, key, value, mask, dropout, out, lse)
    batch, heads, queries, width = query.shape
    keys = key.shape[2]
    blocks = -(-queries // QUERIES)

    @quiet
    def block(index: int) -> None:
        b, h, start = index // blocks // heads, index // blocks % heads, index % blocks * QUERIES
        g, rows, seen = (
            h * key.shape[1] // heads,
            slice(start, min(start + QUERIES, queries)),
            _seen(query, key, causal, start),
        )
        p = _scores(query, key, mask, scale, b, h, g, start, seen)
        _softmax(p, lse[b, h, rows], start, causal)
        if dropout:
            shape = (batch, heads, queries, keys)
            p *= dropout_factors(shape, b, h, rows, dropout, seed, offset)[:, :seen].astype(p.dtype)
        np.matmul(p, value[b, g, :seen], out=out[b, h, rows])

    _each(block, batch * heads * blocks, batch * heads * queries * keys * (width + value.shape[3]))


@quiet
def attention_backward(
    grad: Array,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    causal: bool,
    scale: float,
    dropout: float,
    seed: int,
    offset: int,
    out: Array,
    lse: Array,
    partial: Array | None,
    grad_query: Array,
    grad_key: Array,
    grad_value: Array,
) -> None:
    checks.backward(grad, query, key, value, mask, dropout, out, lse, partial, grad_query, grad_key, grad_value)
    batch, heads, queries, width = query.shape
    key_heads, keys = key.shape[1:3]
    factor = query.dtype.type(scale)

    @quiet
    def head(index: int) -> None:
        b, g = index // key_heads, index % key_heads
        grad_key[b, g] = 0
        grad_value[b, g] = 0
        shared = heads // key_heads
        for h in range(g * shared, (g + 1) * shared):
            for start in range(0, queries, QUERIES):
                rows, seen = slice(start, min(start + QUERIES, queries)), _seen(query, key, causal, start)
                upper = grad[b, h, rows]
                p = _scores(query, key, mask, scale, b, h, g, start, seen)
                _probabilities(p, flat(lse[b, h, rows]), start, causal)
                slopes = np.matmul(upper, value[b, g, :seen].T)
                kept = p
                if dropout:
                    shape = (batch, heads, queries, keys)
                    factors = dropout_factors(shape, b, h, rows, dropout, seed, offset)[:, :seen].astype(p.dtype)
                    kept = p * factors
                    slopes *= factors
                _scale_slopes(p, slopes, (upper * out[b, h, rows]).sum(axis=1), factor)
                if partial is None:
                    np.matmul(slopes, key[b, g, :seen], out=grad_query[b, h, rows])
                else:
                    add_chunks(slopes, key[b, g, :seen], keys, partial[:, b, h, rows], grad_query[b, h, rows])
                grad_key[b, g, :seen] += np.matmul(slopes.T, query[b, h, rows])
                grad_value[b, g, :seen] += np.matmul(kept.T, upper)

    _each(head, batch * key_heads, batch * heads * queries * keys * (width + value.shape[3]))
