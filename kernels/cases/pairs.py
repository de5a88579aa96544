"""Rows of the kernels that come as a forward and a backward of one array, and of arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .table import Arguments, Generator, Gradient, add_row, blank, clear_of_zero, normal


class Pair(NamedTuple):
    """A forward kernel of one array and its backward, which reads forward's input or its output."""

    forward: str
    backward: str
    reads: str
    extra: tuple[float, ...] = ()
    rtol: float = 8.0
    atol: float = 0.0
    backward_atol: float = 0.0


def _pair_gradient(pair: Pair, shape: tuple[int, ...]) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        x, seed = clear_of_zero(rng, *shape), normal(rng, "f8", *shape)

        def forward(x: Array) -> Array:
            out = blank("f8", *shape)
            getattr(backend, pair.forward)(x, *pair.extra, out)
            return out

        def gradients() -> list[Array]:
            grad_x = blank("f8", *shape)
            getattr(backend, pair.backward)(seed, x if pair.reads == "x" else forward(x), *pair.extra, grad_x)
            return [grad_x]

        return Gradient([x], lambda values: float((forward(values[0]) * seed).sum()), gradients)

    return build


def _pair_rows(
    pair: Pair, label: str, x: Callable[[Generator], Array], size: str | None = None, slope: bool = False
) -> None:
    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        values = x(rng).astype(dtype)
        return values, *pair.extra, blank(dtype, *values.shape)

    def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
        from .. import numpy_backend

        read = x(rng).astype(dtype)
        if pair.reads == "out":
            getattr(numpy_backend, pair.forward)(read.copy(), *pair.extra, read)
        return normal(rng, dtype, *read.shape), read, *pair.extra, blank(dtype, *read.shape)

    gradient = _pair_gradient(pair, x(np.random.default_rng(0)).shape) if slope else None
    add_row(pair.forward, label, forward, "out", size=size, rtol=pair.rtol, atol=pair.atol)
    atol = pair.backward_atol
    add_row(pair.backward, label, backward, "grad_x", size=size, gradient=gradient, rtol=pair.rtol, atol=atol)


def _draw(shape: tuple[int, ...], scale: float = 1.0) -> Callable[[Generator], Array]:
    return lambda rng: rng.standard_normal(shape) * scale


NASTY = np.array(
    [0.0, -0.0, 1.0, -1.0, 1e-20, -1e-20, 20.0, -20.0, 88.0, -87.0, 110.0, -110.0, 800.0, -800.0, 3e38, -3e38]
)
NOT_FINITE = np.array([np.inf, -np.inf, np.nan, 1.0, 0.5])


def _softmax_rows() -> None:
    inf, nan = np.inf, np.nan
    nasty = np.array(
        [
            [-inf, 0, 0, 1, 2],
            [-inf, -inf, -inf, -inf, -inf],
            [inf, 0, 1, 2, 3],
            [inf, -inf, inf, 0, 1],
            [0, nan, 1, 2, 3],
            [-inf, nan, -inf, 2, 3],
            [3e38, -3e38, 0, 1, 2],
            [-3e38, -3e38, -3e38, -3e38, -3e38],
            [1e4, 1e4 + 1, 1e4, -1e4, 0],
        ]
    )
    for pair in (
        Pair("softmax_forward", "softmax_backward", "out", rtol=64, backward_atol=8),
        Pair("log_softmax_forward", "log_softmax_backward", "out", rtol=64, atol=32, backward_atol=64),
    ):
        for m, n, size in ((64, 10, "small"), (128, 1000, "small"), (2048, 2048, "large")):
            _pair_rows(pair, f"{m}x{n}", _draw((m, n), 3), size, slope=n == 10)
        for m, n in ((0, 5), (3, 0), (1, 1), (5, 1), (3, 2), (2, 17), (1, 33), (301, 3)):
            _pair_rows(pair, f"{m}x{n}", _draw((m, n)), slope=n == 17)
        _pair_rows(pair, "nasty", lambda rng: nasty)
        _pair_rows(pair, "nasty-wide", lambda rng: np.concatenate([nasty, np.full((9, 61), -1e30)], axis=1))


def _elementwise_rows() -> None:
    for pair in (
        Pair("relu_forward", "relu_backward", "out"),
        Pair("leaky_relu_forward", "leaky_relu_backward", "x", (0.01,)),
        Pair("sigmoid_forward", "sigmoid_backward", "out"),
        Pair("tanh_forward", "tanh_backward", "out", backward_atol=8),  # 1 - out * out cancels near 1
    ):
        _pair_rows(pair, "64x128", _draw((64, 128)), "small")
        _pair_rows(pair, "1000x1000", _draw((1000, 1000)), "large")
        for odd in ((0,), (1,), (7,), (5, 3), (2, 3, 43)):
            _pair_rows(pair, "x".join(map(str, odd)), _draw(odd, 4), slope=True)
        _pair_rows(pair, "nasty", lambda rng: np.concatenate([NASTY, NOT_FINITE]))

    def exp(label: str, x: Callable[[Generator], Array], size: str | None = None) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            values = x(rng).astype(dtype)
            return values, blank(dtype, *values.shape)

        add_row("exp_forward", label, make, "out", size=size)

    def copy(label: str, shape: tuple[int, ...], size: str | None = None) -> None:
        add_row(
            "copy",
            label,
            lambda rng, dtype: (normal(rng, dtype, *shape), blank(dtype, *shape)),
            "out",
            rtol=0,
            size=size,
        )

    sizes: dict[tuple[int, int], str | None]
    sizes = {(64, 128): "small", (1000, 1000): "large", (0, 3): None, (5, 7): None}
    for shape, size in sizes.items():
        exp(f"{shape[0]}x{shape[1]}", _draw(shape, 10), size)
        copy(f"{shape[0]}x{shape[1]}", shape, size)
    exp("nasty", lambda rng: np.concatenate([NASTY, NOT_FINITE]))

    def binary(kernel: str, label: str, a: tuple[int, ...], b: tuple[int, ...], size: str | None = None) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            return normal(rng, dtype, *a), normal(rng, dtype, *b), blank(dtype, *np.broadcast_shapes(a, b))

        add_row(kernel, label, make, "out", rtol=1, size=size)

    def nasty(rng: Generator, dtype: DTypeLike) -> Arguments:
        values = np.concatenate([NASTY, NOT_FINITE]).astype(dtype)
        n = len(values)
        return values.reshape(1, n, 1), values.reshape(1, 1, n), blank(dtype, 1, n, n)

    for kernel in ("add", "sub", "mul", "div"):
        binary(kernel, "10", (1, 1, 10), (1, 1, 10), "small")
        binary(kernel, "1000x1000", (1, 1, 1_000_000), (1, 1, 1_000_000), "large")
        binary(kernel, "1000x1000+1000", (1, 1000, 1000), (1, 1, 1000), "large")
        binary(kernel, "1000x1+1000x1000", (1, 1000, 1), (1, 1000, 1000), "large")
        binary(kernel, "scalar", (1, 1, 1), (2, 3, 37))
        binary(kernel, "2x1x4+1x3x1", (2, 1, 4), (2, 3, 1))
        binary(kernel, "middle", (3, 5, 7), (3, 1, 7))
        binary(kernel, "ends", (1, 5, 1), (3, 5, 7))
        binary(kernel, "empty", (2, 0, 3), (2, 1, 3))
        binary(kernel, "one", (1, 1, 1), (1, 1, 1))
        add_row(kernel, "nasty", nasty, "out", rtol=1)


def add_rows() -> None:
    _softmax_rows()
    _elementwise_rows()
