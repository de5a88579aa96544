"""linear_cross_entropy: cross_entropy of a linear map's outputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastnn.ops.gate import tensor_argument
from fastnn.ops.linear import linear
from fastnn.ops.loss import cross_entropy

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["linear_cross_entropy"]


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
    options: Any = None,
) -> Tensor:
    """cross_entropy(linear(input, linear_weight, linear_bias), target), its options under the same names.

    input: (N, F) or (F,), linear_weight: (C, F), or (C, d1, ..., F) for a loss at d1 * ... places of each item.
    target: (N, d1, ...) class indices, or (N, C, d1, ...) probabilities. ignore_index: -100 where None.
    RuntimeError for what does not fit, NotImplementedError for options (a plan of chunks).
    """
    x = tensor_argument(input, "linear_cross_entropy")._array
    w = tensor_argument(linear_weight, "linear_cross_entropy", "linear_weight")._array
    if options is not None:
        raise NotImplementedError("linear_cross_entropy(): options is not implemented; pass None")
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
    size = math.prod(places, start=classes)
    bias = None if linear_bias is None else linear_bias.reshape(size)
    logits = linear(input, linear_weight.reshape(size, x.shape[-1]), bias).reshape(shape)
    return cross_entropy(
        logits,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )
