"""Attention, head by head and by blocks of queries, each with all of its probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..contract import Array
from . import attention_checks as checks
from .dropout import HALF, LOW, philox
from .elementwise import quiet

QUERIES = 128


def _blocks(query: Array, key: Array) -> Iterator[tuple[int, int, int, slice]]:
    """(batch, head, key head, rows) of each block of queries."""
    batch, heads, queries, _ = query.shape
    for b in range(batch):
        for h in range(heads):
            for start in range(0, queries, QUERIES):
                yield b, h, h * key.shape[1] // heads, slice(start, min(start + QUERIES, queries))


def dropout_factors(
    shape: tuple[int, ...], b: int, h: int, rows: slice, dropout: float, seed: int, offset: int
) -> Array:
    """1 / (1 - dropout) where a probability is kept, else 0, for some rows of head (b, h) of (B, H, L, S)."""
    _, heads, queries, keys = shape
    first = (
        np.uint64(b * heads + h) * np.uint64(queries) + np.arange(rows.start, rows.stop, dtype=np.uint64)
    ) * np.uint64(keys)
    places = (first[:, None] + np.arange(keys, dtype=np.uint64)).reshape(-1)
    blocks = (places // np.uint64(4) + np.uint64(offset)).astype(np.uint64)
    zero = np.zeros_like(blocks)
    words = philox(np.stack([blocks & LOW, blocks >> HALF, zero, zero]), seed)
    word = np.take_along_axis(words, (places % np.uint64(4)).astype(np.int64)[None], 0)
    return np.where(word >= np.uint64(dropout * 2.0**32), 1 / (1 - dropout), 0.0).reshape(len(first), keys)


def _scores(
    query: Array, key: Array, mask: Array | None, causal: bool, scale: float, b: int, h: int, g: int, rows: slice
) -> Array:
    """The masked scores of a block, -inf where a query does not see a key. (rows, S)."""
    scores: Array = query[b, h, rows] @ key[b, g].T * query.dtype.type(scale)
    if mask is not None:
        full = np.broadcast_to(mask, (*query.shape[:3], key.shape[2]))[b, h, rows]
        if mask.dtype == np.uint8:
            scores += np.where(full, 0, -np.inf).astype(query.dtype)
        else:
            scores += full
    if causal:
        scores[np.arange(rows.start, rows.stop)[:, None] < np.arange(key.shape[2])] = -np.inf
    return scores


def add_chunks(slopes: Array, key: Array, keys: int, partial: Array, grad_query: Array) -> None:
    """partial[c] = slopes @ key over the keys of chunk c, of ``keys`` in all; grad_query = their sum, in order."""
    length = -(-keys // len(partial))
    for c, part in enumerate(partial):
        chunk = slice(c * length, (c + 1) * length)
        part[...] = slopes[:, chunk] @ key[chunk]
    grad_query[...] = 0
    for part in partial:
        grad_query += part


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
    shape = (*query.shape[:3], key.shape[2])
    for b, h, g, rows in _blocks(query, key):
        scores = _scores(query, key, mask, causal, scale, b, h, g, rows)
        shift = scores.max(axis=1, keepdims=True, initial=-np.inf)
        shift[shift == -np.inf] = 0
        p = np.exp(scores - shift)
        total = p.sum(axis=1, keepdims=True)
        seen = total != 0
        lse[b, h, rows] = np.where(seen, shift + np.log(total), np.inf)[:, 0]
        p /= np.where(seen, total, 1)
        if dropout:
            p *= dropout_factors(shape, b, h, rows, dropout, seed, offset).astype(p.dtype)
        out[b, h, rows] = p @ value[b, g]


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
    shape = (*query.shape[:3], key.shape[2])
    grad_key[...] = 0
    grad_value[...] = 0
    for b, h, g, rows in _blocks(query, key):
        upper = grad[b, h, rows]
        p = np.exp(_scores(query, key, mask, causal, scale, b, h, g, rows) - lse[b, h, rows, None])
        kept, slopes = p, upper @ value[b, g].T
        if dropout:
            factors = dropout_factors(shape, b, h, rows, dropout, seed, offset).astype(p.dtype)
            kept = p * factors
            slopes *= factors
        slopes -= (upper * out[b, h, rows]).sum(axis=1, keepdims=True)
        slopes *= p * p.dtype.type(scale)
        if partial is None:
            grad_query[b, h, rows] = slopes @ key[b, g]
        else:
            add_chunks(slopes, key[b, g], key.shape[2], partial[:, b, h, rows], grad_query[b, h, rows])
        grad_key[b, g] += slopes.T @ query[b, h, rows]
        grad_value[b, g] += kept.T @ upper
