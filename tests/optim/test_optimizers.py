"""SGD, Adam, AdamW: against the plain formulas in float64, and against PyTorch with every combination of options."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fastnn

SHAPES = [(3, 4), (5,), (7, 2), ()]
STEPS = 10
SGD_OPTIONS = [
    {"lr": 0.05, "momentum": m, "dampening": d, "weight_decay": w, "nesterov": n, "maximize": x}
    for m, d, w, n, x in itertools.product([0, 0.9], [0, 0.3], [0, 0.1], [False, True], [False, True])
    if not n or (m and not d)
]
ADAM_OPTIONS = [
    {"lr": 0.05, "betas": b, "eps": e, "weight_decay": w, "amsgrad": a, "maximize": x}
    for b, e, w, a, x in itertools.product(
        [(0.9, 0.999), (0.5, 0.8)], [1e-8, 1e-3], [0, 0.1], [False, True], [False, True]
    )
]
ALL = [("SGD", o) for o in SGD_OPTIONS] + [(name, o) for name in ("Adam", "AdamW") for o in ADAM_OPTIONS]


def data(seed: int = 0) -> tuple[list[Any], list[list[Any]]]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s) for s in SHAPES], [[rng.standard_normal(s) for s in SHAPES] for _ in range(STEPS)]


def run(torch: Any, name: str, dtype: str, **options: Any) -> tuple[list[Any], Any]:
    """Ten steps; the second parameter misses a gradient once."""
    values, gradients = data()
    params = [torch.tensor(v.astype(dtype), requires_grad=True) for v in values]
    optimizer = getattr(torch.optim, name)(params, **options)
    for step, row in enumerate(gradients):
        for i, (param, gradient) in enumerate(zip(params, row, strict=True)):
            param.grad = None if (step, i) == (3, 1) else torch.tensor(gradient.astype(dtype))
        optimizer.step()
    return [p.detach().numpy() for p in params], optimizer


def sgd_formula(p: Any, gradients: list[Any], o: dict[str, Any]) -> Any:
    buf = None
    for g in gradients:
        d = (-g if o["maximize"] else g) + o["weight_decay"] * p
        if o["momentum"]:
            buf = d if buf is None else o["momentum"] * buf + (1 - o["dampening"]) * d
            d = d + o["momentum"] * buf if o["nesterov"] else buf
        p = p - o["lr"] * d
    return p


def adam_formula(p: Any, gradients: list[Any], o: dict[str, Any], decoupled: bool) -> Any:
    m = v = largest = 0 * p
    (b1, b2), decay = o["betas"], o["weight_decay"]
    for t, g in enumerate(gradients, 1):
        g = -g if o["maximize"] else g
        if decoupled:
            p = p * (1 - o["lr"] * decay)
        else:
            g = g + decay * p
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        largest = np.maximum(largest, v)
        used = largest if o["amsgrad"] else v
        p = p - o["lr"] / (1 - b1**t) * m / (np.sqrt(used / (1 - b2**t)) + o["eps"])
    return p


@pytest.mark.parametrize(("name", "options"), ALL)
def test_formula(name: str, options: dict[str, Any]) -> None:
    values, gradients = data()
    found, _ = run(fastnn, name, "float64", **options)
    for i, value in enumerate(values):
        rows = [row[i] for step, row in enumerate(gradients) if (step, i) != (3, 1)]
        expected = (
            sgd_formula(value, rows, options) if name == "SGD" else adam_formula(value, rows, options, name == "AdamW")
        )
        np.testing.assert_allclose(found[i], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), ALL)
def test_pytorch(name: str, options: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    ours, optimizer = run(fastnn, name, dtype, **options)
    theirs, reference = run(torch, name, dtype, **options)
    close = {"rtol": 2e-5, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-12}
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, **close)
    mine, other = optimizer.state_dict(), reference.state_dict()
    assert mine["param_groups"] == other["param_groups"] and list(mine["state"]) == list(other["state"])
    for key, entry in other["state"].items():
        assert set(mine["state"][key]) == set(entry)
        for state, value in entry.items():
            np.testing.assert_allclose(mine["state"][key][state].numpy(), value.numpy(), **close)
    assert repr(optimizer) == repr(reference)


@pytest.mark.parametrize(("name", "options"), [("SGD", {"momentum": 0.9}), ("Adam", {}), ("AdamW", {"amsgrad": True})])
def test_tensor_rates_and_accepted_options(name: str, options: dict[str, Any]) -> None:
    plain, _ = run(fastnn, name, "float32", lr=0.125, **options)
    for more in ({"lr": fastnn.tensor(0.125)}, {"lr": 0.125, "fused": True}, {"lr": 0.125, "foreach": True}):
        other, _ = run(fastnn, name, "float32", **more, **options)
        for a, b in zip(plain, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("SGD", {"lr": -1.0}, ValueError, "Invalid learning rate: -1.0"),
        ("SGD", {"lr": fastnn.ones(2)}, ValueError, "Tensor lr must be 1-element"),
        ("SGD", {"momentum": -1}, ValueError, "Invalid momentum value: -1"),
        ("SGD", {"weight_decay": -1}, ValueError, "Invalid weight_decay value: -1"),
        ("SGD", {"nesterov": True}, ValueError, "Nesterov momentum requires"),
        ("SGD", {"differentiable": True}, NotImplementedError, "differentiable=True"),
        ("Adam", {"lr": float("nan")}, ValueError, "Invalid learning rate: nan"),
        ("Adam", {"eps": -1}, ValueError, "Invalid epsilon value: -1"),
        ("Adam", {"betas": (1.0, 0.9)}, ValueError, "Invalid beta parameter at index 0: 1.0"),
        ("Adam", {"betas": (0.9, -0.1)}, ValueError, "Invalid beta parameter at index 1: -0.1"),
        ("Adam", {"betas": (0.9, fastnn.tensor(0.9))}, ValueError, "both floats or both Tensors"),
        ("Adam", {"capturable": True}, NotImplementedError, "capturable=True"),
        ("AdamW", {"differentiable": True}, NotImplementedError, "differentiable=True"),
        ("Adam", {"fused": True, "foreach": True}, RuntimeError, "cannot be `True` together"),
    ],
)
def test_bad_options(name: str, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        getattr(fastnn.optim, name)([fastnn.ones(1, requires_grad=True)], **options)


@pytest.mark.parametrize("make", ["view", "half"])
def test_parameters_a_kernel_cannot_take_as_they_are(make: str) -> None:
    start = np.arange(12, dtype=np.float32).reshape(3, 4) / 8
    if make == "view":
        param = fastnn.from_numpy(start.copy()).t()
    else:
        param = fastnn.from_numpy(start.copy()).half()
    param.requires_grad_(True)
    reference = param.detach().numpy().astype(np.float64)
    optimizer = fastnn.optim.SGD([param], lr=0.5, momentum=0.5)
    memory = param.data_ptr()
    for _ in range(2):
        param.grad = fastnn.ones_like(param)
        optimizer.step()
    np.testing.assert_allclose(param.detach().numpy(), reference - 0.5 - 0.75)
    assert param.data_ptr() == memory and param._version == 2


def test_a_gradient_that_is_not_dense() -> None:
    param = fastnn.zeros(3, 4, requires_grad=True)
    param.grad = fastnn.arange(12.0).reshape(4, 3).t()
    fastnn.optim.SGD([param], lr=1.0).step()
    np.testing.assert_array_equal(param.detach().numpy(), -np.arange(12.0).reshape(4, 3).T)


def test_read_only_memory_is_refused() -> None:
    values = np.ones(3, np.float32)
    param = fastnn.from_numpy(values)
    values.flags.writeable = False
    param._array.flags.writeable = False
    param.requires_grad_(True)
    param.grad = fastnn.ones(3)
    with pytest.raises(RuntimeError, match="read-only"):
        fastnn.optim.SGD([param]).step()
    later = fastnn.ones(3, requires_grad=True)
    later.grad = fastnn.ones(3)
    optimizer = fastnn.optim.SGD([later], lr=1.0)
    optimizer.step()
    later._array.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        optimizer.step()
    assert later.tolist() == [0, 0, 0]
