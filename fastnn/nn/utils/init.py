"""``skip_init``: a module without the numbers that its initialization would draw."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from fastnn.nn.module import Module
from fastnn.random import fork_rng

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """``module_cls(*args, **kwargs)`` with parameters of any value; the default generator is left as it was.

    RuntimeError where it is no Module class, or takes no ``device``, by which PyTorch skips.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    with fork_rng():
        return module_cls(*args, **kwargs)
