"""What the kernel tests share: loading a backend, and the arguments of the table's rows."""

from __future__ import annotations

import importlib
from collections.abc import Callable
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


def _mapped(values: tuple[Any, ...], change: Callable[[Any], Any]) -> tuple[Any, ...]:
    """The arguments with every array changed, those in lists too."""

    def one(value: Any) -> Any:
        if isinstance(value, list):
            return [one(item) for item in value]
        return change(value) if isinstance(value, np.ndarray) else value

    return tuple(one(value) for value in values)


def copied(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with every array copied."""
    return _mapped(values, np.copy)


def in_float64(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with every array copied, the floating ones to float64."""
    return _mapped(values, lambda array: array.astype(np.float64 if array.dtype.kind == "f" else array.dtype))
