"""embedding: rows of a table, looked up by number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.dims import Array
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["embedding"]

# Bytes from which np.zeros takes fresh pages from the system, which are zero and cost nothing until they are touched.
_LAZY = 32 << 20


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input]. input: int64 or int32, any shape, weight: (V, D); returns (*input.shape, D).

    padding_idx: a row, counted from the end where negative, that gets no gradient. max_norm: the rows looked up are
    first scaled down, in weight itself, to a norm_type-norm of at most that. scale_grad_by_freq: a row's gradient is
    divided by how often input names it. IndexError for an index outside of [0, V); NotImplementedError for sparse.
    """
    index = tensor_argument(input, "embedding")._array
    table = tensor_argument(weight, "embedding", "weight")._array
    if sparse:
        raise NotImplementedError("embedding(): sparse=True is not implemented")
    if index.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{input.dtype} instead (while checking arguments for embedding)"
        )
    if table.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, got shape {list(table.shape)}")
    rows = len(table)
    padding = -1
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError(f"Padding_idx must be within num_embeddings, got {padding_idx} for {rows} rows")
        padding = padding_idx % rows
    flat = np.ascontiguousarray(index, np.int64).reshape(-1)
    if max_norm is not None:
        _renormalise(weight, flat, max_norm, norm_type)
        table = weight._array
    if table.dtype not in KERNEL_DTYPES:
        if table.dtype != np.float16:
            raise NotImplementedError(f"embedding(): not implemented for a weight of {weight.dtype}")
        wide = cast(weight, np.dtype(np.float32))
        return cast(embedding(input, wide, padding_idx, None, norm_type, scale_grad_by_freq), table.dtype)
    out = np.empty((*index.shape, table.shape[1]), table.dtype)
    K.embedding_forward(dense(weight), flat, out.reshape(flat.size, table.shape[1]))
    if not _core.needs_grad(weight):
        result: Tensor = _core.wrap(out)
        return result
    if flat.base is not None and np.may_share_memory(flat, index):
        flat = flat.copy()
    return _core.record(
        "EmbeddingBackward0",
        _embedding_backward,
        (weight,),
        out,
        extra=(flat, padding, table.shape, scale_grad_by_freq),
    )


def _check_bounds(flat: Array, rows: int) -> None:
    if flat.size and not (flat.min() >= 0 and flat.max() < rows):
        raise IndexError(f"index out of range in self: expected [0, {rows})")


def _renormalise(weight: Tensor, flat: Array, max_norm: float, norm_type: float) -> None:
    """Scales the rows named down to max_norm, in place and off the tape."""
    table = weight._array
    _check_bounds(flat, len(table))
    used = np.unique(flat)
    rows = table[used].astype(np.float64)
    norms = np.linalg.norm(rows, norm_type, 1) if rows.size else np.zeros(len(used))
    long = norms > max_norm
    if not long.any():
        return
    if not table.flags.writeable:
        raise RuntimeError("embedding(): max_norm expects a writeable weight")
    table[used[long]] = (rows[long] * (max_norm / (norms[long, None] + 1e-7))).astype(table.dtype)
    _core.bump_version(weight)


def _embedding_backward(ctx: Node, grad: Tensor) -> Tensor:
    flat, padding, shape, by_frequency = ctx.extra
    if by_frequency:
        counts = np.bincount(flat, minlength=shape[0])[flat].reshape(grad._array.shape[:-1])
        grad = grad / _core.wrap(counts[..., None].astype(grad._array.dtype))
    return _add_rows(grad, flat, padding, shape)


def _add_rows(grad: Tensor, flat: Array, padding: int, shape: tuple[int, int]) -> Tensor:
    dtype = grad._array.dtype
    zeroed = math.prod(shape) * dtype.itemsize >= _LAZY
    total = np.zeros(shape, dtype) if zeroed else np.empty(shape, dtype)
    K.embedding_backward(dense(grad).reshape(flat.size, shape[1]), flat, padding, zeroed, total)
    return _core.record(
        "EmbeddingDenseBackward0", _add_rows_backward, (grad,), total, extra=(flat, padding, grad._array.shape)
    )


def _add_rows_backward(ctx: Node, grad: Tensor) -> Tensor:
    flat, padding, shape = ctx.extra
    out = grad[_core.wrap(flat)].reshape(shape)
    if padding < 0:
        return out
    kept = (flat != padding).astype(grad._array.dtype).reshape(*shape[:-1], 1)
    return out * _core.wrap(kept)
