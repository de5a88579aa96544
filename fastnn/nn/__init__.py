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
from fastnn.nn.recurrent import GRU, LSTM, RNN, RNNBase
from fastnn.nn.recurrent_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "Buffer",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "GRUCell",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "L1Loss",
    "LSTMCell",
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
    "RNNBase",
    "RNNCell",
    "RNNCellBase",
    "RReLU",
    "ReLU",
    "ReLU6",
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
