"""Losses element by element: one kernel gives the loss, its sum and its gradient in the same pass."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.kernels import K
from fastnn.ops.activation import sigmoid
from fastnn.ops.broadcast import broadcast_shape
from fastnn.ops.elementwise import exp, log, log1p, sign
from fastnn.ops.gate import cast, floating, operands, tensor_argument
from fastnn.ops.loss import reduction_argument
from fastnn.ops.select import where

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "huber_loss", "kl_div", "l1_loss", "mse_loss",
    "smooth_l1_loss",
]  # fmt: skip

_NODES = {"mse": "Mse", "l1": "L1", "smooth_l1": "SmoothL1", "huber": "Huber", "bce": "BinaryCrossEntropy"}


def _loss(
    kind: str,
    input: Tensor,
    target: Tensor,
    reduction: str,
    a: float = 0.0,
    weight: NDArray[Any] | None = None,
    pos_weight: NDArray[Any] | None = None,
) -> Tensor:
    """The kernel's loss of tensors of one shape, on the tape; float16 goes through float32."""
    first, second = operands(input, target, kind)
    dtype = first._array.dtype
    if dtype == np.float16:
        wide = np.dtype(np.float32)
        return cast(_loss(kind, cast(first, wide), cast(second, wide), reduction, a, weight, pos_weight), dtype)
    x, t = floating(first, f"{kind}_loss"), floating(second, f"{kind}_loss", "target")
    weights = _full(weight, x), _full(pos_weight, x)
    losses = np.empty(x.shape, x.dtype) if reduction == "none" else None
    grad = np.empty(x.shape, x.dtype) if _core.needs_grad(first) else None
    total = K.pointwise_loss(kind, x, t, *weights, a, reduction, losses, grad)
    result = np.array(total, x.dtype) if losses is None else losses
    node = f"{_NODES.get(kind, 'PointwiseLoss')}LossBackward0"
    extra = kind, a, reduction, weights, grad
    return _core.record(node, _backward, (first, second), result, (first, second), extra=extra)


def _full(weight: NDArray[Any] | None, x: NDArray[Any]) -> NDArray[Any] | None:
    """weight broadcast to x, dense, in its dtype."""
    return None if weight is None else np.require(np.broadcast_to(weight, x.shape), x.dtype, ("C", "A"))


def _backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    kind, a, reduction, (weight, pos_weight), kept = ctx.extra
    first, second = ctx.needs
    if not second and not _core.is_grad_enabled():
        above = grad._array
        return _core.wrap(kept if above.ndim == 0 and above == 1 else kept * above), None
    x, t = ctx.saved
    if weight is not None:
        grad = grad * _core.wrap(weight)
    if reduction == "mean":
        grad = grad * (1 / max(x._array.size, 1))
    by_x, by_t = _slopes(kind, x, t, a, None if pos_weight is None else _core.wrap(pos_weight))
    return (grad * by_x if first else None), (grad * by_t if second else None)


def _slopes(kind: str, x: Tensor, t: Tensor, a: float, p: Tensor | None) -> tuple[Tensor, Tensor]:
    """The derivatives by x and by t, of ops that can be differentiated again."""
    if kind in ("mse", "l1", "smooth_l1", "huber"):
        e = x - t
        if kind == "mse":
            slope = e * 2
        elif kind == "l1":
            slope = sign(e)
        elif kind == "smooth_l1":
            slope = where(e.abs() < a, e / a, sign(e))
        else:
            slope = where(e.abs() < a, e, sign(e) * a)
        return slope, -slope
    if kind == "bce":
        divisor = ((1 - x) * x).clamp(min=1e-12)
        return (x - t) / divisor, log1p(-x).clamp(min=-100) - log(x).clamp(min=-100)
    if kind == "bce_with_logits":
        positive = t if p is None else t * p
        both = 1 - t + positive
        tail = -where(x < 0, -x, 0.0) - log1p(exp(-x.abs()))  # log(sigmoid(x))
        return 1 - t - both * sigmoid(-x), -x - tail * (0.0 if p is None else p - 1)
    if kind == "kl":
        return -t, log(t) + 1 - x
    return -exp(t), exp(t) * (t - x + 1)


def _same_size(input: Tensor, target: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Both of one shape, with PyTorch's warning where that is not how they came: hardly ever is it meant."""
    a, b = tensor_argument(input, name)._array.shape, tensor_argument(target, name, "target")._array.shape
    if a == b:
        return input, target
    warnings.warn(
        f"Using a target size ({list(b)}) that is different to the input size ({list(a)}). This will "
        "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=3,
    )
    shape = broadcast_shape(a, b)
    return input.expand(shape), target.expand(shape)


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """losses as the reduction has them."""
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses


def _check_weight(weight: Tensor, input: Tensor) -> None:
    if weight._array.shape != input._array.shape:
        raise ValueError("Weights and input must have the same size.")


def _weighted_mean(losses: Tensor, weight: Tensor, reduction: str) -> Tensor:
    losses = losses * weight
    return losses.sum() / weight.sum() if reduction == "mean" else reduced(losses, reduction)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)**2, averaged, summed, or element by element. Warns where the shapes differ.

    weight: of input's shape, a factor of each loss; the mean is divided by its sum.
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    x, t = _same_size(input, target, "mse_loss")
    if weight is None:
        return _loss("mse", x, t, reduction)
    _check_weight(weight, input)
    return _weighted_mean(_loss("mse", x, t, "none"), weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|, averaged, summed, or element by element; weight as in mse_loss. Warns where shapes differ."""
    reduction = reduction_argument(reduction, size_average, reduce)
    x, t = _same_size(input, target, "l1_loss")
    if weight is None:
        return _loss("l1", x, t, reduction)
    _check_weight(weight, input)
    return _weighted_mean(_loss("l1", x, t, "none"), weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """e**2 / (2 * beta) where e = |input - target| is below beta, else e - beta / 2. RuntimeError for beta < 0."""
    reduction = reduction_argument(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    x, t = _same_size(input, target, "smooth_l1_loss")
    return _loss("smooth_l1", x, t, reduction, beta) if beta else _loss("l1", x, t, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """e**2 / 2 where e = |input - target| is below delta, else delta * (e - delta / 2), times weight (Huber 1964).

    RuntimeError unless delta > 0.
    """
    reduction = reduction_argument(reduction, None, None)
    if not delta > 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    x, t = _same_size(input, target, "huber_loss")
    if weight is None:
        return _loss("huber", x, t, reduction, delta)
    _check_weight(weight, input)
    return reduced(_loss("huber", x, t, "none", delta) * weight, reduction)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target * log(input) + (1 - target) * log(1 - input)), logarithms at least -100, times weight (broadcast).

    ValueError where the shapes differ, RuntimeError for an input outside [0, 1].
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    x = tensor_argument(input, "binary_cross_entropy")._array
    t = tensor_argument(target, "binary_cross_entropy", "target")._array
    if x.shape != t.shape:
        raise ValueError(
            f"Using a target size ({list(t.shape)}) that is different to the input size ({list(x.shape)}) is "
            "deprecated. Please ensure they have the same size."
        )
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    if t.size and not (t.min() >= 0 and t.max() <= 1):
        raise RuntimeError("all elements of target should be between 0 and 1")
    if x.dtype != t.dtype:
        raise RuntimeError(f"Found dtype {target.dtype} but expected {input.dtype}")
    return _with_weight("bce", input, target, weight, None, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """binary_cross_entropy of sigmoid(input), right at every input: 0 for an infinite one that is right.

    pos_weight: a factor of the positive term, broadcast, as is weight. ValueError where the shapes differ.
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    x = tensor_argument(input, "binary_cross_entropy_with_logits")._array
    t = tensor_argument(target, "binary_cross_entropy_with_logits", "target")._array
    if x.shape != t.shape:
        raise ValueError(f"Target size ({list(t.shape)}) must be the same as input size ({list(x.shape)})")
    if pos_weight is not None and pos_weight.requires_grad and _core.is_grad_enabled():
        raise NotImplementedError("binary_cross_entropy_with_logits: a gradient of pos_weight is not implemented")
    return _with_weight("bce_with_logits", input, target, weight, pos_weight, reduction)


def _with_weight(
    kind: str, input: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None, reduction: str
) -> Tensor:
    positive = None if pos_weight is None else pos_weight._array
    for factor in (weight, pos_weight):
        if factor is not None:
            broadcast_shape(factor._array.shape, input._array.shape)
    if weight is not None and _core.needs_grad(weight):
        return reduced(_loss(kind, input, target, "none", 0.0, None, positive) * weight, reduction)
    return _loss(kind, input, target, reduction, 0.0, None if weight is None else weight._array, positive)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log(target) - input) for log-probabilities input; target too is one with log_target.

    reduction: "none", "sum", "mean" (over all elements, with PyTorch's warning) or "batchmean" (sum / first extent).
    """
    batchmean = reduction == "batchmean" and size_average is None and reduce is None
    reduction = "sum" if batchmean else reduction_argument(reduction, size_average, reduce)
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    x, t = _same_size(input, target, "kl_div")
    out = _loss("kl_log" if log_target else "kl", x, t, reduction)
    return out / input._array.shape[0] if batchmean and input._array.ndim else out
