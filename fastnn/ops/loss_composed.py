"""Losses made of recorded ops: Poisson, Gaussian, margins, hinges, triplets; and the two distances they use."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.ops.activation_smooth import logsigmoid, softplus
from fastnn.ops.arithmetic import minimum
from fastnn.ops.broadcast import broadcast_shape
from fastnn.ops.elementwise import exp, log, sqrt
from fastnn.ops.gate import tensor_argument
from fastnn.ops.loss import reduction_argument
from fastnn.ops.loss_pointwise import reduced
from fastnn.ops.norm import norm
from fastnn.ops.select import where

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "cosine_embedding_loss", "cosine_similarity", "gaussian_nll_loss", "hinge_embedding_loss", "margin_ranking_loss",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "pairwise_distance",
    "poisson_nll_loss", "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target * input, or input - target * log(input + eps) without log_input.

    full: with Stirling's approximation of log(target!) where target > 1.
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        large = target > 1
        t = where(large, target, 1.0)
        losses = losses + where(large, t * log(t) - t + 0.5 * log(t * (2 * math.pi)), 0.0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log(var) + (input - target)**2 / var) / 2, var at least eps; full: plus log(2 pi) / 2.

    var: a number, of input's shape, of that without its last extent, or with one extent of 1 instead. ValueError for
    another shape and for a negative var.
    """
    shape = tensor_argument(input, "gaussian_nll_loss")._array.shape
    if not isinstance(var, _core.TensorBase):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.detach() * 0 + var
    elif (var._array < 0).any():
        raise ValueError("var has negative entry/entries")
    given = var._array.shape
    if given != shape:
        if shape[:-1] == given:
            var = var.unsqueeze(-1)
        elif len(shape) != len(given) or sum(b for a, b in zip(shape, given, strict=True) if a != b) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    # Limited from below, with the gradient of var itself, as in PyTorch.
    var = var + _core.wrap(np.maximum(var._array, var._array.dtype.type(eps)) - var._array)
    losses = 0.5 * (log(var) + (input - target).square() / var)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1."""
    reduction = reduction_argument(reduction, size_average, reduce)
    far = where(target != 1, (margin - input).clamp(min=0), 0.0)
    return reduced(far + where(target != -1, input, 0.0), reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin). RuntimeError where the numbers of dimensions differ."""
    reduction = reduction_argument(reduction, size_average, reduce)
    dims = [t._array.ndim for t in (input1, input2, target)]
    if len(set(dims)) > 1:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {list(input1.shape)}, input2: {list(input2.shape)}, target: {list(target.shape)} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)), without overflow."""
    reduction = reduction_argument(reduction, size_average, reduce)
    return reduced(softplus(-target * input, threshold=math.inf), reduction)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """<x1, x2> / (max(|x1|, eps) * max(|x2|, eps)) along dim; x1 and x2 are broadcast."""
    if x1._array.shape != x2._array.shape:
        shape = broadcast_shape(x1._array.shape, x2._array.shape)
        x1, x2 = x1.expand(shape), x2.expand(shape)
    lengths = [sqrt((x * x).sum(dim)).clamp(min=eps) for x in (x1, x2)]
    return (x1 * x2).sum(dim) / (lengths[0] * lengths[1])


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1.

    inputs: (N, D) with target (N,), or (D,) with target (). RuntimeError for other shapes.
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    if target._array.ndim not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    want = target._array.ndim + 1
    if input1._array.ndim != want or input2._array.ndim != want:
        raise RuntimeError(
            f"{want - 1}D target tensor expects {want}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    lengths = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cos = (input1 * input2).sum(-1) / sqrt(lengths)
    far = where(target == -1, (cos - margin).clamp(min=0), 0.0)
    return reduced(where(target == 1, 1 - cos, 0.0) + far, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm's distance along the last axis.

    swap: d(positive, negative) instead of the second where it is smaller (Balntas et al. 2016).
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return _triplet(anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """triplet_margin_loss with another distance; pairwise_distance unless one is given."""
    reduction = reduction_argument(reduction, None, None)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)


def _triplet(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    dims = [t._array.ndim for t in (anchor, positive, negative)]
    if len(set(dims)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced((near - far + margin).clamp(min=0), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over j != target of max(0, margin - input[target] + input[j])**p * weight[target], divided by C.

    input: (N, C) or (C,); target: (N,) or () class indices; weight: (C,). p: 1 or 2.
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight._array.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    single = tensor_argument(input, "multi_margin_loss")._array.ndim < 2
    x = input.reshape(1, -1) if single else input
    labels = target._array.reshape(-1)
    rows, classes = x._array.shape
    if labels.shape != (rows,):
        raise RuntimeError(f"inconsistent target size, expected {rows} but got {list(target.shape)}")
    if ((labels < 0) | (labels >= classes)).any():
        raise RuntimeError("target out of range")
    index = _core.wrap(labels.astype(np.int64).reshape(-1, 1))
    over = (margin - x.gather(1, index) + x).clamp(min=0)
    if p == 2:
        over = over * over
    if weight is not None:
        over = over * weight[index]
    others = _core.wrap(np.arange(classes) != labels[:, None])
    losses = where(others, over, 0.0).sum(1) / classes
    return reduced(losses.reshape(()) if single else losses, reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over targets j and other classes i of max(0, 1 - (input[j] - input[i])), divided by C.

    input, target: (N, C) or (C,); a row of target lists class indices up to its first -1.
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    if tensor_argument(input, "multilabel_margin_loss")._array.shape != target._array.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    if 0 in input._array.shape[input._array.ndim - 1 :]:
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )
    single = input._array.ndim < 2
    x, labels = (input.reshape(1, -1), target._array.reshape(1, -1)) if single else (input, target._array)
    classes = x._array.shape[1]
    if ((labels < -1) | (labels >= classes)).any():
        raise RuntimeError("target out of range")
    listed = np.cumsum(labels == -1, axis=1) == 0
    index = np.where(listed, labels, 0).astype(np.int64)
    is_target = np.zeros(labels.shape, np.bool_)
    rows, places = np.nonzero(listed)
    is_target[rows, index[rows, places]] = True
    over = (1 - (x.gather(1, _core.wrap(index)).unsqueeze(2) - x.unsqueeze(1))).clamp(min=0)
    counted = listed[:, :, None] & ~is_target[:, None, :]
    losses = where(_core.wrap(counted), over, 0.0).sum([1, 2]) / max(classes, 1)
    return reduced(losses.reshape(()) if single else losses, reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target * logsigmoid(input) + (1 - target) * logsigmoid(-input)) * weight, averaged over the last axis."""
    reduction = reduction_argument(reduction, size_average, reduce)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return reduced(losses.mean(-1), reduction)
