"""Dropout by the counter-based generator of the contract, Philox-4x32-7 (Salmon et al. 2011)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..contract import Array, Mask
from ..numpy_backend import checks
from ._jit import jit
from ._loop import GRAIN, chunked, flat, pieces

_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_ROUNDS = 7


@jit()
def _philox(block: Any, key_0: Any, key_1: Any) -> Any:
    """Four words for the counter (block, 0) of 64 bits each."""
    c0, c1 = np.uint32(block & _LOW), np.uint32(block >> _HALF)
    c2, c3 = np.uint32(0), np.uint32(0)
    for _ in range(_ROUNDS):
        product_0, product_1 = _MULTIPLIER_0 * np.uint64(c0), _MULTIPLIER_1 * np.uint64(c2)
        c0 = np.uint32(np.uint32(product_1 >> _HALF) ^ c1 ^ key_0)
        c2 = np.uint32(np.uint32(product_0 >> _HALF) ^ c3 ^ key_1)
        c1, c3 = np.uint32(product_1 & _LOW), np.uint32(product_0 & _LOW)
        key_0, key_1 = np.uint32(key_0 + _WEYL_0), np.uint32(key_1 + _WEYL_1)
    return c0, c1, c2, c3


@jit()
def _forward(
    x: Array, out: Array, mask: Mask, limit: Any, keep: Any, key: Any, offset: Any, first: int, last: int
) -> None:
    """Blocks [first, last) of four elements; keep is 1 - p, limit the first word that is kept."""
    zero = out.dtype.type(0)
    key_0, key_1 = np.uint32(key & _LOW), np.uint32(key >> _HALF)
    for block in range(first, last):
        words = _philox(offset + np.uint64(block), key_0, key_1)
        start = 4 * block
        if start + 4 <= len(x):
            for lane in range(4):
                kept = words[lane] >= limit
                mask[start + lane] = kept
                out[start + lane] = x[start + lane] / keep if kept else zero
        else:
            for lane in range(len(x) - start):
                kept = words[lane] >= limit
                mask[start + lane] = kept
                out[start + lane] = x[start + lane] / keep if kept else zero


@jit()
def _backward(grad: Array, mask: Mask, grad_x: Array, keep: Any) -> None:
    zero = grad_x.dtype.type(0)
    for i in range(len(grad)):
        value = grad[i] / keep
        grad_x[i] = value if mask[i] else zero


def dropout_forward(x: Array, p: float, seed: int, offset: int, out: Array, mask: Mask) -> None:
    checks.dropout_forward(x, p, out, mask)
    limit, keep = np.uint32(p * 2.0**32), x.dtype.type(1 - p)
    key, start = np.uint64(seed), np.uint64(offset)
    blocks = (x.size + 3) // 4
    chunked(_forward, blocks, GRAIN // 8, flat(x), out.reshape(-1), mask.reshape(-1), limit, keep, key, start)


def dropout_backward(grad: Array, mask: Mask, p: float, grad_x: Array) -> None:
    checks.dropout_backward(grad, mask, p, grad_x)
    pieces(_backward, (flat(grad), flat(mask), grad_x.reshape(-1)), grad.dtype.type(1 - p))
