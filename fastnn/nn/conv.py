"""Convolutions: Conv1d to Conv3d."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from fastnn.creation import empty
from fastnn.nn import init
from fastnn.nn.module import Module
from fastnn.nn.parameter import Parameter
from fastnn.ops.conv import conv1d, conv2d, conv3d
from fastnn.ops.pad import pad
from fastnn.ops.windows import Numbers
from fastnn.tensor import Tensor

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def one_an_axis(value: Any, axes: int) -> tuple[int, ...]:
    """An int for every axis, or what is a sequence already."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


class _ConvNd(Module):
    """What all convolutions share: parameters, their initial values, and how they print."""

    axes: ClassVar[int]
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers,
        padding: Numbers | str,
        dilation: Numbers,
        transposed: bool,
        output_padding: Numbers,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups:
            raise ValueError("out_channels must be divisible by groups")
        self.stride = one_an_axis(stride, self.axes)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'valid', 'same'")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {set(PADDING_MODES)}, but got padding_mode='{padding_mode}'")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = one_an_axis(kernel_size, self.axes)
        self.padding = padding if isinstance(padding, str) else one_an_axis(padding, self.axes)
        self.dilation = one_an_axis(dilation, self.axes)
        self.transposed = transposed
        self.output_padding = one_an_axis(output_padding, self.axes)
        self.groups = groups
        self.padding_mode = padding_mode
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = Parameter(empty((first, second // groups, *self.kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in > 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        zeros, ones = (0,) * self.axes, (1,) * self.axes
        if self.padding != zeros:
            text += f", padding={self.padding}"
        if self.dilation != ones:
            text += f", dilation={self.dilation}"
        if self.output_padding != zeros:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Conv(_ConvNd):
    """The convolutions that are not transposed."""

    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Numbers | str = 0,
        dilation: Numbers = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            False,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _around(self) -> list[int]:
        """The padding as ``pad`` takes it: the last axis first."""
        amounts: list[int] = []
        for axis in reversed(range(self.axes)):
            if self.padding == "valid":
                amounts += [0, 0]
            elif self.padding == "same":
                span = self.dilation[axis] * (self.kernel_size[axis] - 1)
                amounts += [span // 2, span - span // 2]
            else:
                amounts += [int(self.padding[axis])] * 2
        return amounts

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = pad(input, self._around(), self.padding_mode), 0
        return type(self).function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """conv1d with parameters of its own: (N, C, L) or (C, L) to (N, O, P) or (O, P).

    ``weight``: (out_channels, in_channels / groups, kernel_size) and ``bias``: (out_channels,), both drawn uniformly
    from [-1/sqrt(k), 1/sqrt(k)] with k = in_channels / groups * kernel_size.
    ``padding``: a number, "valid" or "same"; ``padding_mode``: "zeros", "reflect", "replicate" or "circular".
    ValueError for options that do not fit together.
    """

    axes = 1
    function = staticmethod(conv1d)


class Conv2d(_Conv):
    """conv2d with parameters of its own; as Conv1d, for (N, C, H, W) or (C, H, W). Options: one number, or (h, w)."""

    axes = 2
    function = staticmethod(conv2d)


class Conv3d(_Conv):
    """conv3d with parameters of its own; as Conv1d, for (N, C, D, H, W) or (C, D, H, W)."""

    axes = 3
    function = staticmethod(conv3d)
