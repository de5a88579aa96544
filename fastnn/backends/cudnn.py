"""torch.backends.cudnn: its switches, which change nothing here."""

from __future__ import annotations

__all__ = ["allow_tf32", "benchmark", "deterministic", "enabled", "is_available", "version"]

enabled: bool = True
benchmark: bool = False
deterministic: bool = False
allow_tf32: bool = True


def is_available() -> bool:
    """False: there is no GPU."""
    return False


def version() -> int | None:
    """None: cuDNN is not here."""
    return None
