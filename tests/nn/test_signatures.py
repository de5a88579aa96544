"""Layers, functions and initial values take PyTorch's arguments: the same names, order and defaults."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest

import fastnn
from fastnn import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peer

LAYERS = [
    name
    for name in dir(torch.nn)
    if isinstance(getattr(torch.nn, name), type)
    and issubclass(getattr(torch.nn, name), torch.nn.Module)
    and name not in ("Container", "Module")
]
FUNCTIONS = [
    name
    for name in dir(torch.nn.functional)
    if inspect.isfunction(getattr(torch.nn.functional, name))
    and getattr(torch.nn.functional, name).__module__ == "torch.nn.functional"
    and not name.startswith("_")
    and name not in ("assert_int_or_pair", "grouped_mm", "scaled_grouped_mm", "scaled_mm")  # helpers; for GPUs
]
INITIAL = [name for name in dir(torch.nn.init) if name.endswith("_") and name[0] != "_"]


def arguments(function: Any) -> list[tuple[str, str]] | None:
    """Names and defaults; None where a function takes anything."""
    parameters = list(inspect.signature(function).parameters.values())
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return None
    return [(p.name, _shown(p.default)) for p in parameters if p.name != "self"]


def _shown(default: Any) -> str:
    return str(getattr(default, "__name__", default)) if callable(default) else repr(default)


def check(ours: Any, theirs: Any) -> None:
    wanted = arguments(theirs)
    if wanted is not None:
        assert arguments(ours) == wanted


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    check(ours.__init__, theirs.__init__)
    check(ours.forward, theirs.forward)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    check(getattr(nn.functional, name), getattr(torch.nn.functional, name))


@pytest.mark.parametrize("name", INITIAL)
def test_initial_values(name: str) -> None:
    check(getattr(nn.init, name), getattr(torch.nn.init, name))


def test_how_layers_print() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for make in (
            lambda nn: nn.LinearCrossEntropyLoss(3, 4, bias=True, label_smoothing=0.1),
            lambda nn: nn.Transformer(8, 2, 1, 1, 16),
            lambda nn: nn.LazyConvTranspose2d(3, 2, bias=False),
            lambda nn: nn.TripletMarginWithDistanceLoss(),
            lambda nn: nn.EmbeddingBag(3, 2, max_norm=1.0, scale_grad_by_freq=True),
        ):
            assert repr(make(fastnn.nn)) == repr(make(torch.nn))
