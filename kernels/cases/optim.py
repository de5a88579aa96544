"""Rows of the optimizers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from ..contract import Array
from .table import Arguments, Generator, add_row, normal


def add_rows() -> None:
    def arrays(rng: Generator, dtype: DTypeLike, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
        return [normal(rng, dtype, *shape) for shape in shapes]

    few = [(3, 4), (7,), (0,), (1,), (2, 3, 5)]
    big, many = [(1_000_000,)], [(1000,)] * 100

    def sgd(
        label: str,
        shapes: Sequence[tuple[int, ...]],
        options: tuple[float, float, float, bool, bool],  # momentum, dampening, weight_decay, nesterov, maximize
        size: str | None = None,
    ) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            params, grads, buffers = (arrays(rng, dtype, shapes) for _ in range(3))
            initialized = [i % 2 == 0 for i in range(len(shapes))]
            return params, grads, buffers if options[0] else None, initialized, 0.1, *options

        add_row("sgd_step", label, make, "params momentum_buffers", rtol=16, atol=16, size=size)

    sgd("1x1M", big, (0.9, 0.0, 0.0, False, False), "large")
    sgd("100x1k", many, (0.9, 0.0, 0.0, False, False), "small")
    sgd("plain", few, (0.0, 0.0, 0.0, False, False))
    sgd("decay-maximize", few, (0.0, 0.0, 0.01, False, True))
    sgd("momentum", few, (0.9, 0.1, 0.01, False, False))
    sgd("nesterov", few, (0.8, 0.0, 0.01, True, True))
    sgd("none", [], (0.9, 0.0, 0.0, False, False))

    def adam(
        label: str,
        shapes: Sequence[tuple[int, ...]],
        decay: float = 0.0,
        decoupled: bool = False,
        maximize: bool = False,
        amsgrad: bool = False,
        size: str | None = None,
    ) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            params, grads, means = (arrays(rng, dtype, shapes) for _ in range(3))
            squares, largest = ([np.abs(v) for v in arrays(rng, dtype, shapes)] for _ in range(2))
            steps = [1 + 3 * i for i in range(len(shapes))]
            state = means, squares, largest if amsgrad else None, steps
            return params, grads, *state, 1e-2, 0.9, 0.999, 1e-8, decay, decoupled, maximize

        add_row("adam_step", label, make, "params exp_avgs exp_avg_sqs max_exp_avg_sqs", rtol=32, atol=32, size=size)

    adam("1x1M", big, size="large")
    adam("100x1k", many, size="small")
    adam("plain", few)
    adam("decay", few, 0.01)
    adam("decoupled", few, 0.01, decoupled=True, maximize=True)
    adam("amsgrad", few, 0.01, amsgrad=True)
    adam("none", [])
