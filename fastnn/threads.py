"""The process-wide workers that the kernels share, and the treatment of denormal numbers."""

from __future__ import annotations

from fastnn.kernels.cython_backend import _runtime

__all__ = ["get_flush_denormal", "get_num_threads", "set_flush_denormal", "set_num_threads"]


def set_num_threads(num: int) -> None:
    """At most so many threads work on one kernel; RuntimeError for less than 1. Results have the same bits for any."""
    _runtime.set_num_threads(num)


def get_num_threads() -> int:
    """How many threads may work on one kernel.

    At first that is OMP_NUM_THREADS, or the cores this process may use (affinity, cgroup quota).
    """
    return _runtime.get_num_threads()


def set_flush_denormal(mode: bool) -> bool:
    """Whether kernels treat denormal numbers as 0 (the default: they can be 60 times slower).

    Returns True where the CPU can.
    """
    return _runtime.set_flush_denormal(mode)


def get_flush_denormal() -> bool:
    """Whether kernels treat denormal numbers as 0."""
    return _runtime.get_flush_denormal()
