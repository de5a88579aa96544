"""Activation modules: names, options, printing and results as PyTorch has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn as fw
from fastnn import nn

MODULES: list[tuple[str, dict[str, Any]]] = [
    ("ReLU", {}), ("ReLU", {"inplace": True}), ("LeakyReLU", {"negative_slope": 0.2}), ("Sigmoid", {}), ("Tanh", {}),
    ("GELU", {}), ("GELU", {"approximate": "tanh"}), ("SiLU", {}), ("SiLU", {"inplace": True}), ("Mish", {}),
    ("Mish", {"inplace": True}), ("ELU", {"alpha": 0.5}), ("ELU", {"inplace": True}), ("SELU", {}),
    ("SELU", {"inplace": True}), ("CELU", {"alpha": 2.0}), ("CELU", {"inplace": True}), ("Softplus", {}),
    ("Softplus", {"beta": 2.0, "threshold": 3.0}), ("LogSigmoid", {}), ("Softsign", {}), ("Tanhshrink", {}),
    ("Hardtanh", {}), ("Hardtanh", {"min_val": -2.0, "max_val": 0.5, "inplace": True}), ("ReLU6", {}),
    ("ReLU6", {"inplace": True}), ("Hardswish", {}), ("Hardswish", {"inplace": True}), ("Hardsigmoid", {}),
    ("Hardsigmoid", {"inplace": True}), ("Hardshrink", {"lambd": 0.25}), ("Softshrink", {}),
    ("Threshold", {"threshold": 0.1, "value": 20.0}), ("Threshold", {"threshold": 0.1, "value": 2.0, "inplace": True}),
    ("PReLU", {}), ("PReLU", {"num_parameters": 4, "init": 0.5}), ("GLU", {}), ("GLU", {"dim": 1}),
    ("Softmin", {"dim": 1}), ("Softmax2d", {}), ("Softmax", {"dim": -1}), ("LogSoftmax", {"dim": 0}),
]  # fmt: skip


def run(lib: Any, name: str, options: dict[str, Any]) -> tuple[Any, Any, Any]:
    x = np.random.default_rng(0).standard_normal((2, 4, 3, 6)) * 2
    module = getattr(lib.nn, name)(**options)
    leaf = lib.tensor(x.tolist(), dtype=lib.float32, requires_grad=True)
    y = module(leaf * 1)
    (y * y).sum().backward()
    return module, y.detach().numpy(), [leaf.grad.numpy(), *(p.grad.numpy() for p in module.parameters())]


@pytest.mark.peer
@pytest.mark.parametrize(("name", "options"), MODULES, ids=lambda value: str(value))
def test_modules_are_pytorchs(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, y, grads = run(fw, name, options)
    theirs, want, wanted = run(torch, name, options)
    assert repr(ours) == repr(theirs)
    np.testing.assert_allclose(y, want, rtol=2e-5, atol=2e-6)
    for grad, right in zip(grads, wanted, strict=True):
        np.testing.assert_allclose(grad, right, rtol=2e-5, atol=2e-5)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_rrelu_is_random_in_training_only() -> None:
    module = nn.RReLU(0.1, 0.3)
    x = fw.full((1000,), -1.0)
    assert np.unique(module(x).numpy()).size > 900
    np.testing.assert_allclose(module.eval()(x).numpy(), -0.2, rtol=1e-6)
    assert repr(nn.RReLU(inplace=True)) == "RReLU(lower=0.125, upper=0.3333333333333333, inplace=True)"


def test_hardtanh_limits_and_older_names() -> None:
    with pytest.raises(AssertionError, match="max_val"):
        nn.Hardtanh(2, 1)
    with pytest.warns(FutureWarning, match="min_val"):
        module = nn.Hardtanh(min_value=-3.0)
    assert module.min_val == -3.0
    with pytest.raises(ValueError, match="3D or 4D"):
        nn.Softmax2d()(fw.ones(2, 2))
