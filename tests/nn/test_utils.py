"""Clipping and vectors of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector, vector_to_parameters


def _parameters(torch: Any) -> list[Any]:
    values = np.random.default_rng(1).standard_normal((3, 4, 5)).astype(np.float32)
    made = [torch.nn.Parameter(torch.tensor(v)) for v in values] + [torch.nn.Parameter(torch.ones(2))]
    for parameter in made[:3]:
        parameter.grad = parameter.detach() * 3
    return made


@pytest.mark.peer
@pytest.mark.parametrize("order", [1.0, 2.0, 3.5, float("inf")])
@pytest.mark.parametrize("limit", [0.5, 1e9])
def test_clipping_as_pytorch(order: float, limit: float) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = _parameters(fastnn), _parameters(torch)
    norm = clip_grad_norm_(ours, limit, order)
    expected = torch.nn.utils.clip_grad_norm_(theirs, limit, order)
    np.testing.assert_allclose(norm.item(), expected.item(), rtol=1e-5)
    clip_grad_value_(ours, 0.05)
    torch.nn.utils.clip_grad_value_(theirs, 0.05)
    for a, b in zip(ours[:3], theirs[:3], strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-5)


def test_nonfinite_norm() -> None:
    parameter = nn.Parameter(fastnn.ones(2))
    parameter.grad = fastnn.tensor([1.0, float("inf")])
    with pytest.raises(RuntimeError, match="non-finite"):
        clip_grad_norm_(parameter, 1.0, error_if_nonfinite=True)
    assert parameter.grad.tolist() == [1.0, float("inf")]
    assert clip_grad_norm_([nn.Parameter(fastnn.ones(1))], 1.0).item() == 0
    with pytest.warns(UserWarning, match="empty generator"):
        clip_grad_norm_((p for p in ()), 1.0)


def test_vectors() -> None:
    net = nn.Linear(2, 3)
    vector = parameters_to_vector(net.parameters())
    assert vector.shape == (9,) and vector.requires_grad
    weight = net.weight
    vector_to_parameters(fastnn.arange(9.0), net.parameters())
    assert net.weight is weight and net.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net.bias.tolist() == [6, 7, 8]
    with pytest.raises(ValueError, match="8 elements, the parameters have 9"):
        vector_to_parameters(fastnn.arange(8.0), net.parameters())
    with pytest.raises(TypeError, match="got: list"):
        vector_to_parameters([1.0], net.parameters())  # type: ignore[arg-type]
