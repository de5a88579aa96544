"""The layers that find their number of input features, or channels, at the first call."""

from __future__ import annotations

from typing import Any

from fastnn.creation import tensor
from fastnn.dtypes import int64
from fastnn.nn import norm
from fastnn.nn.conv import Conv1d, Conv2d, Conv3d, _ConvNd
from fastnn.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from fastnn.nn.lazy import LazyModuleMixin, UninitializedBuffer, UninitializedParameter
from fastnn.nn.linear import Linear
from fastnn.ops.windows import Numbers
from fastnn.tensor import Tensor


class LazyLinear(LazyModuleMixin, Linear):
    """Linear whose ``in_features`` is the last extent of its first input; from then on a Linear."""

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, once their shapes are known."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Shapes for weight and bias, and their first values."""
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            _materialize(self.weight, (self.out_features, self.in_features))
            _materialize(self.bias, (self.out_features,))
            self.reset_parameters()
        if self.in_features == 0:
            if self.weight.shape[-1] != input.shape[-1]:
                raise AssertionError(
                    f"The in_features inferred from input: {input.shape[-1]} is not equal to in_features from "
                    f"self.weight: {self.weight.shape[-1]}"
                )
            self.in_features = input.shape[-1]


def _materialize(parameter: Tensor | None, shape: tuple[int, ...]) -> None:
    if isinstance(parameter, (UninitializedParameter, UninitializedBuffer)):
        parameter.materialize(shape)


# ------------------------------------------------------------------------------------------------ convolutions


class _LazyConv(LazyModuleMixin, _ConvNd):
    """What the lazy convolutions share: in_channels is found at the first call."""

    weight: Any
    bias: Any

    def _wait(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, once their shapes are known."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Shapes for weight and bias, and their first values. RuntimeError for an input of other dimensions."""
        if self.has_uninitialized_params():
            self.in_channels = self._channels(input)
            if self.in_channels % self.groups:
                raise ValueError("in_channels must be divisible by groups")
            first, second = self.out_channels, self.in_channels
            if self.transposed:
                first, second = second, first
            _materialize(self.weight, (first, second // self.groups, *self.kernel_size))
            _materialize(self.bias, (self.out_channels,))
            self.reset_parameters()
        if self.in_channels == 0:  # its weight came from a state
            self.in_channels = self._channels(input)

    def _channels(self, input: Tensor) -> int:
        if input.dim() not in (self.axes + 1, self.axes + 2):
            raise RuntimeError(
                f"Expected {self.axes + 1}D (unbatched) or {self.axes + 2}D (batched) input to {type(self).__name__}, "
                f"but got input of size: {list(input.shape)}"
            )
        return input.shape[-self.axes - 1]


class _LazyForward(_LazyConv):
    def __init__(
        self,
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
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._wait(out_channels, bias, device, dtype)


class LazyConv1d(_LazyForward, Conv1d):
    """Conv1d whose ``in_channels`` is that of its first input; from then on a Conv1d."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyForward, Conv2d):
    """Conv2d whose ``in_channels`` is that of its first input; from then on a Conv2d."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyForward, Conv3d):
    """Conv3d whose ``in_channels`` is that of its first input; from then on a Conv3d."""

    cls_to_become = Conv3d


class _LazyTransposed(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Numbers,
        stride: Numbers = 1,
        padding: Numbers = 0,
        output_padding: Numbers = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Numbers = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        options = (stride, padding, output_padding, groups, False, dilation, padding_mode, device, dtype)
        super().__init__(0, 0, kernel_size, *options)
        self._wait(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """ConvTranspose1d whose ``in_channels`` is that of its first input; from then on a ConvTranspose1d."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """ConvTranspose2d whose ``in_channels`` is that of its first input; from then on a ConvTranspose2d."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """ConvTranspose3d whose ``in_channels`` is that of its first input; from then on a ConvTranspose3d."""

    cls_to_become = ConvTranspose3d


# ------------------------------------------------------------------------------------------------ norms


class _LazyNorm(LazyModuleMixin, norm._NormBase):
    """What the lazy batch and instance norms share: num_features is found at the first call."""

    weight: Any
    bias: Any
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype)
        self.affine = affine
        self.track_running_stats = track_running_stats
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        if self.affine:
            self.weight = UninitializedParameter(**made)
            if bias:
                self.bias = UninitializedParameter(**made)
        if self.track_running_stats:
            self.running_mean = UninitializedBuffer(**made)
            self.running_var = UninitializedBuffer(**made)
            self.num_batches_tracked = tensor(0, dtype=int64)

    def reset_parameters(self) -> None:
        """Set weight, bias and running statistics to what they are at first, once their shapes are known."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Shapes and first values for parameters and running statistics."""
        if self.has_uninitialized_params():
            self.num_features = self._channels(input)
            for waiting in (self.weight, self.bias, self.running_mean, self.running_var):
                _materialize(waiting, (self.num_features,))
            self.reset_parameters()
        if self.num_features == 0:
            self.num_features = self._channels(input)

    def _channels(self, input: Tensor) -> int:
        self._check_input_dim(input)
        unbatched = isinstance(self, norm._InstanceNorm) and input.dim() == self._dims[0]
        return input.shape[0 if unbatched else 1]


class LazyBatchNorm1d(_LazyNorm, norm.BatchNorm1d):
    """BatchNorm1d whose ``num_features`` is the number of channels of its first input; from then on a BatchNorm1d."""

    cls_to_become = norm.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, norm.BatchNorm2d):
    """BatchNorm2d whose ``num_features`` is the number of channels of its first input; from then on a BatchNorm2d."""

    cls_to_become = norm.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, norm.BatchNorm3d):
    """BatchNorm3d whose ``num_features`` is the number of channels of its first input; from then on a BatchNorm3d."""

    cls_to_become = norm.BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, norm.InstanceNorm1d):
    """InstanceNorm1d whose ``num_features`` is the number of channels of its first input; then an InstanceNorm1d."""

    cls_to_become = norm.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, norm.InstanceNorm2d):
    """InstanceNorm2d whose ``num_features`` is the number of channels of its first input; then an InstanceNorm2d."""

    cls_to_become = norm.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, norm.InstanceNorm3d):
    """InstanceNorm3d whose ``num_features`` is the number of channels of its first input; then an InstanceNorm3d."""

    cls_to_become = norm.InstanceNorm3d
