"""A batch norm in evaluation folded into the convolution or linear layer before it."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from fastnn.creation import ones_like, zeros_like
from fastnn.nn.module import Module
from fastnn.nn.parameter import Parameter
from fastnn.tensor import Tensor

M = TypeVar("M", bound=Module)


def _check(layer: Module, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")


def _statistics(bn: Any) -> tuple[Any, Any, Any, Any, Any]:
    return bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias


def fuse_conv_bn_eval(conv: M, bn: Any, transpose: bool = False) -> M:
    """A convolution that does what ``conv`` (``transpose``: a transposed one) and then ``bn`` do.

    AssertionError where one of the two is training, or ``bn`` has no running statistics.
    """
    _check(conv, bn)
    fused: Any = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(fused.weight, fused.bias, *_statistics(bn), transpose)
    result: M = fused
    return result


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of that convolution. ``bn_rm``, ``bn_rv``: running mean and variance."""
    channels = 1 if transpose else 0
    shape = [-1 if i == channels else 1 for i in range(conv_w.dim())]
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_eval(linear: M, bn: Any) -> M:
    """A linear layer that does what ``linear`` and then ``bn`` do.

    AssertionError as for fuse_conv_bn_eval, and where ``bn`` has another number of features (1 is accepted).
    """
    _check(linear, bn)
    fused: Any = copy.deepcopy(linear)
    if bn.num_features not in (1, fused.out_features):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={fused.out_features} and bn.num_features={bn.num_features}"
        )
    fused.weight, fused.bias = fuse_linear_bn_weights(fused.weight, fused.bias, *_statistics(bn))
    result: M = fused
    return result


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of that linear layer. ``bn_rm``, ``bn_rv``: running mean and variance."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def _fused(
    weight: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    eps: float,
    scale: Tensor | None,
    shift: Tensor | None,
    shape: list[int],
) -> tuple[Parameter, Parameter]:
    """((w x + b) - mean) / sqrt(variance + eps) * scale + shift as one w x + b."""
    dtypes = weight.dtype, weight.dtype if bias is None else bias.dtype
    bias = zeros_like(mean) if bias is None else bias
    factor = (ones_like(mean) if scale is None else scale) * (variance + eps).rsqrt()
    new_weight = weight * factor.reshape(shape)
    new_bias = (bias - mean) * factor + (zeros_like(mean) if shift is None else shift)
    return (
        Parameter(new_weight.detach().to(dtypes[0]), weight.requires_grad),
        Parameter(new_bias.detach().to(dtypes[1]), bias.requires_grad),
    )
