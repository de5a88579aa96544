"""Weight norm, spectral norm, orthogonal matrices and parametrizations of one's own, against PyTorch's."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn.utils import parametrizations, parametrize


def _filled(module: Any, torch: Any) -> Any:
    """module with fixed numbers in its parameters and buffers."""
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for _, tensor in [*module.named_parameters(), *module.named_buffers()]:
            tensor.copy_(torch.from_numpy(rng.standard_normal(tuple(tensor.shape)).astype(np.float32)))
    return module


def _x(torch: Any, *shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(5).standard_normal(shape).astype(np.float32))


_linear = (lambda torch: torch.nn.Linear(3, 4), (5, 3))
_conv = (lambda torch: torch.nn.Conv2d(2, 3, 2), (2, 2, 4, 4))
_transposed = (lambda torch: torch.nn.ConvTranspose1d(2, 3, 2), (2, 2, 5))
WRAPS: dict[str, Callable[[Any, Any], Any]] = {
    "weight_norm": lambda u, m: u.weight_norm(m),
    "weight_norm dim 1": lambda u, m: u.weight_norm(m, dim=1),
    "weight_norm dim None": lambda u, m: u.weight_norm(m, "weight", None),
    "spectral_norm": lambda u, m: u.spectral_norm(m, n_power_iterations=3),
    "parametrizations.weight_norm": lambda u, m: u.parametrizations.weight_norm(m),
    "parametrizations.weight_norm dim None": lambda u, m: u.parametrizations.weight_norm(m, dim=None),
    "parametrizations.spectral_norm": lambda u, m: u.parametrizations.spectral_norm(m, n_power_iterations=2),
}


def _train(torch: Any, module: Any, x: Any, steps: int = 3) -> list[Any]:
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        y = module(x)
        (y * y).sum().backward()
        optimizer.step()
        seen.append(y)
    module.eval()
    seen += [module(x), module.weight, *module.state_dict().values()]
    return [np.asarray(value.detach()) for value in seen]


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", WRAPS)
@pytest.mark.parametrize("layer", [_linear, _conv, _transposed], ids=["linear", "conv", "transposed"])
def test_training_as_pytorch(layer: Any, name: str) -> None:
    torch = pytest.importorskip("torch")
    make, shape = layer
    results, keys = [], []
    for module in (torch, fastnn):
        wrapped = _filled(WRAPS[name](module.nn.utils, make(module)), module)
        keys.append(list(wrapped.state_dict()))
        results.append(_train(module, wrapped, _x(module, *shape)))
    assert keys[0] == keys[1]
    for theirs, ours in zip(*results, strict=True):
        assert np.allclose(theirs, ours, rtol=1e-4, atol=1e-5)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "wrap",
    [
        lambda u, m: u.weight_norm(m, "bias"),
        lambda u, m: u.weight_norm(m, "bias", None),
        lambda u, m: u.parametrizations.spectral_norm(m, "bias"),
    ],
)
def test_vectors_as_pytorch(wrap: Callable[[Any, Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    results = [
        _train(module, _filled(wrap(module.nn.utils, module.nn.Linear(3, 4)), module), _x(module, 5, 3))
        for module in (torch, fastnn)
    ]
    for theirs, ours in zip(*results, strict=True):
        assert np.allclose(theirs, ours, rtol=1e-4, atol=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("mapping", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (5, 3)])
def test_orthogonal_as_pytorch(shape: tuple[int, int], mapping: str, trivial: bool) -> None:
    torch = pytest.importorskip("torch")
    results = []
    rng = np.random.default_rng(1)
    start, moved = (rng.standard_normal(shape[::-1]).astype(np.float32) for _ in range(2))
    base = np.linalg.qr(rng.standard_normal((max(shape), max(shape))))[0].astype(np.float32)
    for module in (torch, fastnn):
        layer = module.nn.Linear(*shape)
        with module.no_grad():
            layer.weight.copy_(module.from_numpy(start))
        wrapped = module.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=mapping, use_trivialization=trivial)
        made = wrapped.parametrizations.weight
        first = np.asarray(wrapped.weight.detach())
        if trivial:
            made[0].base = module.from_numpy(base)
        with module.no_grad():
            made.original += module.from_numpy(np.tril(moved, -1))
        weight = wrapped.weight
        (weight * module.from_numpy(moved)).sum().backward()
        results.append([first, *(np.asarray(t.detach()) for t in (weight, made.original, made.original.grad))])
    if trivial and shape[0] != shape[1]:
        results[0][0] = results[1][0] = 0  # completed at random
    for theirs, ours in zip(*results, strict=True):
        assert np.allclose(theirs, ours, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mapping", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (5, 3)])
def test_orthogonal_is_and_stays_orthogonal(shape: tuple[int, int], mapping: str | None) -> None:
    layer = parametrizations.orthogonal(nn.Linear(*shape), orthogonal_map=mapping)
    optimizer = fastnn.optim.SGD(layer.parameters(), lr=0.3)
    for _ in range(3):
        optimizer.zero_grad()
        layer(fastnn.randn(6, shape[0])).square().sum().backward()
        optimizer.step()
    weight = layer.weight if shape[0] <= shape[1] else layer.weight.mT
    assert np.allclose((weight.mT @ weight).detach().numpy(), np.eye(min(shape)), atol=1e-4)
    tall = fastnn.linalg.qr(fastnn.randn(max(shape), min(shape)))[0]
    layer.weight = other = tall if shape[0] <= shape[1] else tall.mT
    assert np.allclose(layer.weight.detach().numpy(), other.numpy(), atol=1e-4)


def test_orthogonal_errors() -> None:
    with pytest.raises(ValueError, match="has no parameter or buffer with name 'w'"):
        parametrizations.orthogonal(nn.Linear(2, 2), "w")
    with pytest.raises(ValueError, match="Got a tensor of 1 dimensions"):
        parametrizations.orthogonal(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="Got: rotation"):
        parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="rotation")
    layer = parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="cayley", use_trivialization=False)
    with pytest.raises(NotImplementedError, match="not possible to assign"):
        layer.weight = fastnn.eye(2)


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_hooks_can_be_removed(kind: str) -> None:
    add, remove = getattr(nn.utils, kind), getattr(nn.utils, "remove_" + kind)
    layer = nn.Linear(3, 4)
    add(layer)
    with pytest.raises(RuntimeError, match=f"Cannot register two {kind} hooks on the same parameter weight"):
        add(layer)
    with pytest.raises(ValueError, match="is not a parameter"):
        add(layer, "scale")
    x = fastnn.randn(2, 3)
    layer.eval()
    before = layer(x)
    remove(layer)
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight"]
    assert np.allclose(layer(x).detach().numpy(), before.detach().numpy(), atol=1e-6)
    assert not layer._forward_pre_hooks and not layer._state_dict_hooks
    with pytest.raises(ValueError, match=f"{kind} of 'weight' not found"):
        remove(layer)


def test_new_weight_norm_loads_the_old_ones_state() -> None:
    old, new = nn.utils.weight_norm(nn.Linear(3, 4)), parametrizations.weight_norm(nn.Linear(3, 4))
    new.load_state_dict(old.state_dict())
    x = fastnn.randn(2, 3)
    assert fastnn.equal(old(x), new(x))


# ------------------------------------------------------------------------------------------------ parametrize


class Symmetric(nn.Module):
    def forward(self, X: Any) -> Any:
        return X.triu() + X.triu(1).mT

    def right_inverse(self, A: Any) -> Any:
        return A.triu()


class Exponential(nn.Module):
    def forward(self, X: Any) -> Any:
        return X.exp()

    def right_inverse(self, A: Any) -> Any:
        return A.log()


class RankOne(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return x.unsqueeze(-1) @ y.unsqueeze(-2)

    def right_inverse(self, Z: Any) -> Any:
        return Z[:, 0], Z[0]


def test_a_parametrized_tensor_is_computed_at_each_use() -> None:
    layer = nn.Linear(3, 3)
    weight = layer.weight
    optimizer = fastnn.optim.SGD(layer.parameters(), lr=0.1)
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias") and isinstance(layer, nn.Linear)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    assert repr(layer).startswith(
        "ParametrizedLinear(\n  in_features=3, out_features=3, bias=True\n  (parametrizations)"
    )
    assert layer.parametrizations.weight.original is weight
    assert sorted(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    layer(fastnn.ones(1, 3)).sum().backward()
    optimizer.step()
    assert fastnn.equal(layer.weight, layer.weight.mT) and not fastnn.equal(weight, weight.mT)
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight
    layer.weight = fastnn.ones(3, 3)
    assert fastnn.equal(layer.weight, fastnn.ones(3, 3)) and fastnn.equal(weight, fastnn.ones(3, 3).triu())


def test_several_parametrizations_and_removing_them() -> None:
    layer = nn.Linear(3, 3)
    with fastnn.no_grad():
        layer.weight.abs_().add_(layer.weight.mT.clone())
    start = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Exponential())
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert np.allclose(layer.weight.detach().numpy(), (start.triu() + start.triu(1).mT).numpy(), atol=1e-6)
    layer.weight = fastnn.full((3, 3), 2.0)
    copied = copy.deepcopy(layer)
    original = layer.parametrizations.weight.original
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and layer.weight is original and np.allclose(layer.weight.detach().numpy(), 2.0)
    assert "parametrizations" not in layer._modules
    assert np.allclose(copied.weight.detach().numpy(), 2.0) and len(list(copied.parameters())) == 2
    parametrize.remove_parametrizations(copied, "weight", leave_parametrized=False)
    assert copied.weight[0, 0].item() == pytest.approx(np.log(2.0))
    with pytest.raises(ValueError, match="does not have a parametrization on weight"):
        parametrize.remove_parametrizations(layer, "weight")


def test_several_originals() -> None:
    layer = parametrize.register_parametrization(nn.Linear(3, 4), "weight", RankOne())
    assert [name for name, _ in layer.named_parameters()] == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip
    assert fastnn.linalg.matrix_rank(layer.weight.detach()) == 1
    with pytest.raises(ValueError, match="parametrized in terms of a sequence"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    other = parametrize.transfer_parametrizations_and_params(layer, nn.Linear(3, 4))
    assert fastnn.equal(layer.weight, other.weight)
    assert other.parametrizations.weight.original0 is layer.parametrizations.weight.original0
    value = layer.weight.detach()
    parametrize.remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter) and fastnn.equal(layer.weight, value)


def test_buffers_sequential_and_functional_calls() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.BatchNorm1d(3))
    parametrize.register_parametrization(net[0], "weight", Symmetric())
    parametrize.register_parametrization(net[2], "running_var", Exponential())
    assert "parametrizations.running_var.original" in dict(net[2].named_buffers())
    x = fastnn.randn(5, 3)
    net.eval()
    want = ((x @ net[0].weight.mT + net[0].bias).relu() - net[2].running_mean) / (net[2].running_var + 1e-5).sqrt()
    assert np.allclose(net(x).detach().numpy(), want.detach().numpy(), atol=1e-5)
    name = "0.parametrizations.weight.original"
    got = fastnn.func.functional_call(net, {name: fastnn.zeros(3, 3)}, (x,))
    assert np.allclose(got.detach().numpy(), net(fastnn.zeros(5, 3)).detach().numpy(), atol=1e-6)


class _Changes(nn.Module):
    def __init__(self, change: Any) -> None:
        super().__init__()
        self.change = change

    def forward(self, X: Any) -> Any:
        return self.change(X)


def test_parametrization_errors() -> None:
    layer = nn.Linear(3, 3)
    for change, words in (
        (lambda X: X[:2], "may not change the shape"),
        (lambda X: X.double(), "may not change the dtype"),
        (lambda X: 3, "must return a tensor. Got int"),
    ):
        with pytest.raises(ValueError, match=words):
            parametrize.register_parametrization(layer, "weight", _Changes(change))
        assert type(layer) is nn.Linear and isinstance(layer.weight, nn.Parameter)
    parametrize.register_parametrization(layer, "weight", _Changes(lambda X: X[:2]), unsafe=True)
    assert layer.weight.shape == (2, 3)
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized element"):
        parametrize.register_parametrization(layer, "w", Symmetric())
    with pytest.raises(RuntimeError, match="_Changes does not implement right_inverse"):
        layer.weight = fastnn.ones(3, 3)
    with pytest.raises(RuntimeError, match=r"only supported through state_dict\(\)"):
        pickle.dumps(layer)
