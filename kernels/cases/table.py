"""What a row of the case table is, the table itself, and how rows are added and their arrays made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from .. import contract
from ..contract import Array

Generator = np.random.Generator
Arguments = tuple[Any, ...]


class Gradient(NamedTuple):
    """A scalar function of some arrays by the forward kernel, and its gradients at ``inputs`` by the backward."""

    inputs: list[Array]
    loss: Callable[[Sequence[Array]], float]
    gradients: Callable[[], list[Array]]


class Case(NamedTuple):
    """One row. ``outputs`` names the parameters written (arrays or lists of arrays). An output may differ from the
    float64 truth t by (atol + rtol * abs(t)) * eps of the dtype, and by its smallest normal number. ``scratch`` names
    workspaces: written, but what they hold afterwards means nothing.
    """

    kernel: str
    label: str
    make: Callable[[Generator, DTypeLike], Arguments]
    outputs: tuple[str, ...]
    rtol: float = 8.0
    atol: float = 0.0
    size: str | None = None  # "small" or "large": a benchmark row
    gradient: Callable[[Any, Generator], Gradient] | None = None  # takes a backend
    scratch: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.kernel}-{self.label}"

    def written(self, arguments: Arguments) -> list[Array]:
        """The output arrays among the arguments, lists of arrays laid out flat, None left out."""
        found: list[Array] = []
        for name, value in zip(parameters(self.kernel), arguments, strict=True):
            if name in self.outputs and value is not None:
                found += value if isinstance(value, list) else [value]
        return found


def parameters(kernel: str) -> list[str]:
    """The names of a kernel's parameters."""
    return list(inspect.signature(getattr(contract, kernel)).parameters)


CASES: list[Case] = []


def add_row(
    kernel: str, label: str, make: Callable[[Generator, DTypeLike], Arguments], outputs: str, **rest: Any
) -> None:
    """Adds a row to the table; ``outputs`` are the names of the parameters written, with spaces between."""
    CASES.append(Case(kernel, label, make, tuple(outputs.split()), **rest))


def normal(rng: Generator, dtype: DTypeLike, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(dtype)


def blank(dtype: DTypeLike, *shape: int) -> Array:
    """An output that shows where it was not written."""
    return np.full(shape, np.nan, dtype)


def clear_of_zero(rng: Generator, *shape: int) -> Array:
    """float64 values at least 0.1 from the kink of relu."""
    x = rng.standard_normal(shape)
    return np.asarray(x + np.copysign(0.1, x))
