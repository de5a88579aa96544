"""Transposed convolutions: ConvTranspose1d to ConvTranspose3d."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from fastnn.nn.conv import _ConvNd
from fastnn.ops.conv import conv_transpose1d, conv_transpose2d, conv_transpose3d
from fastnn.ops.windows import Numbers
from fastnn.tensor import Tensor


class _ConvTransposeNd(_ConvNd):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
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
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            True,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output_padding that gives that output size: the spatial extents, or the whole shape."""
        wanted, axes = list(output_size), self.axes
        if len(wanted) == input.dim():
            wanted = wanted[-axes:]
        if len(wanted) != axes:
            raise ValueError(
                f"{type(self).__name__}: for {input.dim()}D input, output_size must have {axes} or {input.dim()} "
                f"elements (got {len(output_size)})"
            )
        found = []
        for axis, (size, extent) in enumerate(zip(wanted, input.shape[-axes:], strict=True)):
            least = (
                (extent - 1) * self.stride[axis]
                - 2 * int(self.padding[axis])
                + self.dilation[axis] * (self.kernel_size[axis] - 1)
                + 1
            )
            if not least <= size <= least + self.stride[axis] - 1:
                raise ValueError(
                    f"requested an output size of {wanted}, but valid sizes along dimension {axis} range from {least} "
                    f"to {least + self.stride[axis] - 1} (for an input of {list(input.shape[-axes:])})"
                )
            found.append(size - least)
        return tuple(found)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """See the class. ``output_size`` takes the place of ``output_padding``; ValueError for one that cannot be."""
        extra = self.output_padding if output_size is None else self._output_padding(input, output_size)
        options = self.stride, self.padding, extra, self.groups, self.dilation
        return type(self).function(input, self.weight, self.bias, *options)


class ConvTranspose1d(_ConvTransposeNd):
    """conv_transpose1d with parameters of its own: (N, C, L) or (C, L) to (N, O, P) or (O, P).

    ``weight``: (in_channels, out_channels / groups, kernel_size) and ``bias``: (out_channels,), both drawn uniformly
    from [-1/sqrt(k), 1/sqrt(k)] with k = out_channels / groups * kernel_size.
    ``output_padding`` adds to the extent behind. ValueError for options that do not fit together.
    """

    axes = 1
    function = staticmethod(conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """conv_transpose2d with parameters of its own; as ConvTranspose1d, for (N, C, H, W) or (C, H, W)."""

    axes = 2
    function = staticmethod(conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """conv_transpose3d with parameters of its own; as ConvTranspose1d, for (N, C, D, H, W) or (C, D, H, W)."""

    axes = 3
    function = staticmethod(conv_transpose3d)
