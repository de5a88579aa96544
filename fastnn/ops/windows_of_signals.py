"""Windows for cutting signals into pieces: Hann's, Hamming's, Blackman's, Bartlett's and Kaiser's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import convert, dtypes
from fastnn.arguments import check_options
from fastnn.ops.dims import Array, integer

if TYPE_CHECKING:
    from fastnn.device import DeviceLike
    from fastnn.tensor import Tensor

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def _window(
    length: int, periodic: bool, shape: Callable[[Array], Array], name: str, dtype: Any, requires_grad: bool
) -> Tensor:
    """shape of the positions 0 ... 1 of the points. periodic: of one point more, that is left out."""
    count = integer(length, name, "window_length")
    if count < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={count}")
    target = dtypes.to_numpy_dtype(dtype, name)
    if target.kind != "f":
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    if count <= 1:
        return convert.leaf(np.ones(count, target), requires_grad)
    last = count if periodic else count - 1
    return convert.leaf(shape(np.arange(count, dtype=np.float64) / last).astype(target), requires_grad)


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    layout: None = None,
    requires_grad: bool = False,
) -> Tensor:
    """sin(pi n / N)**2, n < window_length. periodic: N is window_length, else one less. RuntimeError below 0 points."""
    check_options("hann_window", device, layout)
    return _window(window_length, periodic, lambda t: np.sin(math.pi * t) ** 2, "hann_window", dtype, requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    layout: None = None,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - beta cos(2 pi n / N); arguments as of hann_window."""
    check_options("hamming_window", device, layout)

    def shape(t: Array) -> Array:
        out: Array = alpha - beta * np.cos(2 * math.pi * t)
        return out

    return _window(window_length, periodic, shape, "hamming_window", dtype, requires_grad)


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    layout: None = None,
    requires_grad: bool = False,
) -> Tensor:
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N); arguments as of hann_window."""
    check_options("blackman_window", device, layout)

    def shape(t: Array) -> Array:
        return np.maximum(0.42 - 0.5 * np.cos(2 * math.pi * t) + 0.08 * np.cos(4 * math.pi * t), 0)

    return _window(window_length, periodic, shape, "blackman_window", dtype, requires_grad)


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    layout: None = None,
    requires_grad: bool = False,
) -> Tensor:
    """1 - |2 n / N - 1|, a triangle; arguments as of hann_window."""
    check_options("bartlett_window", device, layout)
    return _window(window_length, periodic, lambda t: 1 - np.abs(2 * t - 1), "bartlett_window", dtype, requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    layout: None = None,
    requires_grad: bool = False,
) -> Tensor:
    """I0(beta sqrt(1 - (2 n / N - 1)**2)) / I0(beta); arguments as of hann_window."""
    check_options("kaiser_window", device, layout)

    def shape(t: Array) -> Array:
        out: Array = np.i0(beta * np.sqrt(np.maximum(1 - (2 * t - 1) ** 2, 0))) / np.i0(beta)
        return out

    return _window(window_length, periodic, shape, "kaiser_window", dtype, requires_grad)
