"""Every optimizer on the same problem, from the same weights, on the same batches: their curves side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common import NOT_NUMBA, Example, loaders, percent, standardized

import fastnn as torch
from fastnn import nn, optim
from fastnn.training import Callback, Trainer, plot_curves
from fastnn.training.history import table

# the rates are ordinary ones for each, not tuned to this problem
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "Momentum": lambda p: optim.SGD(p, lr=0.02, momentum=0.9),
    "Nesterov": lambda p: optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.02),
    "Adadelta": lambda p: optim.Adadelta(p, lr=1.0),
    "RMSprop": lambda p: optim.RMSprop(p, lr=1e-3),
    "Adam": lambda p: optim.Adam(p, lr=1e-3),
    "AdamW": lambda p: optim.AdamW(p, lr=1e-3, weight_decay=0.01),
    "AMSGrad": lambda p: optim.Adam(p, lr=1e-3, amsgrad=True),
    "Adamax": lambda p: optim.Adamax(p, lr=2e-3),
    "NAdam": lambda p: optim.NAdam(p, lr=1e-3),
    "RAdam": lambda p: optim.RAdam(p, lr=1e-3),
    "Adafactor": lambda p: optim.Adafactor(p, lr=0.01),
    "ASGD": lambda p: optim.ASGD(p, lr=0.1),
    "Rprop": lambda p: optim.Rprop(p, lr=1e-3),
    "Lion": lambda p: optim.Lion(p, lr=2e-4),
}
# Rprop goes by the sign of a gradient's change, which small batches do not tell: it gets all images at each step.
FULL_BATCH = {"Rprop"}


class StepLosses(Callback):
    """The loss of each step; part of the checkpoint, so that a resumed run's curve is whole."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_step_end(self, trainer: Trainer) -> None:
        self.losses.append(trainer.last_loss)

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.losses = state["losses"]


def smooth(values: list[float], share: float = 0.05) -> list[float]:
    """An exponential mean."""
    kept, made = values[0], []
    for value in values:
        kept += share * (value - kept)
        made.append(kept)
    return made


def main() -> None:
    example = Example("optimizers", __doc__ or "", 20, 12, backends=NOT_NUMBA)
    name, train, test, classes = example.digits()
    train, test = standardized(train, test)
    goal = 0.9 if example.quick else 0.94
    curves, epochs, rows, reached, speeds = {}, {}, [], {}, {}
    for kind, make in OPTIMIZERS.items():
        torch.manual_seed(example.args.seed)  # the same weights and the same order for each
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, len(classes)))
        optimizer = make(model.parameters())
        losses = StepLosses()
        batch_size = len(train) if kind in FULL_BATCH else 32
        train_loader, test_loader = loaders(train, test, batch_size)
        passes = example.epochs * (3 if kind in FULL_BATCH else 1)
        trainer = example.fit(
            kind.lower(), model, optimizer, train_loader, test_loader, epochs=passes, callbacks=[losses]
        )
        reached[kind] = trainer.evaluate(test_loader)["accuracy"]
        curves[kind] = smooth(losses.losses)
        epochs[kind] = trainer.history["val_loss"][: example.epochs]
        seconds = sum(trainer.history["seconds"])
        rows.append([kind, f"{trainer.history['loss'][-1]:.4f}", percent(reached[kind]), f"{seconds:.1f}"])
    for kind in ("Momentum", "Adam", "AdamW"):
        large = [torch.randn(1000, 100).requires_grad_() for _ in range(10)]
        for parameter in large:
            parameter.grad = torch.randn(1000, 100)
        speeds[kind] = example.speed_up(OPTIMIZERS[kind](large).step)
    example.say(table(["optimizer", "training loss", "test accuracy", "seconds"], rows, left=1))
    plot_curves(curves, example.out / "steps.png", "training loss", "step", "loss", log=True)
    plot_curves(epochs, example.out / "epochs.png", "test loss", "epoch", "loss", log=True)
    worst = min(reached, key=lambda kind: reached[kind])
    example.result(
        f"{len(reached)} optimizers",
        name,
        f"each {percent(goal)}",
        f"from {percent(reached[worst])} ({worst}) to {percent(max(reached.values()))}",
        reached[worst] >= goal,
        min(speeds.values()),
    )
    example.finish()


if __name__ == "__main__":
    main()
