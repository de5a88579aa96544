"""The public pooling functions; pooling.py and adaptive_pooling.py compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnn.ops.adaptive_pooling import Sizes, adaptive_avg_pool, adaptive_max_pool
from fastnn.ops.pooling import avg_pool, max_pool
from fastnn.ops.windows import Numbers

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]


def max_pool1d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest number of each window.

    input: (N, C, L) or (C, L); a window is ``kernel_size`` places, ``dilation`` apart, every ``stride`` (default:
    kernel_size) places; ``padding`` counts as -inf. The extents are floor((S + 2 * padding - dilation *
    (kernel_size - 1) - 1) / stride) + 1; with ``ceil_mode`` rounded up, but no window begins beyond the input and its
    left padding. A NaN wins.
    With ``return_indices`` the result is (values, indices): flat places in a plane, int64, the first of equals.
    RuntimeError where the options do not fit.
    """
    values, indices = max_pool(
        "max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )
    return (values, indices) if return_indices else values


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """max_pool1d with ``return_indices``, whatever that is."""
    return max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """As max_pool1d, for input (N, C, H, W) or (C, H, W); options: one number, or one an axis."""
    values, indices = max_pool(
        "max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )
    return (values, indices) if return_indices else values


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """max_pool2d with ``return_indices``, whatever that is."""
    return max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """As max_pool1d, for input (N, C, D, H, W) or (C, D, H, W); options: one number, or one an axis."""
    values, indices = max_pool(
        "max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )
    return (values, indices) if return_indices else values


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """max_pool3d with ``return_indices``, whatever that is."""
    return max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def avg_pool1d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window.

    input: (N, C, L) or (C, L); windows and extents as in max_pool1d. The sum is divided by the number of places, those
    of the padding among them with ``count_include_pad`` (but never those that ``ceil_mode`` reaches beyond it).
    RuntimeError where the options do not fit.
    """
    return avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """As avg_pool1d, for input (N, C, H, W) or (C, H, W). ``divisor_override``: divides every sum."""
    return avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """As avg_pool1d, for input (N, C, D, H, W) or (C, D, H, W). ``divisor_override``: divides every sum."""
    return avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """The means of ``output_size`` windows: p covers the places from floor(p * L / P) up to ceil((p + 1) * L / P).

    input: (N, C, L) or (C, L); an output_size of None keeps an extent. RuntimeError for a negative one.
    """
    return adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest numbers of adaptive_avg_pool1d\'s windows; with ``return_indices`` (values, indices)."""
    values, indices = adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size)
    return (values, indices) if return_indices else values


def adaptive_max_pool1d_with_indices(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """adaptive_max_pool1d with ``return_indices``, whatever that is."""
    return adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """As adaptive_avg_pool1d, for input (N, C, H, W) or (C, H, W). output_size: a number, or one an axis."""
    return adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_max_pool2d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest numbers of adaptive_avg_pool2d\'s windows; with ``return_indices`` (values, indices)."""
    values, indices = adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size)
    return (values, indices) if return_indices else values


def adaptive_max_pool2d_with_indices(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """adaptive_max_pool2d with ``return_indices``, whatever that is."""
    return adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """As adaptive_avg_pool1d, for input (N, C, D, H, W) or (C, D, H, W). output_size: a number, or one an axis."""
    return adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


def adaptive_max_pool3d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest numbers of adaptive_avg_pool3d\'s windows; with ``return_indices`` (values, indices)."""
    values, indices = adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size)
    return (values, indices) if return_indices else values


def adaptive_max_pool3d_with_indices(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """adaptive_max_pool3d with ``return_indices``, whatever that is."""
    return adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size)
