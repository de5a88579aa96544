"""Lazy layers: shapes from the first input or from a state; what they become."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fastnn as fw
from fastnn import nn
from fastnn.nn.lazy import LazyModuleMixin, is_lazy

# a lazy layer's arguments, its input's shape, and what it becomes
LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Linear", (4,), {}, (2, 3, 5)),
    ("Linear", (4,), {"bias": False}, (5,)),
    *((f"Conv{n}d", (4, 2), {"padding": 1}, (2, 6, *(5,) * n)) for n in (1, 2, 3)),
    ("Conv2d", (4, 3), {"groups": 2, "bias": False, "stride": 2}, (6, 7, 7)),
    *((f"ConvTranspose{n}d", (4, 2), {"stride": 2, "groups": 2}, (2, 6, *(3,) * n)) for n in (1, 2, 3)),
    ("BatchNorm1d", (), {}, (5, 3)),
    ("BatchNorm2d", (), {"momentum": 0.3}, (2, 3, 4, 4)),
    ("BatchNorm3d", (), {"affine": False}, (2, 3, 2, 2, 2)),
    ("InstanceNorm1d", (), {}, (2, 3, 5)),
    ("InstanceNorm2d", (), {"track_running_stats": False}, (2, 3, 4, 4)),
    ("InstanceNorm3d", (), {"bias": False}, (2, 3, 2, 2, 2)),
]
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(LAYERS)]


def made(name: str, args: tuple[Any, ...], options: dict[str, Any], **more: Any) -> Any:
    return getattr(nn, f"Lazy{name}")(*args, **options, **more)


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS, ids=IDS)
def test_the_first_call_makes_an_ordinary_layer(name: str, args: Any, options: Any, shape: Any) -> None:
    layer = made(name, args, options)
    waiting = [tensor for tensor in (*layer.parameters(), *layer.buffers()) if is_lazy(tensor)]
    parameters = list(layer.parameters())
    assert layer.has_uninitialized_params() == bool(waiting)
    x = fw.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    out = layer(x)
    assert type(layer) is getattr(nn, name)
    assert all(a is b for a, b in zip(layer.parameters(), parameters, strict=True))
    assert not any(is_lazy(tensor) for tensor in (*layer.parameters(), *layer.buffers()))
    assert all(type(p) is nn.Parameter and p.requires_grad for p in layer.parameters())
    features = shape[-1] if name == "Linear" else shape[0 if name == "Conv2d" and len(shape) == 3 else 1]
    plain = getattr(nn, name)(features, *args, **options)
    if "InstanceNorm" in name:  # the lazy ones are affine and tracked unless told otherwise
        plain = getattr(nn, name)(shape[1], **{"affine": True, "track_running_stats": True, **options})
    assert [(k, v.shape, v.dtype) for k, v in layer.state_dict().items()] == [
        (k, v.shape, v.dtype) for k, v in plain.state_dict().items()
    ]
    assert repr(layer) == repr(plain)
    if not list(layer.buffers()):
        plain.load_state_dict(layer.state_dict())
        np.testing.assert_array_equal(layer(x).detach().numpy(), plain(x).detach().numpy())
        np.testing.assert_array_equal(out.detach().numpy(), plain(x).detach().numpy())


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS, ids=IDS)
def test_copies_conversions_and_pickles_stay_lazy(name: str, args: Any, options: Any, shape: Any) -> None:
    layer = made(name, args, options).double()
    waiting = layer.has_uninitialized_params()
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert copied.has_uninitialized_params() == waiting
        copied(fw.ones(*shape, dtype=fw.float64))
        assert type(copied) is getattr(nn, name)
        assert all(p.dtype == fw.float64 for p in copied.parameters())
    assert layer.has_uninitialized_params() == waiting


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS, ids=IDS)
def test_states(name: str, args: Any, options: Any, shape: Any) -> None:
    first, second = made(name, args, options), made(name, args, options)
    empty = first.state_dict()
    second.load_state_dict(empty)
    assert second.has_uninitialized_params() == first.has_uninitialized_params()
    x = fw.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    first(x)
    second.load_state_dict(first.state_dict())
    assert not second.has_uninitialized_params()
    first.eval(), second.eval()
    np.testing.assert_array_equal(first(x).detach().numpy(), second(x).detach().numpy())
    assert type(second) is getattr(nn, name) and repr(second.train()) == repr(first.train())


def test_shapes_that_are_not_known_yet() -> None:
    layer = nn.LazyLinear(3)
    assert repr(layer) == "LazyLinear(in_features=0, out_features=3, bias=True)"
    assert isinstance(layer.weight, nn.UninitializedParameter) and isinstance(layer.weight, nn.Parameter)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        _ = layer.weight.shape
    layer.weight.materialize((3, 2))
    assert type(layer.weight) is nn.Parameter and layer.weight.shape == (3, 2)
    assert isinstance(nn.LazyBatchNorm1d().running_mean, nn.UninitializedBuffer)


def test_an_initialized_state_does_not_take_a_lazy_one() -> None:
    with pytest.raises(RuntimeError, match="uninitialized parameter"):
        nn.Linear(2, 3).load_state_dict(nn.LazyLinear(3).state_dict())


def test_what_does_not_fit() -> None:
    with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D"):
        nn.LazyConv2d(3, 2)(fw.ones(2, 3))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        nn.LazyConv2d(4, 2, groups=2)(fw.ones(1, 3, 4, 4))
    layer = nn.LazyLinear(3)
    layer.load_state_dict(nn.Linear(2, 3).state_dict())
    with pytest.raises(AssertionError, match="not equal to in_features"):
        layer(fw.ones(1, 4))


def test_a_lazy_module_of_ones_own() -> None:
    class Scale(LazyModuleMixin):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.UninitializedParameter()

        def initialize_parameters(self, x: Any) -> None:
            self.factor.materialize(x.shape[-1:])
            nn.init.ones_(self.factor)

        def forward(self, x: Any) -> Any:
            return x * self.factor

    layer = Scale()
    assert layer(fw.ones(2, 3)).shape == (2, 3) and layer.factor.shape == (3,)
    assert type(layer) is Scale


def test_a_lazy_layer_in_a_network_trains() -> None:
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    x = fw.tensor(np.random.default_rng(0).standard_normal((8, 3, 6, 6)).astype(np.float32))
    net(x)
    optimizer = fw.optim.SGD(net.parameters(), 0.1)
    losses = []
    for _ in range(10):
        loss = (net(x) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0] / 2
