"""linear: x @ weight.T + bias, with an activation fused where a layer knows it, as one kernel call each way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias.

    input: (..., in_features), weight: (out_features, in_features) or (in_features,), bias: (out_features,) or
    None; returns (..., out_features). Raises RuntimeError where shapes or dtypes do not fit.
    """
    return linear_activation(input, weight, bias, "none")


def linear_activation(input: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    """linear followed by one of fastnn.kernels.contract.ACTIVATIONS, in one kernel call."""
    try:
        x, w = input._array, weight._array
    except AttributeError:
        return _unusual(input, weight, bias, activation)
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1] or x.dtype != w.dtype or x.dtype not in KERNEL_DTYPES:
        return _unusual(input, weight, bias, activation)
    if bias is not None:
        _check_bias(weight, bias)
    rows, inputs, outputs = math.prod(x.shape[:-1]), x.shape[-1], w.shape[0]
    out = np.empty((*x.shape[:-1], outputs), x.dtype)
    K.linear_forward(
        dense(input).reshape(rows, inputs),
        dense(weight),
        None if bias is None else dense(bias),
        activation,
        out.reshape(rows, outputs),
    )
    inputs_ = (input, weight) if bias is None else (input, weight, bias)
    return _core.record(
        "AddmmBackward0", _linear_backward, inputs_, out, (input, weight), activation != "none", extra=activation
    )


def _check_bias(weight: Tensor, bias: Tensor) -> None:
    b, w = tensor_argument(bias, "linear", "bias")._array, weight._array
    if b.shape != (w.shape[0],):
        raise RuntimeError(
            f"linear(): bias has shape {list(b.shape)}, expected [{w.shape[0]}] for a weight of shape {list(w.shape)}"
        )
    if b.dtype != w.dtype:
        raise RuntimeError(f"linear(): bias has dtype {bias.dtype}, expected weight's, {weight.dtype}")


def _unusual(input: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    """The argument errors, and the dtypes and weight shapes that have no kernel of their own."""
    tensor_argument(input, "linear")
    tensor_argument(weight, "linear", "weight")
    x, w = input._array, weight._array
    if x.dtype != w.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {input.dtype} (input) and {weight.dtype} (weight)"
        )
    if w.ndim not in (1, 2):
        raise RuntimeError(f"linear(): weight must be 1-D or 2-D, got shape {list(w.shape)}")
    if x.ndim == 0 or x.shape[-1] != w.shape[-1]:
        raise RuntimeError(
            "mat1 and mat2 shapes cannot be multiplied: linear(): input has shape "
            f"{list(x.shape)}, expected [..., {w.shape[-1]}] for a weight of shape {list(w.shape)}"
        )
    from fastnn.ops.matmul import matmul

    if x.dtype == np.float16:
        single = np.dtype(np.float32)
        wide_bias = None if bias is None else cast(bias, single)
        return cast(linear_activation(cast(input, single), cast(weight, single), wide_bias, activation), x.dtype)
    if activation != "none":
        raise NotImplementedError(f"linear with activation={activation!r} is not implemented for {input.dtype}")
    out = matmul(input, weight if w.ndim == 1 else weight.t())
    return out if bias is None else out + bias


def _linear_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    if _core.is_grad_enabled():
        return _linear_backward_recorded(ctx, grad)
    needs = ctx.needs
    x, w, *outs = ctx.saved
    values, weights = dense(x), dense(w)
    rows, (outputs, inputs) = math.prod(values.shape[:-1]), weights.shape
    g = dense(grad).reshape(rows, outputs)
    grad_x = np.empty(values.shape, values.dtype) if needs[0] else None
    grad_w = np.empty(weights.shape, weights.dtype) if needs[1] else None
    grad_b = np.empty(outputs, weights.dtype) if len(needs) == 3 and needs[2] else None
    K.linear_backward(
        g,
        values.reshape(rows, inputs),
        weights,
        outs[0]._array.reshape(rows, outputs) if outs else None,
        ctx.extra,
        np.empty_like(g) if outs else None,
        None if grad_x is None else grad_x.reshape(rows, inputs),
        grad_w,
        grad_b,
    )
    wrap = _core.wrap
    first = None if grad_x is None else wrap(grad_x)
    second = None if grad_w is None else wrap(grad_w)
    return (first, second) if len(needs) == 2 else (first, second, None if grad_b is None else wrap(grad_b))


def _linear_backward_recorded(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    """The same of recorded ops, for create_graph=True."""
    x, w, *outs = ctx.saved
    if ctx.extra == "relu":
        grad = grad * (outs[0] > 0)
    elif ctx.extra == "sigmoid":
        grad = grad * outs[0] * (1 - outs[0])
    elif ctx.extra == "tanh":
        grad = grad * (1 - outs[0] * outs[0])
    outputs, inputs = w._array.shape
    flat = grad.reshape(math.prod(grad._array.shape[:-1]), outputs)
    rows = x.reshape(flat._array.shape[0], inputs)
    gradients = [grad @ w, flat.t() @ rows, flat.sum(0)]
    return tuple(gradients[i] if need else None for i, need in enumerate(ctx.needs))
