"""The training loop: what it computes, in which order, and what it says when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn as torch
from fastnn import nn
from fastnn.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from fastnn.training import Accuracy, Callback, EarlyStopping, NonFiniteLossError, Trainer
from fastnn.transforms import MixUp, RandomHorizontalFlip
from fastnn.utils.data import DataLoader, TensorDataset

RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.normal(size=(20, 3)))
Y = torch.from_numpy(RNG.normal(size=(20, 1)))


def linear(**options: Any) -> Trainer:
    torch.manual_seed(0)
    model = nn.Linear(3, 1).double()
    return Trainer(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), progress=False, **options)


def batches(size: int, rows: int = 20) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(X[i : min(i + size, rows)], Y[i : min(i + size, rows)]) for i in range(0, rows, size)]


def weights(trainer: Trainer) -> Any:
    return np.concatenate([p.detach().numpy().reshape(-1) for p in trainer.model.parameters()])


def by_hand(start: Any, sizes: list[list[int]], limit: float | None = None) -> Any:
    """Gradient descent on the mean square, of steps made of the mean gradient of batches, in NumPy."""
    w, position = start.copy(), 0
    for step in sizes:
        total = np.zeros(4)
        for size in step:
            x = np.concatenate([X.numpy()[position : position + size], np.ones((size, 1))], 1)
            total += 2 / size * x.T @ (x @ w - Y.numpy()[position : position + size, 0]) / len(step)
            position += size
        if limit is not None:
            total *= min(1, limit / (np.linalg.norm(total) + 1e-6))
        w -= 0.1 * total
    return w


def test_one_epoch_by_hand() -> None:
    trainer = linear()
    start = weights(trainer)
    history = trainer.fit(batches(8), epochs=1)
    np.testing.assert_allclose(weights(trainer), by_hand(start, [[8], [8], [4]]), rtol=1e-12)
    assert (trainer.epoch, trainer.step, len(history)) == (1, 3, 1)


def test_accumulation_and_clipping_by_hand() -> None:
    """Seven batches of which two make a step: the last step has one."""
    trainer = linear(accumulate=2, clip_grad_norm=0.3)
    start = weights(trainer)
    trainer.fit(batches(3), epochs=1)
    np.testing.assert_allclose(weights(trainer), by_hand(start, [[3, 3], [3, 3], [3, 3], [2]], 0.3), rtol=1e-6)
    assert trainer.step == 4
    trainer = linear(clip_grad_value=0.01)
    start = weights(trainer)
    trainer.fit(batches(20), epochs=1)
    assert np.abs(weights(trainer) - start).max() <= 0.001 + 1e-12


def test_history_and_evaluation() -> None:
    trainer = linear(metrics={"mae": nn.L1Loss()})
    history = trainer.fit(batches(8), batches(8, 12), epochs=2)
    assert history.columns == ["epoch", "loss", "mae", "val_loss", "val_mae", "lr", "seconds"]
    w = weights(trainer)
    error = X.numpy()[:12] @ w[:3] + w[3] - Y.numpy()[:12, 0]
    assert history["val_loss"][-1] == pytest.approx(np.mean(error**2), rel=1e-12)  # by sample, not by batch
    assert history["val_mae"][-1] == pytest.approx(np.abs(error).mean(), rel=1e-12)
    assert trainer.evaluate(batches(8, 12)) == {"loss": history["val_loss"][-1], "mae": history["val_mae"][-1]}
    assert history["epoch"] == [1, 2] and history["loss"][1] < history["loss"][0]


def test_modes_are_put_back() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 1)).double()
    model[0].eval()
    trainer = Trainer(model, torch.optim.SGD(model.parameters()), nn.MSELoss(), progress=False)
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    one, two = trainer.predict(batches(8)), trainer.predict(DataLoader(X, 7))
    np.testing.assert_array_equal(one.numpy(), two.numpy())  # no dropout, no batch statistics
    assert one.shape == (20, 1) and not one.requires_grad
    trainer.evaluate(batches(8))
    assert [m.training for m in model.modules()] == [True, False, True, True]
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])


def test_schedules() -> None:
    for schedule, rates in (("epoch", [0.1, 0.05, 0.025]), ("step", [0.1 / 2**3, 0.1 / 2**6, 0.1 / 2**9])):
        trainer = linear()
        trainer.scheduler, trainer.schedule = StepLR(trainer.optimizer, 1, 0.5), schedule
        assert trainer.fit(batches(8), epochs=3)["lr"] == pytest.approx(rates)
    trainer = linear()
    trainer.optimizer.param_groups[0]["lr"] = 1e-12  # nothing gets better by 1e-4 of it
    trainer.scheduler = ReduceLROnPlateau(trainer.optimizer, patience=1, factor=0.1)
    assert trainer.fit(batches(8), epochs=4)["lr"] == pytest.approx([1e-12, 1e-12, 1e-12, 1e-12])
    trainer.optimizer.param_groups[0]["lr"] = 1e-3
    assert trainer.fit(batches(8), epochs=12)["lr"][-1] <= 1e-3


def test_augmentation_is_for_training_only() -> None:
    seen: list[str] = []

    def augment(x: torch.Tensor) -> torch.Tensor:
        seen.append("augment")
        return x

    images, labels = torch.rand(8, 1, 2, 2), torch.randint(0, 3, (8,))
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    trainer = Trainer(
        model,
        torch.optim.SGD(model.parameters()),
        nn.CrossEntropyLoss(),
        augment=augment,
        mix=MixUp(num_classes=3),
        metrics={"accuracy": Accuracy()},
        progress=False,
    )
    trainer.fit([(images, labels)], [(images, labels)], epochs=2)
    assert seen == ["augment"] * 2
    assert 0 <= trainer.history["val_accuracy"][-1] <= 1


def test_forward_of_ones_own() -> None:
    trainer = linear(forward=lambda model, batch: (model(batch["x"]), batch["y"]))
    data = [{"x": x, "y": y} for x, y in batches(8)]
    trainer.fit(data, data, epochs=1)
    assert trainer.predict(data).shape == (20, 1)
    other = linear()
    other.fit(batches(8), epochs=1)
    np.testing.assert_array_equal(weights(trainer), weights(other))


class Fixed(Callback):
    """Gives the history a value of the test's choice, and notes what was called."""

    def __init__(self, values: list[float]) -> None:
        self.values, self.calls = values, []  # type: ignore[var-annotated]

    def on_fit_start(self, trainer: Trainer) -> None:
        self.calls.append("start")

    def on_step_end(self, trainer: Trainer) -> None:
        self.calls.append("step")

    def on_epoch_end(self, trainer: Trainer) -> None:
        self.calls.append("epoch")
        trainer.history.rows[-1]["fixed"] = self.values[trainer.epoch - 1]

    def on_fit_end(self, trainer: Trainer) -> None:
        self.calls.append("end")

    def close(self) -> None:
        self.calls.append("close")


def test_early_stopping() -> None:
    nan = float("nan")
    for values, mode, epochs, best in [
        ([5.0, 4.0, 4.0, 4.5, 3.0], "min", 4, 2),
        ([5.0, 4.0, 3.95, 3.91, 3.0], "min", 4, 2),  # gains of less than min_delta
        ([1.0, 2.0, 1.0, 3.0, 1.0, 1.0, 9.0], "max", 6, 4),
        ([nan, nan, nan], "min", 3, 1),
        ([nan, 2.0, nan, 1.0, 0.5], "min", 5, 5),
    ]:
        fixed = Fixed(values)
        stopping = EarlyStopping("fixed", patience=2, min_delta=0.1, mode=mode)
        trainer = linear(callbacks=[fixed, stopping])
        states = []
        fixed.on_step_end = lambda t, s=states: s.append(weights(t))  # type: ignore[method-assign, misc]
        trainer.fit(batches(20), epochs=len(values))
        assert (trainer.epoch, stopping.best_epoch) == (epochs, best)
        assert bool(trainer.stopped) == (epochs < len(values) or values[-1] != values[-1])
        np.testing.assert_array_equal(weights(trainer), states[best - 1])


def test_early_stopping_without_the_column() -> None:
    with pytest.raises(ValueError, match="'monitor' is 'val_loss', but an epoch gives epoch, loss, lr, seconds"):
        linear(callbacks=[EarlyStopping()]).fit(batches(8), epochs=1)


def test_order_of_callbacks() -> None:
    fixed = Fixed([0.0, 0.0])
    linear(callbacks=[fixed]).fit(batches(10), epochs=2)
    assert fixed.calls == ["start", "step", "step", "epoch", "step", "step", "epoch", "end", "close"]
    fixed = Fixed([])
    with pytest.raises(IndexError):
        linear(callbacks=[fixed]).fit(batches(20), epochs=1)
    assert fixed.calls == ["start", "step", "epoch", "close"]


class Poisoned(nn.Module):
    """A layer that makes a NaN at a certain call."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.left = call

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        return x * float("nan") if self.left <= 0 else x


def test_nan_is_traced_to_its_layer() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4), Poisoned(3)), nn.Linear(4, 1)).double()
    trainer = Trainer(model, torch.optim.SGD(model.parameters(), 0.01), nn.MSELoss(), progress=False)
    with pytest.raises(NonFiniteLossError) as caught:
        trainer.fit(batches(5), epochs=1)
    error = caught.value
    assert (error.step, error.layer) == (2, "1.1")
    assert "batch 3 of epoch 1, after 2 steps" in str(error)
    assert "layer 1.1 (Poisoned): shape (5, 4), 20 NaN" in str(error)
    assert [name for name, _ in error.gradients] and error.gradients == sorted(error.gradients, key=lambda g: -g[1])
    assert int(model[1][0].num_batches_tracked) == 3  # looking for the layer changed nothing
    assert np.isfinite(weights(trainer)).all()


def test_nan_of_other_causes() -> None:
    trainer = linear()
    bad = X.numpy().copy()
    bad[3, 1] = np.inf
    with pytest.raises(NonFiniteLossError, match="the batch itself is not finite: shape \\(20, 3\\), 0 NaN and 1 inf"):
        trainer.fit([(torch.from_numpy(bad), Y)], epochs=1)
    with torch.no_grad():
        next(trainer.model.parameters())[0, 1] = float("nan")
    with pytest.raises(NonFiniteLossError, match="parameters that are not finite: weight"):
        trainer.fit(batches(20), epochs=1)
    trainer = linear()
    trainer.criterion = lambda output, target: (output.sum() * 0).log()
    with pytest.raises(NonFiniteLossError, match="all layers are finite: the criterion made it"):
        trainer.fit(batches(20), epochs=1)
    trainer = linear()
    trainer.optimizer.param_groups[0]["lr"] = 1e200  # an overflow, one step after a finite loss
    with pytest.raises(NonFiniteLossError, match="largest gradient norms of the last step: weight"):
        trainer.fit(batches(10), epochs=1)


def test_dropout_is_the_same_when_looked_at_again() -> None:
    """The layer is found with the random numbers of the batch that failed: here only a certain draw gives NaN."""
    torch.manual_seed(0)

    class Rare(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / (torch.rand(1).double() > 0.02).double()

    model = nn.Sequential(nn.Linear(3, 1), Rare()).double()
    trainer = Trainer(model, torch.optim.SGD(model.parameters(), 1e-6), nn.MSELoss(), progress=False)
    with pytest.raises(NonFiniteLossError) as caught:
        trainer.fit(batches(1), epochs=50)
    assert caught.value.layer == "1"


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: linear().fit([], epochs=1), ValueError, "training loader gives no batch"),
        (lambda: linear().evaluate([]), ValueError, "evaluate\\(\\): the loader gives no batch"),
        (lambda: linear().predict([]), ValueError, "predict\\(\\): the loader gives no batch"),
        (lambda: linear().fit(batches(5), [], epochs=1), ValueError, "evaluate\\(\\)"),
        (lambda: linear().fit([X], epochs=1), TypeError, "inputs and a target.*batch 1 of epoch 1"),
        (lambda: linear().fit(batches(5), epochs=-1), ValueError, "epochs"),
        (lambda: linear(schedule="batch"), ValueError, "schedule"),
        (lambda: linear(accumulate=0), ValueError, "accumulate"),
        (lambda: linear(clip_grad_norm=0), ValueError, "clip_grad_norm"),
        (lambda: linear(metrics={"x": 3}), TypeError, "'x' must be a Metric or a function, got int"),
        (lambda: linear(forward=max, augment=RandomHorizontalFlip()), ValueError, "'forward'"),
        (lambda: EarlyStopping(patience=-1), ValueError, "patience"),
        (lambda: EarlyStopping(mode="least"), ValueError, "mode"),
    ],
)
def test_bad_arguments(act: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        act()


def test_bad_labels_and_lengths_name_the_batch() -> None:
    model = nn.Linear(3, 2).double()
    trainer = Trainer(model, torch.optim.SGD(model.parameters()), nn.CrossEntropyLoss(), progress=False)
    good = torch.zeros(5, dtype=torch.int64)
    with pytest.raises(IndexError, match=r"Target 7 is out of bounds.*\[in training batch 2 of epoch 1\]"):
        trainer.fit([(X[:5], good), (X[:5], good + 7)], epochs=1)
    with pytest.raises(ValueError, match=r"\(4\).*\(5\).*\[in training batch 1 of epoch 1\]"):
        trainer.fit([(X[:4], good)], epochs=1)
    with pytest.raises(IndexError, match=r"\[in batch 1 of evaluation\]"):
        trainer.evaluate([(X[:5], good + 2)])
    with pytest.raises(AssertionError, match="Size mismatch"):
        TensorDataset(X, Y[:3])


def test_progress_shows_a_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    model = nn.Linear(3, 1).double()
    trainer = Trainer(model, torch.optim.SGD(model.parameters(), 0.1), nn.MSELoss())
    trainer.fit(DataLoader(TensorDataset(X, Y), 5), epochs=2)
    out = capsys.readouterr().out
    assert out.count("epoch ") == 2 and out.startswith("epoch 1  loss ")
