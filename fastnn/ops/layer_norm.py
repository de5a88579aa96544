"""Layer and RMS norm, and what they share with batch_norm.py.

Each op has a gradient by kernel, and for create_graph=True the same formula of recorded ops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.dims import Array, Shape
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument
from fastnn.ops.shape import reshape

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["layer_norm", "rms_norm"]

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def argument(input: Tensor, name: str, **parameters: Tensor | None) -> Array:
    """input's array; parameters must be tensors of its dtype."""
    x = tensor_argument(input, name)._array
    if x.dtype not in KERNEL_DTYPES and x.dtype != HALF:
        raise RuntimeError(f'"{name}" not implemented for {input.dtype}: input is expected to be floating')
    for argument, tensor in parameters.items():
        if tensor is not None and tensor_argument(tensor, name, argument)._array.dtype != x.dtype:
            raise RuntimeError(f"{name}(): expected {argument} of input's dtype, {input.dtype}, but got {tensor.dtype}")
    return x


def wide(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else cast(tensor, SINGLE)


def flat(tensor: Tensor | None) -> Array | None:
    return None if tensor is None else dense(tensor).reshape(-1)


def given(input: Tensor, weight: Tensor | None, bias: Tensor | None) -> tuple[Tensor, ...]:
    return tuple([tensor for tensor in (input, weight, bias) if tensor is not None])


def blanks(ctx: Node, x: Array, features: int, weight: bool, bias: bool) -> list[Array | None]:
    """Memory for the gradients that are asked for of input, weight, bias; None for the others."""
    needs = iter(ctx.needs)
    sizes = ((x.shape, True), ((features,), weight), ((features,), bias))
    return [np.empty(shape, x.dtype) if there and next(needs) else None for shape, there in sizes]


def gradients(found: list[Array | None], weight: Tensor | None, bias: bool, shape: Shape) -> tuple[Tensor | None, ...]:
    """The gradients as record wants them: one for each tensor that was an input."""
    kept = [found[0]] + ([found[1]] if weight is not None else []) + ([found[2]] if bias else [])
    shapes = [None] + [shape] * (len(kept) - 1)
    return tuple(
        [
            None if a is None else _core.wrap(a if wanted is None else a.reshape(wanted))
            for a, wanted in zip(kept, shapes, strict=True)
        ]
    )


def recorded(
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: bool,
    eps: float,
    dims: Sequence[int],
    others: Sequence[int],
    shape: Shape,
    centred: bool = True,
) -> tuple[Tensor | None, ...]:
    """The gradients by recorded ops. x and grad: split so that statistics run over dims; weight: of the shape."""
    middle = x - x.mean(list(dims), keepdim=True) if centred else x
    rstd = (middle * middle).mean(list(dims), keepdim=True).add(eps).rsqrt()
    hat = middle * rstd
    found: list[Tensor | None] = []
    g = grad if weight is None else grad * weight.reshape(shape)
    inner = g - hat * (g * hat).mean(list(dims), keepdim=True)
    if centred:
        inner = inner - g.mean(list(dims), keepdim=True)
    found.append(rstd * inner)
    if weight is not None:
        found.append((grad * hat).sum(list(others)).reshape(weight.shape))
    if bias:
        found.append(grad.sum(list(others)).reshape(-1))
    return tuple(found)


# ------------------------------------------------------------------------------------------------ layer and RMS norm


def _normalized(x: Array, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, name: str) -> Shape:
    wanted = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not wanted:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, got normalized_shape = []")
    for argument, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor._array.shape != wanted:
            raise RuntimeError(
                f"{name}(): expected {argument} to be of same shape as normalized_shape, but got {argument} of shape "
                f"{list(tensor._array.shape)} and normalized_shape = {list(wanted)}"
            )
    if x.shape[-len(wanted) :] != wanted:
        raise RuntimeError(
            f"Given normalized_shape={list(wanted)}, expected input with shape [*, {', '.join(map(str, wanted))}], but "
            f"got input of size {list(x.shape)}"
        )
    return wanted


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias over the last dimensions (Ba, Kiros and Hinton 2016).

    normalized_shape: input's last sizes, over which mean and variance (divided by the count) are taken; weight and
    bias: of that shape, or None. RuntimeError where shapes or dtypes do not fit.
    """
    x = argument(input, "layer_norm", weight=weight, bias=bias)
    wanted = _normalized(x, normalized_shape, weight, bias, "layer_norm")
    if x.dtype == HALF:
        return cast(layer_norm(cast(input, SINGLE), wanted, wide(weight), wide(bias), eps), HALF)
    n = math.prod(wanted)
    rows = math.prod(x.shape[: -len(wanted)])
    out, mean, rstd = np.empty(x.shape, x.dtype), np.empty(rows, x.dtype), np.empty(rows, x.dtype)
    values = dense(input).reshape(rows, n)
    K.layer_norm_forward(values, flat(weight), flat(bias), eps, out.reshape(rows, n), mean, rstd)
    return _core.record(
        "NativeLayerNormBackward0",
        _layer_norm_backward,
        given(input, weight, bias),
        out,
        (input,) if weight is None else (input, weight),
        extra=(mean, rstd, wanted, bias is not None, eps),
    )


def _layer_norm_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    input, *weights = ctx.saved
    mean, rstd, wanted, bias, eps = ctx.extra
    weight = weights[0] if weights else None
    n = math.prod(wanted)
    if _core.is_grad_enabled():
        split = (len(mean), n)
        found = recorded(grad.reshape(split), input.reshape(split), weight, bias, eps, (1,), (0,), (1, n))
        return reshaped(found, input, wanted)
    x = dense(input).reshape(len(mean), n)
    grads = blanks(ctx, x, n, weight is not None, bias)
    K.layer_norm_backward(dense(grad).reshape(x.shape), x, flat(weight), mean, rstd, *grads)
    grads[0] = None if grads[0] is None else grads[0].reshape(input._array.shape)
    return gradients(grads, weight, bias, wanted)


def reshaped(found: tuple[Tensor | None, ...], input: Tensor, shape: Shape) -> tuple[Tensor | None, ...]:
    first, *rest = found
    assert first is not None
    return (
        reshape(first, input._array.shape),
        *[None if gradient is None else reshape(gradient, shape) for gradient in rest],
    )


def rms_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """input / sqrt(mean(input**2) + eps) * weight over the last dimensions (Zhang and Sennrich 2019).

    eps: the dtype's epsilon where None. Shapes and errors as in layer_norm.
    """
    x = argument(input, "rms_norm", weight=weight)
    wanted = _normalized(x, normalized_shape, weight, None, "rms_norm")
    if eps is None:
        eps = float(np.finfo(x.dtype if x.dtype != HALF else SINGLE).eps)
    if x.dtype == HALF:
        return cast(rms_norm(cast(input, SINGLE), wanted, wide(weight), eps), HALF)
    n = math.prod(wanted)
    rows = math.prod(x.shape[: -len(wanted)])
    out, rstd = np.empty(x.shape, x.dtype), np.empty(rows, x.dtype)
    K.rms_norm_forward(dense(input).reshape(rows, n), flat(weight), eps, out.reshape(rows, n), rstd)
    return _core.record(
        "FusedRmsNormBackward0",
        _rms_norm_backward,
        given(input, weight, None),
        out,
        (input,) if weight is None else (input, weight),
        extra=(rstd, wanted, eps),
    )


def _rms_norm_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    input, *weights = ctx.saved
    rstd, wanted, eps = ctx.extra
    weight = weights[0] if weights else None
    n = math.prod(wanted)
    if _core.is_grad_enabled():
        split = (len(rstd), n)
        found = recorded(
            grad.reshape(split), input.reshape(split), weight, False, eps, (1,), (0,), (1, n), centred=False
        )
        return reshaped(found, input, wanted)
    x = dense(input).reshape(len(rstd), n)
    grads = blanks(ctx, x, n, weight is not None, False)
    K.rms_norm_backward(dense(grad).reshape(x.shape), x, flat(weight), rstd, grads[0], grads[1])
    grads[0] = None if grads[0] is None else grads[0].reshape(input._array.shape)
    return gradients(grads, weight, False, wanted)
