"""Maxima and averages over windows of planes of one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from .types import Array, Labels

# In all of them x and grad_x are (M, S), M planes of S = prod(size) numbers each; out and grad are (M, P), P =
# prod(out_size); size, out_size, kernel, stride, padding and dilation hold one number an axis, one to three of them.
# Along an axis window p covers the places p * stride - padding + k * dilation, k < kernel, that are in [0, size). It
# must have one. Adaptive ones: [floor(p * size / out_size), ceil((p + 1) * size / out_size)).


def max_pool_forward(
    x: Array,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    out_size: Sequence[int],
    out: Array,
    indices: Labels | None,
) -> None:
    """out = the largest number of each window, and, unless None, its flat place in the plane in indices: (M, P) int64.

    The first of equals; NaN is larger than all others, and the last NaN of a window is the one that counts.
    """
    raise NotImplementedError


def max_pool_backward(grad: Array, indices: Labels, size: Sequence[int], grad_x: Array) -> None:
    """grad_x[m, i] = sum of grad[m, p] where indices[m, p] = i. grad, indices: (M, P).

    An index outside of [0, S) raises IndexError before anything is written.
    """
    raise NotImplementedError


def avg_pool_forward(
    x: Array,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    count_include_pad: bool,
    divisor: int,
    out_size: Sequence[int],
    out: Array,
) -> None:
    """out = the sum of each window over divisor; where that is 0 over the number of its places, those in the padding
    counted too with count_include_pad (but not those beyond size + padding).
    """
    raise NotImplementedError


def avg_pool_backward(
    grad: Array,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    count_include_pad: bool,
    divisor: int,
    out_size: Sequence[int],
    grad_x: Array,
) -> None:
    """The gradient of avg_pool_forward: each grad spread evenly over its window."""
    raise NotImplementedError


def adaptive_max_pool_forward(
    x: Array, size: Sequence[int], out_size: Sequence[int], out: Array, indices: Labels
) -> None:
    """As max_pool_forward, with adaptive windows; max_pool_backward is its gradient."""
    raise NotImplementedError


def adaptive_avg_pool_forward(x: Array, size: Sequence[int], out_size: Sequence[int], out: Array) -> None:
    """out = the mean of each adaptive window."""
    raise NotImplementedError


def adaptive_avg_pool_backward(grad: Array, size: Sequence[int], out_size: Sequence[int], grad_x: Array) -> None:
    """The gradient of adaptive_avg_pool_forward."""
    raise NotImplementedError
