"""Rows of a table, looked up by number."""

from __future__ import annotations

import numpy as np

from ..contract import Array, Labels
from . import checks
from .elementwise import quiet


def _check(table: tuple[str, Array], index: Labels, rows: tuple[str, Array], written: str) -> None:
    name, array = table
    dtype = checks.floating(name, array, 2)
    if index.ndim != 1:
        raise ValueError(f"index: expected one dimension, got shape {index.shape}")
    checks.expect("index", index, index.shape, checks.INT64)
    checks.expect(name, array, array.shape, dtype, written == name)
    checks.expect(rows[0], rows[1], (*index.shape, array.shape[1]), dtype, written == rows[0])
    if index.size and not (index.min() >= 0 and index.max() < len(array)):
        bad = index[(index < 0) | (index >= len(array))][0]
        raise IndexError(f"index out of range in self: {bad} of a table of {len(array)} rows")


def embedding_forward(weight: Array, index: Labels, out: Array) -> None:
    _check(("weight", weight), index, ("out", out), "out")
    out[...] = weight[index]


@quiet
def embedding_backward(grad: Array, index: Labels, padding_index: int, zeroed: bool, grad_weight: Array) -> None:
    _check(("grad_weight", grad_weight), index, ("grad", grad), "grad_weight")
    if not zeroed:
        grad_weight[...] = 0
    kept = index != padding_index
    np.add.at(grad_weight, index[kept], grad[kept])
