"""Padding layers: nn.functional.pad of one mode, around the last one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from fastnn.nn.module import Module
from fastnn.ops.pad import pad
from fastnn.tensor import Tensor

Amounts = int | Sequence[int]


class _Pad(Module):
    """(before, after) of the last dimension, then of the one before it, ...; one number for all."""

    axes: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Amounts) -> None:
        super().__init__()
        given = (padding,) * (2 * self.axes) if isinstance(padding, int) else tuple(padding)
        if len(given) != 2 * self.axes:
            raise ValueError(
                f"{type(self).__name__}: padding must be an int or {2 * self.axes} ints, got {list(given)}"
            )
        self.padding = given

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Amounts, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """``value`` around the last dimension; negative amounts cut. ``padding``: a number, or (left, right)."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """``value`` around the last two dimensions. ``padding``: a number, or (left, right, top, bottom)."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """``value`` around the last three dimensions. ``padding``: a number, or (left, right, top, bottom, front, back)."""

    axes = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Amounts) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Zeros around the last dimension. ``padding``: a number, or (left, right)."""

    axes = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around the last two dimensions. ``padding``: a number, or (left, right, top, bottom)."""

    axes = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around the last three dimensions. ``padding``: a number, or (left, right, top, bottom, front, back)."""

    axes = 3


class ReflectionPad1d(_Pad):
    """The input mirrored at its ends, which are not repeated: (N, C, L) or (C, L). ``padding`` is less than L."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The input mirrored at its edges, which are not repeated: (N, C, H, W) or (C, H, W)."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The input mirrored at its faces, which are not repeated: (N, C, D, H, W) or (C, D, H, W)."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The input's ends repeated: (N, C, L) or (C, L)."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The input's edges repeated: (N, C, H, W) or (C, H, W)."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The input's faces repeated: (N, C, D, H, W) or (C, D, H, W)."""

    axes, mode = 3, "replicate"


class _CircularPad(_Pad):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        """See the class. ValueError for another number of dimensions."""
        if input.dim() not in (self.axes + 1, self.axes + 2):
            raise ValueError(f"expected {self.axes + 1}D or {self.axes + 2}D input (got {input.dim()}D input)")
        return pad(input, self.padding, "circular")


class CircularPad1d(_CircularPad):
    """What is at one end of the input put at the other too: (N, C, L) or (C, L). ``padding`` is at most L."""

    axes = 1


class CircularPad2d(_CircularPad):
    """CircularPad1d in two dimensions: (N, C, H, W) or (C, H, W)."""

    axes = 2


class CircularPad3d(_CircularPad):
    """CircularPad1d in three dimensions: (N, C, D, H, W) or (C, D, H, W)."""

    axes = 3
