"""Activations: relu, leaky_relu, sigmoid, tanh. Values and gradients by kernels; second derivatives by recorded ops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.arithmetic import as_floating
from fastnn.ops.gate import KERNEL_DTYPES, cast, floating, tensor_argument
from fastnn.ops.in_place import in_place
from fastnn.ops.select import where

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["leaky_relu", "leaky_relu_", "relu", "relu_", "sigmoid", "sigmoid_", "tanh", "tanh_"]


def _wide(tensor: Tensor) -> Tensor | None:
    """tensor in float32 where it is float16, which the kernels lack; None where it needs no change."""
    return None if tensor._array.dtype in KERNEL_DTYPES else cast(tensor, np.dtype(np.float32))


def relu(input: Tensor) -> Tensor:
    """max(input, 0), element by element; NaN stays; the derivative at 0 is 0."""
    tensor = tensor_argument(input, "relu")
    array = tensor._array
    if array.dtype not in KERNEL_DTYPES:
        if array.dtype == np.bool_:
            raise RuntimeError("Boolean inputs not supported for relu")
        if array.dtype.kind != "f":
            return _core.wrap(np.maximum(array, np.zeros((), array.dtype)))
        return cast(relu(cast(tensor, np.dtype(np.float32))), array.dtype)
    out = np.empty(array.shape, array.dtype)
    K.relu_forward(dense(tensor), out)
    return _core.record("ReluBackward0", _relu_backward, (tensor,), out, (), True)


def _relu_backward(ctx: Node, grad: Tensor) -> Tensor:
    if _core.is_grad_enabled():
        (saved,) = ctx.saved
        return where(_core.wrap(~(saved._array <= 0)), grad, 0.0)
    (out,) = ctx.arrays
    return _by_kernel(K.relu_backward, grad, out)


def _by_kernel(kernel: Any, grad: Tensor, saved: NDArray[Any]) -> Tensor:
    grad_x = np.empty(saved.shape, saved.dtype)
    kernel(dense(grad), saved, grad_x)
    return _core.wrap(grad_x)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where it is positive, else negative_slope * input."""
    if inplace:
        return leaky_relu_(input, negative_slope)
    tensor = tensor_argument(input, "leaky_relu")
    if tensor._array.dtype == np.float16:
        return cast(leaky_relu(cast(tensor, np.dtype(np.float32)), negative_slope), tensor._array.dtype)
    x = floating(tensor, "leaky_relu")
    out = np.empty(x.shape, x.dtype)
    K.leaky_relu_forward(x, negative_slope, out)
    # Saved dense, as the kernel read it: the same tensor where it was dense already.
    return _core.record("LeakyReluBackward0", _leaky_relu_backward, (tensor,), out, (tensor,), extra=negative_slope)


def _leaky_relu_backward(ctx: Node, grad: Tensor) -> Tensor:
    (x,) = ctx.saved
    if _core.is_grad_enabled():
        return where(x > 0, grad, grad * ctx.extra)
    values = dense(x)
    grad_x = np.empty(values.shape, values.dtype)
    K.leaky_relu_backward(dense(grad), values, ctx.extra, grad_x)
    return _core.wrap(grad_x)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input)), element by element."""
    tensor = as_floating(tensor_argument(input, "sigmoid"))
    if (wide := _wide(tensor)) is not None:
        return cast(sigmoid(wide), tensor._array.dtype)
    out = np.empty(tensor._array.shape, tensor._array.dtype)
    K.sigmoid_forward(dense(tensor), out)
    return _core.record("SigmoidBackward0", _sigmoid_backward, (tensor,), out, (), True)


def _sigmoid_backward(ctx: Node, grad: Tensor) -> Tensor:
    if _core.is_grad_enabled():
        (y,) = ctx.saved
        return grad * (y * (1 - y))
    (out,) = ctx.arrays
    return _by_kernel(K.sigmoid_backward, grad, out)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent, element by element."""
    tensor = as_floating(tensor_argument(input, "tanh"))
    if (wide := _wide(tensor)) is not None:
        return cast(tanh(wide), tensor._array.dtype)
    out = np.empty(tensor._array.shape, tensor._array.dtype)
    K.tanh_forward(dense(tensor), out)
    return _core.record("TanhBackward0", _tanh_backward, (tensor,), out, (), True)


def _tanh_backward(ctx: Node, grad: Tensor) -> Tensor:
    if _core.is_grad_enabled():
        (y,) = ctx.saved
        return grad * (1 - y * y)
    (out,) = ctx.arrays
    return _by_kernel(K.tanh_backward, grad, out)


def relu_(input: Tensor) -> Tensor:
    """relu in place."""
    return in_place(relu, input)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """leaky_relu in place."""
    return in_place(leaky_relu, input, negative_slope, reads_input=True)


def sigmoid_(input: Tensor) -> Tensor:
    """sigmoid in place."""
    return in_place(sigmoid, input)


def tanh_(input: Tensor) -> Tensor:
    """tanh in place."""
    return in_place(tanh, input)
