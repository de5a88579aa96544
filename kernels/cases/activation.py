"""Rows of the activations by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .pairs import NASTY, NOT_FINITE
from .table import Arguments, Generator, Gradient, add_row, blank, normal


class Kind(NamedTuple):
    """A kind, its two numbers, and by how many eps its values and slopes may be off at 1 (relatively: 8 each)."""

    name: str
    a: float = 0.0
    b: float = 0.0
    atol: float = 0.0
    slope_atol: float = 0.0
    positive: bool = False
    large: bool = False
    kinks: tuple[float, ...] = ()


KINDS = (
    Kind("gelu", atol=4, slope_atol=4, large=True),
    Kind("gelu_tanh", atol=4, slope_atol=8, large=True),
    Kind("silu", atol=1, slope_atol=4, large=True),
    Kind("elu", 1.5, kinks=(0.0,), large=True),
    Kind("celu", 0.75, atol=1, slope_atol=1),
    Kind("selu", 1.7580993408473766, 1.0507009873554805, kinks=(0.0,)),
    Kind("softplus", 2.0, 20.0, large=True),
    Kind("logsigmoid"),
    Kind("mish", atol=1, slope_atol=4, large=True),
    Kind("tanhshrink", atol=4, slope_atol=1),
    Kind("softsign"),
    Kind("hardswish", kinks=(-3.0, 3.0), slope_atol=2),
    Kind("hardsigmoid", kinks=(-3.0, 3.0), atol=2),
    Kind("hardtanh", -0.5, 1.5, kinks=(-0.5, 1.5)),
    Kind("clamp", -0.5, 1.5, kinks=(-0.5, 1.5)),
    Kind("softshrink", 0.5, kinks=(-0.5, 0.5)),
    Kind("hardshrink", 0.5, kinks=(-0.5, 0.5)),
    Kind("threshold", 0.25, -1.0, kinks=(0.25,)),
    Kind("log", positive=True, large=True, atol=1),
    Kind("sqrt", positive=True),
    Kind("erf", large=True, slope_atol=4),
    Kind("pow", 1.75, positive=True, large=True),
    Kind("pow", 0.5, positive=True),
    Kind("pow", 3.0),
    Kind("pow", -1.0, positive=True),
)


def _draw(kind: Kind, shape: tuple[int, ...], scale: float) -> Callable[[Generator], Array]:
    """Values at least 0.05 from the kinks, where a difference has no meaning."""

    def draw(rng: Generator) -> Array:
        x = np.asarray(rng.standard_normal(shape) * scale)
        for kink in kind.kinks:
            x = np.where(np.abs(x - kink) < 0.05, kink + 0.05, x)
        return np.asarray(np.abs(x) + 0.01 if kind.positive else x)

    return draw


def _gradient(kind: Kind, draw: Callable[[Generator], Array]) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        x = draw(rng)
        seed = normal(rng, "f8", *x.shape)

        def loss(values: Any) -> float:
            out = blank("f8", *x.shape)
            backend.activation_forward(kind.name, values[0], kind.a, kind.b, out)
            return float((out * seed).sum())

        def gradients() -> list[Array]:
            grad_x = blank("f8", *x.shape)
            backend.activation_backward(kind.name, seed, x, kind.a, kind.b, grad_x)
            return [grad_x]

        return Gradient([x], loss, gradients)

    return build


def _rows(
    kind: Kind, label: str, draw: Callable[[Generator], Array], size: str | None = None, slope: bool = False
) -> None:
    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        x = draw(rng).astype(dtype)
        return kind.name, x, kind.a, kind.b, blank(dtype, *x.shape)

    def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
        x = draw(rng).astype(dtype)
        return kind.name, normal(rng, dtype, *x.shape), x, kind.a, kind.b, blank(dtype, *x.shape)

    label = f"{kind.name}{kind.a or '' if kind.name == 'pow' else ''}-{label}"
    add_row("activation_forward", label, forward, "out", size=size, atol=kind.atol)
    gradient = _gradient(kind, draw) if slope else None
    add_row("activation_backward", label, backward, "grad_x", size=size, gradient=gradient, atol=kind.slope_atol)


def add_rows() -> None:
    nasty = np.concatenate([NASTY, NOT_FINITE, [1e4, -1e4, 3.0, -3.0, 1.5, -0.5, 0.5, 0.25, 38.0, -38.0, 1e-3]])
    for kind in KINDS:
        _rows(kind, "64x128", _draw(kind, (64, 128), 1), "small")
        if kind.large:
            _rows(kind, "1000x1000", _draw(kind, (1000, 1000), 1), "large")
        for odd in ((0,), (7,), (2, 3, 43)):
            _rows(kind, "x".join(map(str, odd)), _draw(kind, odd, 4), slope=bool(odd[0]))
        _rows(kind, "nasty", lambda rng: nasty)
