"""What the convolutions check before they write; used by the numpy and the numba backend."""

from __future__ import annotations

from collections.abc import Sequence

from ..contract import Array
from .checks import expect, floating


def out_extents(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
) -> tuple[int, ...]:
    """A convolution's spatial extents; ValueError where an option is out of range or the kernel does not fit."""
    axes = len(size)
    for name, values in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        if len(values) != axes:
            raise ValueError(f"{name}: expected one entry for each of {axes} axes, got {len(values)}")
    if min(*stride, *dilation) < 1:
        raise ValueError(f"stride, dilation: expected positive numbers, got {tuple(stride)}, {tuple(dilation)}")
    if min(kernel) < 1:
        raise ValueError(f"weight: expected kernel extents of at least 1, got {tuple(kernel)}")
    found = []
    for extent, taps, step, (before, after), spread in zip(size, kernel, stride, padding, dilation, strict=True):
        room = extent + before + after - spread * (taps - 1) - 1
        if room < 0 or extent < 1:
            raise ValueError(
                f"weight: expected a kernel that fits into x, got {taps} taps {spread} apart for an extent of "
                f"{extent} with padding {(before, after)}"
            )
        found.append(room // step + 1)
    return tuple(found)


def conv(
    x: tuple[str, Array],
    weight: tuple[str, Array],
    grad: tuple[str, Array],
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    written: str,
) -> None:
    """The shapes of one convolution: x, weight, and out or its gradient; ``written`` names the one that is written."""
    dtype = floating(*x)
    if x[1].ndim not in (3, 4, 5):
        raise ValueError(f"{x[0]}: expected 3 to 5 dimensions, got shape {x[1].shape}")
    floating(*weight, x[1].ndim)
    batch, channels, *size = x[1].shape
    outputs, group_channels, *kernel = weight[1].shape
    if groups < 1 or channels % groups or outputs % groups or group_channels != channels // groups:
        raise ValueError(
            f"{weight[0]}: expected shape (O, {channels} / groups, ...) with O divisible by groups={groups}, "
            f"got {weight[1].shape}"
        )
    shape = (batch, outputs, *out_extents(size, kernel, stride, padding, dilation))
    expect(*grad, shape, dtype, written == grad[0])
    expect(*weight, weight[1].shape, dtype, written == weight[0])
    expect(*x, x[1].shape, dtype, written == x[0])
    if bias is not None:
        expect("bias", bias, (outputs if written == "out" else channels,), dtype)


def conv_activation(activation: str) -> None:
    if activation not in ("none", "relu"):
        raise ValueError(f"activation: expected 'none' or 'relu', got {activation!r}")
