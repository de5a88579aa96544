"""Ten training steps of the article's network, against PyTorch and against a float64 implementation of its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.kernels import BACKENDS

Array = np.ndarray[Any, np.dtype[Any]]
SIZES = (784, 128, 64, 10)
STEPS = 10

# Each optimizer under a name: the class, found in PyTorch's module and in this one, and its options.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {"lr": 1e-3}),
    "adam-decay": ("Adam", {"lr": 1e-3, "weight_decay": 0.01}),
    "adamw": ("AdamW", {"lr": 1e-3, "betas": (0.8, 0.95), "weight_decay": 0.05}),
    "sgd": ("SGD", {"lr": 0.05}),
    "sgd-momentum": ("SGD", {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd-nesterov": ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
}


def weights() -> list[Array]:
    """Weight and bias of each layer, float32, (outputs, inputs) and (outputs,)."""
    rng = np.random.default_rng(3)
    found: list[Array] = []
    for inputs, outputs in pairwise(SIZES):
        bound = inputs**-0.5
        found.append(rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32))
        found.append(rng.uniform(-bound, bound, outputs).astype(np.float32))
    return found


def batches() -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(4)
    return [
        (rng.standard_normal((64, SIZES[0])).astype(np.float32), rng.integers(0, SIZES[-1], 64)) for _ in range(STEPS)
    ]


def trained(torch: Any, name: str) -> tuple[list[float], list[Array]]:
    """Trains with PyTorch, or with this library under its name: the loss of each step and the weights at the end."""
    layers = [torch.nn.Linear(inputs, outputs) for inputs, outputs in pairwise(SIZES)]
    model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    state = dict(zip(model.state_dict(), map(torch.from_numpy, weights()), strict=True))
    model.load_state_dict(state)
    kind, options = OPTIMIZERS[name]
    optimizer = getattr(torch.optim, kind)(model.parameters(), **options)
    criterion = torch.nn.CrossEntropyLoss()
    losses = []
    for images, labels in batches():
        optimizer.zero_grad()
        loss = criterion(model(torch.from_numpy(images)), torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [parameter.detach().numpy() for parameter in model.parameters()]


class Float64Net:
    """The same network and its optimizers, written down from the formulas in float64, sharing no code with fastnn."""

    def __init__(self, update: Callable[[Array, Array, dict[str, Array], int], Array]) -> None:
        self.weights = [array.astype(np.float64) for array in weights()]
        self.update = update
        self.states: list[dict[str, Array]] = [{} for _ in self.weights]
        self.steps = 0

    def step(self, images: Array, labels: Array) -> float:
        w1, b1, w2, b2, w3, b3 = self.weights
        x = images.astype(np.float64)
        h1 = np.maximum(x @ w1.T + b1, 0)
        h2 = np.maximum(h1 @ w2.T + b2, 0)
        logits = h2 @ w3.T + b3
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        rows = np.arange(len(labels))
        loss = -np.log(shares[rows, labels]).mean()

        d3 = shares
        d3[rows, labels] -= 1
        d3 /= len(labels)
        d2 = (d3 @ w3) * (h2 > 0)
        d1 = (d2 @ w2) * (h1 > 0)
        gradients = [d1.T @ x, d1.sum(0), d2.T @ h1, d2.sum(0), d3.T @ h2, d3.sum(0)]
        self.steps += 1
        self.weights = [
            self.update(weight, gradient, state, self.steps)
            for weight, gradient, state in zip(self.weights, gradients, self.states, strict=True)
        ]
        return float(loss)


def float64_update(name: str) -> Callable[[Array, Array, dict[str, Array], int], Array]:
    """An optimizer's rule: (weight, gradient, state, step from 1) -> new weight. Kingma & Ba 2015, algorithm 1;
    Loshchilov & Hutter 2019, algorithm 2; Sutskever et al. 2013 as PyTorch writes it (the rate outside the velocity).
    """
    kind, options = OPTIMIZERS[name]
    rate, decay = options["lr"], options.get("weight_decay", 0.0)
    beta1, beta2 = options.get("betas", (0.9, 0.999))
    momentum = options.get("momentum", 0.0)

    def adam(weight: Array, gradient: Array, state: dict[str, Array], step: int) -> Array:
        if kind == "AdamW":
            weight = weight - rate * decay * weight
        else:
            gradient = gradient + decay * weight
        state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * gradient
        state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * gradient**2
        mean, square = state["m"] / (1 - beta1**step), state["v"] / (1 - beta2**step)
        return np.asarray(weight - rate * mean / (np.sqrt(square) + 1e-8))

    def sgd(weight: Array, gradient: Array, state: dict[str, Array], step: int) -> Array:
        gradient = gradient + decay * weight
        state["velocity"] = momentum * state.get("velocity", 0.0) + gradient
        ahead = gradient + momentum * state["velocity"] if options.get("nesterov") else state["velocity"]
        return np.asarray(weight - rate * ahead)

    return sgd if kind == "SGD" else adam


# Where a gradient is nearly 0, Adam's first steps are lr * sign(gradient): rounding then moves a weight by up to lr.
# So all but one weight in ten thousand must be close, and none may be further off than such steps can take it.
def compare(have: list[Array], want: list[Array]) -> None:
    assert len(have) == len(want) == 6
    far = 0
    for mine, theirs in zip(have, want, strict=True):
        assert mine.shape == theirs.shape
        distance = np.abs(mine.astype(np.float64) - theirs)
        far += int((distance > 2e-6 + 2e-5 * np.abs(theirs)).sum())
        assert distance.max() < 2e-3
    assert far <= sum(array.size for array in want) * 1e-4


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_steps_match_float64(name: str, backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba", reason="the numba backend needs numba")
    with fastnn.use_backend(backend):
        losses, have = trained(fastnn, name)
    net = Float64Net(float64_update(name))
    want = [net.step(images, labels) for images, labels in batches()]
    np.testing.assert_allclose(losses, want, rtol=2e-5)
    compare(have, net.weights)


@pytest.mark.peer
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_steps_match_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    losses, have = trained(fastnn, name)
    want_losses, want = trained(torch, name)
    np.testing.assert_allclose(losses, want_losses, rtol=2e-5)
    compare(have, want)


def test_the_modules_are_the_packages_own() -> None:
    """``trained`` reaches for fastnn.nn and fastnn.optim as attributes, as PyTorch has them."""
    assert fastnn.nn is nn
    assert fastnn.optim is optim
