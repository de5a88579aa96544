"""Initial values: bounds and moments from their formulas, one seed one result."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn import init

# name -> (arguments, bound, standard deviation) of a weight of (300, 200)
CASES: dict[str, tuple[dict[str, Any], float, float]] = {
    "uniform_": ({"a": -2.0, "b": 2.0}, 2.0, 4 / math.sqrt(12)),
    "normal_": ({"mean": 0.0, "std": 3.0}, math.inf, 3.0),
    "xavier_uniform_": ({"gain": 2.0}, 2 * math.sqrt(6 / 500), 2 * math.sqrt(2 / 500)),
    "xavier_normal_": ({}, math.inf, math.sqrt(2 / 500)),
    "kaiming_uniform_": ({"nonlinearity": "relu"}, math.sqrt(6 / 200), math.sqrt(2 / 200)),
    "kaiming_normal_": ({"mode": "fan_out", "a": 1.0}, math.inf, math.sqrt(1 / 300)),
    "trunc_normal_": ({"std": 1.0, "a": -1.0, "b": 1.0}, 1.0, 0.5396),
}


@pytest.mark.parametrize("name", CASES)
def test_moments_and_seed(name: str) -> None:
    options, bound, std = CASES[name]
    parameter = nn.Parameter(fastnn.zeros(300, 200))
    generator = fastnn.Generator().manual_seed(3)
    assert getattr(init, name)(parameter, **options, generator=generator) is parameter
    values = parameter.detach().numpy()
    assert abs(values).max() <= bound and abs(values.std() / std - 1) < 0.02 and abs(values.mean()) < 0.05 * std
    assert parameter.is_leaf and parameter.grad_fn is None and parameter._version > 0
    again = getattr(init, name)(fastnn.zeros(300, 200), **options, generator=fastnn.Generator().manual_seed(3))
    np.testing.assert_array_equal(values, again.numpy())


def test_the_tail_of_a_truncated_normal() -> None:
    values = init.trunc_normal_(fastnn.zeros(20000, dtype=fastnn.float64), a=1.5, b=3.0).numpy()
    assert values.min() >= 1.5 and values.max() <= 3.0
    density = (math.exp(-(1.5**2) / 2) - math.exp(-(3.0**2) / 2)) / math.sqrt(2 * math.pi)
    mass = (math.erf(3 / math.sqrt(2)) - math.erf(1.5 / math.sqrt(2))) / 2
    assert abs(values.mean() - density / mass) < 0.01


def test_fillings() -> None:
    assert init.constant_(fastnn.zeros(2), 3).tolist() == [3, 3] and init.ones_(fastnn.zeros(1)).item() == 1
    assert init.zeros_(nn.Parameter(fastnn.ones(2))).tolist() == [0, 0]
    np.testing.assert_array_equal(init.eye_(fastnn.ones(2, 3)).numpy(), np.eye(2, 3))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 2)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    values = init.orthogonal_(fastnn.zeros(shape, dtype=fastnn.float64), gain=2.0).numpy().reshape(shape[0], -1)
    product = values @ values.T if values.shape[0] <= values.shape[1] else values.T @ values
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_gains_and_errors() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2) and init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("conv_transpose2d") == 1 and init.calculate_gain("leaky_relu", 1) == 1
    with pytest.raises(ValueError, match="Unsupported nonlinearity nothing"):
        init.calculate_gain("nothing")
    with pytest.raises(ValueError, match="not a valid number"):
        init.calculate_gain("leaky_relu", True)
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_uniform_(fastnn.zeros(3))
    with pytest.raises(ValueError, match="Mode fan not supported"):
        init.kaiming_normal_(fastnn.zeros(3, 3), mode="fan")
    with pytest.raises(ValueError, match="Only tensors with 2 dimensions"):
        init.eye_(fastnn.zeros(3))
    with pytest.warns(UserWarning, match="no-op"):
        init.kaiming_uniform_(fastnn.zeros(0, 3))
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(fastnn.zeros(3), mean=5.0)


def test_default_of_linear() -> None:
    layer = nn.Linear(100, 300)
    for tensor in (layer.weight, layer.bias):
        values = tensor.detach().numpy()
        assert abs(values).max() <= 0.1 and abs(values.std() - 0.1 / math.sqrt(3)) < 0.006


@pytest.mark.peer
@pytest.mark.parametrize(("shape", "groups"), [((4, 3, 5), 1), ((6, 2, 3, 4), 3), ((2, 4, 3, 3, 1), 2), ((2, 3, 1), 1)])
def test_dirac_as_pytorch(shape: tuple[int, ...], groups: int) -> None:
    torch = pytest.importorskip("torch")
    ours = init.dirac_(fastnn.rand(*shape), groups)
    np.testing.assert_array_equal(ours.numpy(), torch.nn.init.dirac_(torch.rand(*shape), groups).numpy())


def test_dirac_passes_its_input_on() -> None:
    layer = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    init.dirac_(layer.weight)
    x = fastnn.rand(1, 3, 5, 5)
    np.testing.assert_array_equal(layer(x).detach().numpy(), x.numpy())
    with pytest.raises(ValueError, match="divisible by groups"):
        init.dirac_(fastnn.empty(3, 1, 1), 2)
    with pytest.raises(ValueError, match="3, 4, or 5 dimensions"):
        init.dirac_(fastnn.empty(3, 1))


def test_sparse() -> None:
    drawn = [init.sparse_(fastnn.empty(50, 20), 0.3, 2.0, fastnn.Generator().manual_seed(1)).numpy() for _ in range(2)]
    np.testing.assert_array_equal(*drawn)
    assert ((drawn[0] == 0).sum(0) == 15).all()
    assert abs(drawn[0][drawn[0] != 0].std() - 2) < 0.2
    with pytest.raises(ValueError, match="2 dimensions"):
        init.sparse_(fastnn.empty(3), 0.1)


@pytest.mark.parametrize("name", ["uniform", "normal", "eye", "xavier_uniform", "kaiming_normal", "orthogonal"])
def test_older_names_warn(name: str) -> None:
    with pytest.warns(FutureWarning, match=f"deprecated in favor of `nn.init.{name}_`"):
        assert getattr(init, name)(fastnn.empty(3, 3)).shape == (3, 3)
