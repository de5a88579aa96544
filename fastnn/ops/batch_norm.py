"""Batch, group and instance norm: normalisation of channels, of groups of them, or of each alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.dims import Array, Shape
from fastnn.ops.gate import cast
from fastnn.ops.layer_norm import HALF, SINGLE, argument, blanks, flat, given, gradients, recorded, reshaped, wide

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm"]


def _channels(x: Array, name: str, **parameters: Tensor | None) -> tuple[int, int, int]:
    """(batch, channels, size); parameters must have one element a channel."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}(): expected input of at least 2 dimensions, got shape {list(x.shape)}")
    for label, tensor in parameters.items():
        if tensor is not None and tensor._array.shape != (x.shape[1],):
            raise RuntimeError(
                f"{name}(): {label} should contain {x.shape[1]} elements not {tensor._array.size}: expected shape "
                f"[{x.shape[1]}], got {list(tensor._array.shape)}"
            )
    return x.shape[0], x.shape[1], math.prod(x.shape[2:])


def _follow(running: Tensor | None, found: Array, momentum: float) -> None:
    """running = (1 - momentum) * running + momentum * found, off the tape."""
    if running is None:
        return
    array = running._array
    with np.errstate(all="ignore"):
        array[...] = (1 - momentum) * array + momentum * found
    _core.bump_version(running)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias for each channel (Ioffe and Szegedy 2015).

    input: (B, C, ...), all others (C,) or None. training: mean and variance are the batch's, and the running ones
    move towards them by momentum (the variance divided by count - 1); else the running ones are used. RuntimeError
    where shapes or dtypes do not fit; ValueError for one value a channel or an eps of 0 in training.
    """
    x = argument(input, "batch_norm", weight=weight, bias=bias)
    if x.shape == (0,):  # nothing, without channels even: PyTorch gives it back
        return input.clone()
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    batch, channels, size = _channels(x, "batch_norm", **named)
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
    if training and eps <= 0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if training and batch * size == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(x.shape)}")
    if x.dtype == HALF:
        both = (wide(weight), wide(bias))
        out = batch_norm(cast(input, SINGLE), running_mean, running_var, *both, training, momentum, eps)
        return cast(out, HALF)
    shape = (batch, channels, size)
    values, w, b = dense(input).reshape(shape), flat(weight), flat(bias)
    normalised = np.empty(x.shape, x.dtype)
    mean, rstd = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
    if not training:
        assert running_mean is not None and running_var is not None
        mean[...] = running_mean._array
        with np.errstate(all="ignore"):
            rstd[...] = 1 / np.sqrt(running_var._array.astype(np.float64) + eps)
        K.batch_norm_inference(values, w, b, mean, rstd, normalised.reshape(shape))
    elif x.size:
        var = np.empty(channels, x.dtype)
        K.batch_norm_forward(values, w, b, eps, normalised.reshape(shape), mean, var, rstd)
        count = batch * size
        _follow(running_mean, mean, momentum)
        _follow(running_var, var * x.dtype.type(count / (count - 1)), momentum)
    return _core.record(
        "NativeBatchNormBackward0",
        _batch_norm_backward,
        given(input, weight, bias),
        normalised,
        (input,) if weight is None else (input, weight),
        extra=(mean, rstd, shape, bias is not None, eps, training),
    )


def _batch_norm_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    input, *weights = ctx.saved
    mean, rstd, shape, bias, eps, training = ctx.extra
    weight = weights[0] if weights else None
    channels = shape[1]
    if _core.is_grad_enabled():
        g, x = grad.reshape(shape), input.reshape(shape)
        if training:
            found = recorded(g, x, weight, bias, eps, (0, 2), (0, 2), (1, channels, 1))
        else:
            found = _fixed(g, x, weight, bias, mean, rstd)
        return reshaped(found, input, (channels,))
    values = dense(input).reshape(shape)
    grads = blanks(ctx, values, channels, weight is not None, bias)
    K.batch_norm_backward(dense(grad).reshape(shape), values, flat(weight), mean, rstd, training, *grads)
    grads[0] = None if grads[0] is None else grads[0].reshape(input._array.shape)
    return gradients(grads, weight, bias, (channels,))


def _fixed(
    grad: Tensor, x: Tensor, weight: Tensor | None, bias: bool, mean: Array, rstd: Array
) -> tuple[Tensor | None, ...]:
    """The gradients by recorded ops where the statistics are constants."""
    factor = _core.wrap(rstd[:, None])
    hat = (x - _core.wrap(mean[:, None])) * factor
    found: list[Tensor | None] = [grad * factor * (1 if weight is None else weight.reshape(-1, 1))]
    if weight is not None:
        found.append((grad * hat).sum([0, 2]))
    if bias:
        found.append(grad.sum([0, 2]))
    return tuple(found)


# ------------------------------------------------------------------------------------------------ group, instance norm


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias for each group of channels of each item (Wu and He 2018).

    input: (B, C, ...), num_groups divides C; weight, bias: (C,) or None. RuntimeError for what does not fit.
    """
    x = argument(input, "group_norm", weight=weight, bias=bias)
    batch, channels, size = _channels(x, "group_norm", weight=weight, bias=bias)
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if channels % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(x.shape)} and num_groups={num_groups}"
        )
    if x.dtype == HALF:
        return cast(group_norm(cast(input, SINGLE), num_groups, wide(weight), wide(bias), eps), HALF)
    return _grouped(input, (batch, channels, size), num_groups, weight, bias, eps)[0]


def _grouped(
    input: Tensor, shape: Shape, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Array, Array]:
    """The output, and mean and rstd of each item's groups."""
    x = dense(input)
    out = np.empty(x.shape, x.dtype)
    mean, rstd = np.empty((shape[0], groups), x.dtype), np.empty((shape[0], groups), x.dtype)
    K.group_norm_forward(x.reshape(shape), flat(weight), flat(bias), eps, out.reshape(shape), mean, rstd)
    made = _core.record(
        "NativeGroupNormBackward0",
        _group_norm_backward,
        given(input, weight, bias),
        out,
        (input,) if weight is None else (input, weight),
        extra=(mean, rstd, shape, bias is not None, eps),
    )
    return made, mean, rstd


def _group_norm_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    input, *weights = ctx.saved
    mean, rstd, shape, bias, eps = ctx.extra
    weight = weights[0] if weights else None
    batch, channels, size = shape
    groups = mean.shape[1]
    if _core.is_grad_enabled():
        split = (batch, groups, channels // groups, size)
        g, x = grad.reshape(split), input.reshape(split)
        found = recorded(g, x, weight, bias, eps, (2, 3), (0, 3), (1, *split[1:3], 1))
        return reshaped(found, input, (channels,))
    values = dense(input).reshape(shape)
    grads = blanks(ctx, values, channels, weight is not None, bias)
    sums = np.empty((2, batch, channels), np.float64)
    K.group_norm_backward(dense(grad).reshape(shape), values, flat(weight), mean, rstd, sums, *grads)
    grads[0] = None if grads[0] is None else grads[0].reshape(input._array.shape)
    return gradients(grads, weight, bias, (channels,))


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias for each channel of each item (Ulyanov et al. 2016).

    input: (B, C, size, ...), all others (C,) or None. use_input_stats: the running mean and variance (divided by
    count - 1) move by momentum towards the batch's averages; else they are used. RuntimeError for what does not fit;
    ValueError for one value a channel with use_input_stats.
    """
    x = argument(input, "instance_norm", weight=weight, bias=bias)
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    batch, channels, size = _channels(x, "instance_norm", **named)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats=False")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if size == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {list(x.shape)}")
    if x.dtype == HALF:
        both = (wide(weight), wide(bias))
        out = instance_norm(cast(input, SINGLE), running_mean, running_var, *both, use_input_stats, momentum, eps)
        return cast(out, HALF)
    made, mean, rstd = _grouped(input, (batch, channels, size), channels, weight, bias, eps)
    if (running_mean is not None or running_var is not None) and x.size:
        var = np.maximum(rstd.astype(np.float64) ** -2 - eps, 0)
        _follow(running_mean, mean.mean(0), momentum)
        _follow(running_var, (var * (size / (size - 1))).mean(0), momentum)
    return made
