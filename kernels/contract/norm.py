"""Normalisation: layer, RMS, batch, group.

weight and bias may be None: ones and zeros. Variances divide by the count. Means and variances keep their digits where
the mean is far from zero (two passes over blocks, added up in float64). mean and rstd are what backward reads.
"""

from __future__ import annotations

from .types import Array


def layer_norm_forward(
    x: Array, weight: Array | None, bias: Array | None, eps: float, out: Array, mean: Array, rstd: Array
) -> None:
    """out[m] = (x[m] - mean[m]) * rstd[m] * weight + bias, rstd = 1 / sqrt(var + eps) (Ba, Kiros and Hinton 2016).

    x, out: (M, N); weight, bias: (N,); mean, rstd: (M,).
    """
    raise NotImplementedError


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
    """The gradients of layer_norm_forward; one that is None is not computed.

    With h = (x - mean) * rstd, g = grad * weight: grad_x = rstd * (g - mean(g) - h * mean(g * h)) by rows,
    grad_weight = sum(grad * h), grad_bias = sum(grad) over the rows.
    """
    raise NotImplementedError


def rms_norm_forward(x: Array, weight: Array | None, eps: float, out: Array, rstd: Array) -> None:
    """out[m] = x[m] * rstd[m] * weight, rstd = 1 / sqrt(mean(x[m]**2) + eps) (Zhang and Sennrich 2019)."""
    raise NotImplementedError


def rms_norm_backward(
    grad: Array, x: Array, weight: Array | None, rstd: Array, grad_x: Array | None, grad_weight: Array | None
) -> None:
    """The gradients of rms_norm_forward: with h = x * rstd, g = grad * weight: grad_x = rstd * (g - h * mean(g * h)),
    grad_weight = sum(grad * h) over the rows; one that is None is not computed.
    """
    raise NotImplementedError


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
    """Each channel by its own mean and variance over batch and size (Ioffe and Szegedy 2015).

    x, out: (B, C, S) with B * S > 0; all others (C,): out = (x - mean) * rstd * weight + bias.
    """
    raise NotImplementedError


def batch_norm_inference(
    x: Array, weight: Array | None, bias: Array | None, mean: Array, rstd: Array, out: Array
) -> None:
    """out = (x - mean) * rstd * weight + bias with the mean and rstd given. Shapes as above."""
    raise NotImplementedError


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
    """The gradients of batch_norm_forward (training) or of batch_norm_inference; one that is None is not computed.

    With h = (x - mean) * rstd, all sums and means over batch and size: grad_weight = sum(grad * h),
    grad_bias = sum(grad), grad_x = weight * rstd * (grad - mean(grad) - h * mean(grad * h)), or weight * rstd * grad
    where not training.
    """
    raise NotImplementedError


def group_norm_forward(
    x: Array, weight: Array | None, bias: Array | None, eps: float, out: Array, mean: Array, rstd: Array
) -> None:
    """Each of G groups of neighbouring channels, of each item, by its own mean and variance (Wu and He 2018).

    x, out: (B, C, S); weight, bias: (C,); mean, rstd: (B, G), G divides C. G = C is instance norm.
    """
    raise NotImplementedError


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
    """The gradients of group_norm_forward; one that is None is not computed.

    With h = (x - mean) * rstd, g = grad * weight: grad_x = rstd * (g - mean(g) - h * mean(g * h)) by groups,
    grad_weight = sum(grad * h), grad_bias = sum(grad) over batch and size. sums: (2, B, C) float64, a workspace.
    """
    raise NotImplementedError
