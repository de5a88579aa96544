"""The contract: what every kernel takes, writes and promises, whichever backend it comes from.

Each function of the files beside this one, a file a family, is a signature with its meaning and no body; the three
backends define the same names with the same parameters (``tests/kernels/test_contract.py`` compares them). Rules
that hold for all of them:

* Inputs are dense arrays: C-contiguous, aligned, native byte order, float32 or float64 (all of one call the
  same) unless a line says otherwise. They may be read-only; no kernel writes to an input.
* Outputs are handed in, dense, writeable, of the stated shape, and do not overlap an input unless a line allows
  it. A kernel allocates nothing whose size grows with its arrays. Every element of an output is overwritten.
* Any extent may be zero. ``K = 0`` is an empty sum: zero.
* NaN and infinities pass through as IEEE 754 arithmetic has them.
* An output has the same bits for any number of threads.
* The caller (``fastnn.ops``) has checked dtypes and shapes; a kernel checks only what would make it touch foreign
  memory, and raises ``ValueError`` (``IndexError`` for labels) before it writes anything.

Letters: M rows, N columns or outputs, K the summed extent, B a batch, A/R/C outer, reduced and inner extents.
"""

from __future__ import annotations

from types import FunctionType

from .activation import ACTIVATION_KINDS, activation_backward, activation_forward
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
from .loss import LOSS_KINDS, cross_entropy_forward, pointwise_loss
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
from .optim_rules import RULE_STATES, RULES, gradient_norm, rule_step, scale_gradients
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
from .types import ACTIVATIONS, Array, Labels, Mask

# Every kernel's name.
KERNELS = tuple(name for name, value in list(globals().items()) if isinstance(value, FunctionType))

__all__ = [
    "ACTIVATIONS",
    "ACTIVATION_KINDS",
    "Array",
    "KERNELS",
    "LOSS_KINDS",
    "Labels",
    "Mask",
    "RULES",
    "RULE_STATES",
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
