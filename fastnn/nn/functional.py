"""The functions of ``torch.nn.functional``, from ``fastnn.ops``."""

from __future__ import annotations

from fastnn.ops.activation import leaky_relu, leaky_relu_, relu_, sigmoid, tanh
from fastnn.ops.activation import relu as _relu
from fastnn.ops.activation_hard import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    relu6,
    softshrink,
    threshold,
    threshold_,
)
from fastnn.ops.activation_parametric import glu, prelu, rrelu, rrelu_
from fastnn.ops.activation_smooth import (
    celu,
    celu_,
    elu,
    elu_,
    gelu,
    logsigmoid,
    mish,
    selu,
    selu_,
    silu,
    softplus,
    softsign,
    tanhshrink,
)
from fastnn.ops.attention import scaled_dot_product_attention
from fastnn.ops.dropout import dropout
from fastnn.ops.gather import one_hot
from fastnn.ops.linear import linear
from fastnn.ops.loss import cross_entropy, l1_loss, mse_loss
from fastnn.ops.softmax import log_softmax, softmax, softmin
from fastnn.tensor import Tensor


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0); with ``inplace`` written over the input."""
    return relu_(input) if inplace else _relu(input)


__all__ = [
    "celu",
    "celu_",
    "cross_entropy",
    "dropout",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "l1_loss",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mish",
    "mse_loss",
    "one_hot",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "scaled_dot_product_attention",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]
