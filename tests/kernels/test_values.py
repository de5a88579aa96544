"""Every row of the table, in every backend, against the reference in float64."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from kernel_rows import BACKENDS, arguments, in_float64, load

from fastnn.kernels import numpy_backend
from fastnn.kernels.cases import CASES, Case, parameters

# A large row checks float32, the type that it is there for; the small ones both, but not the reference against itself.
ROWS = [
    pytest.param(name, case, dtype, id=f"{name}-{case.id}-{dtype}")
    for case in CASES
    for dtype in (("f4",) if case.size == "large" else ("f4", "f8"))
    for name in BACKENDS
    if (name, dtype) != ("numpy", "f8")
]


@lru_cache(maxsize=1)  # the backends come one after another
def _truth(case: Case, dtype: str) -> tuple[Any, list[Any]]:
    """What the reference returns and writes in float64, on the numbers of that dtype."""
    given = in_float64(arguments(case, dtype))
    return getattr(numpy_backend, case.kernel)(*given), case.written(given)


@pytest.mark.parametrize(("name", "case", "dtype"), ROWS)
def test_row_equals_the_reference_in_float64(name: str, case: Case, dtype: str) -> None:
    backend = load(name)
    given = arguments(case, dtype)
    inputs = _frozen(case, given)
    want, truth = _truth(case, dtype)
    have = getattr(backend, case.kernel)(*given)

    for written, true in zip(case.written(given), truth, strict=True):
        _compare(case, dtype, written, true)
    if want is None:
        assert have is None
    else:
        _compare(case, dtype, np.asarray(have), np.asarray(want))
    for before, after in inputs:
        np.testing.assert_array_equal(before, after, err_msg="a kernel wrote to an input")


def _compare(case: Case, dtype: str, have: Any, want: Any) -> None:
    if have.dtype.kind != "f":
        np.testing.assert_array_equal(have, want)
        return
    limits = np.finfo(dtype)
    with np.errstate(over="ignore"):
        want = want.astype(dtype)
    # Results below the smallest normal number may be flushed to zero.
    atol = float(case.atol * limits.eps + limits.tiny)
    np.testing.assert_allclose(have, want, rtol=float(case.rtol * limits.eps), atol=atol)


def _frozen(case: Case, given: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """Makes the inputs among the arguments read-only; pairs of a copy and the array itself."""
    outputs = {id(array) for array in case.written(given)}
    outputs |= {id(given[parameters(case.kernel).index(name)]) for name in case.scratch}
    arrays = [array for value in given for array in (value if isinstance(value, list) else [value])]
    inputs = [array for array in arrays if isinstance(array, np.ndarray) and id(array) not in outputs]
    for array in inputs:
        array.flags.writeable = False
    return [(array.copy(), array) for array in inputs]
