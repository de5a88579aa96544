"""Products of drawn shapes against NumPy's in float64."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_rows import BACKENDS, load

from fastnn.kernels.contract import ACTIVATIONS

ACTIVATE: dict[str, Callable[[Any], Any]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
}

EXTENT = st.integers(0, 70) | st.sampled_from([96, 127, 128, 129, 200])
SHAPES = st.tuples(st.integers(0, 3), EXTENT, EXTENT | st.sampled_from([384, 400, 511]), EXTENT)


def _check(
    backend: ModuleType,
    shape: tuple[int, int, int, int],
    transposed: tuple[bool, bool],
    shared: tuple[bool, bool],
    bias: bool,
    activation: str,
    accumulate: bool,
    seed: int,
) -> None:
    batch, m, k, n = shape
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((1 if shared[0] else batch, m, k)).astype(np.float32)
    b = rng.standard_normal((1 if shared[1] else batch, k, n)).astype(np.float32)
    v = rng.standard_normal(n).astype(np.float32) if bias else None
    out = rng.standard_normal((batch, m, n)).astype(np.float32)
    want = np.matmul(a.astype(np.float64), b.astype(np.float64))
    want = ACTIVATE[activation](want + (v if bias else 0) + (out if accumulate else np.zeros_like(out)))
    left = np.ascontiguousarray(a.swapaxes(1, 2)) if transposed[0] else a
    right = np.ascontiguousarray(b.swapaxes(1, 2)) if transposed[1] else b
    backend.matmul(left, right, *transposed, v, activation, accumulate, out)
    np.testing.assert_allclose(out, want, rtol=2e-6, atol=2e-6 + 3e-7 * k)


@pytest.mark.parametrize("name", BACKENDS)
def test_matmul_of_drawn_shapes(name: str) -> None:
    backend = load(name)

    @settings(max_examples=60, deadline=None)
    @given(
        SHAPES,
        st.tuples(st.booleans(), st.booleans()),
        st.tuples(st.booleans(), st.booleans()),
        st.booleans(),
        st.sampled_from(ACTIVATIONS),
        st.booleans(),
        st.integers(0, 2**32 - 1),
    )
    def check(
        shape: tuple[int, int, int, int],
        transposed: tuple[bool, bool],
        shared: tuple[bool, bool],
        bias: bool,
        activation: str,
        accumulate: bool,
        seed: int,
    ) -> None:
        _check(backend, shape, transposed, shared, bias, activation, accumulate, seed)

    check()


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("rows", [2, 5, 24])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_rows_at_every_number_of_columns(name: str, rows: int, dtype: Any) -> None:
    """A thread of its own each, whose packed panels lie in memory that no larger product has asked for before: under
    AddressSanitizer this shows a panel that is larger than its place.
    """
    backend = load(name)
    rng = np.random.default_rng(0)
    depth = 4000 // rows
    a = rng.standard_normal((1, rows, depth)).astype(dtype)
    wrong: list[int] = []

    def check(columns: int) -> None:
        b = rng.standard_normal((1, depth, columns)).astype(dtype)
        out = np.empty((1, rows, columns), dtype)
        backend.matmul(a, b, False, False, None, "none", False, out)
        if not np.allclose(out, np.matmul(a.astype(np.float64), b.astype(np.float64)), rtol=2e-6, atol=1e-3):
            wrong.append(columns)

    for columns in range(1, 71):
        thread = threading.Thread(target=check, args=(columns,))
        thread.start()
        thread.join()
    assert not wrong
