"""The backends as fixtures."""

from __future__ import annotations

from types import ModuleType

import pytest
from kernel_rows import BACKENDS, load


@pytest.fixture(params=BACKENDS, scope="session")
def backend(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)


@pytest.fixture(autouse=True)
def _only_kernels_that_there_are(request: pytest.FixtureRequest) -> None:
    """Skips a test of a kernel in a backend that lacks it; test_contract.py pins which those are."""
    drawn = getattr(getattr(request.node, "callspec", None), "params", {})
    name = drawn.get("backend") or drawn.get("compiled") or drawn.get("name")
    kernel = drawn["case"].kernel if "case" in drawn else drawn.get("kernel")
    if name in BACKENDS and kernel in getattr(load(name), "MISSING", ()):
        pytest.skip(f"{kernel} is not in the {name} backend")


@pytest.fixture(params=("cython", "numba"), scope="session")
def compiled(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)
