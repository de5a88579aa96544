"""Dropout of whole channels, and the dropout that keeps SELU's mean and variance."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array, Shape
from fastnn.ops.dropout import dropout
from fastnn.ops.gate import tensor_argument
from fastnn.ops.in_place import in_place
from fastnn.ops.select import where

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "alpha_dropout", "alpha_dropout_", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
    "feature_alpha_dropout_", "feature_dropout", "feature_dropout_",
]  # fmt: skip

_SATURATION = 1.7580993408473766  # -(the limit of SELU at -infinity): its scale times its alpha


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _kept(shape: Shape, p: float) -> Array:
    """A mask: each element True with probability 1 - p."""
    drawn = dropout(_core.wrap(np.ones(shape, np.float32)), p)._array
    kept: Array = drawn != 0
    return kept


def _channel_shape(input: Tensor, name: str) -> Shape:
    x = tensor_argument(input, name)._array
    if x.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*x.shape[:2], *(1,) * (x.ndim - 2))


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Zeroes each channel of input (N, C, ...) with probability p and divides the others by 1 - p, in training."""
    _check(p)
    if not train or p == 0:
        return input
    kept = _kept(_channel_shape(input, "feature_dropout"), p)
    return where(_core.wrap(kept), input * (0.0 if p == 1 else 1 / (1 - p)), 0.0)


def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """feature_dropout, in place."""
    return in_place(feature_dropout, input, p, train) if train and p > 0 else input


def _by_channel(input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    if inplace:
        if batched:
            return feature_dropout_(input, p, training)
        return in_place(lambda x: feature_dropout(x.unsqueeze(0), p, training).squeeze(0), input)
    if batched:
        return feature_dropout(input, p, training)
    return feature_dropout(input.unsqueeze(0), p, training).squeeze(0)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of input (N, C, L) or (C, L) with probability p, and divides the others by 1 - p.

    ValueError for a p outside [0, 1], RuntimeError for other dimensions.
    """
    _check(p)
    ndim = tensor_argument(input, "dropout1d")._array.ndim
    if ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    return _by_channel(input, p, training, inplace, ndim == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As dropout1d, for input (N, C, H, W). As in PyTorch, a 3-D input counts as (N, C, L), and that is warned of."""
    _check(p)
    ndim = tensor_argument(input, "dropout2d")._array.ndim
    if ndim not in (3, 4):
        _warn_dims("dropout2d", ndim, "3D or 4D")
    if ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a "
            "future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain "
            "the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _by_channel(input, p, training, inplace, True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As dropout1d, for input (N, C, D, H, W) or (C, D, H, W); other dimensions are warned of."""
    _check(p)
    ndim = tensor_argument(input, "dropout3d")._array.ndim
    if ndim not in (4, 5):
        _warn_dims("dropout3d", ndim, "4D or 5D")
    return _by_channel(input, p, training, inplace, ndim == 5)


def _warn_dims(name: str, ndim: int, wanted: str) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a future "
        f"release. To retain the behavior and silence this warning, please use dropout instead. Expected {wanted}.",
        stacklevel=3,
    )


def _alpha(input: Tensor, p: float, shape: Shape) -> Tensor:
    if p == 1:
        return input * 0.0
    kept = _core.wrap(_kept(shape, p))
    scale = 1 / math.sqrt((_SATURATION**2 * p + 1) * (1 - p))
    lift = _SATURATION * scale * p
    return where(kept, input * scale + lift, lift - _SATURATION * scale)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Sets elements to SELU's limit at -infinity with probability p, then scales and shifts all of them so that mean 0
    and variance 1 stay (Klambauer et al. 2017). ValueError for a p outside [0, 1].
    """
    _check(p)
    if not training or p == 0:
        return input
    if inplace:
        return in_place(lambda x: _alpha(x, p, x._array.shape), input)
    return _alpha(input, p, tensor_argument(input, "alpha_dropout")._array.shape)


def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """alpha_dropout, in place."""
    return alpha_dropout(input, p, train, inplace=True)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """alpha_dropout of whole channels of input (N, C, ...). ValueError for a p outside [0, 1]."""
    _check(p)
    if not training or p == 0:
        return input
    shape = _channel_shape(input, "feature_alpha_dropout")
    return in_place(lambda x: _alpha(x, p, shape), input) if inplace else _alpha(input, p, shape)


def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """feature_alpha_dropout, in place."""
    return feature_alpha_dropout(input, p, train, inplace=True)
