"""Activations with a learnt, random or gating second factor: prelu, rrelu, glu."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.generator import default_generator
from fastnn.ops.activation import leaky_relu, sigmoid
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.in_place import in_place
from fastnn.ops.select import where
from fastnn.sampling import uniform_array

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["glu", "prelu", "rrelu", "rrelu_"]


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where it is positive, else weight * input (He et al. 2015).

    weight: one element, or one a channel (dimension 1 of input). RuntimeError for another number, or another dtype.
    """
    x, w = tensor_argument(input, "prelu"), tensor_argument(weight, "prelu", "weight")
    if x._array.dtype != w._array.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {x.dtype} and {w.dtype}")
    if w._array.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {w._array.ndim}")
    if w._array.size != 1:
        if x._array.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = x._array.shape[1] if x._array.ndim > 1 else 1
        if channels != w._array.size:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{w._array.size} and channel size = {channels}."
            )
        w = w.reshape([1, -1] + [1] * (x._array.ndim - 2))
    else:
        w = w.reshape([1] * x._array.ndim)
    return where(x > 0, x, w * x)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """input where it is positive, else input times a factor drawn uniformly from [lower, upper) for each element.

    Not in training the factor is (lower + upper) / 2 (Xu et al. 2015). RuntimeError where lower > upper.
    """
    if not lower <= upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if inplace:
        return rrelu_(input, lower, upper, training)
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    x = tensor_argument(input, "rrelu")
    if x._array.dtype == np.float16:
        return cast(rrelu(cast(x, np.dtype(np.float32)), lower, upper, True), np.dtype(np.float16))
    if x._array.dtype.kind != "f":
        raise NotImplementedError(f'"rrelu" not implemented for {x.dtype}: input is expected to be floating')
    drawn = uniform_array(default_generator.numpy, x._array.shape, x._array.dtype)
    noise = np.where(x._array <= 0, drawn * x._array.dtype.type(upper - lower) + x._array.dtype.type(lower), 1)
    return x * _core.wrap(noise.astype(x._array.dtype, copy=False))


def rrelu_(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Tensor:
    """rrelu in place."""
    return in_place(rrelu, input, lower, upper, training, reads_input=True)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), a and b the halves of input along dim (Dauphin et al. 2017). RuntimeError for an odd extent."""
    x = tensor_argument(input, "glu")
    shape = x._array.shape
    if not shape:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    if not -len(shape) <= dim < len(shape):
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-len(shape)}, {len(shape) - 1}], but got {dim})"
        )
    dim %= len(shape)
    if shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {shape[dim]}")
    if x._array.dtype.kind != "f":
        raise NotImplementedError(f'"glu" not implemented for {x.dtype}: input is expected to be floating')
    half = shape[dim] // 2
    return x.narrow(dim, 0, half) * sigmoid(x.narrow(dim, half, half))
