"""Rows of the convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .table import Arguments, Generator, Gradient, add_row, blank, normal


class Conv(NamedTuple):
    """A convolution's sizes and options."""

    batch: int
    channels: int
    outputs: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...] | None = None
    padding: tuple[tuple[int, int], ...] | None = None
    dilation: tuple[int, ...] | None = None
    groups: int = 1
    relu: bool = False

    @property
    def options(self) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...], tuple[int, ...], int]:
        axes = len(self.size)
        ones = (1,) * axes
        return self.stride or ones, self.padding or ((0, 0),) * axes, self.dilation or ones, self.groups

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Of x, weight and out."""
        stride, padding, dilation, groups = self.options
        extents = [
            (n + sum(pad) - d * (k - 1) - 1) // s + 1
            for n, k, s, pad, d in zip(self.size, self.kernel, stride, padding, dilation, strict=True)
        ]
        return (
            (self.batch, self.channels, *self.size),
            (self.outputs, self.channels // groups, *self.kernel),
            (self.batch, self.outputs, *extents),
        )


def _same(*pads: int) -> tuple[tuple[int, int], ...]:
    return tuple((p, p) for p in pads)


ROWS: dict[str, Conv] = {
    "1d": Conv(2, 3, 4, (17,), (3,)),
    "2d": Conv(2, 3, 5, (9, 8), (3, 3), None, _same(1, 1)),
    "3d": Conv(2, 3, 4, (4, 5, 6), (2, 3, 3), None, _same(0, 1, 1)),
    "strided": Conv(2, 4, 7, (11, 14), (3, 4), (2, 3), _same(1, 2)),
    "dilated": Conv(1, 3, 8, (12, 13), (3, 3), (1, 2), _same(2, 3), (2, 3)),
    "lopsided": Conv(2, 2, 3, (7, 9), (4, 2), None, ((1, 2), (0, 1))),
    "cropped": Conv(2, 2, 3, (7, 9), (2, 3), (2, 1), ((-1, 2), (1, -2))),
    "groups": Conv(2, 6, 9, (8, 7), (3, 3), None, _same(1, 1), None, 3),
    "depthwise": Conv(2, 5, 5, (9, 19), (3, 3), None, _same(1, 1), None, 5, True),
    "depthwise-strided": Conv(2, 5, 5, (9, 19), (3, 5), (2, 2), _same(1, 2), (1, 2), 5),
    "depthwise-2": Conv(3, 4, 8, (8, 8), (3, 3), None, _same(1, 1), None, 4),
    "depthwise-half": Conv(2, 8, 4, (8, 8), (3, 3), None, _same(1, 1), None, 4),
    "depthwise-3d": Conv(2, 3, 3, (5, 6, 7), (3, 2, 3), (2, 1, 1), _same(1, 1, 1), None, 3),
    "pointwise": Conv(2, 19, 21, (5, 7), (1, 1)),
    "pointwise-strided": Conv(2, 5, 6, (7, 7), (1, 1), (2, 2)),
    "whole": Conv(3, 4, 5, (6, 6), (6, 6), None, None, None, 1, True),
    "far": Conv(1, 2, 2, (3, 3), (3, 3), (3, 3), _same(9, 9), (4, 4)),
    "rows": Conv(1, 7, 150, (3, 5), (3, 3), None, _same(1, 1)),
    "deep": Conv(1, 70, 6, (7, 6), (3, 3), None, _same(1, 1)),
    "wide": Conv(1, 1, 2, (3, 700), (1, 3), (1, 2), None, None, 1),
    "one": Conv(1, 1, 1, (1, 1), (1, 1)),
    "no-batch": Conv(0, 2, 3, (5, 5), (3, 3)),
    "no-channels": Conv(2, 0, 3, (5, 5), (3, 3)),
    "no-outputs": Conv(2, 2, 0, (5, 5), (3, 3)),
}
TIMED: dict[str, tuple[Conv, str]] = {
    "3x3-8x16x16x16": (Conv(8, 16, 16, (16, 16), (3, 3), None, _same(1, 1), None, 1, True), "small"),
    "3x3-8x64x56x56": (Conv(8, 64, 64, (56, 56), (3, 3), None, _same(1, 1), None, 1, True), "large"),
    "7x7s2-1x3x224x224": (Conv(1, 3, 64, (224, 224), (7, 7), (2, 2), _same(3, 3), None, 1, True), "large"),
    "1x1-8x256x28x28": (Conv(8, 256, 64, (28, 28), (1, 1), None, None, None, 1, True), "large"),
    "depthwise-8x128x28x28": (Conv(8, 128, 128, (28, 28), (3, 3), None, _same(1, 1), None, 128, True), "large"),
    "1d-8x32x500": (Conv(8, 32, 48, (500,), (5,), (2,), _same(2), None, 1, True), "small"),
}


def _gradient(conv: Conv, of_weight: bool) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        x, weight, seed = (normal(rng, "f8", *shape) for shape in conv.shapes)
        values = [weight if of_weight else x]

        def loss(inputs: Any) -> float:
            out = blank("f8", *seed.shape)
            first, second = (x, inputs[0]) if of_weight else (inputs[0], weight)
            backend.conv_forward(first, second, None, *conv.options, "none", out)
            return float((out * seed).sum())

        def gradients() -> list[Array]:
            found = blank("f8", *values[0].shape)
            if of_weight:
                backend.conv_grad_weight(seed, x, *conv.options, found)
            else:
                backend.conv_grad_input(seed, weight, None, *conv.options, found)
            return [found]

        return Gradient(values, loss, gradients)

    return build


def _rows(label: str, conv: Conv, size: str | None, nasty: bool = False) -> None:
    x_shape, w_shape, out_shape = conv.shapes
    depth, pixels = math.prod(w_shape[1:]), out_shape[0] * math.prod(out_shape[2:])

    def drawn(rng: Generator, dtype: DTypeLike, *shape: int) -> Array:
        array = normal(rng, dtype, *shape)
        if nasty:
            flat = array.reshape(-1)
            flat[::61], flat[7::97], flat[11::103] = np.nan, np.inf, -np.inf
        return array

    def weight(rng: Generator, dtype: DTypeLike) -> Array:
        return np.asarray(normal(rng, dtype, *w_shape) * np.asarray(max(depth, 1) ** -0.5, dtype))

    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        bias = normal(rng, dtype, conv.outputs) if conv.relu else None
        x = drawn(rng, dtype, *x_shape)
        return x, weight(rng, dtype), bias, *conv.options, "relu" if conv.relu else "none", blank(dtype, *out_shape)

    def grad_input(rng: Generator, dtype: DTypeLike) -> Arguments:
        bias = normal(rng, dtype, conv.channels) if conv.relu else None
        return drawn(rng, dtype, *out_shape), weight(rng, dtype), bias, *conv.options, blank(dtype, *x_shape)

    def grad_weight(rng: Generator, dtype: DTypeLike) -> Arguments:
        return drawn(rng, dtype, *out_shape), normal(rng, dtype, *x_shape), *conv.options, blank(dtype, *w_shape)

    def slope(of_weight: bool) -> Any:
        small = not nasty and math.prod(x_shape) * math.prod(w_shape) * pixels > 0 and size is None
        return _gradient(conv, of_weight) if small else None

    # Products of depth terms: rounding as in linear's rows. The quick way for 3 x 3 rounds up to eight times that.
    quick = 8 if conv.kernel == (3, 3) else 1
    atol = (16 + 2 * depth**0.5) * quick
    add_row("conv_forward", label, forward, "out", rtol=16, atol=atol, size=size)
    add_row("conv_grad_input", label, grad_input, "grad_x", rtol=16, atol=atol, size=size, gradient=slope(False))
    add_row(
        "conv_grad_weight",
        label,
        grad_weight,
        "grad_weight",
        rtol=16,
        atol=(16 + 16 * pixels**0.5) * quick,
        size=size,
        gradient=slope(True),
    )


def add_rows() -> None:
    for label, conv in ROWS.items():
        _rows(label, conv, None)
    for label, (conv, size) in TIMED.items():
        _rows(label, conv, size)
    for label in ("2d", "strided", "depthwise", "pointwise", "groups"):
        _rows(f"nasty-{label}", ROWS[label], None, nasty=True)
    _rows("nasty-quick", Conv(1, 40, 41, (18, 17), (3, 3), None, _same(1, 1)), None, nasty=True)
