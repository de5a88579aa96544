"""Every public name says what it is: functions, classes, and what a class defines in public itself."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import pytest

import fastnn

MODULES = (
    "fastnn", "fastnn.arrays", "fastnn.autograd", "fastnn.autograd.functional", "fastnn.autograd.graph",
    "fastnn.datasets", "fastnn.func", "fastnn.linalg", "fastnn.nn", "fastnn.nn.functional", "fastnn.nn.init",
    "fastnn.nn.utils",
    "fastnn.nn.utils.parametrizations", "fastnn.nn.utils.parametrize", "fastnn.nn.utils.rnn", "fastnn.optim",
    "fastnn.optim.lr_scheduler", "fastnn.optim.swa_utils", "fastnn.special", "fastnn.training", "fastnn.transforms",
    "fastnn.utils.checkpoint", "fastnn.utils.data",
)  # fmt: skip
SHORTEST = 12


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """The functions and classes that a module offers, and the methods that its classes define themselves."""
    for name in getattr(module, "__all__", dir(module)):
        value = getattr(module, name)
        if name.startswith("_") or not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        if not getattr(value, "__module__", "").startswith("fastnn"):
            continue
        yield name, value
        if inspect.isclass(value):
            for method, member in vars(value).items():
                function = getattr(member, "__func__", getattr(member, "fget", member))
                layer = method == "forward"  # what a layer computes stands at its class
                if not method.startswith("_") and not layer and inspect.isfunction(function):
                    yield f"{name}.{method}", getattr(value, method)


def documented(value: Any) -> bool:
    """A docstring of its own, or that of the method it overrides; no generated signature."""
    text = inspect.getdoc(value) or ""
    return len(text) >= SHORTEST and not (is_dataclass(value) and text.startswith(f"{value.__name__}("))


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_a_docstring(module: str) -> None:
    assert not [name for name, value in public(importlib.import_module(module)) if not documented(value)]


def test_every_public_method_of_a_tensor_has_a_docstring() -> None:
    names = [name for name in dir(fastnn.Tensor) if not name.startswith("_")]
    assert len(names) > 300
    assert not [name for name in names if len(inspect.getdoc(getattr(fastnn.Tensor, name)) or "") < SHORTEST]
