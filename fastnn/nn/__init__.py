"""Layers, losses and containers, as in ``torch.nn``."""

from __future__ import annotations

from fastnn.nn import functional, init, utils
from fastnn.nn.activation import LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from fastnn.nn.activation_hard import Hardshrink, Hardsigmoid, Hardswish, Hardtanh, ReLU6, Softshrink, Threshold
from fastnn.nn.activation_parametric import GLU, PReLU, RReLU, Softmax2d, Softmin
from fastnn.nn.activation_smooth import CELU, ELU, GELU, SELU, LogSigmoid, Mish, SiLU, Softplus, Softsign, Tanhshrink
from fastnn.nn.container import ModuleDict, ModuleList, Sequential
from fastnn.nn.dropout import Dropout
from fastnn.nn.flatten import Flatten, Unflatten
from fastnn.nn.linear import Identity, Linear
from fastnn.nn.loss import CrossEntropyLoss, L1Loss, MSELoss
from fastnn.nn.module import Module
from fastnn.nn.parameter import Buffer, Parameter
from fastnn.nn.parameter_container import ParameterDict, ParameterList

__all__ = [
    "Buffer",
    "CELU",
    "CrossEntropyLoss",
    "Dropout",
    "ELU",
    "Flatten",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "PReLU",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "Unflatten",
    "functional",
    "init",
    "utils",
]
