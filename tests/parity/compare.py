"""Are two results the same? Structure, dtype, shape and values, with what tolerance and where the first differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import fastnn

from .translate import array_of, check_tensor

# Relative to each element, and to the largest element of an array: sums of many terms cancel in another order.
RELATIVE = {"float16": 2e-3, "float32": 1e-4, "float64": 1e-7}
OF_LARGEST = {"float16": 1e-3, "float32": 1e-5, "float64": 1e-8}


class Different(AssertionError):
    """What differs, in words."""


class Unequal(Different):
    """Structure, dtype and shape agree; numbers differ."""


# How much further than PyTorch's float32 result ours may be from PyTorch's float64 result.
_FURTHER = 4.0


def as_near(ours: Any, theirs: Any, wide: Any) -> bool:
    """Is fastnn's float32 array about as near to PyTorch's float64 result as PyTorch's float32 array is?"""
    if theirs.dtype is not torch.float32:
        return False
    truth = array_of(wide).astype(np.float64)
    mine, right = ours.detach().numpy().astype(np.float64), array_of(theirs).astype(np.float64)
    if not (np.isfinite(truth).all() and np.isfinite(mine).all() and np.isfinite(right).all()):
        return False
    slack = OF_LARGEST["float32"] * max(1.0, float(np.abs(truth).max(initial=0.0)))
    allowed = _FURTHER * float(np.abs(right - truth).max(initial=0.0)) + slack
    return bool(np.abs(mine - truth).max(initial=0.0) <= allowed)


def same(ours: Any, theirs: Any, what: str, values: bool = True, coarse: bool = False) -> None:
    """Raise Different unless fastnn's result equals PyTorch's; ``values=False`` leaves the numbers (random ones).

    ``coarse``: float64 numbers as near as float32 ones, where a float32 tensor had a part in them.
    """
    if isinstance(theirs, torch.Tensor):
        check_tensor(theirs)
        if not isinstance(ours, fastnn.Tensor):
            raise Different(f"{what}: {type(ours).__name__} where PyTorch gives a Tensor")
        _same_tensor(ours, theirs, what, values, coarse)
    elif isinstance(theirs, torch.nn.utils.rnn.PackedSequence):
        for name in theirs._fields:
            same(getattr(ours, name), getattr(theirs, name), f"{what}.{name}", values, coarse)
    elif isinstance(theirs, (list, tuple)):
        if not isinstance(ours, (list, tuple)) or len(ours) != len(theirs):
            given = f"{type(ours).__name__} of {len(ours)}" if isinstance(ours, (list, tuple)) else type(ours).__name__
            raise Different(f"{what}: {given} where PyTorch gives {type(theirs).__name__} of {len(theirs)}")
        fields = getattr(theirs, "_fields", None) or [
            name for name in ("values", "indices") if type(theirs).__module__ == "torch.return_types"
        ]
        for name in fields[: len(theirs)]:
            if hasattr(theirs, name) and not hasattr(ours, name):
                raise Different(f"{what}: PyTorch's result has a field {name}")
        for number, (mine, right) in enumerate(zip(ours, theirs, strict=True)):
            same(mine, right, f"{what}[{number}]", values, coarse)
    elif isinstance(theirs, dict):
        if set(ours) != set(theirs):
            raise Different(f"{what}: keys {sorted(ours)} where PyTorch has {sorted(theirs)}")
        for key, right in theirs.items():
            same(ours[key], right, f"{what}[{key!r}]", values, coarse)
    elif isinstance(theirs, torch.dtype):
        if str(ours).rpartition(".")[2] != str(theirs).rpartition(".")[2]:
            raise Different(f"{what}: {ours} where PyTorch has {theirs}")
    elif isinstance(theirs, float) and isinstance(ours, (int, float)):
        if values and not np.isclose(ours, theirs, 1e-6, 1e-8, equal_nan=True):
            raise Different(f"{what}: {ours} where PyTorch has {theirs}")
    elif (theirs is None or isinstance(theirs, (bool, int, str))) and values and ours != theirs:
        raise Different(f"{what}: {ours!r} where PyTorch has {theirs!r}")


def _same_tensor(ours: Any, theirs: torch.Tensor, what: str, values: bool, coarse: bool) -> None:
    dtype = str(theirs.dtype).removeprefix("torch.")
    if str(ours.dtype).rpartition(".")[2] != dtype:
        raise Different(f"{what}: dtype {ours.dtype} where PyTorch has {theirs.dtype}")
    if tuple(ours.shape) != tuple(theirs.shape):
        raise Different(f"{what}: shape {tuple(ours.shape)} where PyTorch has {tuple(theirs.shape)}")
    if not values:
        return
    mine, right = ours.detach().numpy(), array_of(theirs)
    if dtype not in RELATIVE:
        wrong = mine != right
    else:
        finite = np.abs(right[np.isfinite(right)])
        largest = float(finite.max()) if finite.size else 0.0
        near = "float32" if coarse and dtype == "float64" else dtype
        absolute = OF_LARGEST[near] * max(1.0, largest)
        wrong = ~np.isclose(mine, right, RELATIVE[near], absolute, equal_nan=True)
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0]) if mine.ndim else ()
        count = f"{int(wrong.sum())} of {wrong.size} elements differ"
        raise Unequal(f"{what}: {count}, at {place} {mine[place]!s} where PyTorch has {right[place]!s} ({dtype})")
