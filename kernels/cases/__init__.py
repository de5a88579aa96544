"""The case table: one row a kernel and input. Value tests, gradient tests and benchmarks all walk ``CASES``.

A row's ``make(rng, dtype)`` gives the kernel's positional arguments, outputs included (filled with NaN, or 77 in a
mask, so that an element left unwritten shows). Every row is a value row: its outputs are compared with those of the
reference on the same inputs in float64. A row with a ``size`` is a benchmark row. A row with a ``gradient`` is
checked in float64 against the slope of the forward kernel along a random direction.

A family's rows stand in the file of its name; the tests fail for a kernel of the contract that has no value row, no
benchmark row, or (where it computes a gradient) no gradient row.
"""

from __future__ import annotations

from . import (
    activation,
    attention,
    conv,
    dropout,
    embedding,
    linear,
    loss,
    norm,
    optim,
    optim_rules,
    pairs,
    pointwise_loss,
    pooling,
    recurrent,
    reduce,
    select,
)
from .table import CASES, Case, Gradient, parameters

for _family in (
    linear,
    pairs,
    loss,
    reduce,
    dropout,
    optim,
    attention,
    activation,
    recurrent,
    conv,
    pooling,
    pointwise_loss,
    norm,
    embedding,
    optim_rules,
    select,
):
    _family.add_rows()

__all__ = ["CASES", "Case", "Gradient", "parameters"]
