"""Activations made of straight pieces: relu6, hardtanh, hardswish, hardsigmoid, the shrinks, threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.ops.gate import tensor_argument
from fastnn.ops.in_place import in_place
from fastnn.ops.named_kernel import by_name
from fastnn.ops.select import clamp

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_", "relu6", "softshrink", "threshold", "threshold_",
]  # fmt: skip


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """input limited to [min_val, max_val]; no gradient at the limits. ValueError where min_val > max_val."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if inplace:
        return hardtanh_(input, min_val, max_val)
    return _hardtanh(input, min_val, max_val, "hardtanh")


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """hardtanh in place."""
    return in_place(hardtanh, input, min_val, max_val, reads_input=True)


def _hardtanh(input: Tensor, low: float, high: float, name: str) -> Tensor:
    dtype = tensor_argument(input, name)._array.dtype
    if dtype == np.bool_:
        raise RuntimeError(f"Bool inputs not supported for {name}")
    if dtype.kind != "f":
        if dtype.kind == "u" and low < 0:
            raise RuntimeError(f"cannot do {name} on an unsigned type with negative limits")
        return clamp(input, int(low), int(high))
    return by_name("hardtanh", name, input, low, high)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """input limited to [0, 6]; no gradient at the limits."""
    if inplace:
        return in_place(relu6, input, reads_input=True)
    return _hardtanh(input, 0.0, 6.0, "relu6")


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * relu6(input + 3) / 6 (Howard et al. 2019); 0 at -inf."""
    if inplace:
        return in_place(hardswish, input, reads_input=True)
    return by_name("hardswish", "hardswish", input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(input + 3) / 6."""
    if inplace:
        return in_place(hardsigmoid, input, reads_input=True)
    return by_name("hardsigmoid", "hardsigmoid", input)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where -lambd <= input <= lambd, else input."""
    return by_name("hardshrink", "hardshrink", input, lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """input moved towards 0 by lambd, 0 where it would cross. RuntimeError for a negative lambd."""
    if not lambd >= 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    return by_name("softshrink", "softshrink", input, lambd)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """input where it is above threshold (or NaN), else value."""
    if inplace:
        return threshold_(input, threshold, value)
    array = tensor_argument(input, "threshold")._array
    if array.dtype.kind in "iu":
        return _core.wrap(np.where(array <= threshold, np.array(value).astype(array.dtype), array))
    return by_name("threshold", "threshold", input, threshold, value)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """threshold in place."""
    return in_place(_threshold, input, threshold, value, reads_input=True)


_threshold = threshold
