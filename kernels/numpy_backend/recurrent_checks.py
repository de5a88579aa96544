"""What the recurrent kernels check before they write; used by the numpy and the numba backend."""

from __future__ import annotations

import numpy as np

from ..contract import Array, Labels
from ..contract.recurrent import recurrent_workspace
from .checks import INT64, expect, floating

# A name, the array or None, and whether it is written.
Named = tuple[str, Array | None, bool]


def _all(shape: tuple[int, ...], dtype: np.dtype[np.generic], *arrays: Named) -> None:
    for name, array, written in arrays:
        if array is not None:
            expect(name, array, shape, dtype, written)


def _units(gates: Array, count: int) -> int:
    """H, from an array of count * H columns."""
    floating("gates", gates, 2)
    if gates.shape[1] % count:
        raise ValueError(f"gates: expected a multiple of {count} columns, got shape {gates.shape}")
    columns: int = gates.shape[1]
    return columns // count


def _steps(batch_sizes: Labels, rows: int, batch: int, batch_first: bool) -> None:
    expect("batch_sizes", batch_sizes, (batch_sizes.size,), INT64)
    first = int(batch_sizes[0]) if batch_sizes.size else batch
    falls = bool((np.diff(batch_sizes) <= 0).all()) and bool((batch_sizes >= 0).all())
    equal = not batch_first or batch_sizes.size * batch == rows
    if first != batch or not falls or not equal or int(batch_sizes.sum()) != rows:
        raise ValueError(
            f"batch_sizes: expected sizes that never increase from {batch} and add up to {rows}"
            f"{', all equal for batch_first' if batch_first else ''}, got {batch_sizes.tolist()[:8]}"
        )


def _scratch(workspace: Array, gates: int, hidden: int, width: int, dtype: np.dtype[np.generic]) -> None:
    expect("workspace", workspace, (recurrent_workspace(gates, hidden, width),), dtype, True)


def lstm_cell(gates: Array, gates_written: bool, per_gate: tuple[Named, ...], per_unit: tuple[Named, ...]) -> None:
    units, rows, dtype = _units(gates, 4), gates.shape[0], gates.dtype
    _all((rows, 4 * units), dtype, ("gates", gates, gates_written), *per_gate)
    _all((rows, units), dtype, *per_unit)


def lstm(
    gates: Array,
    weight_hh: Array,
    weight_hr: Array | None,
    batch_sizes: Labels,
    batch_first: bool,
    workspace: Array,
    hn: Array,
    per_gate: tuple[Named, ...],
    per_step: tuple[tuple[Named, ...], tuple[Named, ...]],
    per_row: tuple[tuple[Named, ...], tuple[Named, ...]],
) -> None:
    """per_step and per_row: the arrays as wide as the output, and those as wide as the cell."""
    units, rows, dtype = _units(gates, 4), gates.shape[0], gates.dtype
    width = units
    if weight_hr is not None:
        floating("weight_hr", weight_hr, 2)
        width = weight_hr.shape[0]
        expect("weight_hr", weight_hr, (width, units), dtype)
    expect("weight_hh", weight_hh, (4 * units, width), dtype)
    floating("hn", hn, 2)
    batch = hn.shape[0]
    _steps(batch_sizes, rows, batch, batch_first)
    _scratch(workspace, 4, units, width, dtype)
    _all((rows, 4 * units), dtype, *per_gate)
    for arrays, columns in zip(per_step, (width, units), strict=True):
        _all((rows, columns), dtype, *arrays)
    for arrays, columns in zip(per_row, (width, units), strict=True):
        _all((batch, columns), dtype, *arrays)


def gru_cell(gates: Array, gates_written: bool, per_gate: tuple[Named, ...], per_unit: tuple[Named, ...]) -> None:
    units, rows, dtype = _units(gates, 3), gates.shape[0], gates.dtype
    _all((rows, 3 * units), dtype, ("gates", gates, gates_written), *per_gate)
    _all((rows, units), dtype, *per_unit)


def gated(
    count: int,
    gates: Array,
    weight_hh: Array,
    batch_sizes: Labels,
    batch_first: bool,
    workspace: Array,
    hn: Array,
    per_gate: tuple[Named, ...],
    per_step: tuple[Named, ...],
    per_row: tuple[Named, ...],
    bias_hn: Array | None = None,
) -> None:
    """A layer of ``count`` gates whose output is as wide as its state."""
    units, rows, dtype = _units(gates, count), gates.shape[0], gates.dtype
    expect("weight_hh", weight_hh, (count * units, units), dtype)
    floating("hn", hn, 2)
    batch = hn.shape[0]
    _steps(batch_sizes, rows, batch, batch_first)
    _scratch(workspace, count, units, units, dtype)
    _all((units,), dtype, ("bias_hn", bias_hn, False))
    _all((rows, count * units), dtype, *per_gate)
    _all((rows, units), dtype, *per_step)
    _all((batch, units), dtype, *per_row)


def activation_name(activation: str) -> None:
    if activation not in ("tanh", "relu"):
        raise ValueError(f"activation: expected 'tanh' or 'relu', got {activation!r}")
