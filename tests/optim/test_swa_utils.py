"""Averages of weights: SWA and exponential moving averages, batch statistics anew, and the rate of SWA."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.optim import swa_utils

WEIGHTS = [np.random.default_rng(k).standard_normal((2, 3)).astype(np.float32) for k in range(5)]


def _model(library: Any = fastnn) -> Any:
    return library.nn.Sequential(library.nn.Linear(3, 2), library.nn.BatchNorm1d(2))


def _set(library: Any, model: Any, k: int) -> None:
    with library.no_grad():
        model[0].weight.copy_(library.tensor(WEIGHTS[k]))
        model[0].bias.fill_(float(k))
        model[1].running_mean.fill_(float(k))
        model[1].num_batches_tracked.fill_(10 * k)


KINDS: dict[str, Any] = {
    "mean": lambda s: {},
    "swa": lambda s: {"avg_fn": s.get_swa_avg_fn()},
    "swa many": lambda s: {"multi_avg_fn": s.get_swa_multi_avg_fn()},
    "ema": lambda s: {"avg_fn": s.get_ema_avg_fn(0.9)},
    "ema many": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.9)},
    "ema buffers": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.25), "use_buffers": True},
    "mean buffers": lambda s: {"use_buffers": True},
}


def _averaged(library: Any, kind: str) -> Any:
    model = _model(library)
    averaged = library.optim.swa_utils.AveragedModel(model, **KINDS[kind](library.optim.swa_utils))
    for k in range(5):
        _set(library, model, k)
        averaged.update_parameters(model)
    return averaged


@pytest.mark.parametrize("kind", KINDS)
def test_averages(kind: str) -> None:
    averaged = _averaged(fastnn, kind)
    expected = WEIGHTS[0]
    for k, new in enumerate(WEIGHTS[1:], 1):
        share = {"ema": 0.1, "ema many": 0.1, "ema buffers": 0.75}.get(kind, 1 / (k + 1))
        expected = expected + share * (new - expected)
    np.testing.assert_allclose(averaged.module[0].weight.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert averaged.n_averaged.item() == 5
    mean = averaged.module[1].running_mean.numpy()
    np.testing.assert_allclose(mean, {"ema buffers": 3.667, "mean buffers": 2.0}.get(kind, 4.0), atol=1e-3)


@pytest.mark.peer
@pytest.mark.parametrize("kind", KINDS)
def test_averages_like_pytorch(kind: str) -> None:
    torch = pytest.importorskip("torch")
    mine, other = _averaged(fastnn, kind).state_dict(), _averaged(torch, kind).state_dict()
    assert list(mine) == list(other)
    for name in other:
        np.testing.assert_allclose(mine[name].numpy(), other[name].numpy(), rtol=1e-6, atol=1e-6, err_msg=name)


def test_averaged_model_is_a_copy_that_saves_and_runs() -> None:
    model = _model()
    averaged = swa_utils.AveragedModel(model)
    averaged.update_parameters(model)
    assert averaged.module[0].weight is not model[0].weight
    x = fastnn.ones(4, 3)
    np.testing.assert_array_equal(averaged.eval()(x).detach().numpy(), model.eval()(x).detach().numpy())
    other = swa_utils.AveragedModel(_model())
    other.load_state_dict(copy.deepcopy(averaged.state_dict()))
    assert other.n_averaged.item() == 1
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        swa_utils.AveragedModel(model, avg_fn=swa_utils.get_ema_avg_fn(), multi_avg_fn=swa_utils.get_ema_multi_avg_fn())
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=r"Invalid decay value 1\.5"):
            make(1.5)


def test_update_bn() -> None:
    fastnn.manual_seed(0)
    model = _model().eval()
    model[1].momentum = 0.3
    batches = [fastnn.randn(8, 3) for _ in range(4)]
    swa_utils.update_bn([(batch, None) for batch in batches], model)
    outputs = [model[0](batch).detach().numpy() for batch in batches]
    np.testing.assert_allclose(model[1].running_mean.numpy(), np.mean([o.mean(0) for o in outputs], 0), rtol=1e-4)
    np.testing.assert_allclose(model[1].running_var.numpy(), np.mean([o.var(0, ddof=1) for o in outputs], 0), rtol=1e-4)
    assert model[1].momentum == 0.3 and not model.training and model[1].num_batches_tracked.item() == 4


def _rates(library: Any, **options: Any) -> list[float]:
    optimizer = library.optim.SGD([library.ones(1, requires_grad=True)], lr=0.5)
    scheduler = library.optim.swa_utils.SWALR(optimizer, swa_lr=0.05, **options)
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    state = scheduler.state_dict()
    twin = library.optim.swa_utils.SWALR(optimizer, swa_lr=0.05)
    twin.load_state_dict(state)
    assert twin.state_dict() == state
    return [*rates, sorted(state)]


OPTIONS: list[dict[str, Any]] = [
    {"anneal_epochs": 5, "anneal_strategy": "linear"},
    {"anneal_epochs": 5},
    {"anneal_epochs": 0},
]


def test_swalr() -> None:
    rates = _rates(fastnn, **OPTIONS[0])
    assert rates[:6] == pytest.approx([0.5 - 0.09 * t for t in range(6)]) and rates[7] == pytest.approx(0.05)
    optimizer = fastnn.optim.SGD([fastnn.ones(1, requires_grad=True)])
    with pytest.raises(ValueError, match="anneal_strategy must be one"):
        swa_utils.SWALR(optimizer, 0.1, anneal_strategy="x")
    with pytest.raises(ValueError, match="equal or greater than 0"):
        swa_utils.SWALR(optimizer, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="same length"):
        swa_utils.SWALR(optimizer, [0.1, 0.2])


@pytest.mark.peer
@pytest.mark.parametrize("options", OPTIONS)
def test_swalr_like_pytorch(options: dict[str, Any]) -> None:
    assert _rates(fastnn, **options) == _rates(pytest.importorskip("torch"), **options)
