"""Normalisation layers and their functions: against their definition, differences, and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn as fw
from fastnn.autograd import gradcheck, gradgradcheck

F = fw.nn.functional
Make = Callable[[Any], Any]

# name -> (layer of a library, shape of its input)
LAYERS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "layer": (lambda fw: fw.nn.LayerNorm(7), (5, 7)),
    "layer-2d": (lambda fw: fw.nn.LayerNorm((3, 7), eps=1e-3), (2, 5, 3, 7)),
    "layer-plain": (lambda fw: fw.nn.LayerNorm([7], elementwise_affine=False), (5, 7)),
    "layer-no-bias": (lambda fw: fw.nn.LayerNorm(7, bias=False), (2, 5, 7)),
    "rms": (lambda fw: fw.nn.RMSNorm(7), (5, 7)),
    "rms-2d": (lambda fw: fw.nn.RMSNorm((3, 7), eps=0.1), (4, 3, 7)),
    "rms-plain": (lambda fw: fw.nn.RMSNorm(7, elementwise_affine=False), (5, 7)),
    "batch-1d": (lambda fw: fw.nn.BatchNorm1d(4), (6, 4)),
    "batch-1d-long": (lambda fw: fw.nn.BatchNorm1d(4, momentum=None), (3, 4, 5)),
    "batch-2d": (lambda fw: fw.nn.BatchNorm2d(4, eps=1e-3, momentum=0.3), (3, 4, 5, 6)),
    "batch-3d": (lambda fw: fw.nn.BatchNorm3d(3, affine=False), (2, 3, 2, 3, 4)),
    "batch-untracked": (lambda fw: fw.nn.BatchNorm2d(4, track_running_stats=False), (3, 4, 5, 6)),
    "group": (lambda fw: fw.nn.GroupNorm(2, 6), (3, 6, 5)),
    "group-of-features": (lambda fw: fw.nn.GroupNorm(3, 6, eps=1e-2), (3, 6)),
    "group-plain": (lambda fw: fw.nn.GroupNorm(6, 6, affine=False), (2, 6, 3, 4)),
    "instance-1d": (lambda fw: fw.nn.InstanceNorm1d(4), (3, 4, 6)),
    "instance-unbatched": (lambda fw: fw.nn.InstanceNorm1d(4, affine=True), (4, 6)),
    "instance-2d": (lambda fw: fw.nn.InstanceNorm2d(4, affine=True, track_running_stats=True), (3, 4, 5, 6)),
    "instance-3d": (lambda fw: fw.nn.InstanceNorm3d(2, affine=True), (2, 2, 2, 3, 4)),
}


def prepared(name: str, library: Any, training: bool = True) -> Any:
    """The layer in float64, its parameters and running statistics drawn: the same numbers in every library."""
    layer = LAYERS[name][0](library).double()
    rng = np.random.default_rng(3)
    state = layer.state_dict()
    for key in sorted(state):
        if key != "num_batches_tracked":
            state[key] = library.tensor(rng.uniform(0.5, 2, tuple(state[key].shape)))
    layer.load_state_dict(state)
    return layer.train(training)


def drawn(name: str, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(LAYERS[name][1]) * 2 + 3


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients(name: str, training: bool) -> None:
    layer = prepared(name, fw, training)
    inputs = [fw.tensor(drawn(name)).requires_grad_(), *layer.parameters()]
    assert gradcheck(lambda x, *_: layer(x), inputs)
    assert gradgradcheck(lambda x, *_: layer(x), inputs)


@pytest.mark.peer
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_pytorchs(name: str, training: bool) -> None:
    torch = pytest.importorskip("torch")
    seed = np.random.default_rng(9).standard_normal(LAYERS[name][1])
    found = []
    for library in (fw, torch):
        layer = prepared(name, library, training)
        if name == "layer":
            assert repr(LAYERS[name][0](library)) == "LayerNorm((7,), eps=1e-05, elementwise_affine=True, bias=True)"
        results: dict[str, Any] = {"repr": repr(layer)}
        for step in range(3):
            x = library.tensor(drawn(name, step)).requires_grad_()
            y = layer(x)
            y.backward(library.tensor(seed))
            results[f"y{step}"], results[f"x{step}"] = y.detach().numpy(), x.grad.numpy()
        results.update({f"grad.{key}": p.grad.numpy() for key, p in layer.named_parameters()})
        results.update({key: value.numpy() for key, value in layer.state_dict().items()})
        found.append(results)
    ours, theirs = found
    assert ours.keys() == theirs.keys()
    for key, want in theirs.items():
        if key == "repr":
            assert ours[key] == want
        else:
            assert ours[key].dtype == want.dtype
            np.testing.assert_allclose(ours[key], want, rtol=1e-9, atol=1e-11, err_msg=key)


@pytest.mark.peer
@pytest.mark.parametrize("name", LAYERS)
def test_new_layers_have_pytorchs_state(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (LAYERS[name][0](library).state_dict() for library in (fw, torch))
    assert list(ours) == list(theirs)
    for key, want in theirs.items():
        assert str(ours[key].dtype).split(".")[-1] == str(want.dtype).split(".")[-1]
        np.testing.assert_array_equal(ours[key].numpy(), want.numpy())


@pytest.mark.parametrize("name", [name for name in LAYERS if not name.startswith("rms")])  # those have no mean
def test_a_mean_far_from_zero_costs_no_digits(name: str) -> None:
    """The right value of what float32 holds: 1e4 and a deviation of 1."""
    layer, rng = LAYERS[name][0](fw), np.random.default_rng(0)
    x = (rng.standard_normal((40, *LAYERS[name][1][1:])) + 1e4).astype(np.float32)
    if name == "instance-unbatched":
        x = (rng.standard_normal((4, 600)) + 1e4).astype(np.float32)
    got = layer(fw.tensor(x)).detach().numpy()
    want = layer.double()(fw.tensor(x.astype(np.float64))).detach().numpy()
    np.testing.assert_allclose(got, want, atol=2e-5)
    assert abs(want.std() - 1) < 0.1


@pytest.mark.parametrize("name", LAYERS)
def test_bits_do_not_depend_on_threads(name: str) -> None:
    before = fw.get_num_threads()
    shape = (
        (64, *LAYERS[name][1][1:-1], 700)
        if name.startswith(("batch", "instance", "group"))
        else (900, *LAYERS[name][1][1:])
    )
    if name in ("batch-1d", "instance-unbatched", "group-of-features"):
        shape = (3000, LAYERS[name][1][1]) if name != "instance-unbatched" else (4, 40000)
    x0 = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    results = []
    try:
        for threads in (1, 2, 3, 8):
            fw.set_num_threads(threads)
            layer = LAYERS[name][0](fw)
            x = fw.tensor(x0).requires_grad_()
            layer(x).square().sum().backward()
            made = [x.grad, *(p.grad for p in layer.parameters()), *layer.buffers()]
            results.append([t.numpy().tobytes() for t in made])
    finally:
        fw.set_num_threads(before)
    assert all(result == results[0] for result in results)


def test_half_precision_and_strides() -> None:
    x = fw.randn(6, 5, 4).transpose(1, 2)
    want = F.layer_norm(x.contiguous(), (5,))
    assert fw.equal(F.layer_norm(x, (5,)), want)
    half = F.layer_norm(x.half(), (5,), fw.ones(5).half(), fw.zeros(5).half())
    assert half.dtype == fw.float16
    np.testing.assert_allclose(half.numpy(), want.numpy(), atol=5e-3)


def test_parameters_may_be_frozen_one_by_one() -> None:
    for frozen in ("weight", "bias"):
        for layer, shape in (
            (fw.nn.LayerNorm(4), (3, 4)),
            (fw.nn.BatchNorm1d(4), (3, 4)),
            (fw.nn.GroupNorm(2, 4), (3, 4, 5)),
        ):
            getattr(layer, frozen).requires_grad_(False)
            layer(fw.randn(*shape)).sum().backward()
            other = "bias" if frozen == "weight" else "weight"
            assert getattr(layer, frozen).grad is None
            assert getattr(layer, other).grad is not None


def test_nothing_but_nan_comes_of_nan_in_its_own_channel_or_row() -> None:
    x = fw.randn(4, 3, 5)
    x[1, 2, 3] = float("nan")
    assert fw.isnan(F.batch_norm(x, None, None, training=True)).any(2).any(0).tolist() == [False, False, True]
    rows = fw.isnan(F.layer_norm(x, (5,)))
    assert rows[1, 2].all() and int(rows.sum()) == 5
    assert int(fw.isnan(F.instance_norm(x)).sum()) == 5


def test_inputs_without_elements() -> None:
    assert tuple(F.layer_norm(fw.ones(0, 3), (3,)).shape) == (0, 3)
    assert tuple(F.group_norm(fw.ones(0, 4, 2), 2).shape) == (0, 4, 2)
    layer = fw.nn.LayerNorm(3)
    layer(fw.ones(0, 3)).sum().backward()
    assert (layer.weight.grad == 0).all() and (layer.bias.grad == 0).all()
    assert tuple(fw.nn.BatchNorm1d(3).eval()(fw.ones(0, 3)).shape) == (0, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.layer_norm(fw.ones(2, 3), (4,)), RuntimeError, "Given normalized_shape=\\[4\\]"),
        (lambda: F.layer_norm(fw.ones(2, 3), ()), RuntimeError, "at least 1-dimensional"),
        (lambda: F.layer_norm(fw.ones(2, 3), (3,), fw.ones(2)), RuntimeError, "weight to be of same shape"),
        (lambda: F.layer_norm(fw.ones(2, 3), (3,), fw.ones(3).double()), RuntimeError, "input's dtype"),
        (lambda: F.layer_norm(fw.ones(2, 3).long(), (3,)), RuntimeError, "not implemented for"),
        (lambda: F.layer_norm([1.0], (1,)), TypeError, "must be Tensor"),
        (lambda: F.batch_norm(fw.ones(2, 3), None, None), RuntimeError, "running_mean and running_var"),
        (lambda: F.batch_norm(fw.ones(1, 3), None, None, training=True), ValueError, "more than 1 value"),
        (lambda: F.batch_norm(fw.ones(2, 3), fw.ones(2), fw.ones(3)), RuntimeError, "running_mean should contain 3"),
        (lambda: F.batch_norm(fw.ones(3), None, None, training=True), RuntimeError, "at least 2 dimensions"),
        (lambda: F.group_norm(fw.ones(2, 5), 2), RuntimeError, "divisible by num_groups"),
        (lambda: F.group_norm(fw.ones(2, 5), 0), RuntimeError, "greater than 0"),
        (lambda: F.instance_norm(fw.ones(2, 5, 1)), ValueError, "more than 1 spatial"),
        (lambda: fw.nn.GroupNorm(2, 5), ValueError, "must be divisible"),
        (lambda: fw.nn.BatchNorm1d(3)(fw.ones(2, 3, 4, 5)), ValueError, "expected 2D or 3D input \\(got 4D input\\)"),
        (lambda: fw.nn.BatchNorm2d(3)(fw.ones(2, 3)), ValueError, "expected 4D input"),
        (lambda: fw.nn.InstanceNorm2d(3, affine=True)(fw.ones(2, 4, 3, 3)), ValueError, "to match num_features"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_an_error_leaves_the_running_statistics_alone() -> None:
    layer = fw.nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value"):
        layer(fw.ones(1, 3))
    assert int(layer.num_batches_tracked) == 0 and (layer.running_mean == 0).all()


def test_old_files_have_no_number_of_batches() -> None:
    layer = fw.nn.BatchNorm1d(2)
    state = {key: value for key, value in layer.state_dict().items() if key != "num_batches_tracked"}
    layer.load_state_dict(state)
    assert int(layer.num_batches_tracked) == 0
