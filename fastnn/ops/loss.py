"""Cross-entropy and nll_loss; the kernel of cross_entropy computes the gradient in the same pass."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.kernels import K
from fastnn.ops.gate import floating, tensor_argument
from fastnn.ops.select import where
from fastnn.ops.softmax import log_softmax, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["cross_entropy", "nll_loss"]

REDUCTIONS = ("none", "mean", "sum")


def reduction_argument(reduction: str, size_average: bool | None, reduce: bool | None) -> str:
    """One of REDUCTIONS, also from PyTorch's older two booleans."""
    if size_average is not None or reduce is not None:
        if reduce is False:
            reduction = "none"
        else:
            reduction = "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input)[target], averaged ("mean": weighted), summed ("sum") or one a sample ("none").

    input: (C,), (N, C) or (N, C, d1, ...) logits. target: class indices (), (N,) or (N, d1, ...) int64, or
    class probabilities of input's shape. weight: (C,). Raises IndexError for a class out of range.
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    x, t = tensor_argument(input, "cross_entropy")._array, tensor_argument(target, "cross_entropy", "target")._array
    if x.ndim == 0:
        raise RuntimeError("cross_entropy(): input must have at least one dimension, got a 0-D tensor")
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    classes = x.shape[0 if x.ndim == 1 else 1]
    if weight is not None and weight._array.shape != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes "
            f"but got weight tensor of shape: {list(weight._array.shape)}"
        )
    if weight is not None and weight._array.dtype != x.dtype:
        raise RuntimeError(f"expected scalar type {input.dtype} for weight but found {weight.dtype}")
    if t.dtype.kind == "f":
        return _of_probabilities(input, target, weight, reduction, label_smoothing, ignore_index)
    expected = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    if t.shape != expected:
        if t.shape[:1] != expected[:1] and x.ndim > 1:
            raise ValueError(
                f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({t.shape[0] if t.ndim else 0})."
            )
        raise RuntimeError(f"Expected target size {list(expected)}, got {list(t.shape)}")
    if t.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"expected scalar type Long but found {target.dtype}: target holds class indices")
    return _of_labels(input, t.astype(np.int64, copy=False), weight, ignore_index, reduction, label_smoothing)


def _of_labels(
    input: Tensor, target: NDArray[np.int64], weight: Tensor | None, ignore_index: int, reduction: str, smoothing: float
) -> Tensor:
    ndim = input._array.ndim
    if ndim == 1:
        out = _of_labels(input.unsqueeze(0), target.reshape(1), weight, ignore_index, reduction, smoothing)
        return out.reshape(()) if reduction == "none" else out
    if ndim > 2:  # (N, C, d1, ...) -> rows of classes
        classes = input._array.shape[1]
        rows = input.movedim(1, -1).reshape(target.size, classes)
        out = _of_labels(rows, target.reshape(-1), weight, ignore_index, reduction, smoothing)
        return out.reshape(target.shape) if reduction == "none" else out
    x = floating(input, "cross_entropy")
    labels = np.ascontiguousarray(target)
    weights = None if weight is None else floating(weight, "cross_entropy", "weight")
    losses = np.empty(labels.shape, x.dtype)
    grad = np.empty_like(x) if _core.needs_grad(input) else None
    loss = K.cross_entropy_forward(x, labels, weights, ignore_index, smoothing, reduction, losses, grad)
    result = losses if reduction == "none" else np.array(loss, x.dtype)
    extra = (grad, labels, weights, ignore_index, smoothing, reduction)
    return _core.record("CrossEntropyBackward0", _labels_backward, (input,), result, (input,), extra=extra)


def _labels_backward(ctx: Node, grad: Tensor) -> Tensor:
    """The kernel's gradient, scaled by what comes from above; its own derivative runs through softmax(input)."""
    gradient, *how = ctx.extra
    (x,) = ctx.saved
    scale = grad._array
    if _core.is_grad_enabled():
        sums = _target_sums(gradient, *how)
        p = softmax(x, -1)
        constant = _core.wrap(p._array * sums - gradient)
        return (p * _core.wrap(sums) - constant) * (grad.unsqueeze(-1) if scale.ndim else grad)
    if scale.ndim == 0:
        if scale == 1:
            return _core.wrap(gradient)
        return _core.wrap(gradient * scale)
    return _core.wrap(gradient * scale[:, None])


def _target_sums(
    grad: NDArray[Any], labels: Any, weights: Any, ignore_index: int, smoothing: float, reduction: str
) -> NDArray[Any]:
    """For each row the factor of softmax in the kernel's gradient: the sum of its target distribution, scaled."""
    kept = labels != ignore_index
    w = np.ones(grad.shape[1]) if weights is None else weights.astype(np.float64)
    own = np.where(kept, w[np.where(kept, labels, 0)], 0.0)
    sums = np.where(kept, (1 - smoothing) * own + smoothing * w.mean(), 0.0)
    if reduction == "mean":
        with np.errstate(all="ignore"):
            sums = np.where(kept, sums / own.sum(), 0.0)
    return sums[:, None].astype(grad.dtype)


def _of_probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float, ignore_index: int
) -> Tensor:
    x, t = input._array, target._array
    if x.shape != t.shape:
        if x.ndim > 1 and t.shape[:1] != x.shape[:1]:
            raise ValueError(
                f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({t.shape[0] if t.ndim else 0})."
            )
        raise RuntimeError(
            f"Expected floating point target (class probabilities) of input's shape {list(x.shape)}, "
            f"got {list(t.shape)}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    axis = 0 if x.ndim == 1 else 1
    classes = x.shape[axis]
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / classes
    terms = log_softmax(input, axis) * target
    if weight is not None:
        terms = terms * weight.reshape([classes if i == axis else 1 for i in range(x.ndim)])
    losses = -terms.sum(axis)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return losses.sum() / (x.size // classes if classes else 0)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-weight[target] * input[target] for log-probabilities: "mean" (divided by the weights), "sum" or "none".

    input: (C,), (N, C) or (N, C, d1, ...); target: (), (N,) or (N, d1, ...) int64; weight: (C,). ignore_index: a
    target that counts for nothing. Raises IndexError for another class out of range.
    """
    reduction = reduction_argument(reduction, size_average, reduce)
    x, t = tensor_argument(input, "nll_loss")._array, tensor_argument(target, "nll_loss", "target")._array
    if x.ndim == 0:
        raise RuntimeError("nll_loss(): input must have at least one dimension, got a 0-D tensor")
    classes = x.shape[0 if x.ndim == 1 else 1]
    expected = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    if t.shape != expected:
        if x.ndim > 1 and t.shape[:1] != expected[:1]:
            raise ValueError(
                f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({t.shape[0] if t.ndim else 0})."
            )
        raise RuntimeError(f"Expected target size {list(expected)}, got {list(t.shape)}")
    if t.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"expected scalar type Long but found {target.dtype}: target holds class indices")
    if weight is not None and weight._array.shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor of "
            f"shape: {list(weight._array.shape)}"
        )
    if weight is not None and weight._array.dtype != x.dtype:
        raise RuntimeError(f"expected scalar type {input.dtype} for weight but found {weight.dtype}")
    kept = t != ignore_index
    wrong = kept & ((t < 0) | (t >= classes))
    if wrong.any():
        raise IndexError(f"Target {t[wrong].flat[0]} is out of bounds.")
    labels = np.where(kept, t, 0).astype(np.int64)
    w = np.ones(classes, x.dtype) if weight is None else weight._array
    scale = np.where(kept, w[labels], 0).astype(x.dtype) if classes else np.zeros(t.shape, x.dtype)
    if x.ndim == 1:
        chosen = input[int(labels)]
    else:
        chosen = input.gather(1, _core.wrap(labels).unsqueeze(1)).squeeze(1)
    # An ignored -inf must not meet the factor 0.
    losses = -where(_core.wrap(np.asarray(kept)), chosen, 0.0) * _core.wrap(scale)
    if reduction == "none":
        return losses
    total = losses.sum()
    return total / float(scale.sum(dtype=np.float64)) if reduction == "mean" else total
