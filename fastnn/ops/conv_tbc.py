"""conv_tbc: a convolution over the first dimension, with channels last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.ops.conv import conv1d
from fastnn.ops.gate import tensor_argument
from fastnn.ops.shape import permute

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["conv_tbc"]


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """conv1d of input (T, B, C) with weight (K, C, O) and bias (O,): (T + 2 * pad - K + 1, B, O).

    RuntimeError where shapes or dtypes do not fit.
    """
    x, w = tensor_argument(input, "conv_tbc")._array, tensor_argument(weight, "conv_tbc", "weight")._array
    if x.ndim != 3 or w.ndim != 3:
        raise RuntimeError(
            f"conv_tbc(): Input and weight must have 3 dims: time, batch, channels, and kernel, in, out; got {x.ndim} "
            f"and {w.ndim}"
        )
    out = conv1d(permute(input, (1, 2, 0)), permute(weight, (2, 1, 0)), bias, padding=pad)
    return permute(out, (2, 0, 1))
