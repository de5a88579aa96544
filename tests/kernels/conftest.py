"""The backends as fixtures."""

from __future__ import annotations

from types import ModuleType

import pytest
from kernel_rows import BACKENDS, load


@pytest.fixture(params=BACKENDS, scope="session")
def backend(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)


@pytest.fixture(params=("cython", "numba"), scope="session")
def compiled(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)
