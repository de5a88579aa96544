"""bilinear: a form of two inputs, by one product of matrices and one weighted sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.ops.gate import tensor_argument
from fastnn.ops.matmul import matmul
from fastnn.ops.shape import permute, reshape

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["bilinear"]


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """out[..., k] = sum over i, j of input1[..., i] * weight[k, i, j] * input2[..., j], plus bias[k].

    input1: (..., I), input2: (..., J), weight: (K, I, J), bias: (K,) or None; returns (..., K).
    RuntimeError where shapes or dtypes do not fit.
    """
    a = tensor_argument(input1, "bilinear", "input1")._array
    b = tensor_argument(input2, "bilinear", "input2")._array
    w = tensor_argument(weight, "bilinear", "weight")._array
    if a.ndim != b.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {a.ndim} and {b.ndim}")
    for axis, (n, m) in enumerate(zip(a.shape[:-1], b.shape[:-1], strict=True)):
        if n != m:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {axis}: got {n} and {m}")
    if w.ndim != 3:
        raise RuntimeError(f"bilinear(): expected a 3-D weight, got shape {list(w.shape)}")
    for axis, array in ((1, a), (2, b)):
        if array.shape[-1] != w.shape[axis]:
            raise RuntimeError(
                f"bilinear(): input{axis} size does not match weight size: got {array.shape[-1]} but expected "
                f"{w.shape[axis]}"
            )
    if not a.dtype == b.dtype == w.dtype:
        raise RuntimeError(
            f"bilinear(): expected one dtype, got {input1.dtype}, {input2.dtype} and a weight of {weight.dtype}"
        )
    if bias is not None and tensor_argument(bias, "bilinear", "bias")._array.shape != (w.shape[0],):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {list(bias._array.shape)} but expected "
            f"[{w.shape[0]}]"
        )
    outputs, first, second = w.shape
    lead = a.shape[:-1]
    mixed = matmul(reshape(input1, (-1, first)), reshape(permute(weight, (1, 0, 2)), (first, outputs * second)))
    product = matmul(reshape(mixed, (-1, outputs, second)), reshape(input2, (-1, second, 1)))
    out = reshape(product, (*lead, outputs))
    return out if bias is None else out + bias
