"""The older names of torch.amp for a GPU: there is none, so both are disabled, with a warning."""

from __future__ import annotations

import functools
from typing import Any

from fastnn import amp

__all__ = ["GradScaler", "autocast"]

GradScaler = functools.partial(amp.GradScaler, "cuda")


def autocast(enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> amp.autocast:
    """amp.autocast("cuda", ...), which does nothing."""
    return amp.autocast("cuda", dtype, enabled, cache_enabled)
