"""The layers where PyTorch keeps them: ``nn.modules.Linear``, ``nn.modules.batchnorm._BatchNorm``, and so on.

Scripts ask for these names in isinstance and as base classes; every class here is that of ``fastnn.nn``.
"""

from __future__ import annotations

from fastnn.nn import (
    container,
    conv,
    dropout,
    flatten,
    fold,
    lazy,
    linear,
    loss,
    module,
    padding,
    pooling,
    transformer,
    upsampling,
)
from fastnn.nn import norm as batchnorm
from fastnn.nn import norm as instancenorm
from fastnn.nn import norm as normalization
from fastnn.nn import recurrent as rnn
from fastnn.nn.module import Module
from fastnn.nn.modules import utils

__all__ = [
    "Module",
    "batchnorm",
    "container",
    "conv",
    "dropout",
    "flatten",
    "fold",
    "instancenorm",
    "lazy",
    "linear",
    "loss",
    "module",
    "normalization",
    "padding",
    "pooling",
    "rnn",
    "transformer",
    "upsampling",
    "utils",
]
