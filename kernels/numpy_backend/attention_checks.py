"""What the kernels of attention check before they write: shapes, and strides, which need not be dense ones here."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..contract import Array
from .checks import FLOAT32, FLOAT64, UINT8, expect


def heads(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype[Any], written: bool = False) -> None:
    """Raises ValueError unless array has that shape and dtype and its last axis is contiguous."""
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name}: expected shape {shape} of {dtype}, got shape {array.shape} of {array.dtype}")
    steps = array.strides
    if array.size and (not array.flags.aligned or (shape[-1] > 1 and steps[-1] != array.itemsize)):
        raise ValueError(f"{name}: expected an aligned array whose last axis is contiguous, got strides {steps}")
    if not written:
        return
    if not array.flags.writeable:
        raise ValueError(f"{name}: expected a writeable array, got a read-only one")
    if array.size and any(extent > 1 and step == 0 for extent, step in zip(shape, steps, strict=True)):
        raise ValueError(f"{name}: expected memory of its own for each element, got strides {steps}")


def _both(
    query: Array, key: Array, value: Array, mask: Array | None, dropout: float, out: Array, lse: Array, written: bool
) -> None:
    for name, array in (("query", query), ("key", key), ("value", value)):
        if array.dtype not in (FLOAT32, FLOAT64):
            raise ValueError(f"{name}: expected float32 or float64, got {array.dtype}")
        if array.ndim != 4:
            raise ValueError(f"{name}: expected 4 dimensions, got shape {array.shape}")
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout: expected 0 <= dropout < 1, got {dropout}")
    dtype, (batch, count, queries, width) = query.dtype, query.shape
    key_heads, keys, value_width = key.shape[1], key.shape[2], value.shape[3]
    if (count % key_heads != 0) if key_heads else (count != 0):
        raise ValueError(f"key: expected a number of heads that divides query's {count}, got {key_heads}")
    heads("query", query, query.shape, dtype)
    heads("key", key, (batch, key_heads, keys, width), dtype)
    heads("value", value, (batch, key_heads, keys, value_width), dtype)
    heads("out", out, (batch, count, queries, value_width), dtype, written)
    expect("lse", lse, (batch, count, queries), dtype, written)
    if mask is not None:
        full = (batch, count, queries, keys)
        if mask.dtype not in (UINT8, dtype):
            raise ValueError(f"mask: expected uint8 or {dtype}, got {mask.dtype}")
        if mask.ndim != 4 or any(have not in (1, want) for have, want in zip(mask.shape, full, strict=True)):
            raise ValueError(f"mask: expected a shape that broadcasts to {full}, got {mask.shape}")
        expect("mask", mask, mask.shape, mask.dtype)


def forward(query: Array, key: Array, value: Array, mask: Array | None, dropout: float, out: Array, lse: Array) -> None:
    _both(query, key, value, mask, dropout, out, lse, True)


def backward(
    grad: Array,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    dropout: float,
    out: Array,
    lse: Array,
    partial: Array | None,
    grad_query: Array,
    grad_key: Array,
    grad_value: Array,
) -> None:
    _both(query, key, value, mask, dropout, out, lse, False)
    heads("grad", grad, out.shape, query.dtype)
    heads("grad_query", grad_query, query.shape, query.dtype, True)
    heads("grad_key", grad_key, key.shape, query.dtype, True)
    heads("grad_value", grad_value, value.shape, query.dtype, True)
    if partial is not None:
        if partial.ndim != 5 or not partial.shape[0]:
            raise ValueError(f"partial: expected 5 dimensions and at least one chunk, got shape {partial.shape}")
        expect("partial", partial, (partial.shape[0], *query.shape), query.dtype, True)
