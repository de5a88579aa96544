"""Normalisation: layer, RMS, batch and group norm are one formula over different axes, computed in float64."""

from __future__ import annotations

import math

import numpy as np

from ..contract import Array
from . import norm_checks as checks
from .elementwise import quiet

Axes = tuple[int, ...]


def _moments(x: Array, axes: Axes) -> tuple[Array, Array]:
    """Mean and variance in float64, the axes kept."""
    mean = x.mean(axes, np.float64, keepdims=True)
    return mean, np.square(x - mean).mean(axes, keepdims=True)


def _affine(hat: Array, weight: Array | None, bias: Array | None, shape: Axes, out: Array) -> None:
    """out = hat * weight + bias, both of that shape."""
    if weight is not None:
        hat = hat * weight.reshape(shape)
    out[...] = hat if bias is None else hat + bias.reshape(shape)


def _backward(
    grad: Array,
    hat: Array,
    weight: Array | None,
    rstd: Array,
    shape: Axes,
    axes: Axes,
    others: Axes,
    grads: tuple[Array | None, Array | None, Array | None],
    centred: bool = True,
    fixed: bool = False,
) -> None:
    """The gradients; means over axes, sums over others. fixed: the statistics are constants."""
    grad_x, grad_weight, grad_bias = grads
    grad = grad.astype(np.float64)
    if grad_weight is not None:
        grad_weight[...] = (grad * hat).sum(others).reshape(grad_weight.shape)
    if grad_bias is not None:
        grad_bias[...] = grad.sum(others).reshape(grad_bias.shape)
    if grad_x is None:
        return
    g = grad if weight is None else grad * weight.reshape(shape)
    slopes = g
    if not fixed and g.size:
        slopes = g - hat * (g * hat).mean(axes, keepdims=True)
        if centred:
            slopes = slopes - g.mean(axes, keepdims=True)
    grad_x[...] = (slopes * rstd).reshape(grad_x.shape)


@quiet
def layer_norm_forward(
    x: Array, weight: Array | None, bias: Array | None, eps: float, out: Array, mean: Array, rstd: Array
) -> None:
    checks.rows(x, weight, bias, mean=mean, rstd=rstd, out=out, written=True)
    if not x.shape[1]:
        mean[...], rstd[...] = 0, 1 / math.sqrt(eps) if eps else np.inf
        return
    center, var = _moments(x, (1,))
    factor = 1 / np.sqrt(var + eps)
    mean[...], rstd[...] = center[:, 0], factor[:, 0]
    _affine((x - center) * factor, weight, bias, (1, -1), out)


@quiet
def layer_norm_backward(
    grad: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    grad_x: Array | None,
    grad_weight: Array | None,
    grad_bias: Array | None,
) -> None:
    checks.rows(x, weight, None, mean=mean, rstd=rstd, grad=grad)
    checks.gradients(x, grad_x, grad_weight, grad_bias)
    hat = (x.astype(np.float64) - mean[:, None]) * rstd[:, None]
    _backward(grad, hat, weight, rstd[:, None], (1, -1), (1,), (0,), (grad_x, grad_weight, grad_bias))


@quiet
def rms_norm_forward(x: Array, weight: Array | None, eps: float, out: Array, rstd: Array) -> None:
    checks.rows(x, weight, None, rstd=rstd, out=out, written=True)
    if not x.shape[1]:
        rstd[...] = 1 / math.sqrt(eps) if eps else np.inf
        return
    factor = 1 / np.sqrt(np.square(x.astype(np.float64)).mean(1, keepdims=True) + eps)
    rstd[...] = factor[:, 0]
    _affine(x * factor, weight, None, (1, -1), out)


@quiet
def rms_norm_backward(
    grad: Array, x: Array, weight: Array | None, rstd: Array, grad_x: Array | None, grad_weight: Array | None
) -> None:
    checks.rows(x, weight, None, rstd=rstd, grad=grad)
    checks.gradients(x, grad_x, grad_weight, None)
    hat = x.astype(np.float64) * rstd[:, None]
    _backward(grad, hat, weight, rstd[:, None], (1, -1), (1,), (0,), (grad_x, grad_weight, None), centred=False)


@quiet
def batch_norm_forward(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    out: Array,
    mean: Array,
    var: Array,
    rstd: Array,
) -> None:
    checks.channels(x, weight, bias, mean=mean, var=var, rstd=rstd, out=out, written=True)
    center, spread = _moments(x, (0, 2))
    factor = 1 / np.sqrt(spread + eps)
    mean[...], var[...], rstd[...] = center.reshape(-1), spread.reshape(-1), factor.reshape(-1)
    _affine((x - center) * factor, weight, bias, (1, -1, 1), out)


@quiet
def batch_norm_inference(
    x: Array, weight: Array | None, bias: Array | None, mean: Array, rstd: Array, out: Array
) -> None:
    checks.channels(x, weight, bias, mean=mean, rstd=rstd)
    checks.gradients(x, out, None, None, name="out")
    hat = (x.astype(np.float64) - mean[:, None]) * rstd[:, None]
    _affine(hat, weight, bias, (1, -1, 1), out)


@quiet
def batch_norm_backward(
    grad: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    training: bool,
    grad_x: Array | None,
    grad_weight: Array | None,
    grad_bias: Array | None,
) -> None:
    checks.channels(x, weight, None, mean=mean, rstd=rstd, grad=grad)
    checks.gradients(x, grad_x, grad_weight, grad_bias)
    hat = (x.astype(np.float64) - mean[:, None]) * rstd[:, None]
    grads = (grad_x, grad_weight, grad_bias)
    _backward(grad, hat, weight, rstd[:, None], (1, -1, 1), (0, 2), (0, 2), grads, fixed=not training)


@quiet
def group_norm_forward(
    x: Array, weight: Array | None, bias: Array | None, eps: float, out: Array, mean: Array, rstd: Array
) -> None:
    checks.groups(x, weight, bias, mean, rstd, out=out, written=True)
    groups = mean.shape[1]
    split = (x.shape[0], groups, x.shape[1] // groups, x.shape[2])
    if not x.size:
        mean[...], rstd[...] = 0, 1 / math.sqrt(eps) if eps else np.inf
        return
    center, var = _moments(x.reshape(split), (2, 3))
    factor = 1 / np.sqrt(var + eps)
    mean[...], rstd[...] = center[:, :, 0, 0], factor[:, :, 0, 0]
    _affine((x.reshape(split) - center) * factor, weight, bias, (1, *split[1:3], 1), out.reshape(split))


@quiet
def group_norm_backward(
    grad: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    sums: Array,
    grad_x: Array | None,
    grad_weight: Array | None,
    grad_bias: Array | None,
) -> None:
    checks.groups(x, weight, None, mean, rstd, grad=grad)
    checks.gradients(x, grad_x, grad_weight, grad_bias)
    checks.expect("sums", sums, (2, *x.shape[:2]), checks.FLOAT64, written=True)
    groups = mean.shape[1]
    split = (x.shape[0], groups, x.shape[1] // groups, x.shape[2])
    hat = (x.reshape(split).astype(np.float64) - mean[..., None, None]) * rstd[..., None, None]
    shape, factor = (1, *split[1:3], 1), rstd[..., None, None]
    _backward(grad.reshape(split), hat, weight, factor, shape, (2, 3), (0, 3), (grad_x, grad_weight, grad_bias))
