"""Learning-rate schedules: against their formulas, against PyTorch's, saved and gone on with, and their warnings."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import warnings
import weakref
from typing import Any

import pytest

import fastnn
from fastnn import optim
from fastnn.optim import lr_scheduler as schedules


class Halve:
    """A callable object, whose state is saved."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int) -> float:
        self.calls += 1
        return 0.5**step


def _wave(step: float) -> float:
    return 1.0 / (1.0 + step)


# name: (what makes it of the module and the optimizer, optimizer, its options)
CASES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "lambda": (lambda m, o: m.LambdaLR(o, [_wave, Halve()]), "SGD", {}),
    "multiplicative": (lambda m, o: m.MultiplicativeLR(o, lambda step: 0.9 + 0.01 * step), "SGD", {}),
    "step": (lambda m, o: m.StepLR(o, 3, 0.3), "SGD", {}),
    "multi step": (lambda m, o: m.MultiStepLR(o, [2, 5, 5, 11], 0.4), "SGD", {}),
    "constant": (lambda m, o: m.ConstantLR(o, 0.25, 4), "SGD", {}),
    "linear": (lambda m, o: m.LinearLR(o, 0.2, 0.9, 6), "SGD", {}),
    "exponential": (lambda m, o: m.ExponentialLR(o, 0.8), "SGD", {}),
    "polynomial": (lambda m, o: m.PolynomialLR(o, 9, 2.0), "SGD", {}),
    "cosine": (lambda m, o: m.CosineAnnealingLR(o, 5, 0.001), "SGD", {}),
    "restarts": (lambda m, o: m.CosineAnnealingWarmRestarts(o, 3, 2, 0.001), "SGD", {}),
    "even restarts": (lambda m, o: m.CosineAnnealingWarmRestarts(o, 4), "SGD", {}),
    "cyclic": (lambda m, o: m.CyclicLR(o, 0.01, [0.1, 0.2], 3, 4), "SGD", {"momentum": 0.9}),
    "cyclic2": (lambda m, o: m.CyclicLR(o, 0.01, 0.1, 3, mode="triangular2"), "Adam", {}),
    "cyclic exp": (
        lambda m, o: m.CyclicLR(o, 0.01, 0.1, 2, mode="exp_range", gamma=0.9, cycle_momentum=False),
        "Adagrad",
        {},
    ),
    "cyclic own": (
        lambda m, o: m.CyclicLR(o, 0.01, 0.1, 2, scale_fn=_wave, scale_mode="iterations"),
        "SGD",
        {"momentum": 0.5},
    ),
    "one cycle": (lambda m, o: m.OneCycleLR(o, [0.1, 0.3], 20), "SGD", {"momentum": 0.9}),
    "one cycle 3": (
        lambda m, o: m.OneCycleLR(o, 0.1, epochs=4, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"),
        "AdamW",
        {},
    ),
    "sequential": (
        lambda m, o: m.SequentialLR(
            o, [m.LinearLR(o, 0.1, total_iters=4), m.ExponentialLR(o, 0.9), m.CosineAnnealingLR(o, 5)], [4, 9]
        ),
        "SGD",
        {},
    ),
    "chained": (lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 3), m.ExponentialLR(o, 0.9)], o), "SGD", {}),
}


def _make(library: Any, name: str) -> tuple[Any, Any]:
    make, kind, options = CASES[name]
    groups = [{"params": [library.ones(1, requires_grad=True)], "lr": rate} for rate in (0.1, 0.05)]
    optimizer = getattr(library.optim, kind)(groups, **options)
    return optimizer, make(library.optim.lr_scheduler, optimizer)


def _run(optimizer: Any, scheduler: Any, steps: int) -> list[Any]:
    rows = []
    for _ in range(steps):
        groups = optimizer.param_groups
        rows.append([(g["lr"], g.get("momentum"), g.get("betas")) for g in groups])
        assert scheduler.get_last_lr() == [g["lr"] for g in groups]
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scheduler.step()
    return rows


@pytest.mark.peer
@pytest.mark.parametrize("name", CASES)
def test_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = _make(fastnn, name), _make(torch, name)
    assert _run(*ours, 19) == _run(*theirs, 19)  # the same bits
    mine, other = ours[1].state_dict(), theirs[1].state_dict()
    assert mine.keys() == other.keys()
    assert {k: v for k, v in mine.items() if k != "lr_lambdas"} == {k: v for k, v in other.items() if k != "lr_lambdas"}
    assert ours[0].state_dict()["param_groups"] == theirs[0].state_dict()["param_groups"]


@pytest.mark.parametrize("name", CASES)
def test_going_on_from_saved_state(name: str) -> None:
    optimizer, scheduler = _make(fastnn, name)
    _run(optimizer, scheduler, 7)
    other, twin = _make(fastnn, name)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    twin.load_state_dict(pickle.loads(pickle.dumps(scheduler.state_dict())))
    assert _run(other, twin, 9) == _run(optimizer, scheduler, 9)


@pytest.mark.parametrize("name", ["step", "multi step", "constant", "linear", "exponential", "polynomial", "cosine"])
def test_closed_form(name: str) -> None:
    optimizer, scheduler = _make(fastnn, name)
    rows = _run(optimizer, scheduler, 12)
    other, twin = _make(fastnn, name)
    other.step()
    for step in (3, 11, 7):
        with pytest.warns(UserWarning, match="The epoch parameter"):
            twin.step(step)
        found = [group["lr"] for group in other.param_groups]
        assert found == pytest.approx([row[0] for row in rows[step]], rel=1e-9, abs=1e-12)


def test_combined_schedulers_within_another() -> None:
    optimizer = _sgd()
    parts = [schedules.ConstantLR(optimizer, 0.5, 9), schedules.StepLR(optimizer, 1)]
    inner = schedules.SequentialLR(optimizer, parts, [2])
    both = schedules.ChainedScheduler(
        [schedules.ConstantLR(optimizer, 0.5, 2), schedules.ExponentialLR(optimizer, 0.1)]
    )
    outer = schedules.SequentialLR(optimizer, [inner, both], [4])
    rates = [row[0][0] for row in _run(optimizer, outer, 8)]
    assert rates == pytest.approx([0.05, 0.05, 0.1, 0.01, 0.05, 0.005, 0.001, 0.0001])
    optimizer = _sgd()
    parts = [schedules.ConstantLR(optimizer, 0.5, 9), schedules.StepLR(optimizer, 1)]
    inner = schedules.SequentialLR(optimizer, parts, [2])
    outer = schedules.SequentialLR(optimizer, [schedules.ExponentialLR(optimizer, 0.5), inner], [2])
    rates = [row[0][0] for row in _run(optimizer, outer, 6)]
    assert rates == pytest.approx([0.1, 0.05, 0.05, 0.05, 0.1, 0.01])


def _sgd(lr: Any = 0.1, **options: Any) -> Any:
    return optim.SGD([fastnn.ones(1, requires_grad=True)], lr=lr, **options)


def test_formulas() -> None:
    optimizer = _sgd()
    scheduler = schedules.CosineAnnealingLR(optimizer, 4, eta_min=0.02)
    rates = [row[0][0] for row in _run(optimizer, scheduler, 9)]
    assert rates == pytest.approx([0.02 + 0.08 * (1 + math.cos(math.pi * t / 4)) / 2 for t in range(9)])
    optimizer = _sgd()
    rates = [row[0][0] for row in _run(optimizer, schedules.StepLR(optimizer, 2, 0.5), 5)]
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025])
    optimizer = _sgd(momentum=0.9)
    rows = _run(optimizer, schedules.OneCycleLR(optimizer, 1.0, 10, anneal_strategy="linear", pct_start=0.5), 10)
    assert [row[0][0] for row in rows][:5] == pytest.approx([0.04 + 0.96 * t / 4 for t in range(5)])
    assert [row[0][1] for row in rows][:5] == pytest.approx([0.95 - 0.1 * t / 4 for t in range(5)])
    optimizer = _sgd()
    scheduler = schedules.CosineAnnealingWarmRestarts(optimizer, 2, 2)
    scheduler.step(4.5)  # 2.5 of the 4 steps after the first restart
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05 * (1 + math.cos(math.pi * 2.5 / 4)))


def test_a_tensor_as_rate_is_changed_in_place() -> None:
    rate = fastnn.tensor(0.1)
    optimizer = _sgd(rate)
    scheduler = schedules.ExponentialLR(optimizer, 0.5)
    for expected in (0.05, 0.025):
        optimizer.step()
        scheduler.step()
        assert optimizer.param_groups[0]["lr"] is rate and rate.item() == pytest.approx(expected)
    assert scheduler.get_last_lr()[0] is not rate and scheduler.base_lrs[0].item() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("options", "values", "rates"),
    [
        ({"patience": 1}, [5, 4, 4, 4, 4, 4], [1, 1, 1, 0.1, 0.1, 0.01]),
        ({"patience": 0, "mode": "max", "factor": 0.5}, [1, 2, 2, 3, 1], [1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 0, "cooldown": 2, "factor": 0.5}, [1, 1, 1, 1, 1], [1, 0.5, 0.5, 0.5, 0.25]),
        ({"patience": 0, "threshold": 0.1, "threshold_mode": "rel"}, [1, 0.95, 0.8], [1, 0.1, 0.1]),
        ({"patience": 0, "threshold": 0.1, "threshold_mode": "abs"}, [10, 9.95, 9.8], [1, 0.1, 0.1]),
        ({"patience": 0, "min_lr": [0.3]}, [1, 1, 1], [1, 0.3, 0.3]),
        ({"patience": 0, "eps": 0.95}, [1, 1, 1], [1, 1, 1]),
    ],
)
def test_plateau(options: dict[str, Any], values: list[float], rates: list[float]) -> None:
    optimizer = _sgd(1.0)
    scheduler = schedules.ReduceLROnPlateau(optimizer, **options)
    found = []
    for value in values:
        scheduler.step(fastnn.tensor(float(value)))
        found.append(optimizer.param_groups[0]["lr"])
    assert found == pytest.approx(rates) and scheduler.get_last_lr() == [found[-1]]
    twin = schedules.ReduceLROnPlateau(_sgd(1.0))
    twin.load_state_dict(scheduler.state_dict())
    assert twin.state_dict() == scheduler.state_dict()


@pytest.mark.peer
def test_plateau_like_pytorch() -> None:
    torch = pytest.importorskip("torch")
    rows = []
    for library in (fastnn, torch):
        optimizer = library.optim.SGD([library.ones(1, requires_grad=True)], lr=1.0)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2, cooldown=1)
        rates = []
        for step in range(40):
            scheduler.step(math.cos(step) + 1 / (1 + step))
            rates.append(optimizer.param_groups[0]["lr"])
        rows.append((rates, scheduler.state_dict()))
    assert rows[0] == rows[1]


def test_order_of_steps() -> None:
    optimizer = _sgd()
    scheduler = schedules.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    optimizer = _sgd()
    scheduler = schedules.StepLR(optimizer, 1)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="has been overridden after learning rate scheduler initialization"):
        scheduler.step()
    with pytest.warns(UserWarning, match=r"please use `get_last_lr\(\)`"):
        scheduler.get_lr()


def test_nothing_is_kept_alive() -> None:
    optimizer = _sgd()
    scheduler = schedules.StepLR(optimizer, 1)
    gone = weakref.ref(optimizer)
    gc.disable()
    try:
        del optimizer, scheduler
        assert gone() is None
    finally:
        gc.enable()


def test_resuming_by_last_epoch() -> None:
    with pytest.raises(KeyError, match="initial_lr"):
        schedules.StepLR(_sgd(), 2, last_epoch=3)
    whole = _sgd()
    rows = _run(whole, schedules.StepLR(whole, 2, 0.5), 8)
    optimizer = optim.SGD([{"params": [fastnn.ones(1, requires_grad=True)], "initial_lr": 0.1, "lr": rows[3][0][0]}])
    scheduler = schedules.StepLR(optimizer, 2, 0.5, last_epoch=3)
    assert _run(optimizer, scheduler, 4) == rows[4:]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda o: schedules.StepLR(3, 2), TypeError, "int is not an Optimizer"),  # type: ignore[arg-type]
        (lambda o: schedules.LambdaLR(o, [_wave, _wave]), ValueError, "Expected 1 lr_lambdas, but got 2"),
        (lambda o: schedules.MultiplicativeLR(o, 3), TypeError, "lr_lambda should be a function"),  # type: ignore[arg-type]
        (lambda o: schedules.ConstantLR(o, 1.5), ValueError, "between 0 and 1"),
        (lambda o: schedules.LinearLR(o, 0.0), ValueError, "Starting multiplicative factor"),
        (lambda o: schedules.LinearLR(o, 0.5, 2.0), ValueError, "Ending multiplicative factor"),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer T_0"),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 2, 0), ValueError, "T_mult >= 1"),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 2).step(-1), ValueError, "non-negative epoch"),
        (lambda o: schedules.CyclicLR(o, 0.1, 1.0, mode="saw"), ValueError, "mode is invalid"),
        (lambda o: schedules.CyclicLR(o, [0.1, 0.1], 1.0), ValueError, "base_lr must have the same length"),
        (lambda o: schedules.OneCycleLR(o, 0.1), ValueError, "You must define either total_steps"),
        (lambda o: schedules.OneCycleLR(o, 0.1, 0), ValueError, "positive integer total_steps"),
        (lambda o: schedules.OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=2), ValueError, "positive integer epochs"),
        (lambda o: schedules.OneCycleLR(o, 0.1, 10, pct_start=2.0), ValueError, "between 0 and 1 pct_start"),
        (lambda o: schedules.OneCycleLR(o, 0.1, 10, anneal_strategy="x"), ValueError, "anneal_strategy must be one"),
        (lambda o: schedules.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
        (lambda o: schedules.ReduceLROnPlateau(o, "least"), ValueError, "mode least is unknown"),
        (lambda o: schedules.ReduceLROnPlateau(o, min_lr=[0.1, 0.2]), ValueError, "expected 1 min_lrs, got 2"),
        (lambda o: schedules.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
        (lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 1)], [2]), ValueError, "one more than the number"),
        (
            lambda o: schedules.ChainedScheduler([schedules.StepLR(o, 1), schedules.StepLR(_sgd(), 1)]),
            ValueError,
            "same",
        ),
        (lambda o: schedules.ChainedScheduler([schedules.ReduceLROnPlateau(o)]), ValueError, "does not support"),
    ],
)
def test_errors(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make(_sgd(momentum=0.9))


def test_momentum_is_needed_to_cycle_it() -> None:
    adagrad = optim.Adagrad([fastnn.ones(1, requires_grad=True)])
    for make in (lambda: schedules.CyclicLR(adagrad, 0.1, 1.0), lambda: schedules.OneCycleLR(adagrad, 0.1, 10)):
        with pytest.raises(ValueError, match="must support momentum or beta1"):
            make()
    one = _sgd(momentum=0.9)
    scheduler = schedules.OneCycleLR(one, 0.1, 3)
    _run(one, scheduler, 3)
    with pytest.raises(ValueError, match="Tried to step 4 times"):
        scheduler.step()
