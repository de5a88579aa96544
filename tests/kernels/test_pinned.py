"""Arrays whose addresses were looked up once are to every kernel of the optimizers what the arrays are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn.kernels import K, use_backend
from fastnn.kernels.pinned import Pinned

SIZES = [(3, 4), (), (1000,), (0,), (5,)]


def _arrays(seed: int, dtype: Any = np.float32) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [np.asarray(np.abs(rng.standard_normal(size)), dtype) for size in SIZES]


def _sgd(params: Any, grads: Any, first: Any, second: Any) -> None:
    K.sgd_step(params, grads, first, [True] * len(grads), 0.1, 0.9, 0.1, 0.01, True, False)


def _adam(params: Any, grads: Any, first: Any, second: Any) -> None:
    K.adam_step(params, grads, first, second, None, [3] * len(grads), 0.1, 0.9, 0.99, 1e-8, 0.01, True, False)


def _rule(params: Any, grads: Any, first: Any, second: Any) -> None:
    factors = np.full((len(grads), 3), 0.5)
    K.rule_step("adamax", params, grads, first, second, None, factors, 0.1, 0.01, (0.9, 0.99, 1e-8, 0.0), False)


@pytest.mark.parametrize("backend", ["numpy", "cython", "numba"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("step", [_sgd, _adam, _rule])
def test_same_bits(step: Any, dtype: Any, backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    if backend == "numba" and step is _rule:
        pytest.skip("rule_step is not in the numba backend")
    plain, pinned = ([_arrays(seed, dtype) for seed in range(4)] for _ in range(2))
    with use_backend(backend):
        step(*plain)
        step(Pinned(pinned[0]), pinned[1], Pinned(pinned[2]), Pinned(pinned[3]))
    for a, b in zip(plain, pinned, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("backend", ["numpy", "cython"])
@pytest.mark.parametrize("step", [_sgd, _adam, _rule])
def test_what_does_not_fit_is_refused(step: Any, backend: str) -> None:
    params, grads, first, second = (_arrays(seed) for seed in range(4))
    before = [array.copy() for array in params]
    with use_backend(backend):
        with pytest.raises(ValueError, match=r"first|exp_avgs|momentum_buffers"):
            step(Pinned(params), grads, Pinned(_arrays(2, np.float64)), Pinned(second))
        with pytest.raises(ValueError, match=r"first|exp_avgs|momentum_buffers"):
            step(Pinned(params), grads, Pinned(first[::-1]), Pinned(second))
        with pytest.raises(ValueError, match=r"params|grads"):
            step(Pinned(params), _arrays(1, np.float64), Pinned(first), Pinned(second))
    for a, b in zip(params, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_cannot_be_pinned() -> None:
    fixed = np.ones(3, np.float32)
    fixed.flags.writeable = False
    for arrays in (
        [],
        [np.ones(3, np.float16)],
        [np.ones(3, np.float32), np.ones(3)],
        [np.ones((3, 4), np.float32).T],
        [np.ones(3, ">f4")],
        [fixed],
    ):
        with pytest.raises(ValueError, match="Pinned: expected"):
            Pinned(arrays)
