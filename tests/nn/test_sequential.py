"""Sequential and its neighbours: their list behaviour, and that fusing changes no result."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn


def _gradients(run: Any, net: Any, x: Any) -> list[Any]:
    net.zero_grad()
    x = x.clone().requires_grad_(True)
    out = run(x)
    out.backward(fastnn.ones_like(out))
    return [out.detach().numpy(), x.grad.numpy(), *(p.grad.numpy() for p in net.parameters())]


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.Sigmoid(), nn.Tanh()])
def test_fused_equals_one_by_one(activation: Any) -> None:
    net = nn.Sequential(nn.Linear(7, 5), activation, nn.Linear(5, 3, bias=False), nn.ReLU())
    x = fastnn.randn(4, 7)

    def one_by_one(value: Any) -> Any:
        for module in net:
            value = module(value)
        return value

    for fused, plain in zip(_gradients(net, net, x), _gradients(one_by_one, net, x), strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-6, atol=1e-7)


def test_hooks_and_changes_are_seen_after_a_plan_was_made() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    x = fastnn.randn(2, 3)
    net(x)
    seen: list[Any] = []
    handle = net[0].register_forward_hook(lambda module, args, out: seen.append(out))
    net(x)
    assert len(seen) == 1 and (seen[0].detach().numpy() < 0).any()  # before the ReLU
    handle.remove()
    net(x)
    assert len(seen) == 1
    net[1].forward = lambda value: value - 100  # of this instance alone
    assert (net(x).detach().numpy() < -50).all()
    net[1] = nn.Tanh()
    np.testing.assert_allclose(net(x).detach().numpy(), np.tanh(net[0](x).detach().numpy()), rtol=1e-6)
    net._modules["1"] = nn.Identity()
    np.testing.assert_allclose(net(x).detach().numpy(), net[0](x).detach().numpy())

    class Twice(nn.Linear):
        def forward(self, value: Any) -> Any:
            return super().forward(value) * 2

    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    once = net(x)
    net[0].__class__ = Twice
    np.testing.assert_allclose(net(x).detach().numpy(), 2 * once.detach().numpy(), rtol=1e-6)


def test_list_behaviour() -> None:
    a, b, c, d = (nn.Linear(1, 1) for _ in range(4))
    net = nn.Sequential(a, b)
    net.append(c).insert(0, d)
    assert list(net) == [d, a, b, c] and list(net._modules) == ["0", "1", "2", "3"]
    assert net[-1] is c and list(net[1:3]) == [a, b] and len(net) == 4
    del net[1]
    assert list(net) == [d, b, c] and net.pop(0) is d and list(net._modules) == ["0", "1"]
    assert list(net + nn.Sequential(d)) == [b, c, d] and list(nn.Sequential(a) * 2) == [a, a]
    net += nn.Sequential(a)
    net.extend([d])
    assert list(net) == [b, c, a, d]
    del net[1:3]
    assert list(net) == [b, d]
    named = nn.Sequential(OrderedDict(x=a, y=b))
    assert named.x is a and list(named._modules) == ["x", "y"]
    with pytest.raises(IndexError, match="index 5 is out of range"):
        net[5]
    with pytest.raises(IndexError, match="Index out of range: 9"):
        net.insert(9, a)
    with pytest.raises(ValueError, match="only objects of Sequential"):
        net.__add__([a])
    with pytest.raises(ValueError, match="Non-positive"):
        net * 0


def test_module_list_and_dict() -> None:
    a, b, c = (nn.Linear(1, 1) for _ in range(3))
    held = nn.ModuleList([a])
    held += [c]
    held.insert(1, b)
    assert list(held) == [a, b, c] and list(held[1:]) == [b, c] and len(list(held.parameters())) == 6
    del held[0]
    assert list(held) == [b, c] and list(held._modules) == ["0", "1"] and list(held.__add__([a])) == [b, c, a]
    with pytest.raises(TypeError, match="is not a Module subclass"):
        held.append(3)
    named = nn.ModuleDict({"a": a})
    named["b"] = b
    named.update([("c", c)])
    assert list(named) == ["a", "b", "c"] and named.pop("a") is a and "a" not in named
    with pytest.raises(ValueError, match="has length 1; 2 is required"):
        named.update([("a",)])
    named.clear()
    assert len(named) == 0 and not hasattr(named, "b")
