"""The kernels of the contract, compiled by Numba at run time for the processor at hand.

Serial loops without the GIL, driven in chunks by the process-wide workers; products use NumPy's BLAS. Importing
this package compiles nothing: each loop is compiled at its first call.
"""

from __future__ import annotations

from .activation import activation_backward, activation_forward
from .attention import attention_backward, attention_forward
from .conv import conv_forward, conv_grad_input, conv_grad_weight
from .dropout import dropout_backward, dropout_forward
from .elementwise import (
    add,
    copy,
    div,
    exp_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    mul,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    sub,
    tanh_backward,
    tanh_forward,
)
from .linear import linear_backward, linear_forward, matmul
from .loss import cross_entropy_forward
from .optim import adam_step, sgd_step
from .pointwise_loss import pointwise_loss
from .pooling import (
    adaptive_avg_pool_backward,
    adaptive_avg_pool_forward,
    adaptive_max_pool_forward,
    avg_pool_backward,
    avg_pool_forward,
    max_pool_backward,
    max_pool_forward,
)
from .recurrent import (
    gru_backward,
    gru_cell_backward,
    gru_cell_forward,
    gru_forward,
    lstm_backward,
    lstm_cell_backward,
    lstm_cell_forward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)
from .reduce import sum_forward
from .select import where
from .softmax import log_softmax_backward, log_softmax_forward, softmax_backward, softmax_forward

# Kernels of the contract that this backend lacks.
MISSING: tuple[str, ...] = (
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_inference",
    "embedding_backward",
    "embedding_forward",
    "gradient_norm",
    "group_norm_backward",
    "group_norm_forward",
    "layer_norm_backward",
    "layer_norm_forward",
    "rms_norm_backward",
    "rms_norm_forward",
    "rule_step",
    "scale_gradients",
)

__all__ = [
    "MISSING",
    "activation_backward",
    "activation_forward",
    "adam_step",
    "adaptive_avg_pool_backward",
    "adaptive_avg_pool_forward",
    "adaptive_max_pool_forward",
    "add",
    "attention_backward",
    "attention_forward",
    "avg_pool_backward",
    "avg_pool_forward",
    "conv_forward",
    "conv_grad_input",
    "conv_grad_weight",
    "copy",
    "cross_entropy_forward",
    "div",
    "dropout_backward",
    "dropout_forward",
    "exp_forward",
    "gru_backward",
    "gru_cell_backward",
    "gru_cell_forward",
    "gru_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "linear_backward",
    "linear_forward",
    "log_softmax_backward",
    "log_softmax_forward",
    "lstm_backward",
    "lstm_cell_backward",
    "lstm_cell_forward",
    "lstm_forward",
    "matmul",
    "max_pool_backward",
    "max_pool_forward",
    "mul",
    "pointwise_loss",
    "relu_backward",
    "relu_forward",
    "rnn_backward",
    "rnn_forward",
    "sgd_step",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_backward",
    "softmax_forward",
    "sub",
    "sum_forward",
    "tanh_backward",
    "tanh_forward",
    "where",
]
