"""The same bits for any number of threads: on every benchmark row, in both compiled backends."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest
from kernel_rows import arguments, copied

from fastnn.kernels.cases import CASES, Case
from fastnn.kernels.cython_backend import _runtime


@pytest.fixture
def _threads_restored() -> Iterator[None]:
    before = _runtime.get_num_threads()
    yield
    _runtime.set_num_threads(before)


@pytest.mark.usefixtures("_threads_restored")
@pytest.mark.parametrize("case", [case for case in CASES if case.size], ids=lambda case: case.id)
def test_threads_do_not_change_bits(compiled: ModuleType, case: Case) -> None:
    drawn = arguments(case, "f4")

    def run(threads: int) -> tuple[list[bytes], object]:
        _runtime.set_num_threads(threads)
        assert _runtime.get_num_threads() == threads
        given = copied(drawn)
        value = getattr(compiled, case.kernel)(*given)
        return [array.tobytes() for array in case.written(given)], value

    one = run(1)
    for threads in (2, 3, 8):
        assert run(threads) == one, f"{threads} threads"
