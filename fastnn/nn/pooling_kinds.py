"""Pooling by p-norms, by windows of random steps, and what undoes max pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from fastnn.nn.conv import one_an_axis
from fastnn.nn.module import Module
from fastnn.ops import fractional_pooling, lp_pooling, unpooling
from fastnn.ops.fractional_pooling import Ratio
from fastnn.ops.windows import Numbers
from fastnn.tensor import Tensor


class _LPPool(Module):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return type(self).function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum of x**p)**(1/p) of each window, p being ``norm_type``: (N, C, L) or (C, L). See lp_pool1d."""

    function = staticmethod(lp_pooling.lp_pool1d)


class LPPool2d(_LPPool):
    """LPPool1d for (N, C, H, W) or (C, H, W)."""

    function = staticmethod(lp_pooling.lp_pool2d)


class LPPool3d(_LPPool):
    """LPPool1d for (N, C, D, H, W) or (C, D, H, W)."""

    function = staticmethod(lp_pooling.lp_pool3d)


class _MaxUnpool(Module):
    axes: ClassVar[int]
    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0) -> None:
        super().__init__()
        self.kernel_size = one_an_axis(kernel_size, self.axes)
        self.stride = one_an_axis(kernel_size if stride is None else stride, self.axes)
        self.padding = one_an_axis(padding, self.axes)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """See the class."""
        return type(self).function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts maxima back where MaxPool1d with ``return_indices`` found them, and zeros elsewhere. See max_unpool1d."""

    axes, function = 1, staticmethod(unpooling.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """MaxUnpool1d for (N, C, H, W) or (C, H, W)."""

    axes, function = 2, staticmethod(unpooling.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """MaxUnpool1d for (N, C, D, H, W) or (C, D, H, W)."""

    axes, function = 3, staticmethod(unpooling.max_unpool3d)


class _FractionalMaxPool(Module):
    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Numbers,
        output_size: Numbers | None = None,
        output_ratio: Ratio = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = one_an_axis(kernel_size, self.axes)
        if min(self.kernel_size) <= 0:
            raise ValueError(f"kernel_size must be greater than zero, but got {self.kernel_size}")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else one_an_axis(output_size, self.axes)
        self.output_ratio: tuple[float, ...] | None = (
            None if output_ratio is None else one_an_axis(output_ratio, self.axes)
        )
        if self.output_size is None and self.output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if self.output_size is not None and self.output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        """See the class."""
        where = self.output_size, self.output_ratio
        return type(self).function(input, self.kernel_size, *where, self.return_indices, self._random_samples)


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maxima over windows of random steps (Graham 2014): (N, C, H, W) or (C, H, W). See fractional_max_pool2d."""

    axes, function = 2, staticmethod(fractional_pooling.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """FractionalMaxPool2d for (N, C, D, H, W) or (C, D, H, W)."""

    axes, function = 3, staticmethod(fractional_pooling.fractional_max_pool3d)
