"""What every test may rely on: the default backend, threads and denormal handling, whatever an earlier test left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fastnn.kernels import current_backend, use_backend
from fastnn.kernels.cython_backend import _runtime


@pytest.fixture(autouse=True)
def _process_wide_state() -> Iterator[None]:
    before = current_backend(), _runtime.get_num_threads(), _runtime.get_flush_denormal()
    yield
    backend, threads, flush = before
    if current_backend() != backend:
        use_backend(backend)
    _runtime.set_num_threads(threads)
    _runtime.set_flush_denormal(flush)
