"""Every backward kernel against the slope of its forward kernel along random directions, in float64."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from fastnn.kernels.cases import CASES, Case

STEP = 1e-6


@pytest.mark.parametrize("case", [case for case in CASES if case.gradient], ids=lambda case: case.id)
def test_gradient_is_the_slope(backend: ModuleType, case: Case) -> None:
    assert case.gradient is not None
    rng = np.random.default_rng(7)
    inputs, loss, gradients = case.gradient(backend, rng)
    found = gradients()
    assert [gradient.shape for gradient in found] == [array.shape for array in inputs]
    # One direction an input, so that a fault in one gradient is not hidden by the size of another.
    for place, gradient in enumerate(found):
        direction = rng.standard_normal(gradient.shape)
        ahead, behind = list(inputs), list(inputs)
        ahead[place] = inputs[place] + STEP * direction
        behind[place] = inputs[place] - STEP * direction
        slope = (loss(ahead) - loss(behind)) / (2 * STEP)
        size = np.abs(gradient * direction).sum()
        np.testing.assert_allclose(np.vdot(gradient, direction), slope, rtol=1e-6, atol=1e-7 * size + 1e-9)
