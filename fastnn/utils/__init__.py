"""Helpers that stand beside the layers: ``data`` (datasets and loaders), ``checkpoint``, ``hooks`` (handles)."""

from __future__ import annotations

from fastnn.utils import checkpoint as checkpoint
from fastnn.utils import data as data
from fastnn.utils import hooks as hooks

__all__ = ["checkpoint", "data", "hooks"]
