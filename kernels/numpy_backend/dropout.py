"""Dropout with a counter-based generator: the mask is a function of (seed, offset, place), not of who computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..contract import Array, Mask
from . import checks
from .elementwise import quiet

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = 0x9E3779B9
WEYL_1 = 0xBB67AE85
ROUNDS = 7


def philox(counters: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Philox-4x32-7 (Salmon et al. 2011). counters: (4, n) words below 2**32; gives (4, n) words below 2**32."""
    c0, c1, c2, c3 = counters
    key_0, key_1 = seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF
    for _ in range(ROUNDS):
        product_0, product_1 = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2
        c0 = (product_1 >> HALF) ^ c1 ^ np.uint64(key_0)
        c2 = (product_0 >> HALF) ^ c3 ^ np.uint64(key_1)
        c1, c3 = product_1 & LOW, product_0 & LOW
        key_0, key_1 = (key_0 + WEYL_0) & 0xFFFFFFFF, (key_1 + WEYL_1) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


@quiet
def dropout_forward(x: Array, p: float, seed: int, offset: int, out: Array, mask: Mask) -> None:
    checks.dropout_forward(x, p, out, mask)
    blocks = np.arange((x.size + 3) // 4, dtype=np.uint64) + np.uint64(offset)
    zero = np.zeros_like(blocks)
    words = philox(np.stack([blocks & LOW, blocks >> HALF, zero, zero]), seed)
    mask.reshape(-1)[...] = words.T.reshape(-1)[: x.size] >= np.uint64(p * 2.0**32)
    np.divide(x, 1 - p, out=out)
    np.copyto(out, 0, where=mask == 0)


@quiet
def dropout_backward(grad: Array, mask: Mask, p: float, grad_x: Array) -> None:
    checks.dropout_backward(grad, mask, p, grad_x)
    np.divide(grad, 1 - p, out=grad_x)
    np.copyto(grad_x, 0, where=mask == 0)
