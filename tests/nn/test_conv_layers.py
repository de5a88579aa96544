"""Convolution and pooling layers: signatures, initial values, printing, state and results as PyTorch's."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn

SIZES = {1: (11,), 2: (9, 10), 3: (5, 6, 7)}
LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *(
        (f"Conv{n}d", (4, 6, 3), options)
        for n in (1, 2, 3)
        for options in (
            {},
            {"stride": 2, "padding": 1, "bias": False},
            {"padding": "same", "dilation": 2},
            {"groups": 2, "padding": 1, "padding_mode": "reflect"},
            {"padding": 2, "padding_mode": "replicate"},
            {"padding": "same", "padding_mode": "circular"},
            {"padding": "valid", "padding_mode": "circular"},
        )
    ),
    *(
        (f"ConvTranspose{n}d", (4, 6, 3), options)
        for n in (1, 2, 3)
        for options in (
            {},
            {"stride": 2, "padding": 1, "output_padding": 1, "bias": False},
            {"groups": 2, "dilation": 2},
        )
    ),
    *(
        (f"{kind}{n}d", arguments, options)
        for n in (1, 2, 3)
        for kind, arguments, options in (
            ("MaxPool", (2,), {}),
            ("MaxPool", (3, 2, 1), {"ceil_mode": True}),
            ("MaxPool", (2, 1), {"dilation": 2}),
            ("AvgPool", (2,), {}),
            ("AvgPool", (3, 2), {"padding": 1, "count_include_pad": False, "ceil_mode": True}),
            ("AdaptiveAvgPool", (3,), {}),
            ("AdaptiveMaxPool", (2,), {}),
        )
    ),
    ("AvgPool2d", (2,), {"divisor_override": 3}),
    ("AdaptiveAvgPool2d", ((None, 2),), {}),
    ("MaxPool2d", ((2, 1), (1, 2)), {}),
    ("Conv2d", (4, 6, (3, 1)), {"stride": (2, 1), "padding": (1, 0)}),
]


@pytest.mark.peer
@pytest.mark.parametrize(("name", "arguments", "options"), LAYERS)
def test_layer_as_pytorch(name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*arguments, **options), getattr(torch.nn, name)(*arguments, **options)
    assert repr(ours) == repr(theirs)
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    assert {key: tuple(value.shape) for key, value in ours.state_dict().items()} == {
        k: v.shape for k, v in state.items()
    }
    ours.load_state_dict({key: fastnn.tensor(value) for key, value in state.items()})
    axes = int(name[-2])
    x = np.random.default_rng(0).standard_normal((2, 4, *SIZES[axes])).astype(np.float32)
    for given in (x, x[0]):
        have, want = ours(fastnn.tensor(given)).detach().numpy(), theirs(torch.tensor(given)).detach().numpy()
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("name", sorted({name for name, _, _ in LAYERS}))
def test_signature_as_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (inspect.signature(getattr(lib.nn, name).__init__).parameters for lib in (fastnn, torch))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


@pytest.mark.peer
@pytest.mark.parametrize("name", ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"])
def test_output_size(name: str) -> None:
    torch = pytest.importorskip("torch")
    axes = int(name[-2])
    ours, theirs = (
        getattr(nn, name)(4, 3, 3, stride=3, padding=1),
        getattr(torch.nn, name)(4, 3, 3, stride=3, padding=1),
    )
    ours.load_state_dict({key: fastnn.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((2, 4, *(4,) * axes)).astype(np.float32)
    for size in (10, 11, 12):
        for wanted in ((size,) * axes, (2, 3, *(size,) * axes)):
            have = ours(fastnn.tensor(x), output_size=wanted).detach().numpy()
            want = theirs(torch.tensor(x), output_size=list(wanted)).detach().numpy()
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)
    for wrong in ((13,) * axes, (9,) * axes, (10,) * (axes + 1)):
        for layer, tensor in ((ours, fastnn.tensor(x)), (theirs, torch.tensor(x))):
            with pytest.raises(ValueError, match="output"):
                layer(tensor, output_size=list(wrong))


def test_initial_values() -> None:
    fastnn.manual_seed(0)
    for layer, fan_in in (
        (nn.Conv2d(8, 64, 3), 72),
        (nn.Conv2d(8, 64, 3, groups=4), 18),
        (nn.ConvTranspose2d(8, 64, 3), 576),
    ):
        bound = fan_in**-0.5
        for parameter in (layer.weight, layer.bias):
            values = parameter.detach().numpy()
            assert np.abs(values).max() <= bound
            assert np.abs(values).max() > 0.9 * bound


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 0}, "groups must be a positive integer"),
        ({"groups": 3}, "in_channels must be divisible by groups"),
        ({"groups": 4}, "out_channels must be divisible by groups"),
        ({"padding": "full"}, "Invalid padding string"),
        ({"padding": "same", "stride": 2}, "not supported for strided"),
        ({"padding_mode": "mirror"}, "padding_mode must be one of"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(4, 6, 3, **options)
    with pytest.raises(ValueError, match='Only "zeros" padding mode is supported for ConvTranspose2d'):
        nn.ConvTranspose2d(4, 6, 3, padding_mode="reflect")


@pytest.mark.peer
def test_return_indices() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    for name, arguments in (("MaxPool2d", (2,)), ("AdaptiveMaxPool2d", (3,))):
        have = getattr(nn, name)(*arguments, return_indices=True)(fastnn.tensor(x))
        want = getattr(torch.nn, name)(*arguments, return_indices=True)(torch.tensor(x))
        for ours, theirs in zip(have, want, strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
