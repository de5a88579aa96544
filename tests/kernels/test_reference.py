"""The reference itself, against values worked out by hand and, where it is installed, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn.kernels import numpy_backend as K

INF, NAN = np.inf, np.nan


def test_softmax_of_infinities() -> None:
    out = np.empty((4, 3))
    K.softmax_forward(np.array([[-INF, 0, 0], [-INF, -INF, -INF], [INF, 0, 1], [0, NAN, 1]]), out)
    assert out[0].tolist() == [0.0, 0.5, 0.5]
    assert np.isnan(out[1:]).all()
    out = np.empty((1, 2))
    K.log_softmax_forward(np.array([[3e38, -3e38]]).astype(np.float32).astype(np.float64), out)
    assert out[0, 0] == 0.0


def test_relu_keeps_nan_and_passes_its_gradient() -> None:
    x, out, grad_x = np.array([NAN, -1.0, 2.0, 0.0]), np.empty(4), np.empty(4)
    K.relu_forward(x, out)
    np.testing.assert_array_equal(out, [NAN, 0, 2, 0])
    K.relu_backward(np.full(4, 3.0), out, grad_x)
    assert grad_x.tolist() == [3.0, 0.0, 3.0, 0.0]


def test_ones_added_to_a_large_number_are_not_lost() -> None:
    x, out = np.ones((1, 100_001, 2), np.float32), np.empty((1, 2), np.float32)
    x[0, 0] = 2**24
    K.sum_forward(x, out)
    np.testing.assert_allclose(out, 2**24 + 100_000, rtol=1e-7)


@pytest.mark.peer
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_pytorchs(reduction: str, smoothing: float, weighted: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    logits, target = rng.standard_normal((9, 5)) * 3, rng.integers(0, 5, 9)
    target[4] = -100
    weight = rng.uniform(0.5, 2, 5) if weighted else None
    losses, grad = np.empty(9), np.empty((9, 5))
    value = K.cross_entropy_forward(logits, target, weight, -100, smoothing, reduction, losses, grad)

    x = torch.tensor(logits, requires_grad=True)
    w = None if weight is None else torch.tensor(weight)
    want = torch.nn.functional.cross_entropy(
        x, torch.tensor(target), w, reduction=reduction, label_smoothing=smoothing, ignore_index=-100
    )
    want.sum().backward()
    have = losses if reduction == "none" else value
    np.testing.assert_allclose(have, want.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(grad, x.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.peer
@pytest.mark.parametrize(
    "options",
    [
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.01, "maximize": True},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ],
)
def test_sgd_is_pytorchs(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    p, grads = rng.standard_normal(7), rng.standard_normal((3, 7))
    theirs = torch.tensor(p.copy(), requires_grad=True)
    optimizer = torch.optim.SGD([theirs], **options)
    momentum, buffer = options.get("momentum", 0.0), np.full(7, np.nan)
    rest = (momentum, options.get("dampening", 0.0), options.get("weight_decay", 0.0))
    words = (options.get("nesterov", False), options.get("maximize", False))
    for step, grad in enumerate(grads):
        theirs.grad = torch.tensor(grad)
        optimizer.step()
        K.sgd_step([p], [grad], [buffer] if momentum else None, [step > 0], options["lr"], *rest, *words)
        np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
def test_adam_is_pytorchs(decoupled: bool, amsgrad: bool, maximize: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    p, grads = rng.standard_normal(7), rng.standard_normal((4, 7)) * np.array([[3], [1], [0.1], [0.01]])
    theirs = torch.tensor(p.copy(), requires_grad=True)
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    optimizer = kind([theirs], lr=0.01, weight_decay=0.1, amsgrad=amsgrad, maximize=maximize)
    m, v, most = np.zeros(7), np.zeros(7), np.zeros(7)
    for step, grad in enumerate(grads, 1):
        theirs.grad = torch.tensor(grad)
        optimizer.step()
        largest = [most] if amsgrad else None
        K.adam_step([p], [grad], [m], [v], largest, [step], 0.01, 0.9, 0.999, 1e-8, 0.1, decoupled, maximize)
        np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=1e-12)
