"""Registering, finding, converting, copying and showing modules."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Sequential(nn.ReLU(), nn.Linear(4, 2, bias=False))
        self.scale = nn.Parameter(fastnn.ones(2))
        self.register_buffer("mean", fastnn.zeros(2))
        self.register_buffer("scratch", fastnn.zeros(1), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x)) * self.scale + self.mean


NAMES = ["scale", "first.weight", "first.bias", "second.1.weight"]


def test_assignment_registers_and_attribute_and_registry_agree() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_buffers()] == ["mean", "scratch"]
    assert [name for name, _ in net.named_modules()] == ["", "first", "second", "second.0", "second.1"]
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    assert net.scale is net._parameters["scale"] and net.first is net._modules["first"]
    replaced = nn.Parameter(fastnn.zeros(2))
    net.scale = replaced
    assert net._parameters["scale"] is replaced and [name for name, _ in net.named_parameters()] == NAMES
    net._parameters["scale"] = other = nn.Parameter(fastnn.ones(2))  # user code writes to registries too
    assert net.scale is other
    del net.scale
    assert "scale" not in net._parameters and not hasattr(net, "scale")
    net._modules["first"] = child = nn.Identity()
    assert net.first is child
    net._modules = OrderedDict(only=child)
    assert net.only is child and not hasattr(net, "second")


def test_an_attribute_changes_kind() -> None:
    net = Net()
    net.plain = 3
    net.plain = nn.Linear(1, 1)
    assert "plain" in net._modules and net.plain is net._modules["plain"]
    net.plain = nn.Parameter(fastnn.ones(1))
    assert "plain" not in net._modules and net.plain is net._parameters["plain"]
    net.plain = None
    assert net.plain is None and net._parameters["plain"] is None
    net.kept = nn.Buffer(fastnn.ones(1), persistent=False)
    assert net.kept is net._buffers["kept"] and "kept" not in net.state_dict()
    net.mean = fastnn.ones(2)
    assert net._buffers["mean"] is net.mean


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda m: setattr(m, "scale", fastnn.ones(2)), TypeError, "as parameter 'scale'"),
        (lambda m: setattr(m, "first", 3), TypeError, "as child module 'first'"),
        (lambda m: setattr(m, "mean", 3), TypeError, "as buffer 'mean'"),
        (lambda m: m.register_parameter("a.b", None), KeyError, "name can"),
        (lambda m: m.register_parameter("", None), KeyError, "empty string"),
        (lambda m: m.register_parameter("first", nn.Parameter(fastnn.ones(1))), KeyError, "already exists"),
        (lambda m: m.register_parameter("new", fastnn.ones(1)), TypeError, "torch.nn.Parameter or None required"),
        (lambda m: m.register_buffer(3, None), TypeError, "should be a string"),
        (lambda m: m.register_buffer("new", 3), TypeError, "torch Tensor or None required"),
        (lambda m: m.add_module("new", 3), TypeError, "is not a Module subclass"),
        (lambda m: m.get_submodule("first.none"), AttributeError, "Linear has no attribute `none`"),
        (lambda m: m.get_submodule("scale"), AttributeError, "`scale` is not an nn.Module"),
        (lambda m: m.get_parameter("mean"), AttributeError, "`mean` is not an nn.Parameter"),
        (lambda m: m.get_buffer("scale"), AttributeError, "`scale` is not a buffer"),
        (lambda m: m.set_submodule("", nn.ReLU()), ValueError, "without a target name"),
        (lambda m: m.train(1), ValueError, "boolean"),
        (lambda m: m.to(fastnn.int64), TypeError, "only accepts floating point"),
        (lambda m: m.cuda(), RuntimeError, "CPU only"),
        (lambda m: m.nothing, AttributeError, "'Net' object has no attribute 'nothing'"),
        (lambda m: nn.Module()(1), NotImplementedError, 'missing the required "forward" function'),
        (lambda m: nn.Parameter(3), TypeError, "got int"),
    ],
)
def test_errors_change_nothing(act: Any, error: type[Exception], words: str) -> None:
    net = Net()
    before = dict(net.named_parameters()), dict(net.named_modules()), dict(net.named_buffers())
    with pytest.raises(error, match=words):
        act(net)
    after = dict(net.named_parameters()), dict(net.named_modules()), dict(net.named_buffers())
    for old, new in zip(before, after, strict=True):
        assert list(old) == list(new) and all(old[key] is new[key] for key in old)


def test_assigning_before_init_is_an_error() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"before Module\.__init__"):
        Early()
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        nn.Module(size=3)


def test_a_shared_parameter_comes_once_and_is_named_twice() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    twin = copy.deepcopy(net)
    assert twin[0].weight is twin[1].weight and twin[0].weight is not net[0].weight


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_whole_and_their_own(duplicate: Any) -> None:
    net = Net().eval()
    twin = duplicate(net)
    assert [name for name, _ in twin.named_parameters()] == NAMES and not twin.training
    assert type(twin.scale) is nn.Parameter and twin.scale is twin._parameters["scale"] and twin.scale.requires_grad
    x = fastnn.randn(5, 3)
    assert fastnn.equal(net(x), twin(x))
    with fastnn.no_grad():
        twin.first.weight.zero_()
    assert not fastnn.equal(net(x), twin(x))
    twin.extra = nn.Linear(1, 1)
    assert not hasattr(net, "extra")


def test_conversion_keeps_the_parameter_objects_and_takes_gradients_along() -> None:
    net = Net()
    net.register_buffer("count", fastnn.tensor(3))
    parameters = list(net.parameters())
    net(fastnn.ones(1, 3)).sum().backward()
    assert net.double() is net
    assert all(old is new for old, new in zip(parameters, net.parameters(), strict=True))
    assert {p.dtype for p in parameters} == {p.grad.dtype for p in parameters} == {fastnn.float64}
    assert net.mean.dtype is fastnn.float64 and net.count.dtype is fastnn.int64
    assert net.to(dtype=fastnn.float32).mean.dtype is fastnn.float32
    assert net.to(fastnn.zeros(1, dtype=fastnn.float64)).mean.dtype is fastnn.float64
    assert net.half().scale.dtype is fastnn.float16 and net.float().cpu().to("cpu").scale.dtype is fastnn.float32


def test_modes_gradients_and_apply() -> None:
    net = Net()
    assert not net.eval().second[0].training and net.train().second[0].training
    net(fastnn.ones(1, 3)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.numpy().any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_(False)
    assert not net(fastnn.ones(1, 3)).requires_grad
    seen: list[str] = []
    net.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]


def _models(torch: Any) -> list[Any]:
    nn = torch.nn
    return [
        nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True), nn.Sequential(nn.Dropout(0.2), nn.Flatten())),
        nn.Sequential(),
        nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Sequential(nn.Tanh()), nn.Linear(2, 2)]),
        nn.ModuleDict({"a": nn.Softmax(dim=1), "b": nn.LeakyReLU(0.2, True), "c": nn.Identity()}),
        nn.Sequential(OrderedDict(one=nn.Unflatten(1, (2, 3)), two=nn.CrossEntropyLoss())),
        nn.ModuleList(),
        nn.LogSoftmax(),
    ]


@pytest.mark.peer
def test_repr_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for ours, theirs in zip(_models(fastnn), _models(torch), strict=True):
        assert repr(ours) == repr(theirs)


def test_a_dead_module_is_freed_without_the_collector() -> None:
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        net = Net()
        net(fastnn.ones(1, 3))
        gone = weakref.ref(net)
        del net
        assert gone() is None
    finally:
        gc.enable()


def test_parameter_containers() -> None:
    held = nn.ParameterList([fastnn.ones(2), nn.Parameter(fastnn.zeros(1)), "text"])
    assert len(held) == 3 and len(list(held.parameters())) == 2 and isinstance(held[0], nn.Parameter)
    assert held[-1] == "text" and len(held[:2]) == 2
    with pytest.raises(IndexError, match="index 3 is out of range"):
        held[3]
    with pytest.raises(TypeError, match="got Tensor"):
        held.extend(fastnn.ones(2))
    named = nn.ParameterDict({"b": fastnn.ones(1), "a": fastnn.ones(2)})
    assert list(named) == ["a", "b"] and [name for name, _ in named.named_parameters()] == ["a", "b"]
    assert named.pop("a").shape == (2,) and "a" not in named and named.get("a") is None
    assert list(named | {"c": fastnn.ones(3)}) == ["b", "c"]
    with pytest.raises(RuntimeError, match="should not be called"):
        named(1)


def test_a_parameter_shows_what_it_is() -> None:
    text = "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert repr(nn.Parameter(fastnn.ones(2))) == str(nn.Parameter(fastnn.ones(2))) == text


def test_linear_against_numpy() -> None:
    layer = nn.Linear(3, 4, dtype=fastnn.float64)
    x = np.random.default_rng(0).standard_normal((5, 3))
    expected = x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(fastnn.from_numpy(x)).detach().numpy(), expected, rtol=1e-12)
    assert nn.Linear(3, 4, bias=False).bias is None
