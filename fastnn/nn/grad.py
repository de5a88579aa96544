"""The gradients of convolutions as functions, as in ``torch.nn.grad``."""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.ops.conv import Geometry, _input_gradient, _weight_gradient
from fastnn.ops.windows import Numbers, numbers
from fastnn.tensor import Tensor


def _geometry(axes: int, stride: Numbers, padding: Numbers, dilation: Numbers, groups: int) -> Geometry:
    name = f"conv{axes}d"
    pads = numbers(padding, axes, name, "padding")
    both = tuple((amount, amount) for amount in pads)
    return Geometry(numbers(stride, axes, name, "stride"), both, numbers(dilation, axes, name, "dilation"), groups)


def _check(axes: int, input_size: Sequence[int], weight_size: Sequence[int], grad: Tensor, how: Geometry) -> None:
    """RuntimeError unless grad has the shape of such a convolution's output."""
    if len(input_size) != axes + 2 or len(weight_size) != axes + 2:
        raise RuntimeError(
            f"expected an input and a weight of {axes + 2} dimensions, got {list(input_size)} and {list(weight_size)}"
        )
    if input_size[1] != weight_size[1] * how.groups:
        raise RuntimeError(
            f"Given groups={how.groups}, weight of size {list(weight_size)}, expected input{list(input_size)} to have "
            f"{weight_size[1] * how.groups} channels"
        )
    wanted = [input_size[0], weight_size[0]]
    for n, k, s, (p, q), d in zip(input_size[2:], weight_size[2:], *how[:3], strict=True):
        wanted.append((n + p + q - d * (k - 1) - 1) // s + 1)
    if list(grad._array.shape) != wanted:
        raise RuntimeError(f"expected grad_output of shape {wanted}, got {list(grad._array.shape)}")


def _of_input(
    axes: int,
    input_size: Sequence[int],
    weight: Tensor,
    grad: Tensor,
    stride: Numbers,
    padding: Numbers,
    dilation: Numbers,
    groups: int,
) -> Tensor:
    how = _geometry(axes, stride, padding, dilation, groups)
    size = tuple(int(n) for n in input_size)
    _check(axes, size, weight._array.shape, grad, how)
    return _input_gradient(grad, weight, None, how, size)


def _of_weight(
    axes: int,
    input: Tensor,
    weight_size: Sequence[int],
    grad: Tensor,
    stride: Numbers,
    padding: Numbers,
    dilation: Numbers,
    groups: int,
) -> Tensor:
    how = _geometry(axes, stride, padding, dilation, groups)
    size = tuple(int(n) for n in weight_size)
    _check(axes, input._array.shape, size, grad, how)
    return _weight_gradient(grad, input, how, size)


def conv1d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Numbers = 1,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv1d with respect to its input (N, C, L), given as its size. RuntimeError for other shapes."""
    return _of_input(1, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Numbers = 1,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv1d with respect to its weight, given as its size. RuntimeError for shapes that do not fit."""
    return _of_weight(1, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Numbers = 1,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv2d with respect to its input (N, C, H, W), given as its size."""
    return _of_input(2, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Numbers = 1,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv2d with respect to its weight, given as its size."""
    return _of_weight(2, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Numbers = 1,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv3d with respect to its input (N, C, D, H, W), given as its size."""
    return _of_input(3, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Numbers = 1,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv3d with respect to its weight, given as its size."""
    return _of_weight(3, input, weight_size, grad_output, stride, padding, dilation, groups)
