"""The arithmetic of layers: floating-point operations of a forward pass, a multiply-add counted as two."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastnn import nn
from fastnn.nn.module import Module
from fastnn.training.diagnosis import arrays_in

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_GLOBAL_POOLS = (
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveMaxPool3d,
)
_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_FREE = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Embedding)


def is_whole(module: Module) -> bool:
    """Whether a module is counted as one layer: it holds no other, or has a rule for all that it holds."""
    return isinstance(module, (nn.MultiheadAttention, nn.RNNBase)) or not any(True for _ in module.children())


def flops_of(module: Module, given: Any, output: Any) -> int:
    """The operations of one call with the positional arguments ``given``."""
    for kinds, rule in _RULES:
        if isinstance(module, kinds):
            return rule(module, given, output)
    return _elements(output)


def _elements(value: Any) -> int:
    return next((int(array.size) for array in arrays_in(value)), 0)


def _linear(module: Any, given: Any, output: Any) -> int:
    return _elements(output) * int(2 * module.in_features + (module.bias is not None))


def _convolution(module: Any, given: Any, output: Any) -> int:
    terms = module.in_channels // module.groups * math.prod(module.kernel_size)
    return _elements(output) * int(2 * terms + (module.bias is not None))


def _transposed(module: Any, given: Any, output: Any) -> int:
    terms = module.out_channels // module.groups * math.prod(module.kernel_size)
    return int(2 * _elements(given) * terms + _elements(output) * (module.bias is not None))


def _pool(module: Any, given: Any, output: Any) -> int:
    shape = next(arrays_in(output)).shape
    size = module.kernel_size
    window = math.prod(size) if isinstance(size, tuple) else size ** (len(shape) - 2)
    return _elements(output) * window


def _recurrent(module: Any, given: Any, output: Any) -> int:
    gates = {"LSTM": 4, "GRU": 3}.get(type(module).__name__, 1)
    directions = 2 if module.bidirectional else 1
    visible = getattr(module, "proj_size", 0) or module.hidden_size
    positions = _elements(given) // module.input_size
    total = 0
    for layer in range(module.num_layers):
        inputs = module.input_size if layer == 0 else visible * directions
        step = gates * module.hidden_size * 2 * (inputs + visible)  # two products a gate
        step += module.hidden_size * {4: 9, 3: 8, 1: 1}[gates]  # the gates' own arithmetic
        if visible != module.hidden_size:
            step += 2 * module.hidden_size * visible
        total += positions * directions * step
    return total


def _attention(module: Any, given: Any, output: Any) -> int:
    query, key, value = (next(arrays_in(tensor)) for tensor in given[:3])
    batch_axis = 0 if module.batch_first else 1
    length_axis = 1 - batch_axis
    batch = query.shape[batch_axis] if query.ndim == 3 else 1
    targets = query.shape[length_axis] if query.ndim == 3 else query.shape[0]
    sources = key.shape[length_axis] if key.ndim == 3 else key.shape[0]
    width = module.embed_dim
    projections = 2 * width * (2 * targets * width + sources * (key.shape[-1] + value.shape[-1]))
    scores = 2 * 2 * targets * sources * width + 5 * targets * sources * module.num_heads  # products, softmax
    return int(batch * (projections + scores))


_RULES: list[tuple[Any, Callable[[Any, Any, Any], int]]] = [
    (nn.Linear, _linear),
    (_CONVOLUTIONS, _convolution),
    (_TRANSPOSED, _transposed),
    (_POOLS, _pool),
    (_GLOBAL_POOLS, lambda module, given, output: _elements(given)),
    (nn.RNNBase, _recurrent),
    (nn.MultiheadAttention, _attention),
    (_BATCH_NORMS, lambda module, given, output: 2 * _elements(output)),  # in eval mode a scale and a shift
    (_NORMS, lambda module, given, output: 7 * _elements(output)),  # mean, variance, scale and shift
    (_FREE, lambda module, given, output: 0),
]
