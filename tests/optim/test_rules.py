"""RMSprop, Adagrad, Adadelta, Adamax, NAdam, RAdam: against PyTorch with every option; Lion against its formula."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from test_optimizers import data, run

import fastnn


def product(**choices: list[Any]) -> list[dict[str, Any]]:
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]


COMMON: dict[str, list[Any]] = {"lr": [0.05], "weight_decay": [0, 0.1], "maximize": [False, True]}
BETAS = [(0.9, 0.999), (0.5, 0.8)]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "RMSprop": product(**COMMON, alpha=[0.99, 0.5], eps=[1e-8, 1e-2], momentum=[0, 0.9], centered=[False, True]),
    "Adagrad": product(**COMMON, lr_decay=[0, 0.1], initial_accumulator_value=[0, 0.5], eps=[1e-10, 1e-2]),
    "Adadelta": product(**COMMON, rho=[0.9, 0.5], eps=[1e-6, 1e-2]),
    "Adamax": product(**COMMON, betas=BETAS, eps=[1e-8, 1e-2]),
    "NAdam": product(**COMMON, betas=BETAS, momentum_decay=[4e-3, 0.1], decoupled_weight_decay=[False, True]),
    "RAdam": product(**COMMON, betas=BETAS, eps=[1e-8, 1e-2], decoupled_weight_decay=[False, True]),
}
ALL = [(name, options) for name, rows in OPTIONS.items() for options in rows]


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), ALL)
def test_pytorch(name: str, options: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    ours, optimizer = run(fastnn, name, dtype, **options)
    theirs, reference = run(torch, name, dtype, **options)
    # NAdam's product is float32 in both; theirs is rounded once more each step.
    close = {"rtol": 2e-4, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-11}
    if name == "NAdam":
        close = {"rtol": 2e-4, "atol": 2e-5}
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, **close)
    mine, other = optimizer.state_dict(), reference.state_dict()
    assert mine["param_groups"] == other["param_groups"] and list(mine["state"]) == list(other["state"])
    for key, entry in other["state"].items():
        assert set(mine["state"][key]) == set(entry)
        for state, value in entry.items():
            np.testing.assert_allclose(mine["state"][key][state].numpy(), value.numpy(), **close)
    assert repr(optimizer) == repr(reference)


def formula(name: str, p: Any, gradients: list[Any], o: dict[str, Any]) -> Any:
    """The plain formulas, each with its default options."""
    m = v = u = 0 * p
    product = 1.0
    for t, grad in enumerate(gradients, 1):
        g = grad if name == "Lion" else grad + o["weight_decay"] * p
        if name == "RMSprop":
            v = 0.99 * v + 0.01 * g * g
            p = p - o["lr"] * g / (np.sqrt(v) + 1e-8)
        elif name == "Adagrad":
            v = v + g * g
            p = p - o["lr"] * g / (np.sqrt(v) + 1e-10)
        elif name == "Adadelta":
            v = 0.9 * v + 0.1 * g * g
            step = g * np.sqrt(u + 1e-6) / np.sqrt(v + 1e-6)
            u = 0.9 * u + 0.1 * step * step
            p = p - o["lr"] * step
        elif name == "Lion":
            p = p * (1 - o["lr"] * o["weight_decay"]) - o["lr"] * np.sign(0.9 * m + 0.1 * g)
            m = 0.99 * m + 0.01 * g
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            if name == "Adamax":
                u = np.maximum(0.999 * u, np.abs(g) + 1e-8)
                p = p - o["lr"] / (1 - 0.9**t) * m / u
            elif name == "NAdam":
                mu, after = (0.9 * (1 - 0.5 * 0.96 ** (n * 4e-3)) for n in (t, t + 1))
                product *= mu
                mean = (1 - mu) / (1 - product) * g + after / (1 - product * after) * m
                p = p - o["lr"] * mean / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            else:
                most = 2 / 0.001 - 1
                length = most - 2 * t * 0.999**t / (1 - 0.999**t)
                step = o["lr"] * m / (1 - 0.9**t)
                if length > 5:
                    ratio = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
                    step = step * np.sqrt(ratio) * np.sqrt(1 - 0.999**t) / (np.sqrt(v) + 1e-8)
                p = p - step
    return p


@pytest.mark.parametrize("name", [*OPTIONS, "Lion"])
def test_formula(name: str) -> None:
    values, gradients = data()
    options = {"lr": 0.05, "weight_decay": 0.1}
    found, _ = run(fastnn, name, "float64", **options)
    for i, value in enumerate(values):
        rows = [row[i] for step, row in enumerate(gradients) if (step, i) != (3, 1)]
        tolerance = 1e-6 if name == "NAdam" else 1e-10
        np.testing.assert_allclose(found[i], formula(name, value, rows, options), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [*OPTIONS, "Lion"])
def test_saving_and_loading_continues(name: str) -> None:
    start = np.arange(6, dtype=np.float32).reshape(2, 3) / 8
    gradient = fastnn.tensor(start - 0.3)

    def steps(optimizer: Any, param: Any, count: int) -> None:
        for _ in range(count):
            param.grad = gradient.clone()
            optimizer.step()

    make = getattr(fastnn.optim, name)
    whole = fastnn.tensor(start.copy(), requires_grad=True)
    steps(make([whole], lr=0.1), whole, 6)
    first = fastnn.tensor(start.copy(), requires_grad=True)
    before = make([first], lr=0.1)
    steps(before, first, 3)
    second = fastnn.tensor(first.detach().numpy().copy(), requires_grad=True)
    after = make([second], lr=0.7)
    after.load_state_dict(before.state_dict())
    steps(after, second, 3)
    np.testing.assert_array_equal(second.detach().numpy(), whole.detach().numpy())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("RMSprop", {"lr": -1.0}, "learning rate: -1.0"),
        ("RMSprop", {"alpha": -0.1}, "alpha value: -0.1"),
        ("RMSprop", {"momentum": -1}, "momentum value: -1"),
        ("Adagrad", {"lr_decay": -1}, "lr_decay value: -1"),
        ("Adagrad", {"initial_accumulator_value": -1}, "initial_accumulator_value value: -1"),
        ("Adadelta", {"rho": 1.5}, "rho value: 1.5"),
        ("Adamax", {"betas": (1.0, 0.9)}, "beta parameter at index 0: 1.0"),
        ("NAdam", {"momentum_decay": -1}, "momentum_decay value: -1"),
        ("RAdam", {"eps": -1}, "epsilon value: -1"),
        ("Lion", {"betas": (0.9, 1.0)}, "beta parameter at index 1: 1.0"),
    ],
)
def test_bad_options(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(fastnn.optim, name)([fastnn.ones(1, requires_grad=True)], **options)
    with pytest.raises(NotImplementedError, match="differentiable=True"):
        getattr(fastnn.optim, name)([fastnn.ones(1, requires_grad=True)], differentiable=True)
