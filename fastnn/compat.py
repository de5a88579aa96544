"""What scripts ask PyTorch about its build, devices and modes: answers that are true of a CPU library.

set_default_device, deterministic algorithms, matmul precision, compile ...: each accepts what changes nothing here, and
refuses by name what fastnn does not have.
"""

from __future__ import annotations

import math
from typing import Any

from fastnn import dtypes
from fastnn.device import check
from fastnn.device import device as Device

__all__ = [
    "are_deterministic_algorithms_enabled", "compile", "e", "get_default_device", "get_deterministic_debug_mode",
    "get_float32_matmul_precision", "get_num_interop_threads", "inf", "is_deterministic_algorithms_warn_only_enabled",
    "is_storage", "nan", "newaxis", "pi", "set_default_device", "set_default_tensor_type",
    "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_num_interop_threads",
    "use_deterministic_algorithms",
]  # fmt: skip

inf, nan, pi, e, newaxis = math.inf, math.nan, math.pi, math.e, None


def compile(model: Any = None, **options: Any) -> Any:
    """model as it is (or a decorator that returns it so): fastnn's kernels are compiled already."""

    def unchanged(function: Any) -> Any:
        return function

    return unchanged if model is None else model


# ------------------------------------------------------------------------------------------------ devices, dtypes


def set_default_device(device: Any) -> None:
    """Accepts the CPU (or None); RuntimeError for another device."""
    check(device)


def get_default_device() -> Device:
    """The device of new tensors: always the CPU."""
    return Device("cpu")


_TENSOR_TYPES = {
    "HalfTensor": dtypes.float16,
    "FloatTensor": dtypes.float32,
    "DoubleTensor": dtypes.float64,
}


def set_default_tensor_type(t: Any) -> None:
    """Sets the default dtype by the name of a tensor type, as "torch.DoubleTensor". TypeError for others."""
    name = (t if isinstance(t, str) else getattr(t, "__name__", repr(t))).rpartition(".")[2]
    if name not in _TENSOR_TYPES:
        raise TypeError(f"invalid type object: only floating-point types are supported as the default type, got {t!r}")
    dtypes.set_default_dtype(_TENSOR_TYPES[name])


def is_storage(obj: object) -> bool:
    """False: fastnn has no storages of their own."""
    return False


# ------------------------------------------------------------------------------------------------ modes

_state: dict[str, Any] = {"deterministic": False, "warn_only": False, "precision": "highest", "interop": 1}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remembered only: every result of fastnn has the same bits each time, for any number of threads."""
    _state["deterministic"], _state["warn_only"] = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What use_deterministic_algorithms was given last."""
    return bool(_state["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether use_deterministic_algorithms was given warn_only."""
    return bool(_state["warn_only"])


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0 or "default", 1 or "warn", 2 or "error": use_deterministic_algorithms by another name."""
    modes = {"default": 0, "warn": 1, "error": 2}
    level = modes.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if level not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, 2, default, warn or error, got {debug_mode}")
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2; see set_deterministic_debug_mode."""
    if not _state["deterministic"]:
        return 0
    return 1 if _state["warn_only"] else 2


def set_float32_matmul_precision(precision: str) -> None:
    """ "highest", "high" or "medium": remembered only, products are always of full precision. ValueError for others."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"precision must be highest, high or medium, got {precision!r}")
    _state["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision was given last; "highest" at first."""
    return str(_state["precision"])


def set_num_interop_threads(num: int) -> None:
    """Remembered only: ops run one after another. RuntimeError for less than 1."""
    if num < 1:
        raise RuntimeError(f"set_num_interop_threads: expected a positive number, got {num}")
    _state["interop"] = num


def get_num_interop_threads() -> int:
    """What set_num_interop_threads was given last; 1 at first."""
    return int(_state["interop"])
