"""Rows of pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .table import Arguments, Generator, Gradient, add_row, blank, normal


class Pool(NamedTuple):
    """A pooling's sizes and options."""

    planes: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    more: int = 0  # windows beyond those that fit, along each axis

    @property
    def out_size(self) -> tuple[int, ...]:
        axes = zip(self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 + self.more for n, k, s, p, d in axes)


ROWS: dict[str, tuple[Pool, str | None]] = {
    "2x2-64x28x28": (Pool(64, (28, 28), (2, 2), (2, 2), (0, 0), (1, 1)), "small"),
    "2x2-2048x28x28": (Pool(2048, (28, 28), (2, 2), (2, 2), (0, 0), (1, 1)), "large"),
    "3x3s2-64x56x56": (Pool(64, (56, 56), (3, 3), (2, 2), (1, 1), (1, 1)), "small"),
    "1d": (Pool(3, (23,), (3,), (2,), (1,), (1,)), None),
    "3d": (Pool(3, (5, 6, 7), (2, 3, 2), (1, 2, 3), (1, 1, 0), (1, 1, 1)), None),
    "overlapping": (Pool(5, (9, 40), (3, 4), (1, 1), (1, 2), (1, 1)), None),
    "wide-steps": (Pool(5, (9, 40), (2, 2), (3, 5), (0, 1), (1, 1)), None),
    "ceil": (Pool(5, (7, 9), (2, 2), (2, 2), (0, 0), (1, 1), 1), None),
    "dilated": (Pool(5, (12, 33), (2, 3), (2, 1), (1, 1), (2, 3)), None),
    "one": (Pool(4, (1, 1), (1, 1), (1, 1), (0, 0), (1, 1)), None),
    "no-planes": (Pool(0, (4, 4), (2, 2), (2, 2), (0, 0), (1, 1)), None),
}
ADAPTIVE: dict[str, tuple[int, tuple[int, ...], tuple[int, ...], str | None]] = {
    "512x28x28-1x1": (512, (28, 28), (1, 1), "small"),
    "512x14x14-7x7": (512, (14, 14), (7, 7), "small"),
    "1d": (3, (23,), (5,), None),
    "3d": (3, (5, 6, 7), (2, 3, 3), None),
    "more-than-there-is": (3, (4, 5), (7, 8), None),
    "same": (3, (4, 5), (4, 5), None),
    "no-planes": (0, (4, 5), (2, 2), None),
}


def _values(rng: Generator, dtype: DTypeLike, planes: int, size: tuple[int, ...], nasty: bool) -> Array:
    """Numbers of few digits, so that some are equal."""
    x = np.round(normal(rng, dtype, planes, math.prod(size)), 1)
    if nasty:
        x.reshape(-1)[::7], x.reshape(-1)[3::11], x.reshape(-1)[5::13] = np.nan, np.inf, -np.inf
    return x


def _slope(
    size: tuple[int, ...],
    planes: int,
    out_size: tuple[int, ...],
    forward: Callable[[Any, Array, Array], None],
    backward: Callable[[Any, Array, Array, Array], None],
) -> Callable[[Any, Generator], Gradient]:
    """forward(backend, x, out), backward(backend, x, grad, grad_x)."""

    def build(backend: Any, rng: Generator) -> Gradient:
        x = rng.permutation(planes * math.prod(size)).reshape(planes, -1) * 0.1  # far from ties
        seed = normal(rng, "f8", planes, math.prod(out_size))

        def loss(inputs: Any) -> float:
            out = blank("f8", *seed.shape)
            forward(backend, inputs[0], out)
            return float((out * seed).sum())

        def gradients() -> list[Array]:
            grad_x = blank("f8", *x.shape)
            backward(backend, x, seed, grad_x)
            return [grad_x]

        return Gradient([x], loss, gradients)

    return build


def _max_rows(label: str, pool: Pool, size: str | None, nasty: bool = False) -> None:
    options = pool.size, pool.kernel, pool.stride, pool.padding, pool.dilation, pool.out_size
    windows = math.prod(pool.out_size)

    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        x = _values(rng, dtype, pool.planes, pool.size, nasty)
        return x, *options, blank(dtype, pool.planes, windows), np.full((pool.planes, windows), -7, np.int64)

    def values_alone(rng: Generator, dtype: DTypeLike) -> Arguments:
        return *forward(rng, dtype)[:-1], None

    def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
        from .. import numpy_backend

        arguments = forward(rng, dtype)
        numpy_backend.max_pool_forward(*arguments)
        grad = normal(rng, dtype, pool.planes, windows)
        return grad, arguments[-1], pool.size, blank(dtype, pool.planes, math.prod(pool.size))

    def places(backend: Any, x: Array) -> Array:
        indices = np.full((pool.planes, windows), -7, np.int64)
        backend.max_pool_forward(x, *options, blank("f8", pool.planes, windows), indices)
        return indices

    slope = _slope(
        pool.size,
        pool.planes,
        pool.out_size,
        lambda backend, x, out: backend.max_pool_forward(x, *options, out, None),
        lambda backend, x, grad, grad_x: backend.max_pool_backward(grad, places(backend, x), pool.size, grad_x),
    )
    add_row("max_pool_forward", label, forward, "out indices", rtol=0, size=size)
    add_row("max_pool_forward", f"values-{label}", values_alone, "out", rtol=0, size=size)
    if not nasty:
        gradient = slope if size is None and pool.planes else None
        add_row("max_pool_backward", label, backward, "grad_x", atol=16, size=size, gradient=gradient)


def _average_rows(label: str, pool: Pool, size: str | None, include: bool, divisor: int) -> None:
    options = pool.size, pool.kernel, pool.stride, pool.padding, include, divisor, pool.out_size
    windows, numbers = math.prod(pool.out_size), math.prod(pool.size)

    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        return normal(rng, dtype, pool.planes, numbers), *options, blank(dtype, pool.planes, windows)

    def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
        return normal(rng, dtype, pool.planes, windows), *options, blank(dtype, pool.planes, numbers)

    slope = _slope(
        pool.size,
        pool.planes,
        pool.out_size,
        lambda backend, x, out: backend.avg_pool_forward(x, *options, out),
        lambda backend, x, grad, grad_x: backend.avg_pool_backward(grad, *options, grad_x),
    )
    add_row("avg_pool_forward", label, forward, "out", atol=16, size=size)
    gradient = slope if size is None and pool.planes else None
    add_row("avg_pool_backward", label, backward, "grad_x", atol=16, size=size, gradient=gradient)


def _adaptive_rows(
    label: str, planes: int, size: tuple[int, ...], out_size: tuple[int, ...], timed: str | None
) -> None:
    windows, numbers = math.prod(out_size), math.prod(size)

    def mean(rng: Generator, dtype: DTypeLike) -> Arguments:
        return normal(rng, dtype, planes, numbers), size, out_size, blank(dtype, planes, windows)

    def back(rng: Generator, dtype: DTypeLike) -> Arguments:
        return normal(rng, dtype, planes, windows), size, out_size, blank(dtype, planes, numbers)

    def largest(rng: Generator, dtype: DTypeLike) -> Arguments:
        x = _values(rng, dtype, planes, size, label == "3d")
        return x, size, out_size, blank(dtype, planes, windows), np.full((planes, windows), -7, np.int64)

    slope = _slope(
        size,
        planes,
        out_size,
        lambda backend, x, out: backend.adaptive_avg_pool_forward(x, size, out_size, out),
        lambda backend, x, grad, grad_x: backend.adaptive_avg_pool_backward(grad, size, out_size, grad_x),
    )
    add_row("adaptive_avg_pool_forward", label, mean, "out", atol=16, size=timed)
    gradient = slope if timed is None and planes else None
    add_row("adaptive_avg_pool_backward", label, back, "grad_x", atol=16, size=timed, gradient=gradient)
    add_row("adaptive_max_pool_forward", label, largest, "out indices", rtol=0, size=timed)


def add_rows() -> None:
    for label, (pool, size) in ROWS.items():
        _max_rows(label, pool, size)
        if pool.dilation == (1,) * len(pool.size):
            _average_rows(label, pool, size, label != "ceil", 0)
    _max_rows("nasty", ROWS["overlapping"][0], None, nasty=True)
    _max_rows("nasty-2x2", Pool(3, (8, 40), (2, 2), (2, 2), (0, 0), (1, 1)), None, nasty=True)
    _average_rows("without-padding", ROWS["overlapping"][0], None, False, 0)
    _average_rows("divisor", ROWS["overlapping"][0], None, True, 5)
    for label, adaptive in ADAPTIVE.items():
        _adaptive_rows(label, *adaptive)
