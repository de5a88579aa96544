"""Rows of attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .table import Arguments, Generator, Gradient, add_row, blank, normal


class Attention(NamedTuple):
    """What an attention is asked for."""

    batch: int
    heads: int
    queries: int
    keys: int
    width: int
    value_width: int
    shared: int = 1  # heads that share a key head
    causal: bool = False
    mask: str = ""  # "boolean" or "added", then the extents that are not broadcast: some of "bhqk"
    dropout: float = 0.0
    chunks: int = 0
    head_last: bool = False  # memory in the order (batch, row, head, element)
    nasty: bool = False


def _mask(a: Attention, rng: Generator, dtype: DTypeLike) -> Array | None:
    if not a.mask:
        return None
    kind, axes = a.mask.split("-")
    full = {"b": a.batch, "h": a.heads, "q": a.queries, "k": a.keys}
    shape = tuple(extent if axis in axes else 1 for axis, extent in full.items())
    hidden = rng.random(shape) < 0.4
    if "q" in axes and a.queries > 1:
        hidden[:, :, 1] = True  # a row that sees nothing
    if kind == "boolean":
        return (~hidden).astype(np.uint8)
    return np.where(hidden, -np.inf, normal(rng, "f8", *shape)).astype(dtype)


def _inputs(a: Attention, rng: Generator, dtype: DTypeLike) -> list[Array]:
    found = []
    shared = a.heads // a.shared
    for heads, rows, width in (
        (a.heads, a.queries, a.width),
        (shared, a.keys, a.width),
        (shared, a.keys, a.value_width),
    ):
        shape = (a.batch, rows, heads, width) if a.head_last else (a.batch, heads, rows, width)
        array = normal(rng, dtype, *shape)
        found.append(array.transpose(0, 2, 1, 3) if a.head_last else array)
    if a.nasty:
        found[0][0, 0, 0, 0], found[1][0, 0, 1, 0], found[2][0, 0, 2, 0] = np.nan, np.inf, np.nan
    return found


def _options(a: Attention) -> tuple[bool, float, float, int, int]:
    return a.causal, max(a.width, 1) ** -0.5, a.dropout, 2**40 + 7, 3


def _forward(backend: Any, a: Attention, inputs: list[Array], mask: Array | None) -> tuple[Array, Array]:
    query, _, value = inputs
    out = blank(query.dtype, *query.shape[:3], value.shape[3])
    lse = blank(query.dtype, *query.shape[:3])
    backend.attention_forward(*inputs, mask, *_options(a), out, lse)
    return out, lse


def _partial(a: Attention, query: Array) -> Array | None:
    return blank(query.dtype, a.chunks, *query.shape) if a.chunks else None


def _gradient(a: Attention) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        inputs, mask = _inputs(a, rng, "f8"), _mask(a, rng, "f8")
        grad = normal(rng, "f8", a.batch, a.heads, a.queries, a.value_width)

        def loss(values: Any) -> float:
            return float((_forward(backend, a, list(values), mask)[0] * grad).sum())

        def gradients() -> list[Array]:
            found = [blank("f8", *array.shape) for array in inputs]
            out, lse = _forward(backend, a, inputs, mask)
            backend.attention_backward(grad, *inputs, mask, *_options(a), out, lse, _partial(a, inputs[0]), *found)
            return found

        return Gradient(inputs, loss, gradients)

    return build


def add_rows() -> None:
    def row(label: str, a: Attention, size: str | None = None) -> None:
        def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
            inputs, mask = _inputs(a, rng, dtype), _mask(a, rng, dtype)
            shape = (a.batch, a.heads, a.queries)
            return *inputs, mask, *_options(a), blank(dtype, *shape, a.value_width), blank(dtype, *shape)

        def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
            from .. import numpy_backend

            inputs, mask = _inputs(a, rng, dtype), _mask(a, rng, dtype)
            grad = normal(rng, dtype, a.batch, a.heads, a.queries, a.value_width)
            out, lse = _forward(numpy_backend, a, inputs, mask)
            written = [blank(dtype, *array.shape) for array in inputs]
            return grad, *inputs, mask, *_options(a), out, lse, _partial(a, inputs[0]), *written

        add_row("attention_forward", label, forward, "out lse", rtol=64, atol=64, size=size)
        slope = None if a.nasty or size == "large" or a.queries * a.keys == 0 else _gradient(a)
        outputs = "partial grad_query grad_key grad_value"
        add_row("attention_backward", label, backward, outputs, rtol=64, atol=512, size=size, gradient=slope)

    row("1x4x32x16", Attention(1, 4, 32, 32, 16, 16), "small")
    row("1x12x128x32", Attention(1, 12, 128, 128, 32, 32), "small")
    row("2x4x512x64", Attention(2, 4, 512, 512, 64, 64), "large")
    row("2x4x512x64-causal", Attention(2, 4, 512, 512, 64, 64, causal=True), "large")
    row("causal-wide", Attention(2, 2, 70, 133, 20, 33, causal=True))
    row("causal-tall", Attention(1, 2, 133, 70, 9, 3, causal=True))
    row("shared", Attention(2, 6, 17, 101, 8, 24, shared=3))
    row("head-last", Attention(2, 3, 19, 23, 6, 5, head_last=True))
    for mask in ("boolean-bhqk", "boolean-bk", "boolean-q", "added-bhqk", "added-qk", "added-h"):
        row(mask, Attention(2, 2, 21, 103, 7, 6, mask=mask))
    row("mask-and-causal", Attention(1, 2, 70, 103, 7, 6, mask="boolean-qk", causal=True))
    row("dropout", Attention(2, 2, 37, 103, 7, 6, dropout=0.3))
    row("everything", Attention(2, 4, 67, 131, 12, 10, 2, True, "added-bqk", 0.2, 3, True))
    row("chunks", Attention(1, 2, 33, 300, 8, 8, chunks=2))
    row("more-chunks-than-keys", Attention(1, 3, 5, 4, 3, 3, chunks=7))
    row("one", Attention(1, 1, 1, 1, 1, 1))
    row("one-query", Attention(2, 3, 1, 200, 64, 64))
    row("no-queries", Attention(1, 2, 0, 3, 4, 5))
    row("no-keys", Attention(1, 2, 3, 0, 4, 5))
    row("no-width", Attention(1, 2, 3, 4, 0, 5))
    row("no-values", Attention(1, 2, 3, 4, 5, 0))
    row("no-batch", Attention(0, 2, 3, 4, 5, 6))
    row("nasty", Attention(1, 2, 5, 9, 4, 4, nasty=True))
