"""Convolutions and transposed convolutions of one to three dimensions.

Three operations, each linear in both of its tensors, and each the gradient of the others: the convolution, its input's
gradient (which is the transposed convolution) and its weight's gradient. So gradients of any order are at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument
from fastnn.ops.windows import Numbers, batched, numbers, times

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.dims import Array
    from fastnn.tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


class Geometry(NamedTuple):
    """The kernels' options, one entry an axis; padding as (before, after)."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of each signal with ``weight``, plus ``bias``.

    input: (N, C, L) or (C, L), weight: (O, C/groups, K), bias: (O,) or None; returns (N, O, P) or (O, P) with
    P = floor((L + 2 * padding - dilation * (K - 1) - 1) / stride) + 1.
    padding: zeros at both ends, or "valid" (none), or "same" (P = L; stride must be 1).
    RuntimeError where shapes, dtypes or options do not fit.
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups, "none")


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """As conv1d, for input (N, C, H, W) or (C, H, W) and weight (O, C/groups, KH, KW); options: a number, or (h, w)."""
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups, "none")


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """As conv1d, for input (N, C, D, H, W) or (C, D, H, W) and weight (O, C/groups, KD, KH, KW)."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups, "none")


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """The gradient of conv1d with respect to its input, as an operation of its own, plus ``bias``.

    input: (N, C, L) or (C, L), weight: (C, O/groups, K), bias: (O,) or None; returns (N, O, P) or (O, P) with
    P = (L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1.
    RuntimeError where shapes, dtypes or options do not fit.
    """
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """As conv_transpose1d, for input (N, C, H, W) or (C, H, W) and weight (C, O/groups, KH, KW)."""
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """As conv_transpose1d, for input (N, C, D, H, W) or (C, D, H, W) and weight (C, O/groups, KD, KH, KW)."""
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_activation(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers | str,
    dilation: Numbers,
    groups: int,
    activation: str,
) -> Tensor:
    """conv1d, conv2d or conv3d, by weight's dimensions, followed by "none" or "relu", in one kernel call."""
    axes = tensor_argument(weight, "conv_activation", "weight")._array.ndim - 2
    if axes not in (1, 2, 3):
        raise RuntimeError(f"conv_activation(): expected weight with 3 to 5 dimensions, got {axes + 2}")
    return _conv(f"conv{axes}d", axes, input, weight, bias, stride, padding, dilation, groups, activation)


def _conv(
    function: str,
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers | str,
    dilation: Numbers,
    groups: int,
    activation: str,
) -> Tensor:
    steps, spread = numbers(stride, axes, function, "stride"), numbers(dilation, axes, function, "dilation")
    _check(function, axes, input, weight, steps, spread, groups)
    x, w = input._array, weight._array
    kernel = w.shape[2:]
    if isinstance(padding, str):
        pads = _named_padding(padding, kernel, steps, spread)
    else:
        pads = tuple((p, p) for p in numbers(padding, axes, function, "padding"))
        _check_padding(pads)
    geometry = Geometry(steps, pads, spread, groups)
    channels = x.shape[-axes - 1]
    if w.shape[0] % groups or w.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0 and divisible by {groups}, "
            f"but got weight of size {list(w.shape)} instead"
        )
    if channels != w.shape[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {list(w.shape)}, expected input{list(x.shape)} to have "
            f"{w.shape[1] * groups} channels, but got {channels} channels instead"
        )
    _check_bias(bias, weight, w.shape[0])
    padded = [n + before + after for n, (before, after) in zip(x.shape[-axes:], pads, strict=True)]
    spans = [d * (k - 1) + 1 for d, k in zip(spread, kernel, strict=True)]
    if any(p < s for p, s in zip(padded, spans, strict=True)) or 0 in x.shape[-axes:]:
        raise RuntimeError(
            f"Calculated padded input size per channel: ({times(padded)}). Kernel size: ({times(spans)}). "
            "Kernel size can't be greater than actual input size"
        )
    if x.dtype == np.float16:
        wide, kernels, added = _in_single(input, weight, bias)
        return cast(_conv(function, axes, wide, kernels, added, stride, padding, dilation, groups, activation), x.dtype)
    _check_kernel_dtype(function, input)
    if x.ndim == axes + 1:
        return _forward(batched(input, axes), weight, bias, geometry, activation).squeeze(0)
    return _forward(input, weight, bias, geometry, activation)


def _transposed(
    function: str,
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers,
    output_padding: Numbers,
    groups: int,
    dilation: Numbers,
) -> Tensor:
    steps, spread = numbers(stride, axes, function, "stride"), numbers(dilation, axes, function, "dilation")
    if isinstance(padding, str):
        raise TypeError(f"{function}(): argument 'padding' must be int or tuple of ints, not str")
    before = numbers(padding, axes, function, "padding")
    extra = numbers(output_padding, axes, function, "output_padding")
    _check(function, axes, input, weight, steps, spread, groups)
    _check_padding(tuple((p, p) for p in before))
    x, w = input._array, weight._array
    channels, kernel = x.shape[-axes - 1], w.shape[2:]
    if channels != w.shape[0]:
        raise RuntimeError(
            f"Given transposed=1, weight of size {list(w.shape)}, expected input{list(x.shape)} to have {w.shape[0]} "
            f"channels, but got {channels} channels instead"
        )
    if channels % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {list(w.shape)} instead"
        )
    for more, s, d in zip(extra, steps, spread, strict=True):
        if not 0 <= more < max(s, d):
            raise RuntimeError(
                "output padding must be smaller than either stride or dilation, but got "
                f"output_padding: {list(extra)}, stride: {list(steps)}, dilation: {list(spread)}"
            )
    outputs = w.shape[1] * groups
    _check_bias(bias, weight, outputs)
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + more + 1
        for n, s, p, d, k, more in zip(x.shape[-axes:], steps, before, spread, kernel, extra, strict=True)
    )
    if min(size) < 1 or 0 in x.shape[-axes:]:
        raise RuntimeError(
            f"Given input size per channel: ({times(x.shape[-axes:])}). Calculated output size per channel: "
            f"({times(size)}). Output size is too small"
        )
    if x.dtype == np.float16:
        wide, kernels, added = _in_single(input, weight, bias)
        out = _transposed(function, axes, wide, kernels, added, stride, padding, output_padding, groups, dilation)
        return cast(out, x.dtype)
    _check_kernel_dtype(function, input)
    # What output_padding adds behind is read by no window of the convolution: padding that is missing there.
    pads = tuple((p, p - more) for p, more in zip(before, extra, strict=True))
    geometry = Geometry(steps, pads, spread, groups)
    whole = batched(input, axes)
    out = _input_gradient(whole, weight, bias, geometry, (whole._array.shape[0], outputs, *size))
    return out if whole is input else out.squeeze(0)


def _named_padding(
    word: str, kernel: Sequence[int], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    if word == "valid":
        return ((0, 0),) * len(kernel)
    if word != "same":
        raise RuntimeError(f"Invalid padding string: '{word}'; expected 'valid' or 'same'")
    if max(stride) > 1:
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple((span // 2, span - span // 2) for span in spans)


def _check(
    function: str,
    axes: int,
    input: Tensor,
    weight: Tensor,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> None:
    x = tensor_argument(input, function)._array
    w = tensor_argument(weight, function, "weight")._array
    if x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) input to {function}, "
            f"but got input of size: {list(x.shape)}"
        )
    if w.ndim != axes + 2:
        raise RuntimeError(
            f"{function}(): expected {axes + 2}-dimensional weight, but got weight of size {list(w.shape)}"
        )
    if x.dtype != w.dtype:
        raise RuntimeError(f"Input type ({input.dtype}) and weight type ({weight.dtype}) should be the same")
    if min(stride) < 1:
        raise RuntimeError(f"non-positive stride is not supported: got {list(stride)}")
    if min(dilation) < 1:
        raise RuntimeError(f"dilation should be greater than zero: got {list(dilation)}")
    if groups < 1:
        raise RuntimeError(f"non-positive groups is not supported: got {groups}")
    if 0 in w.shape[2:]:
        raise RuntimeError(f"{function}(): expected kernel extents of at least 1, got weight of size {list(w.shape)}")


def _check_padding(pads: tuple[tuple[int, int], ...]) -> None:
    if min(before for before, _ in pads) < 0:
        raise RuntimeError(f"negative padding is not supported: got {[before for before, _ in pads]}")


def _check_bias(bias: Tensor | None, weight: Tensor, outputs: int) -> None:
    if bias is None:
        return
    b = tensor_argument(bias, "conv", "bias")._array
    if b.shape != (outputs,):
        raise RuntimeError(
            f"Given weight of size {list(weight._array.shape)}, expected bias to be 1-dimensional with {outputs} "
            f"elements, but got bias of size {list(b.shape)} instead"
        )
    if b.dtype != weight._array.dtype:
        raise RuntimeError(f"Input type ({weight.dtype}) and bias type ({bias.dtype}) should be the same")


def _in_single(input: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Half precision is computed in float32."""
    single = np.dtype(np.float32)
    return cast(input, single), cast(weight, single), None if bias is None else cast(bias, single)


def _check_kernel_dtype(function: str, input: Tensor) -> None:
    if input._array.dtype not in KERNEL_DTYPES:
        raise NotImplementedError(f'"{function}" not implemented for {input.dtype}')


def _forward(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, activation: str) -> Tensor:
    x, w = input._array, weight._array
    axes = zip(x.shape[2:], w.shape[2:], *geometry[:3], strict=True)
    extents = [(n + before + after - d * (k - 1) - 1) // s + 1 for n, k, s, (before, after), d in axes]
    out: Array = np.empty((x.shape[0], w.shape[0], *extents), x.dtype)
    K.conv_forward(dense(input), dense(weight), None if bias is None else dense(bias), *geometry, activation, out)
    inputs = (input, weight) if bias is None else (input, weight, bias)
    saved = (input if _core.needs_grad(weight) else None, weight if _core.needs_grad(input) else None)
    extra = (geometry, activation, x.shape, w.shape)
    return _core.record("ConvolutionBackward0", _conv_backward, inputs, out, saved, activation != "none", extra)


def _conv_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, w, *outs = ctx.saved
    geometry, _, x_shape, w_shape = ctx.extra
    needs = ctx.needs
    if outs:
        grad = _through_relu(grad, outs[0])
    first = _input_gradient(grad, w, None, geometry, x_shape) if needs[0] else None
    second = _weight_gradient(grad, x, geometry, w_shape) if needs[1] else None
    return (first, second) if len(needs) == 2 else (first, second, _bias_gradient(grad) if needs[2] else None)


def _through_relu(grad: Tensor, out: Tensor) -> Tensor:
    if _core.is_grad_enabled():
        return grad * (out > 0)
    g: Array = np.empty_like(out._array)
    K.relu_backward(dense(grad), dense(out), g)
    return _core.wrap(g)


def _bias_gradient(grad: Tensor) -> Tensor:
    if _core.is_grad_enabled():
        return grad.sum((0, *range(2, grad._array.ndim)))
    g = dense(grad)
    batch, channels = g.shape[:2]
    planes: Array = np.empty((batch * channels, 1), g.dtype)
    total: Array = np.empty((1, channels), g.dtype)
    K.sum_forward(g.reshape(batch * channels, g.size // max(batch * channels, 1), 1), planes)
    K.sum_forward(planes.reshape(1, batch, channels), total)
    return _core.wrap(total.reshape(channels))


def _input_gradient(
    grad: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, shape: tuple[int, ...]
) -> Tensor:
    """The gradient of a convolution with respect to its input of that shape (a transposed convolution), plus bias."""
    out: Array = np.empty(shape, grad._array.dtype)
    K.conv_grad_input(dense(grad), dense(weight), None if bias is None else dense(bias), *geometry, out)
    inputs = (grad, weight) if bias is None else (grad, weight, bias)
    saved = (grad if _core.needs_grad(weight) else None, weight if _core.needs_grad(grad) else None)
    extra = (geometry, weight._array.shape)
    return _core.record("ConvolutionBackward0", _input_gradient_backward, inputs, out, saved, False, extra)


def _input_gradient_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    g, w = ctx.saved
    geometry, w_shape = ctx.extra
    needs = ctx.needs
    first = _forward(grad, w, None, geometry, "none") if needs[0] else None
    second = _weight_gradient(g, grad, geometry, w_shape) if needs[1] else None
    return (first, second) if len(needs) == 2 else (first, second, _bias_gradient(grad) if needs[2] else None)


def _weight_gradient(grad: Tensor, input: Tensor, geometry: Geometry, shape: tuple[int, ...]) -> Tensor:
    """The gradient of a convolution with respect to its weight of that shape."""
    out: Array = np.empty(shape, grad._array.dtype)
    K.conv_grad_weight(dense(grad), dense(input), *geometry, out)
    extra = (geometry, input._array.shape)
    return _core.record(
        "ConvolutionBackward0", _weight_gradient_backward, (grad, input), out, (grad, input), False, extra
    )


def _weight_gradient_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    g, x = ctx.saved
    geometry, x_shape = ctx.extra
    return (
        _forward(x, grad, None, geometry, "none") if ctx.needs[0] else None,
        _input_gradient(g, grad, None, geometry, x_shape) if ctx.needs[1] else None,
    )
