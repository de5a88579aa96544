"""linear_cross_entropy by pieces of the batch, so that all logits never exist at once; and the plan of the pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.dtypes import float16, float32, float64
from fastnn.kernels import K

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.dtypes import dtype as DType
    from fastnn.ops.dims import Array
    from fastnn.tensor import Tensor


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How linear_cross_entropy goes through a batch by pieces.

    batch_chunk_size: rows a piece, or chunking_method: "aspect_ratio" or "aspect_ratio:N", pieces whose logits take as
    much memory as the whole input, or an N-th of it ("auto": aspect_ratio:2; None: one piece). allow_retain_graph:
    whether a second backward is possible; else the gradients, which are computed with the loss, are used up by the
    first. acc_policy ("auto", "accurate", "balanced", "compact") and acc_dtype are PyTorch's trade of memory for
    precision: here sums are always of input's dtype, or of float32 for float16. ValueError for other values.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: DType | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = str(self.chunking_method).partition(":")
            if name != "aspect_ratio" or (colon and not (factor.isdigit() and int(factor) > 0)):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype not in (None, float16, float32, float64):
            raise ValueError(
                f"acc_dtype must be one of None, float16, float32, float64, got {self.acc_dtype!r}. Pass "
                "acc_dtype=None to let the op pick automatically."
            )

    def _rows(self, batch: int, features: int, classes: int) -> int:
        """The rows of a piece. ValueError where batch_chunk_size and chunking_method say different ones."""
        method, size = self.chunking_method, self.batch_chunk_size
        if method == "auto":
            method = None if size is not None else "aspect_ratio:2"
        rows = batch if size is None else min(size, batch)
        if method is not None:
            target = -(-batch // -(-classes // max(features, 1)))
            factor = int(method.partition(":")[2] or 1)
            rows = min((1 << max(target - 1, 0).bit_length()) // factor, batch)
            if size is not None and size != rows:
                raise ValueError(
                    f"batch_chunk_size (={size}) and chunking_method ('{method}') give different chunk sizes "
                    f"({size} vs {rows}); pass only one."
                )
        return max(1, rows)


class _Call:
    """One call's constants, and for a reduced loss its gradients until they are used."""

    def __init__(
        self, labels: Array, weights: Array | None, ignore: int, rows: int, reduction: str, again: bool
    ) -> None:
        self.labels, self.weights, self.ignore, self.rows, self.reduction = labels, weights, ignore, rows, reduction
        self.again = again
        self.gradients: list[Array | None] | None = None

    def pieces(self) -> list[slice]:
        return [slice(i, i + self.rows) for i in range(0, len(self.labels), self.rows)]


def chunked(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    options: LinearCrossEntropyOptions,
) -> Tensor:
    """The loss of input (N, F), linear_weight (C, F), target (N,), linear_bias (C,) or None; float32 or float64."""
    x, w = dense(input), dense(linear_weight)
    b = None if linear_bias is None else dense(linear_bias)
    labels = np.ascontiguousarray(target._array)
    rows = options._rows(len(x), x.shape[1], len(w))
    weights = None if weight is None else dense(weight)
    call = _Call(labels, weights, ignore_index, rows, reduction, options.allow_retain_graph)
    inputs = (input, linear_weight) if linear_bias is None else (input, linear_weight, linear_bias)
    needs = [tensor.requires_grad and _core.is_grad_enabled() for tensor in inputs]
    losses = np.empty(len(x), x.dtype)
    scale = 1.0
    if reduction == "mean":
        kept = labels != ignore_index
        own = np.ones(len(w)) if weights is None else weights.astype(np.float64)
        known = kept & (labels >= 0) & (labels < len(w))  # the kernel refuses the others
        with np.errstate(divide="ignore"):
            scale = 1 / np.where(known, own[np.where(known, labels, 0)], 0.0).sum()
    now = reduction != "none" and any(needs)
    gradients = [
        np.zeros(t._array.shape, x.dtype) if now and need else None for t, need in zip(inputs, needs, strict=True)
    ]
    for piece in call.pieces():
        logits = _logits(x[piece], w, b)
        slope = np.empty_like(logits) if now else None
        K.cross_entropy_forward(
            logits, labels[piece], weights, ignore_index, 0.0, "sum" if now else "none", losses[piece], slope
        )
        if slope is not None:
            _add(slope * x.dtype.type(scale if np.isfinite(scale) else 0), x[piece], w, piece, gradients)
    if now:
        call.gradients = gradients
    with np.errstate(invalid="ignore"):
        total = losses if reduction == "none" else np.array(losses.sum(dtype=np.float64) * scale, x.dtype)
    saved = () if now else (input, linear_weight, linear_bias)
    return _core.record("LinearCrossEntropyBackward0", _backward, inputs, total, saved, extra=call)


def _logits(x: Array, w: Array, b: Array | None) -> Array:
    out: Array = np.empty((len(x), len(w)), x.dtype)
    K.linear_forward(x, w, b, "none", out)
    return out


def _add(slope: Array, x: Array, w: Array, piece: slice, gradients: list[Array | None]) -> None:
    """A piece's share of the gradients of input, weight and bias."""
    to_x, to_w, *rest = gradients
    to_b = rest[0] if rest else None
    found: list[Any] = [None if whole is None else np.empty_like(whole) for whole in (to_w, to_b)]
    K.linear_backward(slope, x, w, None, "none", None, None if to_x is None else to_x[piece], *found)
    for whole, part in zip((to_w, to_b), found, strict=True):
        if whole is not None:
            whole += part


def _backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    _core.no_double_backward(ctx)
    call: _Call = ctx.extra
    if call.reduction == "none":
        return _by_rows(ctx, call, grad)
    gradients, factor = call.gradients, grad._array
    if gradients is None:
        raise RuntimeError(
            "linear_cross_entropy: the gradients computed with the loss were used by an earlier backward; call it with "
            "LinearCrossEntropyOptions(allow_retain_graph=True)"
        )
    if call.again:
        return tuple([None if g is None else _core.wrap(g * factor) for g in gradients])
    call.gradients = None
    return tuple([None if g is None else _core.wrap(np.multiply(g, factor, g)) for g in gradients])


def _by_rows(ctx: Node, call: _Call, grad: Tensor) -> tuple[Tensor | None, ...]:
    """Gradients of a loss a row: logits and slopes are computed once more, piece by piece."""
    input, linear_weight, linear_bias = ctx.saved
    x, w = dense(input), dense(linear_weight)
    b = None if linear_bias is None else dense(linear_bias)
    tensors = (input, linear_weight) if linear_bias is None else (input, linear_weight, linear_bias)
    gradients = [
        np.zeros(t._array.shape, x.dtype) if need else None for t, need in zip(tensors, ctx.needs, strict=True)
    ]
    for piece in call.pieces():
        logits = _logits(x[piece], w, b)
        slope, losses = np.empty_like(logits), np.empty(len(logits), x.dtype)
        K.cross_entropy_forward(logits, call.labels[piece], call.weights, call.ignore, 0.0, "none", losses, slope)
        slope *= grad._array[piece, None]
        _add(slope, x[piece], w, piece, gradients)
    return tuple([None if g is None else _core.wrap(g) for g in gradients])
