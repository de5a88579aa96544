"""ctc_loss: connectionist temporal classification (Graves et al. 2006), its sums over alignments in logarithms.

A target of length S is spread out as blank, label, blank, label, ..., blank: 2 S + 1 states. alpha[t, s] is the log
probability of all prefixes that end in state s at time t, beta[t, s] of all suffixes that begin there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument
from fastnn.ops.select import where

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Lengths = Tensor | Sequence[int]

__all__ = ["ctc_loss"]

_NONE = -np.inf


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of all alignments of the inputs with the targets.

    log_probs: (T, N, C), log probabilities of C classes, the class blank among them, or (T, C); targets: (N, S) or all
    of them one after the other, int64 or int32; input_lengths, target_lengths: (N,), or () for (T, C).
    reduction: "none" (N,), "sum", or "mean": each loss divided by its target's length (at least 1), then the mean.
    zero_infinity: a target that no alignment fits has loss and gradient 0 rather than inf and NaN.
    The gradient, as in PyTorch, is that of log_probs which are log_softmax's. It has no derivative of its own.
    RuntimeError for lengths and labels that do not fit, ValueError for another reduction.
    """
    x = tensor_argument(log_probs, "ctc_loss", "log_probs")._array
    labels = tensor_argument(targets, "ctc_loss", "targets")._array
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if x.dtype not in KERNEL_DTYPES:
        if x.dtype == np.float16:
            wide = cast(log_probs, np.dtype(np.float32))
            losses = ctc_loss(wide, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)
            return cast(losses, x.dtype)
        raise NotImplementedError(f'"ctc_loss" not implemented for {log_probs.dtype}')
    if labels.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"ctc_loss(): expected targets of int64 or int32, but got {targets.dtype}")
    single = x.ndim == 2
    if x.ndim not in (2, 3):
        raise RuntimeError(f"ctc_loss(): expected log_probs of 2 or 3 dimensions, got shape {list(x.shape)}")
    times, states = _lengths(input_lengths, "input_lengths"), _lengths(target_lengths, "target_lengths")
    batch = log_probs.unsqueeze(1) if single else log_probs
    count = batch._array.shape[1]
    _check(batch._array, times, states, blank, count)
    losses = _losses(batch, _padded(labels, states, count, single), times, states, blank)
    if zero_infinity:
        losses = where(_core.wrap(losses._array == np.inf), 0.0, losses)
    if reduction == "mean":
        return (losses / _core.wrap(np.maximum(states, 1).astype(x.dtype))).mean()
    if reduction == "sum":
        return losses.sum()
    return losses.squeeze(0) if single else losses


def _lengths(lengths: Any, name: str) -> Array:
    given = lengths._array if isinstance(lengths, _core.TensorBase) else np.asarray(lengths, np.int64)
    if given.dtype.kind not in "iu":
        raise RuntimeError(f"ctc_loss(): {name} must be integral, got {given.dtype}")
    return given.astype(np.int64).reshape(-1)


def _check(x: Array, times: Array, states: Array, blank: int, count: int) -> None:
    if not 0 <= blank < x.shape[2]:
        raise RuntimeError("blank must be in label range")
    for name, lengths in (("input_lengths", times), ("target_lengths", states)):
        if lengths.size != count:
            raise RuntimeError(f"{name} must be of size batch_size: got {lengths.size}, expected {count}")
        if (lengths < 0).any():
            raise RuntimeError(f"Expected {name} to have value at least 0, but got {int(lengths.min())}")
    if times.size and times.max() > x.shape[0]:
        raise RuntimeError(f"Expected input_lengths to have value at most {x.shape[0]}, but got {int(times.max())}")


def _padded(labels: Array, states: Array, count: int, single: bool) -> Array:
    """(N, S): the targets, whatever they came as, one a row."""
    longest = int(states.max(initial=0))
    out = np.zeros((count, longest), np.int64)
    if labels.ndim == 1 and not single:
        if labels.size < states.sum():
            raise RuntimeError(
                f"Expected targets to hold at least sum(target_lengths) = {int(states.sum())} labels, got {labels.size}"
            )
        for row, end in enumerate(np.cumsum(states)):
            out[row, : states[row]] = labels[end - states[row] : end]
        return out
    rows = labels.reshape(1, -1) if labels.ndim == 1 else labels
    if rows.ndim != 2 or rows.shape[0] != count:
        raise RuntimeError(
            f"Expected targets of shape ({count}, S) or (sum(target_lengths),), got {list(labels.shape)}"
        )
    if rows.shape[1] < longest:
        raise RuntimeError(
            f"Expected tensor to have size at least {longest} at dimension 1, but got size {rows.shape[1]} for targets"
        )
    for row, length in enumerate(states):
        out[row, :length] = rows[row, :length]
    return out


def _losses(log_probs: Tensor, labels: Array, times: Array, states: Array, blank: int) -> Tensor:
    """(N,): the losses of a batch."""
    x = log_probs._array.astype(np.float64)
    longest, count, classes = x.shape
    used = np.arange(labels.shape[1]) < states[:, None]
    if (used & ((labels < 0) | (labels >= classes))).any():
        raise RuntimeError(f"Expected targets in [0, {classes}), but got one outside")
    path = np.full((count, 2 * labels.shape[1] + 1), blank, np.int64)
    path[:, 1::2] = labels
    emitted = np.take_along_axis(x, np.broadcast_to(path, (longest, *path.shape)), 2)
    skips = np.zeros(path.shape, np.bool_)  # from the label before, past the blank between, where they differ
    skips[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    valid = np.arange(path.shape[1]) < 2 * states[:, None] + 1
    alpha = np.full(emitted.shape, _NONE)
    for t in range(longest):
        if t == 0:
            alpha[0, :, :2] = emitted[0, :, :2]
        else:
            alpha[t] = _reach(alpha[t - 1], skips) + emitted[t]
        alpha[t, ~valid] = _NONE
    rows = np.arange(count)
    last = np.maximum(times - 1, 0)
    end = 2 * states
    with np.errstate(all="ignore"):
        if longest:
            nearly = np.where(states > 0, alpha[last, rows, np.maximum(end - 1, 0)], _NONE)
            losses = -np.logaddexp(alpha[last, rows, end], nearly)
        else:
            losses = np.full(count, np.inf)
    losses = np.where(times == 0, np.where(states == 0, 0.0, np.inf), losses)
    extra = (alpha, emitted, path, skips, valid, losses, times, states)
    out = losses.astype(log_probs._array.dtype)
    return _core.record("CtcLossBackward0", _losses_backward, (log_probs,), out, (log_probs,), False, extra)


def _reach(before: Array, skips: Array) -> Array:
    """The log probability of being about to enter each state: by staying, from the state before, or by a skip."""
    total = before.copy()
    with np.errstate(all="ignore"):
        total[:, 1:] = np.logaddexp(total[:, 1:], before[:, :-1])
        total[:, 2:] = np.logaddexp(total[:, 2:], np.where(skips[:, 2:], before[:, :-2], _NONE))
    return total


def _losses_backward(ctx: Node, grad: Tensor) -> Tensor:
    _core.no_double_backward(ctx)
    (log_probs,) = ctx.saved
    alpha, emitted, path, skips, valid, losses, times, states = ctx.extra
    longest, count, width = alpha.shape
    x = log_probs._array.astype(np.float64)
    rows, places = np.arange(count), np.arange(width)
    ends = (places == 2 * states[:, None]) | ((places == 2 * states[:, None] - 1) & (states[:, None] > 0))
    mirrored = np.zeros_like(skips)  # a skip by the state that it leaves
    mirrored[:, :-2] = skips[:, 2:]
    beta = np.full((count, width), _NONE)
    out = np.zeros_like(x)
    with np.errstate(all="ignore"):
        for t in range(longest - 1, -1, -1):
            later = _reach(beta[:, ::-1], mirrored[:, ::-1])[:, ::-1]
            beta = np.where((t == times - 1)[:, None], np.where(ends, 0.0, _NONE), later) + emitted[t]
            beta = np.where(valid & (t < times)[:, None], beta, _NONE)
            share = np.exp(alpha[t] + beta + losses[:, None] - emitted[t])
            share = np.where(valid, share, 0.0)
            flat = np.bincount((rows[:, None] * x.shape[2] + path).ravel(), share.ravel(), count * x.shape[2])
            out[t] = np.where((t < times)[:, None], np.exp(x[t]) - flat.reshape(count, -1), 0.0)
        scale = grad._array.astype(np.float64)
        # A loss that zero_infinity took out has a gradient of 0, whatever its alignments are.
        out = np.where((scale == 0)[:, None], 0.0, out * scale[:, None])
    return _core.wrap(out.astype(log_probs._array.dtype))
