"""Layers, losses and containers, as in ``torch.nn``."""

from __future__ import annotations

from fastnn.nn import functional, init, utils
from fastnn.nn.activation import LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
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
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Unflatten",
    "functional",
    "init",
    "utils",
]
