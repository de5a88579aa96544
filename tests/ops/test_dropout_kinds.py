"""Dropout of channels and for SELU networks: what is dropped, what the rest becomes, seeds, gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F

CHANNELS = [
    (F.dropout1d, (40, 30, 5)),
    (F.dropout1d, (60, 5)),
    (F.dropout2d, (40, 30, 2, 3)),
    (F.dropout3d, (40, 30, 2, 2, 2)),
    (F.dropout3d, (60, 2, 2, 2)),
]


@pytest.mark.parametrize(("function", "shape"), CHANNELS)
@pytest.mark.parametrize("inplace", [False, True])
def test_whole_channels_go_and_the_rest_is_scaled(function: Any, shape: tuple[int, ...], inplace: bool) -> None:
    x = fastnn.ones(*shape)
    out = function(x, 0.3, True, inplace)
    assert (out is x) == inplace
    batched = len(shape) in (3, 5) or function is F.dropout2d
    rows = out.numpy().reshape(math.prod(shape[: 2 if batched else 1]), -1)
    np.testing.assert_allclose(rows, np.broadcast_to(rows[:, :1], rows.shape))
    assert set(np.unique(rows)) <= {np.float32(0), np.float32(1 / 0.7)}
    assert 0.1 < (rows[:, 0] == 0).mean() < 0.55


@pytest.mark.parametrize(("function", "shape"), CHANNELS)
def test_evaluation_and_the_ends_of_p(function: Any, shape: tuple[int, ...]) -> None:
    x = fastnn.ones(*shape)
    assert function(x, 0.5, False) is x or function(x, 0.5, False).numpy().all()
    assert function(x, 0.0, True).numpy().all()
    assert not function(x, 1.0, True).numpy().any()
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            function(x, p, True)


@pytest.mark.parametrize("function", [F.alpha_dropout, F.feature_alpha_dropout])
def test_alpha_dropout_keeps_mean_and_variance(function: Any) -> None:
    fastnn.manual_seed(0)
    x = fastnn.tensor(np.random.default_rng(0).standard_normal((400, 300, 1)).astype(np.float32))
    out = function(x, 0.3, True)
    assert abs(float(out.mean())) < 0.02 and abs(float(out.std()) - 1) < 0.02
    low = -1.7580993408473766
    scale = ((1 - 0.3) * (1 + 0.3 * low**2)) ** -0.5
    shift = -scale * 0.3 * low
    dropped = np.isclose(out.numpy(), scale * low + shift, atol=1e-5)
    assert 0.2 < dropped.mean() < 0.4
    np.testing.assert_allclose(out.numpy()[~dropped], (scale * x.numpy() + shift)[~dropped], 1e-4, 1e-5)
    assert function(x, 0.3) is x  # not in training unless asked for
    assert not function(x, 1.0, True).numpy().any()


def test_feature_alpha_dropout_drops_channels() -> None:
    out = F.feature_alpha_dropout(fastnn.zeros(30, 20, 4), 0.5, True).numpy()
    assert (out == out[:, :, :1]).all() and len(np.unique(out)) == 2
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        F.feature_alpha_dropout(fastnn.zeros(3), 0.5, True)


@pytest.mark.parametrize("function", [F.dropout2d, F.alpha_dropout, F.feature_alpha_dropout])
def test_the_gradient_is_the_slope_and_the_seed_decides(function: Any) -> None:
    x = fastnn.tensor(np.random.default_rng(0).standard_normal((3, 4, 2, 2))).requires_grad_()
    results = []
    for _ in range(2):
        x.grad = None
        fastnn.manual_seed(7)
        out = function(x, 0.4, True)
        out.sum().backward()
        results.append((out.detach().numpy(), x.grad.numpy()))
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)
    fastnn.manual_seed(7)
    with fastnn.no_grad():
        moved = function(x + 1e-3, 0.4, True).numpy()
    np.testing.assert_allclose((moved - results[0][0]) / 1e-3, results[0][1], atol=1e-8)


def test_a_dropped_infinity_is_gone() -> None:
    out = F.dropout1d(fastnn.full((50, 4), float("inf")), 0.5, True).numpy()
    assert set(np.unique(out)) == {0.0, np.inf}


def test_dimensions() -> None:
    with pytest.raises(RuntimeError, match="Expected 2D or 3D"):
        F.dropout1d(fastnn.ones(3))
    for function in (F.dropout2d, F.dropout3d):
        with pytest.warns(UserWarning, match="deprecated"):
            function(fastnn.ones(3, 3))
    with pytest.warns(UserWarning, match="1D dropout behavior"):
        F.dropout2d(fastnn.ones(3, 3, 3))
