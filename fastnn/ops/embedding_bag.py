"""embedding_bag: sums, means or maxima of bags of a table's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array
from fastnn.ops.embedding import embedding
from fastnn.ops.gate import tensor_argument
from fastnn.ops.gather import gather, index_select

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["embedding_bag"]


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum (mode) of the rows of weight (V, D) that each bag names; (B, D), an empty bag is 0.

    input: int64 or int32, (B, N): B bags of N, or (n,): bags that begin at offsets (B,); with include_last_offset
    (B + 1,), the last the end of the last bag. per_sample_weights: input's shape, factors of the rows (mode "sum").
    padding_idx: a row that counts for nothing. max_norm, norm_type, scale_grad_by_freq: as in embedding.
    ValueError or RuntimeError for what does not fit, NotImplementedError for sparse and for per_sample_weights with
    another mode.
    """
    index = tensor_argument(input, "embedding_bag")._array
    table = tensor_argument(weight, "embedding_bag", "weight")._array
    if sparse:
        raise NotImplementedError("embedding_bag(): sparse=True is not implemented")
    if per_sample_weights is not None and per_sample_weights._array.shape != index.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({list(per_sample_weights._array.shape)}) is not None, then it must "
            f"have the same shape as the input ({list(index.shape)})"
        )
    if table.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {table.ndim}")
    starts, ends = _bags(index, offsets, include_last_offset)
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
                f"(got mode='{mode}')."
            )
        if per_sample_weights._array.dtype != table.dtype:
            raise RuntimeError(
                f"expected per_sample_weights of weight's dtype, {weight.dtype}, but got {per_sample_weights.dtype}"
            )
    if index.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{input.dtype} instead (while checking arguments for embedding_bag)"
        )
    flat = np.ascontiguousarray(index, np.int64).reshape(-1)
    if flat.size and not (flat.min() >= 0 and flat.max() < len(table)):
        raise RuntimeError(f"embedding_bag: Expected idx >= 0 && idx < num_embeddings ({len(table)})")
    bag = np.repeat(np.arange(starts.size), ends - starts)
    flat = flat[starts[0] : ends[-1]] if starts.size else flat[:0]
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)[: flat.size]
    if padding_idx is not None:
        if not -len(table) <= padding_idx < len(table):
            raise RuntimeError(f"padding_idx must be within the number of embeddings, {len(table)}; got {padding_idx}")
        kept = np.flatnonzero(flat != padding_idx % len(table))
        if kept.size < flat.size:
            flat, bag = flat[kept], bag[kept]
            factors = None if factors is None else index_select(factors, 0, _core.wrap(kept))
    rows = embedding(_core.wrap(flat), weight, None, max_norm, norm_type, scale_grad_by_freq)
    if mode == "max":
        return _largest(rows, bag, starts.size)
    if factors is not None:
        rows = rows * factors.unsqueeze(-1)
    total = _sums(rows, bag, starts.size)
    if mode == "sum":
        return total
    counts = np.maximum(np.bincount(bag, minlength=starts.size), 1).astype(table.dtype)
    return total / _core.wrap(counts[:, None])


def _bags(index: Array, offsets: Tensor | None, include_last: bool) -> tuple[Array, Array]:
    """Where each bag begins and ends in the flat input."""
    if index.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        bags, length = index.shape
        starts = np.arange(bags) * length
        return starts, starts + length
    if index.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {index.ndim}")
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    given = tensor_argument(offsets, "embedding_bag", "offsets")._array
    if given.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if given.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"embedding_bag: expected offsets of int64 or int32, but got {offsets.dtype}")
    starts = given.astype(np.int64)
    if include_last and starts.size < 1:
        raise RuntimeError("include_last_offset: number of offset should be at least 1")
    if starts.size and starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, "
            f"got {starts[0]}"
        )
    if starts.size and starts[-1] > index.size:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length({index.size}) but got offsets[-1] of {starts[-1]}"
        )
    if (np.diff(starts) < 0).any():
        raise RuntimeError(f"embedding_bag: expected offsets that do not decrease, but got {starts.tolist()}")
    if include_last:
        return starts[:-1], starts[1:]
    return starts, np.append(starts[1:], index.size)


def _runs(bag: Array) -> tuple[Array, Array]:
    """The bags that are not empty, and where each begins among the rows."""
    begins = np.flatnonzero(np.concatenate(([True], bag[1:] != bag[:-1]))) if bag.size else np.zeros(0, np.int64)
    return bag[begins], begins


def _sums(rows: Tensor, bag: Array, count: int) -> Tensor:
    """(count, D): the sum of each bag's rows; bag: (n,), ascending."""
    values = rows._array
    total = np.zeros((count, values.shape[1]), values.dtype)
    filled, begins = _runs(bag)
    if filled.size:
        with np.errstate(over="ignore", invalid="ignore"):
            total[filled] = np.add.reduceat(values, begins, 0)
    return _core.record("EmbeddingBagBackward0", _sums_backward, (rows,), total, extra=bag)


def _sums_backward(ctx: Node, grad: Tensor) -> Tensor:
    return index_select(grad, 0, _core.wrap(ctx.extra))


def _largest(rows: Tensor, bag: Array, count: int) -> Tensor:
    """(count, D): the largest of each bag's rows, column by column; the first of equals has the gradient."""
    values = rows._array
    filled, begins = _runs(bag)
    if not filled.size:
        return _core.wrap(np.zeros((count, values.shape[1]), values.dtype))
    top = np.maximum.reduceat(values, begins, 0)
    lengths = np.diff(np.append(begins, bag.size))
    same = (values == np.repeat(top, lengths, 0)) | np.isnan(values)
    place = np.where(same, np.arange(len(values))[:, None], len(values))
    found = gather(rows, 0, _core.wrap(np.minimum.reduceat(place, begins, 0)))
    return found if filled.size == count else _sums(found, filled, count)
