"""The older names of torch.amp for a GPU: there is none, so both are disabled, with a warning."""

from __future__ import annotations

from typing import Any

from fastnn import amp

__all__ = ["GradScaler", "autocast"]


class GradScaler(amp.GradScaler):
    """amp.GradScaler("cuda", ...), which is disabled."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def autocast(enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> amp.autocast:
    """amp.autocast("cuda", ...), which does nothing."""
    return amp.autocast("cuda", dtype, enabled, cache_enabled)
