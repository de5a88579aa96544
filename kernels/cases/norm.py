"""Rows of the normalisations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .table import Arguments, Generator, Gradient, add_row, blank, normal

EPS = 1e-5


class Norm(NamedTuple):
    """A normalisation of an array: "layer", "rms", "batch" or "group"."""

    kind: str
    shape: tuple[int, ...]
    groups: int = 1
    weight: bool = True
    bias: bool = True
    offset: float = 0.0  # a mean far from zero
    nasty: bool = False

    @property
    def statistics(self) -> tuple[int, ...]:
        if self.kind == "batch":
            return self.shape[1:2]
        return (self.shape[0], self.groups) if self.kind == "group" else self.shape[:1]

    @property
    def biased(self) -> bool:
        return self.bias and self.kind != "rms"


def _inputs(norm: Norm, rng: Generator, dtype: DTypeLike) -> tuple[Array, Array | None, Array | None]:
    x = normal(rng, dtype, *norm.shape) + np.asarray(norm.offset, dtype)
    if norm.nasty:
        x[0, 0], x[1, 1] = np.nan, np.inf
    channels = norm.shape[1]
    weight, bias = normal(rng, dtype, channels), normal(rng, dtype, channels)
    return x, weight if norm.weight else None, bias if norm.biased else None


def _outputs(norm: Norm, dtype: DTypeLike) -> list[Array]:
    """out, then mean, var and rstd, those that there are."""
    count = {"rms": 1, "batch": 3}.get(norm.kind, 2)
    return [blank(dtype, *norm.shape), *(blank(dtype, *norm.statistics) for _ in range(count))]


def _run(backend: Any, norm: Norm, x: Array, weight: Array | None, bias: Array | None) -> list[Array]:
    given = (x, weight) if norm.kind == "rms" else (x, weight, bias)
    written = _outputs(norm, x.dtype)
    getattr(backend, f"{norm.kind}_norm_forward")(*given, EPS, *written)
    return written


def _backward_arguments(
    norm: Norm, grad: Array, x: Array, weight: Array | None, statistics: list[Array], training: bool
) -> Arguments:
    mean, rstd = ([], statistics[-1:]) if norm.kind == "rms" else (statistics[:1], statistics[-1:])
    extra: list[Any] = [training] if norm.kind == "batch" else []
    if norm.kind == "group":
        extra = [blank("f8", 2, *norm.shape[:2])]
    grads = [blank(x.dtype, *norm.shape), blank(x.dtype, norm.shape[1]) if norm.weight else None]
    if norm.kind != "rms":
        grads.append(blank(x.dtype, norm.shape[1]) if norm.bias else None)
    return grad, x, weight, *mean, *rstd, *extra, *grads


def _gradient(norm: Norm) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        given = _inputs(norm, rng, "f8")
        seed = normal(rng, "f8", *norm.shape)
        kept = [i for i, array in enumerate(given) if array is not None]

        def spread(values: Any) -> list[Any]:
            full: list[Any] = list(given)
            for i, value in zip(kept, values, strict=True):
                full[i] = value
            return full

        def loss(values: Any) -> float:
            return float((_run(backend, norm, *spread(values))[0] * seed).sum())

        def gradients() -> list[Array]:
            x, weight, bias = given
            statistics = _run(backend, norm, x, weight, bias)[1:]
            arguments = _backward_arguments(norm, seed, x, weight, statistics, True)
            getattr(backend, f"{norm.kind}_norm_backward")(*arguments)
            found = arguments[-2:] if norm.kind == "rms" else arguments[-3:]
            return [array for array in found if array is not None]

        return Gradient([array for array in given if array is not None], loss, gradients)

    return build


def _rows(label: str, norm: Norm, size: str | None = None) -> None:
    # A statistic of n terms is rounded once; what is left of x after a mean of 1e4 was rounded when x was.
    atol = 32 + 16 * abs(norm.offset)

    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        x, weight, bias = _inputs(norm, rng, dtype)
        given = (x, weight) if norm.kind == "rms" else (x, weight, bias)
        return *given, EPS, *_outputs(norm, dtype)

    def backward(training: bool) -> Callable[[Generator, DTypeLike], Arguments]:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            from .. import numpy_backend

            x, weight, bias = _inputs(norm, rng, dtype)
            statistics = _run(numpy_backend, norm, x, weight, bias)[1:]
            return _backward_arguments(norm, normal(rng, dtype, *norm.shape), x, weight, statistics, training)

        return make

    count = int(np.prod(norm.shape))
    slope = _gradient(norm) if 0 < count < 3000 and not norm.nasty and not norm.offset else None
    found = {"rms": "out rstd", "batch": "out mean var rstd"}.get(norm.kind, "out mean rstd")
    add_row(f"{norm.kind}_norm_forward", label, forward, found, rtol=64, atol=atol, size=size)
    scratch = ("sums",) if norm.kind == "group" else ()
    written = "grad_x grad_weight" if norm.kind == "rms" else "grad_x grad_weight grad_bias"
    loose = atol * 4 + 8 * count**0.5
    more = {"rtol": 64, "atol": loose, "scratch": scratch}
    add_row(f"{norm.kind}_norm_backward", label, backward(True), written, size=size, gradient=slope, **more)
    if norm.kind != "batch":
        return

    def inference(rng: Generator, dtype: DTypeLike) -> Arguments:
        x, weight, bias = _inputs(norm, rng, dtype)
        mean = normal(rng, dtype, norm.shape[1]) + np.asarray(norm.offset, dtype)
        return x, weight, bias, mean, rng.uniform(0.5, 2, norm.shape[1]).astype(dtype), blank(dtype, *norm.shape)

    add_row("batch_norm_inference", label, inference, "out", rtol=64, atol=32, size=size)
    add_row("batch_norm_backward", f"{label}-fixed", backward(False), written, **more)


def add_rows() -> None:
    for kind in ("layer", "rms"):
        _rows("64x128", Norm(kind, (64, 128)), "small")
        _rows("2048x256", Norm(kind, (2048, 256)), "large")
        for m, n in ((0, 5), (1, 1), (5, 1), (3, 7), (7, 33), (301, 3), (2, 5000)):
            _rows(f"{m}x{n}", Norm(kind, (m, n)))
        _rows("plain", Norm(kind, (9, 17), weight=False, bias=False))
        _rows("weight", Norm(kind, (9, 17), bias=False))
        _rows("bias", Norm(kind, (9, 17), weight=False))
        _rows("far", Norm(kind, (9, 40), offset=1e4))
        _rows("nasty", Norm(kind, (5, 9), nasty=True))
    for shape, size in (
        ((8, 16, 49), "small"),
        ((32, 64, 784), "large"),
        ((64, 100, 1), "small"),
        ((5, 3, 1), None),
        ((1, 3, 7), None),
        ((3, 4, 5), None),
        ((2, 1, 5000), None),
        ((300, 65, 1), None),
    ):
        _rows("x".join(map(str, shape)), Norm("batch", shape), size)
    for shape, groups, size in (
        ((8, 16, 49), 4, "small"),
        ((16, 32, 400), 8, "large"),
        ((64, 100, 1), 10, None),
        ((3, 4, 5), 4, None),
        ((3, 4, 5), 1, None),
        ((0, 4, 5), 2, None),
        ((2, 6, 3000), 3, None),
    ):
        _rows("x".join(map(str, shape)) + f"-{groups}", Norm("group", shape, groups), size)
    for kind in ("batch", "group"):
        _rows("plain", Norm(kind, (6, 4, 10), 2, weight=False, bias=False))
        _rows("weight", Norm(kind, (6, 4, 10), 2, bias=False))
        _rows("bias", Norm(kind, (6, 4, 10), 2, weight=False))
        _rows("far", Norm(kind, (6, 4, 40), 2, offset=1e4))
        _rows("far-columns", Norm(kind, (40, 6, 1), 2, offset=1e4))
        _rows("nasty", Norm(kind, (5, 6, 9), 2, nasty=True))
