"""Rows of the recurrent layers: cells, and sequences of equal and of several lengths, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array, Labels
from ..contract.recurrent import recurrent_workspace
from .table import Arguments, Generator, Gradient, add_row, blank, normal

GATES = {"lstm": 4, "gru": 3, "rnn": 1}


class Layer(NamedTuple):
    """One row: lengths of the sequences, longest first, or (T, B) for equal ones."""

    label: str
    lengths: list[int] | tuple[int, int]
    hidden: int
    reverse: bool = False
    batch_first: bool = False
    projection: int = 0
    states: bool = True  # h0 and c0, and gradients of hn and cn, and of a bias; else None
    activation: str = "tanh"
    nasty: bool = False
    size: str | None = None

    @property
    def batch_sizes(self) -> Labels:
        if isinstance(self.lengths, tuple):
            return np.full(self.lengths[0], self.lengths[1], np.int64)
        longest = max(self.lengths, default=0)
        return np.array([sum(length > t for length in self.lengths) for t in range(longest)], np.int64)

    @property
    def batch(self) -> int:
        return self.lengths[1] if isinstance(self.lengths, tuple) else len(self.lengths)

    @property
    def rows(self) -> int:
        return int(self.batch_sizes.sum())

    @property
    def width(self) -> int:
        return self.projection or self.hidden


LAYERS = [
    Layer("t50-b1-h128", (50, 1), 128, size="small"),
    Layer("t28-b64-h128", (28, 64), 128, batch_first=True, states=False, size="small"),
    Layer("t40-b32-h256", (40, 32), 256, states=False, size="large"),
    Layer("t3-b5-h300", (3, 5), 300),
    Layer("t3-b3-h261", (3, 3), 261, reverse=True),
    Layer("one", (1, 1), 1),
    Layer("t4-b7-h5", (4, 7), 5),
    Layer("t4-b3-h19", (4, 3), 19, reverse=True),
    Layer("t5-b26-h33", (5, 26), 33, batch_first=True),
    Layer("t5-b13-h16-reverse", (5, 13), 16, batch_first=True, reverse=True),
    Layer("t1-b6-h8", (1, 6), 8, batch_first=True, states=False),
    Layer("no-batch", (4, 0), 3),
    Layer("no-steps", (0, 3), 4),
    Layer("no-units", (2, 3), 0),
    Layer("packed", [7, 7, 5, 4, 4, 1], 9),
    Layer("packed-reverse", [7, 7, 5, 4, 4, 1], 9, reverse=True),
    Layer("packed-many", [*([6] * 9), *([5] * 8), *([3] * 6), 2, 1], 17, states=False),
    Layer("packed-many-reverse", [*([6] * 9), *([5] * 8), *([3] * 6), 2, 1], 17, reverse=True),
    Layer("packed-few-reverse", [5, 3, 1], 32, reverse=True, states=False),
    Layer("nasty", (3, 8), 20, nasty=True),
]
PROJECTED = [
    Layer("projected", (5, 7), 20, projection=6),
    Layer("projected-reverse", (5, 30), 37, batch_first=True, reverse=True, projection=9, states=False),
    Layer("projected-packed", [5, 4, 4, 2], 12, reverse=True, projection=3),
    Layer("projected-few", (4, 2), 40, projection=19),
    Layer("projected-large", (16, 16), 192, projection=64, size="small"),
]


def _scaled(rng: Generator, dtype: DTypeLike, rows: int, columns: int) -> Array:
    scaled: Array = rng.uniform(-1, 1, (rows, columns)) * max(columns, 1) ** -0.5
    return scaled.astype(dtype)


def _maybe(layer: Layer, rng: Generator, dtype: DTypeLike, *shape: int) -> Array | None:
    return normal(rng, dtype, *shape) if layer.states else None


def _activated(rng: Generator, dtype: DTypeLike, rows: int, hidden: int, count: int) -> Array:
    """Gates as a forward kernel leaves them."""
    parts = [rng.uniform(0.05, 0.95, (rows, hidden)) for _ in range(count)]
    parts[2] = rng.uniform(-0.9, 0.9, (rows, hidden))
    return np.concatenate(parts, axis=1).astype(dtype)


def _spoil(layer: Layer, array: Array) -> Array:
    if layer.nasty:
        array[1, :3], array[2, 4], array[3, 5] = np.nan, np.inf, -np.inf
    return array


def _lstm(layer: Layer) -> tuple[Callable[..., Arguments], Callable[..., Arguments], Callable[..., Gradient]]:
    s, b, h, r = layer.rows, layer.batch, layer.hidden, layer.width
    way = (layer.batch_sizes, layer.reverse, layer.batch_first)
    space = recurrent_workspace(4, h, r)

    def weights(rng: Generator, dtype: DTypeLike) -> tuple[Array, Array | None]:
        return _scaled(rng, dtype, 4 * h, r), _scaled(rng, dtype, r, h) if layer.projection else None

    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        written = blank(dtype, s, r), blank(dtype, s, h) if layer.projection else None, blank(dtype, s, h)
        states = _maybe(layer, rng, dtype, b, r), _maybe(layer, rng, dtype, b, h)
        gates = _spoil(layer, normal(rng, dtype, s, 4 * h))
        return (
            gates, *weights(rng, dtype), *states, *way, blank(dtype, space), *written,
            blank(dtype, b, r), blank(dtype, b, h)
        )  # fmt: skip

    def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
        ends = _maybe(layer, rng, dtype, b, r), _maybe(layer, rng, dtype, b, h)
        saved = _activated(rng, dtype, s, h, 4), normal(rng, dtype, s, h)
        grad_state = blank(dtype, s, r) if layer.projection else None
        grad_out = _spoil(layer, normal(rng, dtype, s, r)) if layer.label != "t4-b7-h5" else None
        return (
            grad_out, *ends, *saved, *weights(rng, dtype), _maybe(layer, rng, dtype, b, h), *way, blank(dtype, space),
            blank(dtype, s, 4 * h), grad_state, blank(dtype, b, r), blank(dtype, b, h)
        )  # fmt: skip

    def gradient(backend: Any, rng: Generator) -> Gradient:
        w, w_hr = weights(rng, "f8")
        inputs = [normal(rng, "f8", s, 4 * h), normal(rng, "f8", b, r), normal(rng, "f8", b, h)]
        seeds = [normal(rng, "f8", s, r), normal(rng, "f8", b, r), normal(rng, "f8", b, h)]
        workspace = blank("f8", space)

        def run(gates: Array, h0: Array, c0: Array) -> tuple[Array, Array, list[Array]]:
            gates, cells, raw = gates.copy(), blank("f8", s, h), blank("f8", s, h) if layer.projection else None
            outs = [blank("f8", *seed.shape) for seed in seeds]
            backend.lstm_forward(gates, w, w_hr, h0, c0, *way, workspace, outs[0], raw, cells, *outs[1:])
            return gates, cells, outs

        def gradients() -> list[Array]:
            found = [blank("f8", *array.shape) for array in inputs]
            gates, cells, _ = run(*inputs)
            state = blank("f8", s, r) if layer.projection else None
            backend.lstm_backward(
                *seeds, gates, cells, w, w_hr, inputs[2], *way, workspace, found[0], state, *found[1:]
            )
            return found

        return Gradient(inputs, lambda values: _weighted(seeds, run(*values)[2]), gradients)

    return forward, backward, gradient


def _weighted(seeds: list[Array], outs: list[Array]) -> float:
    return sum(float((seed * out).sum()) for seed, out in zip(seeds, outs, strict=True))


def _gru(layer: Layer) -> tuple[Callable[..., Arguments], Callable[..., Arguments], Callable[..., Gradient]]:
    s, b, h = layer.rows, layer.batch, layer.hidden
    way = (layer.batch_sizes, layer.reverse, layer.batch_first)
    space = recurrent_workspace(3, h, h)

    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        gates, bias = _spoil(layer, normal(rng, dtype, s, 3 * h)), _maybe(layer, rng, dtype, h)
        given = gates, _scaled(rng, dtype, 3 * h, h), bias, _maybe(layer, rng, dtype, b, h), *way
        return *given, blank(dtype, space), blank(dtype, s, h), blank(dtype, s, h), blank(dtype, b, h)

    def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
        grads = _spoil(layer, normal(rng, dtype, s, h)), _maybe(layer, rng, dtype, b, h)
        saved = _activated(rng, dtype, s, h, 3), normal(rng, dtype, s, h), normal(rng, dtype, s, h)
        given = *grads, *saved, _scaled(rng, dtype, 3 * h, h), _maybe(layer, rng, dtype, b, h), *way
        return *given, blank(dtype, space), blank(dtype, s, 3 * h), blank(dtype, s, 3 * h), blank(dtype, b, h)

    def gradient(backend: Any, rng: Generator) -> Gradient:
        w, workspace = _scaled(rng, "f8", 3 * h, h), blank("f8", space)
        inputs = [normal(rng, "f8", s, 3 * h), normal(rng, "f8", b, h), normal(rng, "f8", h)]
        seeds = [normal(rng, "f8", s, h), normal(rng, "f8", b, h)]

        def run(gates: Array, h0: Array, bias: Array) -> tuple[Array, Array, list[Array]]:
            gates, inner, outs = gates.copy(), blank("f8", s, h), [blank("f8", *seed.shape) for seed in seeds]
            backend.gru_forward(gates, w, bias, h0, *way, workspace, outs[0], inner, outs[1])
            return gates, inner, outs

        def gradients() -> list[Array]:
            gates, inner, outs = run(*inputs)
            outer, hidden, h0 = blank("f8", s, 3 * h), blank("f8", s, 3 * h), blank("f8", b, h)
            saved = gates, inner, outs[0], w, inputs[1]
            backend.gru_backward(*seeds, *saved, *way, workspace, outer, hidden, h0)
            return [outer, h0, hidden[:, 2 * h :].sum(0)]

        return Gradient(inputs, lambda values: _weighted(seeds, run(*values)[2]), gradients)

    return forward, backward, gradient


def _rnn(layer: Layer) -> tuple[Callable[..., Arguments], Callable[..., Arguments], Callable[..., Gradient]]:
    s, b, h = layer.rows, layer.batch, layer.hidden
    way = (layer.batch_sizes, layer.activation, layer.reverse, layer.batch_first)
    space = recurrent_workspace(1, h, h)

    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        out, w = _spoil(layer, normal(rng, dtype, s, h)), _scaled(rng, dtype, h, h)
        return out, w, _maybe(layer, rng, dtype, b, h), *way, blank(dtype, space), blank(dtype, b, h)

    def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
        grads = _spoil(layer, normal(rng, dtype, s, h)), _maybe(layer, rng, dtype, b, h)
        out = rng.uniform(-0.9, 0.9, (s, h)).astype(dtype)
        written = blank(dtype, s, h), blank(dtype, b, h)
        return *grads, out, _scaled(rng, dtype, h, h), *way, blank(dtype, space), *written

    def gradient(backend: Any, rng: Generator) -> Gradient:
        w, workspace = _scaled(rng, "f8", h, h), blank("f8", space)
        inputs = [normal(rng, "f8", s, h), normal(rng, "f8", b, h)]
        seeds = [normal(rng, "f8", *array.shape) for array in inputs]

        def run(out: Array, h0: Array) -> list[Array]:
            outs = [out.copy(), blank("f8", b, h)]
            backend.rnn_forward(outs[0], w, h0, *way, workspace, outs[1])
            return outs

        def gradients() -> list[Array]:
            found = [blank("f8", *array.shape) for array in inputs]
            backend.rnn_backward(*seeds, run(*inputs)[0], w, *way, workspace, *found)
            return found

        return Gradient(inputs, lambda values: _weighted(seeds, run(*values)), gradients)

    return forward, backward, gradient


FAMILIES = {
    "lstm": (_lstm, "gates out raw cells hn cn", "grad_gates grad_state grad_h0 grad_c0"),
    "gru": (_gru, "gates out inner hn", "grad_gates grad_inner grad_h0"),
    "rnn": (_rnn, "out hn", "grad_gates grad_h0"),
}


def _sequences() -> None:
    layers = {
        "lstm": LAYERS + PROJECTED,
        "gru": LAYERS,
        "rnn": [
            *LAYERS,
            *(
                each._replace(label=f"{each.label}-relu", activation="relu", size=None)
                for each in LAYERS
                if each.label in ("t4-b7-h5", "packed", "nasty")
            ),
        ],
    }
    for family, (build, written, gradients) in FAMILIES.items():
        for layer in layers[family]:
            forward, backward, gradient = build(layer)
            # A step's rounding is carried on through all later ones.
            atol = 32 + 8 * layer.hidden**0.5
            exact = {"rtol": 32, "atol": atol, "size": layer.size, "scratch": ("workspace",)}
            add_row(f"{family}_forward", layer.label, forward, written, **exact)
            small = 0 < layer.rows * layer.hidden**2 < 50_000 and not layer.nasty
            checked = gradient if small else None
            add_row(f"{family}_backward", layer.label, backward, gradients, gradient=checked, **exact)


def _cell_rows() -> None:
    def lstm(rows: int, h: int, some: bool, size: str | None) -> None:
        def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
            previous = normal(rng, dtype, rows, h) if some else None
            return normal(rng, dtype, rows, 4 * h), previous, blank(dtype, rows, h), blank(dtype, rows, h)

        def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
            grads = (normal(rng, dtype, rows, h), normal(rng, dtype, rows, h)) if some else (None, None)
            saved = _activated(rng, dtype, rows, h, 4), normal(rng, dtype, rows, h) if some else None
            return *grads, *saved, normal(rng, dtype, rows, h), blank(dtype, rows, 4 * h), blank(dtype, rows, h)

        def gradient(backend: Any, rng: Generator) -> Gradient:
            inputs, seeds = [normal(rng, "f8", rows, 4 * h), normal(rng, "f8", rows, h)], normal(rng, "f8", 2, rows, h)

            def run(gates: Array, cell: Array) -> tuple[Array, Array]:
                gates, outs = gates.copy(), blank("f8", 2, rows, h)
                backend.lstm_cell_forward(gates, cell, *outs)
                return gates, outs

            def gradients() -> list[Array]:
                found = [blank("f8", *array.shape) for array in inputs]
                gates, outs = run(*inputs)
                backend.lstm_cell_backward(*seeds, gates, inputs[1], outs[1], *found)
                return found

            return Gradient(inputs, lambda values: float((run(*values)[1] * seeds).sum()), gradients)

        label = f"{rows}x{h}{'' if some else '-alone'}"
        exact: dict[str, Any] = {"rtol": 32, "atol": 16, "size": size}
        add_row("lstm_cell_forward", label, forward, "gates hidden cell", **exact)
        checked = gradient if 0 < rows * h < 10_000 else None
        add_row("lstm_cell_backward", label, backward, "grad_gates grad_previous_cell", gradient=checked, **exact)

    def gru(rows: int, h: int, some: bool, size: str | None) -> None:
        def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
            previous = normal(rng, dtype, rows, h) if some else None
            return normal(rng, dtype, rows, 3 * h), normal(rng, dtype, rows, h), previous, blank(dtype, rows, h)

        def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
            saved = _activated(rng, dtype, rows, h, 3), normal(rng, dtype, rows, h)
            given = normal(rng, dtype, rows, h), *saved, normal(rng, dtype, rows, h) if some else None
            return *given, blank(dtype, rows, 3 * h), blank(dtype, rows, 3 * h), blank(dtype, rows, h)

        def gradient(backend: Any, rng: Generator) -> Gradient:
            inputs = [normal(rng, "f8", rows, 3 * h), *normal(rng, "f8", 2, rows, h)]
            seed = normal(rng, "f8", rows, h)

            def run(gates: Array, inner: Array, previous: Array) -> tuple[Array, Array]:
                gates, out = gates.copy(), blank("f8", rows, h)
                backend.gru_cell_forward(gates, inner, previous, out)
                return gates, out

            def gradients() -> list[Array]:
                outer, hidden, before = blank("f8", rows, 3 * h), blank("f8", rows, 3 * h), blank("f8", rows, h)
                gates, _ = run(*inputs)
                backend.gru_cell_backward(seed, gates, inputs[1], inputs[2], outer, hidden, before)
                return [outer, hidden[:, 2 * h :].copy(), before]

            return Gradient(inputs, lambda values: float((run(*values)[1] * seed).sum()), gradients)

        label = f"{rows}x{h}{'' if some else '-alone'}"
        exact: dict[str, Any] = {"rtol": 32, "atol": 16, "size": size}
        add_row("gru_cell_forward", label, forward, "gates hidden", **exact)
        checked = gradient if 0 < rows * h < 10_000 else None
        add_row(
            "gru_cell_backward",
            label,
            backward,
            "grad_gates grad_inner grad_previous_hidden",
            gradient=checked,
            **exact,
        )

    for cell in (lstm, gru):
        cell(64, 128, True, "small")
        cell(512, 1024, True, "large")
        cell(5, 7, True, None)
        cell(3, 33, False, None)
        cell(0, 4, True, None)
        cell(4, 0, True, None)


def add_rows() -> None:
    _cell_rows()
    _sequences()
