"""The roofline: peaks that are possible, every product counted, shares as defined, and the tables."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from fastnn import get_num_threads
from fastnn.kernels.cases import CASES

pytest.importorskip("rich")
roofline = importlib.import_module("benchmarks.roofline")


def test_the_peak_counts_its_operations() -> None:
    machine = roofline.measure(1)
    assert machine.single > 1e8 and machine.double > 1e8 and machine.bandwidth > 1e7
    assert machine.single > machine.double  # twice as many lanes
    backend = roofline.cython_backend
    assert backend.fma_peak(False, 10) == 2 * backend.fma_peak(True, 10)
    assert backend.fma_peak(False, 20) == 2 * backend.fma_peak(False, 10)


def test_work_of_a_product() -> None:
    case = next(case for case in CASES if case.kernel == "linear_forward" and case.size)
    arguments = case.make(np.random.default_rng(0), np.dtype(np.float32))
    (m, k), n = arguments[0].shape, arguments[1].shape[0]
    operations, moved = roofline.work(case, arguments)
    assert operations == 2 * m * k * n
    assert moved == 4 * (m * k + n * k + m * n + (0 if arguments[2] is None else n))


def test_every_product_kernel_is_counted() -> None:
    for case in CASES:
        if case.size and case.kernel in roofline.OPERATIONS:
            operations, moved = roofline.work(case, case.make(np.random.default_rng(0), np.dtype(np.float32)))
            assert operations > 0 and moved > 0, case.id


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    before = get_num_threads()
    assert roofline.main(["--only", "add-10", "--threads", "1"]) == 0
    assert get_num_threads() == before
    out = capsys.readouterr().out
    assert "add-10" in out and "memory" in out and "GFLOP/s" in out
    with pytest.raises(SystemExit):
        roofline.main(["--only", "nonesuch"])
