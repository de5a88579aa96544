"""linear_cross_entropy: cross_entropy of a linear map's outputs."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from fastnn.ops.gate import cast, floating, tensor_argument
from fastnn.ops.linear import linear
from fastnn.ops.linear_cross_entropy_chunked import LinearCrossEntropyOptions, chunked
from fastnn.ops.loss import cross_entropy

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["LinearCrossEntropyOptions", "linear_cross_entropy"]

REDUCTIONS = ("none", "mean", "sum")


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """cross_entropy(linear(input, linear_weight, linear_bias), target), its options under the same names.

    input: (N, F) or (F,), linear_weight: (C, F), or (C, d1, ..., F) for a loss at d1 * ... places of each item.
    target: (N, d1, ...) class indices, or (N, C, d1, ...) probabilities. ignore_index: -100 where None.
    options: go through the batch by pieces, see LinearCrossEntropyOptions; then the gradient has no derivative. Where
    a loss has more than one place an item, label_smoothing or probabilities, options count for nothing, with a warning.
    RuntimeError for what does not fit.
    """
    x = tensor_argument(input, "linear_cross_entropy")._array
    w = tensor_argument(linear_weight, "linear_cross_entropy", "linear_weight")._array
    if x.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {x.ndim}")
    if w.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {w.ndim}")
    if x.shape[-1] != w.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{x.shape[-1]} and {w.shape[-1]}, respectively"
        )
    classes, places = w.shape[0], w.shape[1:-1]
    if linear_bias is not None and linear_bias._array.shape != (classes, *places):
        raise RuntimeError(f"expected linear_bias shape {(classes, *places)}, got {linear_bias._array.shape}")
    if places and x.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {w.shape} requires batched input, (N, {x.shape[-1]}), "
            f"got unbatched input with shape {x.shape}"
        )
    shape = (*x.shape[:-1], classes, *places)
    if tensor_argument(target, "linear_cross_entropy", "target")._array.shape == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    if options is not None:
        if not places and label_smoothing == 0.0 and target._array.dtype == np.int64 and reduction in REDUCTIONS:
            return _by_pieces(input, linear_weight, target, linear_bias, weight, reduction, ignored, options)
        warnings.warn(
            "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in {'mean','sum','none'}, "
            "label_smoothing == 0, target.dtype == int64, out_features == (). Got "
            f"reduction={reduction!r}, label_smoothing={label_smoothing}, target.dtype={target.dtype}, "
            f"out_features={places}.",
            stacklevel=2,
        )
    size = math.prod(places, start=classes)
    bias = None if linear_bias is None else linear_bias.reshape(size)
    logits = linear(input, linear_weight.reshape(size, x.shape[-1]), bias).reshape(shape)
    return cross_entropy(
        logits,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=ignored,
        label_smoothing=label_smoothing,
    )


def _by_pieces(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    options: LinearCrossEntropyOptions,
) -> Tensor:
    x, w = input._array, linear_weight._array
    if x.ndim == 1:
        rest = (linear_bias, weight, reduction, ignore_index, options)
        return _by_pieces(input.unsqueeze(0), linear_weight, target.unsqueeze(0), *rest).squeeze(0)
    if x.dtype == np.float16:
        single = np.dtype(np.float32)
        bias, factors = (None if t is None else cast(t, single) for t in (linear_bias, weight))
        both = (cast(input, single), cast(linear_weight, single))
        return cast(_by_pieces(*both, target, bias, factors, reduction, ignore_index, options), x.dtype)
    for name, tensor in (("linear_weight", linear_weight), ("linear_bias", linear_bias), ("weight", weight)):
        if tensor is not None and tensor._array.dtype != x.dtype:
            raise RuntimeError(f"expected {name} of input's dtype, {input.dtype}, but got {tensor.dtype}")
    if weight is not None and weight._array.shape != (len(w),):
        raise RuntimeError(f"expected weight of shape ({len(w)},), got {weight._array.shape}")
    floating(input, "linear_cross_entropy")
    if target._array.shape != (len(x),):
        raise ValueError(f"Expected input batch_size ({len(x)}) to match target batch_size ({list(target.shape)}).")
    return chunked(input, linear_weight, target, linear_bias, weight, reduction, ignore_index, options)
