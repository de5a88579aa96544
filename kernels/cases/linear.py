"""Rows of the products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import contract
from ..contract import Array
from .table import Arguments, Generator, Gradient, add_row, blank, normal


def _matmul_rows() -> None:
    def row(
        label: str,
        sizes: tuple[int, int, int, int],
        transposed: str = "nn",
        bias: bool = False,
        activation: str = "none",
        accumulate: bool = False,
        shared: str = "",
        nasty: bool = False,
        size: str | None = None,
    ) -> None:
        batch, m, k, n = sizes

        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            a = normal(rng, dtype, 1 if "a" in shared else batch, *((k, m) if transposed[0] == "t" else (m, k)))
            b = normal(rng, dtype, 1 if "b" in shared else batch, *((n, k) if transposed[1] == "t" else (k, n)))
            if nasty:
                a[:, 1, 2], a[:, 3, 4], b[:, 0, 5] = np.nan, np.inf, -np.inf
            out = normal(rng, dtype, batch, m, n) if accumulate else blank(dtype, batch, m, n)
            v = normal(rng, dtype, n) if bias else None
            return a, b, transposed[0] == "t", transposed[1] == "t", v, activation, accumulate, out

        add_row("matmul", label, make, "out", rtol=16, atol=16 + 2 * k, size=size)

    for transposed in ("nn", "nt", "tn", "tt"):
        row(f"{transposed}-2x33x100x77", (2, 33, 100, 77), transposed)
        row(f"{transposed}-1x5x7x3", (1, 5, 7, 3), transposed, bias=True, activation="relu", accumulate=True)
        row(f"{transposed}-nasty", (1, 9, 8, 17), transposed, nasty=True)
    for activation in contract.ACTIVATIONS:
        row(f"{activation}-2x19x20x21", (2, 19, 20, 21), bias=True, activation=activation)
    for label, sizes in {
        "empty-batch": (0, 3, 4, 5),
        "no-rows": (2, 0, 4, 5),
        "no-columns": (2, 3, 4, 0),
        "one": (1, 1, 1, 1),
        "column": (1, 301, 7, 1),
        "row": (1, 1, 7, 301),
        "tall": (1, 1031, 3, 2),
        "wide": (1, 2, 3, 1031),
        "deep": (1, 3, 2049, 5),
    }.items():
        row(label, sizes)
    for accumulate in (False, True):
        row(f"no-depth-{accumulate}", (2, 3, 0, 5), bias=True, accumulate=accumulate)
    for shared in ("a", "b", "ab"):
        row(f"shared-{shared}", (3, 6, 5, 4), shared=shared)
    row("64x128x64", (1, 64, 128, 64), size="small")
    row("8x64x64x64", (8, 64, 64, 64), "nt", size="small")
    row("512x512x512", (1, 512, 512, 512), size="large")


def _linear_gradient(m: int, k: int, n: int, activation: str) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        inputs = [normal(rng, "f8", m, k), normal(rng, "f8", n, k), normal(rng, "f8", n)]
        seed = normal(rng, "f8", m, n)

        def forward(x: Array, weight: Array, bias: Array) -> Array:
            out = blank("f8", m, n)
            backend.linear_forward(x, weight, bias, activation, out)
            return out

        def gradients() -> list[Array]:
            x, weight, bias = inputs
            found = [blank("f8", *array.shape) for array in inputs]
            out = forward(x, weight, bias)
            backend.linear_backward(seed, x, weight, out, activation, blank("f8", m, n), *found)
            return found

        return Gradient(inputs, lambda values: float((forward(*values) * seed).sum()), gradients)

    return build


def _linear_rows() -> None:
    def row(label: str, m: int, k: int, n: int, activation: str, bias: bool = True, size: str | None = None) -> None:
        def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
            scale = np.asarray(max(k, 1) ** -0.5, dtype)
            x, weight = normal(rng, dtype, m, k), normal(rng, dtype, n, k) * scale
            return x, weight, normal(rng, dtype, n) if bias else None, activation, blank(dtype, m, n)

        def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
            x, weight = normal(rng, dtype, m, k), normal(rng, dtype, n, k)
            plain = activation == "none"
            out = None if plain else np.tanh(normal(rng, dtype, m, n))
            workspace = None if plain else blank(dtype, m, n)
            written = blank(dtype, m, k), blank(dtype, n, k), blank(dtype, n) if bias else None
            return normal(rng, dtype, m, n), x, weight, out, activation, workspace, *written

        add_row("linear_forward", label, forward, "out", rtol=16, atol=16 + 2 * k**0.5, size=size)
        outputs = "workspace grad_x grad_weight grad_bias"
        atol = 16 + 2 * max(m, k, n)
        gradient = _linear_gradient(m, k, n, activation) if 0 < m * k * n < 100_000 else None
        add_row("linear_backward", label, backward, outputs, rtol=16, atol=atol, size=size, gradient=gradient)

    row("1x784x128", 1, 784, 128, "relu", size="small")
    row("64x784x128", 64, 784, 128, "relu", size="small")
    row("256x1024x1024", 256, 1024, 1024, "relu", size="large")
    row("33x100x77", 33, 100, 77, "tanh", size="small")
    row("64x128x64", 64, 128, 64, "none", size="small")
    row("sigmoid", 17, 9, 13, "sigmoid")
    row("tanh", 5, 9, 13, "tanh")
    row("relu", 6, 11, 10, "relu")
    row("no-bias", 7, 9, 3, "none", bias=False)
    row("no-rows", 0, 4, 3, "relu")
    row("no-depth", 3, 0, 4, "tanh")
    row("no-outputs", 3, 4, 0, "none")
    row("one", 1, 1, 1, "relu")
    row("tall", 1025, 3, 2, "relu")

    def some(wanted: tuple[bool, bool, bool]) -> Callable[[Generator, DTypeLike], Arguments]:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            shapes = (6, 5), (4, 5), (4,)
            written = (blank(dtype, *shape) if want else None for want, shape in zip(wanted, shapes, strict=True))
            x, weight, out = normal(rng, dtype, 6, 5), normal(rng, dtype, 4, 5), np.tanh(normal(rng, dtype, 6, 4))
            return normal(rng, dtype, 6, 4), x, weight, out, "tanh", blank(dtype, 6, 4), *written

        return make

    for name, wanted in {
        "x": (True, False, False),
        "weight": (False, True, False),
        "bias": (False, False, True),
    }.items():
        add_row(
            "linear_backward", f"only-{name}", some(wanted), "workspace grad_x grad_weight grad_bias", rtol=16, atol=32
        )


def add_rows() -> None:
    _matmul_rows()
    _linear_rows()
