"""A small part of ``make parity``: PyTorch's own samples of a few modules, operations and optimizers, all equal.

The judge itself is tested too: it has to see a wrong value, a wrong gradient and an error that does not come.
"""

from __future__ import annotations

from typing import Any

import pytest

import fastnn

pytestmark = pytest.mark.peer

MODULES = (
    "nn.Linear",
    "nn.Conv2d",
    "nn.LSTMCell",
    "nn.LayerNorm",
    "nn.BatchNorm1d",
    "nn.MaxPool2d",
    "nn.GELU",
    "nn.BCELoss",
)
OPS = (
    "add",
    "div (floor_rounding)",
    "softmax",
    "sum",
    "gather",
    "cat",
    "bmm",
    "__getitem__",
    "nn.functional.layer_norm",
)
OPTIMIZERS = ("SGD", "Adam")


@pytest.fixture(scope="module")
def judge() -> Any:
    pytest.importorskip("torch")
    pytest.importorskip("torch.testing._internal.common_methods_invocations")
    from parity import modules, ops, optimizers

    return {"modules": modules, "ops": ops, "optimizers": optimizers}


@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("modules", n) for n in MODULES), *(("ops", n) for n in OPS), *(("optimizers", n) for n in OPTIMIZERS)],
)
def test_every_sample_passes(judge: Any, kind: str, name: str) -> None:
    outcome = judge[kind].run(name)
    assert outcome.offered
    assert outcome.passed
    assert not outcome.failed, dict(outcome.failures)
    assert not outcome.forms_failed, dict(outcome.failures)
    # An operation's error inputs are mostly about out=, which few operations take here.
    assert kind == "ops" or not outcome.errors_failed, dict(outcome.failures)


def test_a_wrong_value_is_seen(judge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tanh = fastnn.tanh
    monkeypatch.setattr(fastnn, "tanh", lambda input: tanh(input) * 1.01)
    outcome = judge["ops"].run("tanh")
    assert outcome.failed
    assert "value" in next(iter(outcome.failures))


def test_a_wrong_gradient_is_seen(judge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        fastnn, "tanh", lambda input: fastnn.sigmoid(input.detach() * 2) * 2 - 1 + (input - input.detach())
    )
    outcome = judge["ops"].run("tanh")
    assert outcome.failed
    assert any("gradient" in reason for reason in outcome.failures)


def test_a_missing_error_is_seen(judge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastnn, "cat", lambda tensors, dim=0, *, out=None: fastnn.zeros(1))
    outcome = judge["ops"].run("cat")
    assert outcome.errors_failed


def test_a_name_that_is_not_there_is_not_offered(judge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fastnn, "tanh")
    outcome = judge["ops"].run("tanh")
    assert not outcome.offered
    assert outcome.failed
    assert not outcome.passed
