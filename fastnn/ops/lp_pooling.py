"""lp_pool: the p-norm of each window, by the mean of powers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fastnn.ops.elementwise import sign
from fastnn.ops.gate import tensor_argument
from fastnn.ops.pooling import avg_pool
from fastnn.ops.windows import Numbers, numbers

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d"]


def _lp_pool(
    axes: int, input: Tensor, norm_type: float, kernel_size: Numbers, stride: Numbers | None, ceil_mode: bool
) -> Tensor:
    name = f"lp_pool{axes}d"
    kernel = numbers(kernel_size, axes, name, "kernel_size")
    powers = tensor_argument(input, name) ** norm_type
    means = avg_pool(f"avg_pool{axes}d", axes, powers, kernel, stride, 0, ceil_mode, True, None)
    sums = sign(means) * means.abs().relu() * math.prod(kernel)
    return sums ** (1.0 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x**norm_type over the window)**(1 / norm_type) for each window; windows and errors as in avg_pool1d.

    input: (N, C, L) or (C, L). As in PyTorch, x is not made positive first, and the gradient is NaN or infinite where
    the sum is 0.
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """As lp_pool1d, for input (N, C, H, W) or (C, H, W)."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """As lp_pool1d, for input (N, C, D, H, W) or (C, D, H, W)."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
