"""What the kernel tests share: loading a backend, and the arguments of the table's rows."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fastnn.kernels.cases import Case

BACKENDS = ("numpy", "cython", "numba")


def load(name: str) -> ModuleType:
    """A backend's module; skips the test where numba is not installed."""
    if name == "numba":
        pytest.importorskip("numba", reason="the numba backend needs numba")
    return importlib.import_module(f"fastnn.kernels.{name}_backend")


def arguments(case: Case, dtype: Any) -> tuple[Any, ...]:
    """The row's arguments: the same numbers at every call."""
    return case.make(np.random.default_rng(20240229), np.dtype(dtype))


def in_float64(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copies of the arguments with every floating array in float64."""

    def wide(value: Any) -> Any:
        if isinstance(value, list):
            return [wide(item) for item in value]
        if isinstance(value, np.ndarray):
            return value.astype(np.float64) if value.dtype.kind == "f" else value.copy()
        return value

    return tuple(wide(value) for value in values)
