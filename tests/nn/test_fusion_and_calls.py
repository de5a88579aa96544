"""Folding of batch norms, functional_call, skip_init, stacked states; modules that wrap, share and travel."""

from __future__ import annotations

import copy
import os
import pickle
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.func import functional_call, stack_module_state


def _trained(bn: Any, *shape: int) -> Any:
    for _ in range(3):
        bn(fastnn.randn(*shape) * 2 + 1)
    with fastnn.no_grad():
        for parameter in bn.parameters():
            parameter.uniform_(0.5, 1.5)
    return bn.eval()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_a_batch_norm_folded_into_the_layer_before(affine: bool, bias: bool) -> None:
    conv, bn = nn.Conv2d(2, 3, 2, bias=bias).eval(), _trained(nn.BatchNorm2d(3, affine=affine), 4, 3, 2, 2)
    x = fastnn.randn(2, 2, 5, 5)
    fused = nn.utils.fuse_conv_bn_eval(conv, bn)
    assert fused is not conv and fused.bias is not None
    assert np.allclose(fused(x).detach().numpy(), bn(conv(x)).detach().numpy(), atol=1e-5)
    transposed = nn.ConvTranspose2d(2, 3, 2, bias=bias).eval()
    fused_transposed = nn.utils.fuse_conv_bn_eval(transposed, bn, transpose=True)
    assert np.allclose(fused_transposed(x).detach().numpy(), bn(transposed(x)).detach().numpy(), atol=1e-5)
    linear, bn1 = nn.Linear(4, 3, bias=bias).eval(), _trained(nn.BatchNorm1d(3, affine=affine), 6, 3)
    y = fastnn.randn(5, 4)
    fused_linear = nn.utils.fuse_linear_bn_eval(linear, bn1)
    assert np.allclose(fused_linear(y).detach().numpy(), bn1(linear(y)).detach().numpy(), atol=1e-5)


def test_fusing_what_does_not_fit() -> None:
    with pytest.raises(AssertionError, match="Fusion only for eval"):
        nn.utils.fuse_conv_bn_eval(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3))
    with pytest.raises(AssertionError, match="must not be None"):
        nn.utils.fuse_conv_bn_eval(nn.Conv2d(2, 3, 2).eval(), nn.BatchNorm2d(3, track_running_stats=False).eval())
    with pytest.raises(AssertionError, match=r"got linear.out_features=3 and bn.num_features=5"):
        nn.utils.fuse_linear_bn_eval(nn.Linear(2, 3).eval(), nn.BatchNorm1d(5).eval())


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(2, 2, bias=False)
        self.b = nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight
        self.register_buffer("count", fastnn.zeros(1))

    def forward(self, x: Any, scale: float = 1.0) -> Any:
        self.count.add_(1)
        return self.b(self.a(x)) * scale


def test_functional_call() -> None:
    net, x = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), fastnn.randn(4, 2)
    given = {name: fastnn.randn(*p.shape).requires_grad_() for name, p in net.named_parameters()}
    hidden = (x @ given["0.weight"].mT + given["0.bias"]).relu()
    want = hidden @ given["2.weight"].mT + given["2.bias"]
    before = [parameter.detach().clone() for parameter in net.parameters()]
    got = functional_call(net, given, x)
    assert np.allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-6)
    got.sum().backward()
    assert all(value.grad is not None for value in given.values())
    for parameter, old in zip(net.parameters(), before, strict=True):
        assert fastnn.equal(parameter, old) and parameter.grad is None and isinstance(parameter, nn.Parameter)
    for bad in (lambda: functional_call(net, {"0.weight": fastnn.ones(1)}, x), lambda: functional_call(net, given, 3)):
        with pytest.raises((RuntimeError, TypeError, AttributeError)):
            bad()
        assert all(fastnn.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))


def test_functional_call_of_tied_weights_and_buffers() -> None:
    net, x, eye = Tied(), fastnn.ones(1, 2), fastnn.eye(2)
    count = fastnn.zeros(1)
    got = functional_call(net, ({"a.weight": 2 * eye}, {"count": count}), (x,), {"scale": 3.0})
    assert got.tolist() == [[12.0, 12.0]] and count.item() == 1 and net.count.item() == 0
    untied = functional_call(net, {"a.weight": 2 * eye, "b.weight": eye}, x, tie_weights=False)
    assert untied.tolist() == [[2.0, 2.0]]
    assert net.a.weight is net.b.weight
    with pytest.raises(ValueError, match=r"multiple values for keys \['a.weight', 'b.weight'\], which are tied"):
        functional_call(net, {"a.weight": eye, "b.weight": 2 * eye}, x)
    with pytest.raises(ValueError, match=r"\['a.weight'\] appeared in multiple dictionaries"):
        functional_call(net, [{"a.weight": eye}, {"a.weight": eye}], x)
    with pytest.raises(ValueError, match="Expected parameter_and_buffer_dicts to be a dict"):
        functional_call(net, 3, x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="3 is not an instance"):
        functional_call(net, {"a.weight": 3}, x)  # type: ignore[dict-item]
    functional_call(net, {"a.weight": eye, "unknown": eye}, x)
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\): 'unknown'.\n\tMissing key\(s\): 'count'"):
        functional_call(net, {"a.weight": eye, "unknown": eye}, x, strict=True)


def test_skip_init() -> None:
    state = fastnn.get_rng_state()
    layer = nn.utils.skip_init(nn.Linear, 3, out_features=2)
    assert layer.weight.shape == (2, 3) and fastnn.equal(state, fastnn.get_rng_state())
    with pytest.raises(RuntimeError, match="Expected a Module"):
        nn.utils.skip_init(int)  # type: ignore[type-var]
    with pytest.raises(RuntimeError, match="must support a 'device' arg"):
        nn.utils.skip_init(nn.ReLU)


def test_states_of_several_models_stacked() -> None:
    models = [nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(4)]
    parameters, buffers = stack_module_state(models)
    assert parameters["0.weight"].shape == (4, 3, 2) and parameters["0.weight"].requires_grad
    assert buffers["1.running_mean"].shape == (4, 3)
    assert fastnn.equal(parameters["0.weight"][2], models[2][0].weight)
    models[0].eval()
    with pytest.raises(RuntimeError, match="same training/eval mode"):
        stack_module_state(models)
    with pytest.raises(RuntimeError, match="at least one model"):
        stack_module_state([])
    with pytest.raises(RuntimeError, match="same class"):
        stack_module_state([nn.ReLU(), nn.Tanh()])


def test_clipping_with_a_norm_that_is_known() -> None:
    weights = [fastnn.zeros(3, requires_grad=True), fastnn.zeros(2, requires_grad=True)]
    for i, weight in enumerate(weights):
        weight.grad = fastnn.full_like(weight, i + 1.0)
    total = nn.utils.get_total_norm([weight.grad for weight in weights])
    nn.utils.clip_grads_with_norm_(weights, 1.0, total)
    assert nn.utils.get_total_norm([weight.grad for weight in weights]).item() == pytest.approx(1.0, abs=1e-5)
    nn.utils.clip_grads_with_norm_(weights, 5.0, fastnn.tensor(1.0))
    assert nn.utils.get_total_norm([weight.grad for weight in weights]).item() == pytest.approx(1.0, abs=1e-5)


class Wrapper(nn.Module):
    """Passes what it does not know on to the module inside."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inside"), name)

    def forward(self, x: Any) -> Any:
        return self.inside(x)


class Twice(Wrapper):
    def __getattr__(self, name: str) -> Any:
        return 5 if name == "five" else super().__getattr__(name)


def test_a_wrapper_may_ask_super_for_attributes() -> None:
    wrapper = Wrapper(nn.Linear(3, 4))
    assert wrapper.in_features == 3 and wrapper.weight is wrapper.inside.weight
    assert not hasattr(wrapper, "nothing") and Twice(nn.ReLU()).five == 5 and not hasattr(Twice(nn.ReLU()), "six")
    assert list(wrapper.state_dict()) == ["inside.weight", "inside.bias"]
    assert copy.deepcopy(wrapper)(fastnn.ones(1, 3)).tolist() == wrapper(fastnn.ones(1, 3)).tolist()
    assert "__getattr__" not in dir(nn.Linear(1, 1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_shared_memory_is_seen_by_forked_processes() -> None:
    layer = nn.Linear(2, 2)
    values, weight = layer.weight.detach().clone(), layer.weight
    assert not weight.is_shared() and layer.share_memory() is layer
    assert weight.is_shared() and layer.weight is weight and fastnn.equal(weight, values)
    pid = os.fork()
    if pid == 0:
        with fastnn.no_grad():
            layer.weight.fill_(7)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert fastnn.equal(weight, fastnn.full((2, 2), 7.0))
    assert weight.share_memory_() is weight
    weight.sum().backward()
    assert weight.grad is not None and not weight.grad.is_shared()


def test_attributes_of_parameters_are_pickled() -> None:
    parameter = nn.Parameter(fastnn.ones(2), requires_grad=False)
    parameter.group = "slow"
    loaded = pickle.loads(pickle.dumps(parameter))
    assert loaded.group == "slow" and isinstance(loaded, nn.Parameter) and not loaded.requires_grad
