"""What the table of values cannot show of the activations by name: unknown names, outputs over inputs."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from fastnn.kernels.contract import ACTIVATION_KINDS


def test_unknown_kinds_are_refused(backend: ModuleType) -> None:
    x, out = np.ones(3, np.float32), np.full(3, 7, np.float32)
    with pytest.raises(ValueError, match=r"kind: expected one of gelu, .*got 'swish'"):
        backend.activation_forward("swish", x, 0.0, 0.0, out)
    with pytest.raises(ValueError, match=r"kind: expected one of gelu, .*got 'swish'"):
        backend.activation_backward("swish", x, x, 0.0, 0.0, out)
    assert (out == 7).all()


@pytest.mark.parametrize("kind", ACTIVATION_KINDS)
def test_output_over_its_input(backend: ModuleType, kind: str) -> None:
    x = np.random.default_rng(0).uniform(0.1, 4, 45).astype(np.float32)
    grad = np.random.default_rng(1).standard_normal(45).astype(np.float32)
    apart, over = np.empty_like(x), x.copy()
    backend.activation_forward(kind, x, 0.5, 1.5, apart)
    backend.activation_forward(kind, over, 0.5, 1.5, over)
    np.testing.assert_array_equal(over, apart)
    over = grad.copy()
    backend.activation_backward(kind, grad, x, 0.5, 1.5, apart)
    backend.activation_backward(kind, over, x, 0.5, 1.5, over)
    np.testing.assert_array_equal(over, apart)
