"""Channels moved into space and back, and channels shuffled: reshapes and permutations alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnn.ops.dims import integer
from fastnn.ops.gate import tensor_argument
from fastnn.ops.shape import permute, reshape

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def _image(input: Any, name: str) -> tuple[tuple[int, ...], int, int, int]:
    x = tensor_argument(input, name)._array
    if x.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {x.ndim} dimension(s)"
        )
    return x.shape[:-3], *x.shape[-3:]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C * r**2, H, W) to (..., C, H * r, W * r): sub-pixel convolution's last step (Shi et al. 2016).

    RuntimeError for fewer than 3 dimensions, a factor r below 1, or channels that r**2 does not divide.
    """
    lead, channels, height, width = _image(input, "pixel_shuffle")
    r = integer(upscale_factor, "pixel_shuffle", "upscale_factor")
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    n = len(lead)
    split = reshape(input, (*lead, channels // (r * r), r, r, height, width))
    moved = permute(split, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return reshape(moved, (*lead, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H * r, W * r) to (..., C * r**2, H, W): what pixel_shuffle undoes.

    RuntimeError for fewer than 3 dimensions, a factor r below 1, or a height or width that r does not divide.
    """
    lead, channels, height, width = _image(input, "pixel_unshuffle")
    r = integer(downscale_factor, "pixel_unshuffle", "downscale_factor")
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    for word, extent, dim in (("height", height, -2), ("width", width, -1)):
        if extent % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {word} to be divisible by downscale_factor, but input.size({dim})={extent} "
                f"is not divisible by {r}"
            )
    n = len(lead)
    split = reshape(input, (*lead, channels, height // r, r, width // r, r))
    moved = permute(split, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return reshape(moved, (*lead, channels * r * r, height // r, width // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(N, g * n, ...) with channels read as (g, n) and written as (n, g) (Zhang et al. 2018, ShuffleNet).

    RuntimeError for fewer than 3 dimensions, groups below 1, or channels that groups does not divide.
    """
    x = tensor_argument(input, "channel_shuffle")._array
    if x.ndim <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(x.shape)}")
    g = integer(groups, "channel_shuffle", "groups")
    if g <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{g}")
    channels = x.shape[1]
    if channels % g:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {channels} channels and {g} groups.")
    split = reshape(input, (x.shape[0], g, channels // g, *x.shape[2:]))
    return reshape(permute(split, (0, 2, 1, *range(3, x.ndim + 1))), x.shape)


native_channel_shuffle = channel_shuffle
