"""Times every benchmark row of the case table in every backend: ``pytest benchmarks/test_kernels.py``.

The backends take turns row by row, so that a busy machine slows all of them alike. The first call of a kernel, which
is not timed, compiles it where the backend is numba, and is compared with the reference in float64: a wrong kernel
has no time.

Products are timed twice where NumPy's BLAS does them, with its threads and on one: on a machine that is not idle its
threads wait for each other, up to a thousand times as long as the product takes. The report shows the quicker one.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_limits  # scikit-learn needs it, so it is here

from fastnn.kernels import BACKENDS, numpy_backend
from fastnn.kernels.cases import CASES, Case

Arguments = tuple[Any, ...]

PRODUCTS = (
    "matmul",
    "linear_forward",
    "linear_backward",
    "conv_forward",
    "conv_grad_input",
    "conv_grad_weight",
    "attention_forward",
    "attention_backward",
    "lstm_forward",
    "lstm_backward",
)
USE_BLAS = ("numpy", "numba")
LACKING = {name: getattr(importlib.import_module(f"fastnn.kernels.{name}_backend"), "MISSING", ()) for name in BACKENDS}


class Timing(NamedTuple):
    """One timing of the suite. blas_threads: the most that NumPy's BLAS may use, None for as many as it likes."""

    case: Case
    backend: str
    blas_threads: int | None = None

    @property
    def id(self) -> str:
        """How pytest calls it."""
        return f"{self.case.id}-{self.backend}" + (f"-blas{self.blas_threads}" if self.blas_threads else "")


TIMINGS = [
    Timing(case, backend, threads)
    for case in CASES
    if case.size
    for backend in BACKENDS
    if case.kernel not in LACKING[backend]
    for threads in ((None, 1) if case.kernel in PRODUCTS and backend in USE_BLAS else (None,))
]
EPS, TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda timing: timing.id)
def test_kernel(benchmark: BenchmarkFixture, timing: Timing) -> None:
    case, backend, blas_threads = timing
    kernel = getattr(importlib.import_module(f"fastnn.kernels.{backend}_backend"), case.kernel)
    given, truth = _prepared(case.id)
    arguments = _copied(given)
    value = kernel(*arguments)
    written = case.written(arguments) + ([] if value is None else [np.asarray(value)])
    for have, want in zip(written, truth, strict=True):
        np.testing.assert_allclose(have, want, rtol=case.rtol * EPS, atol=case.atol * EPS + TINY)
    error = max(_difference(have, want) for have, want in zip(written, truth, strict=True))
    benchmark.extra_info.update(row=case.id, size=case.size, backend=backend, blas_threads=blas_threads, error=error)
    with threadpool_limits(blas_threads, user_api="blas"):
        benchmark(kernel, *arguments)


@lru_cache(maxsize=1)  # the backends of one row follow each other
def _prepared(row: str) -> tuple[Arguments, list[Any]]:
    """A row's float32 arguments, and what the reference writes and returns for them in float64."""
    (case,) = (case for case in CASES if case.id == row)
    given = case.make(np.random.default_rng(20240229), np.float32)
    wide = _copied(given, np.float64)
    value = getattr(numpy_backend, case.kernel)(*wide)
    return given, case.written(wide) + ([] if value is None else [np.asarray(value)])


def _copied(arguments: Arguments, dtype: Any = None) -> Arguments:
    """Copies of all arrays, floating ones in the dtype given."""

    def copied(value: Any) -> Any:
        if isinstance(value, list):
            return [copied(item) for item in value]
        if isinstance(value, np.ndarray):
            return value.astype(dtype) if dtype and value.dtype.kind == "f" else value.copy()
        return value

    return tuple(copied(value) for value in arguments)


def _difference(have: Any, want: Any) -> float:
    """The largest difference, in epsilons of the largest true value."""
    scale = float(np.abs(want).max(initial=0)) or 1.0
    return float(np.abs(have.astype(np.float64) - want).max(initial=0)) / (EPS * scale)
