"""torch.cuda as scripts ask for it: there is no GPU. What would use one raises RuntimeError."""

from __future__ import annotations

from typing import Any, NoReturn

from fastnn.cuda import amp

__all__ = [
    "amp", "current_device", "device_count", "empty_cache", "get_device_name", "is_available", "is_bf16_supported",
    "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated", "memory_allocated",
    "reset_peak_memory_stats", "set_device", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False: fastnn is a CPU library."""
    return False


def is_initialized() -> bool:
    """False: there is nothing to initialize."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no GPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(f"cuda.{name}(): fastnn is a CPU library; guard the call with cuda.is_available()")


def current_device() -> int:
    """RuntimeError: there is no GPU."""
    _refuse("current_device")


def get_device_name(device: Any = None) -> str:
    """RuntimeError: there is no GPU."""
    _refuse("get_device_name")


def set_device(device: Any) -> None:
    """RuntimeError: there is no GPU."""
    _refuse("set_device")


def synchronize(device: Any = None) -> None:
    """RuntimeError: there is no GPU."""
    _refuse("synchronize")


def manual_seed(seed: int) -> None:
    """Nothing: there is no GPU to seed, as PyTorch has it where there is none."""


def manual_seed_all(seed: int) -> None:
    """Nothing: there is no GPU to seed, as PyTorch has it where there is none."""


def empty_cache() -> None:
    """Nothing: there is no cache of GPU memory."""


def memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing: no memory is counted."""
