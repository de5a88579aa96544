"""The functions of ``torch.nn.functional``, from ``fastnn.ops``."""

from __future__ import annotations

from fastnn.ops.activation import leaky_relu, leaky_relu_, relu_, sigmoid, tanh
from fastnn.ops.activation import relu as _relu
from fastnn.ops.attention import scaled_dot_product_attention
from fastnn.ops.dropout import dropout
from fastnn.ops.gather import one_hot
from fastnn.ops.linear import linear
from fastnn.ops.loss import cross_entropy, l1_loss, mse_loss
from fastnn.ops.softmax import log_softmax, softmax
from fastnn.tensor import Tensor


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0); with ``inplace`` written over the input."""
    return relu_(input) if inplace else _relu(input)


__all__ = [
    "cross_entropy",
    "dropout",
    "l1_loss",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "mse_loss",
    "one_hot",
    "relu",
    "relu_",
    "scaled_dot_product_attention",
    "sigmoid",
    "softmax",
    "tanh",
]
