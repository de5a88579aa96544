"""Summing rows that share an index: what the gradient of every lookup comes down to."""

from __future__ import annotations

import numpy as np

from fastnn.ops.dims import Array, Shape


def sum_rows(index: Array, values: Array, count: int) -> Array:
    """out[r] = the sum of values[i] over all i with index[i] = r.

    index: (n,) in [0, count); values: (n, C); out: (count, C).
    The order of summation depends on index alone. Single columns of floats are summed in float64.
    """
    columns = values.shape[1]
    if values.dtype.kind == "f" and columns == 1 and values.shape[0]:
        total = np.bincount(index, values[:, 0], count)
        with np.errstate(over="ignore"):
            return total.astype(values.dtype).reshape(count, 1)
    out = np.zeros((count, columns), values.dtype)
    if not values.size:
        return out
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if starts.size == index.size:
        out[index] = values
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            out[ordered[starts]] = np.add.reduceat(values[order], starts, 0, dtype=values.dtype)
    return out


def linear_index(index: Array, axis: int, shape: Shape) -> Array:
    """The flat positions, in an array of the shape, of what index names along axis, at its own place elsewhere."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * shape[i + 1]
    flat = index.astype(np.int64) * strides[axis]
    for i, n in enumerate(index.shape):
        if i != axis:
            flat += (np.arange(n) * strides[i]).reshape((-1,) + (1,) * (index.ndim - 1 - i))
    return flat.reshape(-1)
