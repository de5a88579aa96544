"""Saving and loading state: names, errors, and that a load that fails changes nothing."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn


def _net() -> Any:
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


def _values(net: Any) -> list[Any]:
    return [p.detach().numpy().copy() for p in net.parameters()]


def test_round_trip_copies_in_place() -> None:
    a, b = _net(), _net()
    state = a.state_dict()
    assert type(state) is OrderedDict and list(state) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert state._metadata[""] == {"version": 1} and not state["0.weight"].requires_grad
    assert a.state_dict(keep_vars=True)["0.weight"] is a[0].weight
    assert list(a.state_dict(prefix="net.")) == [f"net.{name}" for name in state]
    before, version = list(b.parameters()), b[0].weight._version
    result = b.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>" and result.missing_keys == []
    assert all(old is new for old, new in zip(before, b.parameters(), strict=True))
    assert b[0].weight._version > version
    for mine, theirs in zip(_values(a), _values(b), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert not np.shares_memory(a[0].weight.numpy(force=True), b[0].weight.numpy(force=True))


@pytest.mark.parametrize("strict", [True, False])
def test_a_load_that_fails_changes_nothing(strict: bool) -> None:
    net = _net()
    before = _values(net)
    state = net.state_dict()
    bad = {name: tensor + 1 for name, tensor in state.items()}
    bad["1.weight"] = fastnn.ones(5, 3)  # after entries that fit
    bad["1.bias"] = 3  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match=r"Error\(s\) in loading state_dict for Sequential:\n\t") as caught:
        net.load_state_dict(bad, strict=strict)
    text = str(caught.value)
    assert "size mismatch for 1.weight: copying a param with shape" in text and "[5, 3]" in text and "[1, 3]" in text
    assert 'named "1.bias", expected torch.Tensor' in text
    for old, new in zip(before, _values(net), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_small_weight_is_not_broadcast_into_a_large_one() -> None:
    net = nn.Linear(4, 8)
    for strict in (True, False):
        with pytest.raises(RuntimeError, match="size mismatch for weight"):
            net.load_state_dict(nn.Linear(4, 1).state_dict(), strict=strict)


def test_missing_and_unexpected_keys() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    old = _values(net)
    entries = {"0.weight": fastnn.ones(2, 2), "extra": fastnn.zeros(1), "0.sub.x": fastnn.zeros(1)}
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(entries)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "0.bias". \n'
        '\tUnexpected key(s) in state_dict: "extra", "0.sub.x". '
    )
    np.testing.assert_array_equal(old[0], _values(net)[0])
    weight = net[0].weight
    result = net.load_state_dict(entries, strict=False)
    assert result.missing_keys == ["0.bias"] and result.unexpected_keys == ["extra", "0.sub.x"]
    assert net[0].weight is weight and float(weight.detach().sum()) == 4.0
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict([1])


def test_assign_takes_the_tensors_themselves() -> None:
    net = nn.Linear(2, 2)
    state = nn.Linear(2, 2, dtype=fastnn.float64).state_dict()
    net.load_state_dict(state, assign=True)
    assert type(net.weight) is nn.Parameter and net.weight.requires_grad and net.weight.dtype is fastnn.float64
    assert np.shares_memory(net.weight.detach().numpy(), state["weight"].numpy())


class Extra(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(fastnn.zeros(1))
        self.extra: Any = None

    def get_extra_state(self) -> Any:
        return {"seen": 3}

    def set_extra_state(self, state: Any) -> None:
        self.extra = state


def test_extra_state() -> None:
    net = nn.Sequential(Extra())
    state = net.state_dict()
    assert state["0._extra_state"] == {"seen": 3}
    net.load_state_dict(state)
    assert net[0].extra == {"seen": 3}
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match="_extra_state"):
        net.load_state_dict(state)


def test_hooks_of_saving_and_loading() -> None:
    net, log = _net(), []
    net[0].register_state_dict_pre_hook(lambda module, prefix, keep_vars: log.append(("pre", prefix)))
    net[0].register_state_dict_post_hook(lambda module, state, prefix, metadata: state.pop(prefix + "bias"))
    with pytest.raises(RuntimeError, match="must return None"):
        net.state_dict()
    net[0]._state_dict_hooks.clear()

    def drop(module: Any, state: Any, prefix: str, metadata: Any) -> None:
        del state[prefix + "bias"]

    net[0].register_state_dict_post_hook(drop)
    state = net.state_dict()
    assert "0.bias" not in state and ("pre", "0.") in log

    def rename(module: Any, state: Any, prefix: str, *rest: Any) -> None:
        state[prefix + "weight"] = state.pop(prefix + "old")

    other = _net()
    state["0.old"] = state.pop("0.weight")
    other[0].register_load_state_dict_pre_hook(rename)
    handle = other.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    assert other.load_state_dict(state, strict=True).missing_keys == []
    np.testing.assert_array_equal(_values(other)[0], _values(net)[0])
    handle.remove()
    old = _values(other)
    changed = {name: tensor + 1 for name, tensor in state.items()}
    other.register_load_state_dict_post_hook(lambda module, keys: None)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0.bias"'):
        other.load_state_dict(changed)
    for before, after in zip(old, _values(other), strict=True):
        np.testing.assert_array_equal(before, after)


def test_an_override_of_load_from_state_dict_is_used() -> None:
    class Old(nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
            state_dict[prefix + "bias"] = fastnn.full((1,), 7.0)
            super()._load_from_state_dict(state_dict, prefix, *rest)

    net = nn.Sequential(Old(2, 1))
    net.load_state_dict({"0.weight": fastnn.zeros(1, 2)})
    assert net[0].bias.item() == 7.0
