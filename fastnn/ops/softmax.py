"""softmax and log_softmax over one axis."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.gate import cast, floating, tensor_argument

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.dtypes import dtype as DType
    from fastnn.tensor import Tensor

__all__ = ["log_softmax", "softmax", "softmin"]


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """exp(input) / sum(exp(input)) along dim, shifted by the maximum; a row of -inf alone is NaN.

    dtype: cast to it first. Raises IndexError for a dim out of range.
    """
    return _along(input, dim, dtype, "softmax", _stacklevel)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """log(softmax(input)) along dim, without forming the softmax."""
    return _along(input, dim, dtype, "log_softmax", _stacklevel)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None) -> Tensor:
    """softmax(-input) along dim."""
    return _along(-tensor_argument(input, "softmin"), dim, dtype, "softmin", _stacklevel)


def _along(input: Tensor, dim: int | None, dtype: DType | None, name: str, stacklevel: int) -> Tensor:
    tensor = tensor_argument(input, name)
    if dtype is not None:
        tensor = cast(tensor, dtype.to_numpy)
    ndim = tensor._array.ndim
    if dim is None:
        dim = 0 if ndim in (0, 1, 3) else 1
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
            "argument.",
            stacklevel=stacklevel,
        )
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-max(ndim, 1)}, {max(ndim, 1) - 1}], but got {dim})"
        )
    if tensor._array.dtype == np.float16:
        return cast(_along(cast(tensor, np.dtype(np.float32)), dim, None, name, stacklevel), np.dtype(np.float16))
    if ndim == 0:
        return _along(tensor.reshape(1), 0, None, name, stacklevel).reshape(())
    if dim % ndim != ndim - 1:
        return _along(tensor.transpose(dim, -1), -1, None, name, stacklevel).transpose(dim, -1)
    return _last_axis(tensor, name)


def _last_axis(tensor: Tensor, name: str) -> Tensor:
    x = floating(tensor, name)
    out = np.empty(x.shape, x.dtype)
    if out.size:
        rows = (-1, x.shape[-1])
        forward = K.log_softmax_forward if name == "log_softmax" else K.softmax_forward
        forward(x.reshape(rows), out.reshape(rows))
    if name != "log_softmax":
        return _core.record("SoftmaxBackward0", _softmax_backward, (tensor,), out, (), True)
    return _core.record("LogSoftmaxBackward0", _log_softmax_backward, (tensor,), out, (), True)


def _softmax_backward(ctx: Node, grad: Tensor) -> Tensor:
    if _core.is_grad_enabled():
        (y,) = ctx.saved
        return y * (grad - (grad * y).sum(-1, keepdim=True))
    return _by_kernel(K.softmax_backward, ctx, grad)


def _log_softmax_backward(ctx: Node, grad: Tensor) -> Tensor:
    if _core.is_grad_enabled():
        (y,) = ctx.saved
        return grad - y.exp() * grad.sum(-1, keepdim=True)
    return _by_kernel(K.log_softmax_backward, ctx, grad)


def _by_kernel(kernel: Any, ctx: Node, grad: Tensor) -> Tensor:
    (out,) = ctx.arrays
    grad_x = np.empty(out.shape, out.dtype)
    if out.size:
        rows = (-1, out.shape[-1])
        kernel(dense(grad).reshape(rows), out.reshape(rows), grad_x.reshape(rows))
    return _core.wrap(grad_x)
