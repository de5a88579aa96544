"""What training needs beside tensors: data loading, checkpointing, hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnn.utils import hooks as hooks

if TYPE_CHECKING:
    from fastnn.utils import checkpoint as checkpoint
    from fastnn.utils import data as data

__all__ = ["checkpoint", "data", "hooks"]


def __getattr__(name: str) -> Any:
    """What is imported when it is first looked up: the tape, which needs hooks, needs none of it."""
    if name not in ("checkpoint", "data", "tensorboard"):
        raise AttributeError(f"module 'fastnn.utils' has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"fastnn.utils.{name}")
