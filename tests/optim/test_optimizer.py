"""The base of the optimizers: groups, state, hooks, saving and going on."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn


def _net() -> Any:
    fastnn.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def _train(net: Any, optimizer: Any, steps: int, start: int = 0) -> None:
    for step in range(start, start + steps):
        x = fastnn.from_numpy(np.random.default_rng(step).standard_normal((8, 3)).astype(np.float32))
        optimizer.zero_grad()
        net(x).square().sum().backward()
        optimizer.step()


def _same(a: Any, b: Any) -> bool:
    return all(
        np.array_equal(p.detach().numpy(), q.detach().numpy())
        for p, q in zip(a.parameters(), b.parameters(), strict=True)
    )


KINDS = [
    (fastnn.optim.SGD, {"lr": 0.01, "momentum": 0.9}),
    (fastnn.optim.Adam, {"lr": 0.01, "amsgrad": True}),
    (fastnn.optim.AdamW, {"lr": 0.01}),
]


@pytest.mark.parametrize("route", ["state_dict", "pickle", "deepcopy"])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_going_on_from_saved_state_has_the_same_bits(kind: Any, options: dict[str, Any], route: str) -> None:
    net = _net()
    optimizer = kind(net.parameters(), **options)
    _train(net, optimizer, 3)
    if route == "state_dict":
        twin = _net()
        twin.load_state_dict(net.state_dict())
        other = kind(twin.parameters(), lr=7.0)
        other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    elif route == "pickle":
        twin, other = pickle.loads(pickle.dumps((net, optimizer)))
    else:
        twin, other = copy.deepcopy((net, optimizer))
    _train(net, optimizer, 3, 3)
    assert not _same(net, twin)
    _train(twin, other, 3, 3)
    assert _same(net, twin)


def test_state_shows_and_takes_changes() -> None:
    param = fastnn.ones(2, requires_grad=True)
    optimizer = fastnn.optim.Adam([param], lr=0.1)
    for _ in range(3):
        param.grad = fastnn.ones(2)
        optimizer.step()
    state = optimizer.state[param]
    assert list(state) == ["step", "exp_avg", "exp_avg_sq"] and state["step"].item() == 3
    before = param.detach().numpy().copy()
    state["exp_avg"] = fastnn.zeros(2)  # a new tensor, by a dict that the caller holds
    state["step"] = fastnn.tensor(0.0)
    param.grad = fastnn.zeros(2)
    optimizer.step()
    np.testing.assert_array_equal(param.detach().numpy(), before)
    assert state["step"].item() == 1
    optimizer.state.clear()
    param.grad = fastnn.ones(2)
    optimizer.step()
    assert optimizer.state[param]["step"].item() == 1
    state = optimizer.state[param]
    state["exp_avg"] = fastnn.zeros(5)
    with pytest.raises(RuntimeError, match="state 'exp_avg' has shape"):
        optimizer.step()


def test_a_step_sees_what_changed_since_the_last() -> None:
    a, b = fastnn.zeros(2, requires_grad=True), fastnn.zeros(2, requires_grad=True)
    optimizer = fastnn.optim.SGD([a], lr=1.0)
    a.grad = fastnn.ones(2)
    optimizer.step()
    optimizer.add_param_group({"params": b, "lr": 2.0})
    b.grad = fastnn.ones(2)
    optimizer.step()
    assert a.tolist() == [-2, -2] and b.tolist() == [-2, -2]
    a.data = fastnn.ones(2)  # other memory
    a.grad = None
    optimizer.param_groups[1]["lr"] = 0.5
    optimizer.step()
    assert a.tolist() == [1, 1] and b.tolist() == [-2.5, -2.5]
    a.grad = fastnn.ones(2)
    optimizer.step()
    assert a.tolist() == [0, 0]
    a.data = fastnn.ones(3, dtype=fastnn.float64)
    a.grad = fastnn.ones(3, dtype=fastnn.float64)
    optimizer.step()
    assert a.tolist() == [0, 0, 0]
    optimizer.param_groups[0]["params"][0] = c = fastnn.zeros(1, requires_grad=True)
    c.grad = fastnn.ones(1)
    optimizer.step()
    assert c.tolist() == [-1] and a.tolist() == [0, 0, 0]


def test_a_step_is_a_change_in_place_that_the_tape_notices() -> None:
    weight = fastnn.ones(2, requires_grad=True)
    x = fastnn.ones(2, requires_grad=True)
    out = (weight * x).sum()
    weight.grad = fastnn.ones(2)
    fastnn.optim.SGD([weight], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_groups_and_names() -> None:
    a, b = (fastnn.ones(1, requires_grad=True) for _ in range(2))
    optimizer = fastnn.optim.SGD([{"params": [a], "lr": 0.5}, {"params": b}], lr=0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
    saved = optimizer.state_dict()
    assert [group["params"] for group in saved["param_groups"]] == [[0], [1]] and saved["state"] == {}
    named = fastnn.optim.Adam([("a", a), ("b", b)])
    assert named.param_groups[0]["param_names"] == ["a", "b"]
    with pytest.raises(ValueError, match="cannot add param group without names"):
        named.add_param_group({"params": fastnn.ones(1, requires_grad=True)})
    with pytest.raises(ValueError, match="different number of parameter groups"):
        named.load_state_dict(saved)
    with pytest.raises(ValueError, match="doesn't match the size"):
        fastnn.optim.Adam([a]).load_state_dict(named.state_dict())


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ([], ValueError, "optimizer got an empty parameter list"),
        (fastnn.ones(1), TypeError, "should be an iterable of Tensors or dicts"),
        ([3], TypeError, "can only optimize Tensors, but one of the params is int"),
        ([fastnn.ones(1, requires_grad=True) * 2], ValueError, "can't optimize a non-leaf Tensor"),
        ([{"params": {fastnn.ones(1)}}], TypeError, "organized in ordered collections"),
        ([("a", fastnn.ones(1)), fastnn.ones(1)], ValueError, "Some param names are missing"),
    ],
)
def test_bad_parameters(params: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        fastnn.optim.SGD(params)


def test_duplicates() -> None:
    a = fastnn.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="appear in more than one parameter group"):
        fastnn.optim.SGD([{"params": a}, {"params": [a]}])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        fastnn.optim.SGD([a, a])
    with pytest.raises(TypeError, match="param_group must be a dict"):
        fastnn.optim.SGD([a]).add_param_group([a])  # type: ignore[arg-type]


def test_closure_and_hooks() -> None:
    a = fastnn.ones(1, requires_grad=True)
    optimizer = fastnn.optim.SGD([a], lr=0.5)
    log: list[str] = []
    optimizer.register_step_pre_hook(lambda o, args, kwargs: log.append("pre"))
    handle = optimizer.register_step_post_hook(lambda o, args, kwargs: log.append(f"post {a.item()}"))

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (a * 3).sum()
        loss.backward()
        log.append("closure")
        return loss

    with fastnn.no_grad():
        assert optimizer.step(closure).item() == 3.0
    assert log == ["pre", "closure", "post -0.5"]
    handle.remove()
    optimizer.zero_grad(set_to_none=False)
    assert a.grad is not None and a.grad.item() == 0
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    assert optimizer.state_dict()["more"] == 1


def test_a_user_optimizer() -> None:
    class Sign(fastnn.optim.Optimizer):
        def __init__(self, params: Any, lr: float = 1.0) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure: Any = None) -> None:
            with fastnn.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        self.state[p]["seen"] = self.state[p].get("seen", 0) + 1
                        p -= group["lr"] * p.grad.sign()

    a = fastnn.ones(2, requires_grad=True)
    optimizer = Sign([a], lr=0.25)
    calls: list[int] = []
    optimizer.register_step_post_hook(lambda *args: calls.append(1))
    a.grad = fastnn.tensor([2.0, -3.0])
    optimizer.step()
    assert a.tolist() == [0.75, 1.25] and calls == [1] and optimizer.state_dict()["state"] == {0: {"seen": 1}}
