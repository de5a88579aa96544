"""The compiled backend: one build of the kernels for each ISA level, of which the best that runs here is imported.

``FASTNN_ISA=v2|v3|v4`` picks a lower one. ``ISA`` names the level in use; on processors other than x86-64 there is
one build, "portable".
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from fastnn.kernels import contract

LEVELS = ("v2", "v3", "v4")

# The kernels of the contract that this backend lacks; each is a decision, and the list is tested.
MISSING: tuple[str, ...] = ()


def choose_level(cpu: str, asked: str | None) -> str:
    """The ISA level to use on a processor of level ``cpu`` where FASTNN_ISA is ``asked`` (None: not set).

    Raises ImportError for a processor below v2, RuntimeError for a level that is unknown or above the processor's.
    """
    if cpu == "v1":
        raise ImportError("fastnn needs an x86-64-v2 processor (SSE4.2 and POPCNT); this one is older")
    offered = LEVELS[: LEVELS.index(cpu) + 1] if cpu in LEVELS else (cpu,)
    if not asked:
        return cpu
    if asked not in LEVELS and asked not in offered:
        raise RuntimeError(f"FASTNN_ISA={asked}: unknown level; expected one of {', '.join(offered)}")
    if asked not in offered:
        raise RuntimeError(f"FASTNN_ISA={asked}: this processor only supports {', '.join(offered)}")
    return asked


def load(module: str) -> ModuleType:
    """A compiled module of this folder; ImportError says how to build it where it is missing."""
    try:
        return importlib.import_module(f"{__name__}.{module}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{module}":
            raise
        raise ImportError(
            f"fastnn's compiled module {error.name} is missing; build it with `pip install -e .` in the source folder"
        ) from error


ISA: str = choose_level(load("_runtime").cpu_level(), os.environ.get("FASTNN_ISA"))

_variant = load(f"_{ISA}")
globals().update({name: getattr(_variant, name) for name in contract.KERNELS if name not in MISSING})
fma_peak = _variant.fma_peak  # for benchmarks/roofline.py
