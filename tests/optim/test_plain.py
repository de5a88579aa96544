"""The optimizers written in NumPy, against their formulas; LBFGS on functions whose minimum is known."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import optim


def _steps(optimizer: Any, param: Any, grads: list[Any]) -> Any:
    for grad in grads:
        param.grad = fastnn.tensor(grad)
        optimizer.step()
    return param.detach().numpy()


GRADS = [np.array(row) for row in ([1.0, -2.0, 0.5], [0.5, 1.0, 0.25], [-1.0, 2.0, 0.0], [2.0, -0.5, -1.0])]
START = np.array([1.0, 2.0, -1.0])


def test_asgd_averages() -> None:
    param = fastnn.tensor(START, requires_grad=True)
    optimizer = optim.ASGD([param], lr=0.1, lambd=0.01, alpha=0.75, t0=1, weight_decay=0.1)
    found = _steps(optimizer, param, GRADS)
    p, mean, eta, mu = START, 0 * START, 0.1, 1.0
    for t, grad in enumerate(GRADS, 1):
        g = grad + 0.1 * p
        p = p * (1 - 0.01 * eta) - eta * g
        mean = p if mu == 1 else mean + mu * (p - mean)
        eta, mu = 0.1 / (1 + 0.01 * 0.1 * t) ** 0.75, 1 / max(1, t - 1)
    np.testing.assert_allclose(found, p, rtol=1e-6)
    np.testing.assert_allclose(optimizer.state[param]["ax"].numpy(), mean, rtol=1e-6)


def test_rprop_follows_signs() -> None:
    param = fastnn.tensor(START, requires_grad=True)
    found = _steps(optim.Rprop([param], lr=0.1, etas=(0.5, 1.2), step_sizes=(0.04, 0.13)), param, GRADS)
    p, size, before = START.copy(), np.full(3, 0.1), np.zeros(3)
    for grad in GRADS:
        for i in range(3):
            g, agreement = grad[i], grad[i] * before[i]
            if agreement > 0:
                size[i] = min(size[i] * 1.2, 0.13)
            elif agreement < 0:
                size[i], g = max(size[i] * 0.5, 0.04), 0.0
            p[i] -= size[i] * np.sign(g)
            before[i] = g
    np.testing.assert_allclose(found, p, rtol=1e-12)


def test_adafactor_of_a_matrix_of_rank_one() -> None:
    # where g**2 has rank one, the factored second moment is the second moment itself
    rows, columns = np.array([1.0, 2.0]), np.array([1.0, 3.0, 0.5])
    grad, start = np.outer(rows, columns), np.full((2, 3), 2.0)
    param = fastnn.tensor(start, requires_grad=True)
    found = _steps(optim.Adafactor([param], lr=0.01, weight_decay=0.1), param, [grad])
    np.testing.assert_allclose(found, start * (1 - 0.001) - 0.01 * 2.0 * np.ones((2, 3)), rtol=1e-6)
    vector = fastnn.tensor([2.0, 2.0], dtype=fastnn.float64, requires_grad=True)
    found = _steps(optim.Adafactor([vector], lr=0.01), vector, [np.array([1.0, -5.0])])
    np.testing.assert_allclose(found, [1.98, 2.02], rtol=1e-6)


def test_muon_steps_along_a_nearly_orthogonal_matrix() -> None:
    rng = np.random.default_rng(0)
    grad = rng.standard_normal((8, 4)).astype(np.float32)
    param = fastnn.zeros(8, 4, requires_grad=True)
    moved = -_steps(optim.Muon([param], lr=1.0, weight_decay=0.0), param, [grad]) / np.sqrt(2)  # sqrt(8 / 4)
    s = np.linalg.svd(moved, compute_uv=False)
    assert s.min() > 0.6 and s.max() < 1.3
    left, _, right = np.linalg.svd(grad, full_matrices=False)
    assert np.trace((left @ right).T @ moved) / 4 > 0.8
    with pytest.raises(ValueError, match="only supports 2D parameters"):
        optim.Muon([fastnn.ones(3, requires_grad=True)])
    with pytest.raises(ValueError, match="less than 100"):
        _steps(optim.Muon([param], ns_steps=100), param, [grad])


def _rosenbrock(param: Any) -> Any:
    x, y = param[0], param[1]
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_finds_the_minimum(search: str | None) -> None:
    def closure() -> Any:
        optimizer.zero_grad()
        loss = _rosenbrock(param) if search else ((param - 3) ** 2 * fastnn.tensor([1.0, 10.0])).sum()
        loss.backward()
        return loss

    param = fastnn.tensor([-1.2, 1.0], dtype=fastnn.float64, requires_grad=True)
    optimizer = optim.LBFGS(
        [param], lr=1 if search else 0.5, max_iter=20, tolerance_change=1e-14, line_search_fn=search
    )
    first = [float(optimizer.step(closure)) for _ in range(8)]
    np.testing.assert_allclose(param.detach().numpy(), 1.0 if search else 3.0, rtol=1e-5)
    assert first[0] > 20 and first == sorted(first, reverse=True)
    assert optimizer.state[param]["func_evals"] >= optimizer.state[param]["n_iter"] > 5


def test_lbfgs_goes_on_from_its_state_with_the_same_bits() -> None:
    def train(param: Any, optimizer: Any, steps: int) -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = _rosenbrock(param)
            loss.backward()
            return loss

        for _ in range(steps):
            optimizer.step(closure)

    def make(values: Any) -> Any:
        param = fastnn.tensor(values, dtype=fastnn.float64, requires_grad=True)
        return param, optim.LBFGS([param], max_iter=4, history_size=3, line_search_fn="strong_wolfe")

    whole, optimizer = make([-1.2, 1.0])
    train(whole, optimizer, 2)
    other, second = make(whole.tolist())
    second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(whole, optimizer, 2)
    train(other, second, 2)
    assert whole.tolist() == other.tolist()


def test_lbfgs_errors() -> None:
    a, b = fastnn.ones(1, requires_grad=True), fastnn.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        optim.LBFGS([{"params": a}, {"params": b}])
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optim.LBFGS([a], line_search_fn="armijo").step(lambda: a)
    with pytest.raises(TypeError, match="closure"):
        optim.LBFGS([a]).step()


@pytest.mark.parametrize("name", ["ASGD", "Rprop", "Adafactor"])
def test_half_and_views(name: str) -> None:
    start = np.arange(1, 13, dtype=np.float32).reshape(3, 4) / 8
    grads = [np.cos(start * k).astype(np.float32) for k in range(1, 4)]
    plain = fastnn.tensor(start.T.copy(), requires_grad=True)
    expected = _steps(getattr(optim, name)([plain], lr=0.1), plain, [g.T.copy() for g in grads])
    view = fastnn.tensor(start).t().requires_grad_(True)
    found = _steps(getattr(optim, name)([view], lr=0.1), view, [g.T.copy() for g in grads])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert view._version == 3
    half = fastnn.tensor(start.T.copy(), dtype=fastnn.float16, requires_grad=True)
    found = _steps(getattr(optim, name)([half], lr=0.1), half, [g.T.astype(np.float16) for g in grads])
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, atol=4e-3)


def test_hooks_of_all_optimizers() -> None:
    seen: list[str] = []
    one, two = (optim.SGD([fastnn.ones(1, requires_grad=True)]) for _ in range(2))
    handles = [
        optim.optimizer.register_optimizer_step_pre_hook(lambda o, a, k: seen.append("all before")),
        optim.optimizer.register_optimizer_step_post_hook(lambda o, a, k: seen.append("all after")),
        one.register_step_pre_hook(lambda o, a, k: seen.append("before")),
        one.register_step_post_hook(lambda o, a, k: seen.append("after")),
    ]
    try:
        one.step()
        two.step()
    finally:
        for handle in handles:
            handle.remove()
    one.step()
    assert seen == ["all before", "before", "after", "all after", "all before", "all after"]
