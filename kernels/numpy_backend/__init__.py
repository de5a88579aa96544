"""The reference: every kernel of the contract in plain NumPy, complete and slow enough to be obviously right.

One file a family, the same files as in the two compiled backends; ``checks`` holds what each kernel refuses.
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
from .embedding import embedding_backward, embedding_forward
from .linear import linear_backward, linear_forward, matmul
from .loss import cross_entropy_forward
from .norm import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    group_norm_backward,
    group_norm_forward,
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)
from .optim import adam_step, sgd_step
from .optim_rules import gradient_norm, rule_step, scale_gradients
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

__all__ = [
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
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_inference",
    "conv_forward",
    "conv_grad_input",
    "conv_grad_weight",
    "copy",
    "cross_entropy_forward",
    "div",
    "dropout_backward",
    "dropout_forward",
    "embedding_backward",
    "embedding_forward",
    "exp_forward",
    "gradient_norm",
    "group_norm_backward",
    "group_norm_forward",
    "gru_backward",
    "gru_cell_backward",
    "gru_cell_forward",
    "gru_forward",
    "layer_norm_backward",
    "layer_norm_forward",
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
    "rms_norm_backward",
    "rms_norm_forward",
    "rnn_backward",
    "rnn_forward",
    "rule_step",
    "scale_gradients",
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
