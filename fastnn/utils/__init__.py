"""Helpers that stand beside the layers: ``hooks`` (removable handles) and ``data`` (datasets and loaders)."""

from __future__ import annotations

from fastnn.utils import data as data
from fastnn.utils import hooks as hooks

__all__ = ["data", "hooks"]
