"""Anomaly mode: a backward that fails names the line of the forward call."""

from __future__ import annotations

import traceback
import warnings

from fastnn import _core

__all__ = [
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_anomaly_enabled",
    "set_detect_anomaly",
]


def _where() -> str:
    """The stack of the call that is being recorded, innermost last."""
    return "".join(traceback.format_stack(limit=12)[:-1])


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return _core.anomaly_mode()[0] is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether NaN gradients are refused."""
    return _core.anomaly_mode()[1]


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Turns anomaly mode on or off, as set_detect_anomaly."""
    _core.set_anomaly_mode(_where if mode else None, bool(mode and check_nan))


class set_detect_anomaly:
    """Turns anomaly mode on or off: at once when called, back again at the end of a `with`.

    In it every recorded op remembers where it was called, and the error of a backward that fails ends with that place.
    check_nan: NaN in a gradient that an op gives is an error too (RuntimeError). It makes everything slower.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.previous = _core.set_anomaly_mode(_where if mode else None, bool(mode and check_nan))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _core.set_anomaly_mode(*self.previous)


class detect_anomaly:
    """Anomaly mode in a `with` block, as set_detect_anomaly(True, check_nan). Warns that it is slow."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.previous = _core.set_anomaly_mode(_where, self.check_nan)

    def __exit__(self, *exception: object) -> None:
        _core.set_anomaly_mode(*self.previous)
