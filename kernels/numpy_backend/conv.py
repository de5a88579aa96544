"""Convolutions: all patches of an image as a matrix, and a product with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..contract import Array
from . import conv_checks as checks
from .elementwise import quiet, relu_forward


def _padded(x: Array, padding: Sequence[Sequence[int]]) -> Array:
    """x (..., *S) within zeros, cropped where padding is negative."""
    outer = x.ndim - len(padding)
    pads = [(0, 0)] * outer + [(max(before, 0), max(after, 0)) for before, after in padding]
    crops = [slice(None)] * outer
    for extent, (before, after) in zip(x.shape[outer:], padding, strict=True):
        crops.append(slice(max(-before, 0), extent - max(-after, 0)))
    return np.pad(x[tuple(crops)], pads)


def patches(
    x: Array,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
) -> Array:
    """The patches of one image (C, *S), one a column: (G, C/G * prod(K), prod(P))."""
    axes = len(kernel)
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    windows = sliding_window_view(_padded(x, padding), spans, axis=tuple(range(1, axes + 1)))
    windows = windows[(slice(None), *(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))]
    columns = windows.transpose(0, *range(axes + 1, 2 * axes + 1), *range(1, axes + 1))
    pixels = int(np.prod(columns.shape[axes + 1 :]))
    return columns.reshape(groups, x.shape[0] // groups * int(np.prod(kernel)), pixels)


@quiet
def conv_forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    activation: str,
    out: Array,
) -> None:
    checks.conv_activation(activation)
    checks.conv(("x", x), ("weight", weight), ("out", out), bias, stride, padding, dilation, groups, "out")
    matrix = weight.reshape(groups, weight.shape[0] // groups, int(np.prod(weight.shape[1:])))
    for image, result in zip(x, out, strict=True):
        columns = patches(image, weight.shape[2:], stride, padding, dilation, groups)
        result[...] = np.matmul(matrix, columns).reshape(result.shape)
    if bias is not None:
        out += bias.reshape(-1, *[1] * (out.ndim - 2))
    if activation == "relu":
        relu_forward(out, out)


@quiet
def conv_grad_input(
    grad: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    grad_x: Array,
) -> None:
    checks.conv(
        ("grad_x", grad_x), ("weight", weight), ("grad", grad), bias, stride, padding, dilation, groups, "grad_x"
    )
    kernel, extents, channels = weight.shape[2:], grad.shape[2:], grad_x.shape[1]
    matrix = weight.reshape(groups, weight.shape[0] // groups, int(np.prod(weight.shape[1:])))
    for image, result in zip(grad, grad_x, strict=True):
        flat = image.reshape(groups, image.shape[0] // groups, int(np.prod(extents)))
        columns = np.matmul(matrix.swapaxes(1, 2), flat).reshape(channels, *kernel, *extents)
        padded = _padded(np.zeros_like(result), padding)
        for tap in np.ndindex(*kernel):
            steps = zip(tap, dilation, stride, extents, strict=True)
            places = tuple(slice(k * d, k * d + s * (p - 1) + 1, s) for k, d, s, p in steps)
            padded[(slice(None), *places)] += columns[(slice(None), *tap)]
        result[...] = _padded(padded, [(-before, -after) for before, after in padding])
    if bias is not None:
        grad_x += bias.reshape(-1, *[1] * (grad_x.ndim - 2))


@quiet
def conv_grad_weight(
    grad: Array,
    x: Array,
    stride: Sequence[int],
    padding: Sequence[Sequence[int]],
    dilation: Sequence[int],
    groups: int,
    grad_weight: Array,
) -> None:
    checks.conv(
        ("x", x), ("grad_weight", grad_weight), ("grad", grad), None, stride, padding, dilation, groups, "grad_weight"
    )
    total = np.zeros(grad_weight.shape, grad_weight.dtype)
    for image, result in zip(x, grad, strict=True):
        columns = patches(image, grad_weight.shape[2:], stride, padding, dilation, groups)
        flat = result.reshape(groups, grad.shape[1] // groups, columns.shape[2])
        total += np.matmul(flat, columns.swapaxes(1, 2)).reshape(total.shape)
    grad_weight[...] = total
