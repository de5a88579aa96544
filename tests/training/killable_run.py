"""A run with everything that a checkpoint must hold, for tests to kill: ``python killable_run.py FOLDER [HOW]``.

HOW: "" trains to the end; "replace:N" kills the process at the N-th file that is about to get its name, "fsync:N" at
the N-th that is about to be flushed to disk; "full:N" lets no file grow beyond 1,000 bytes from the N-th step on.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastnn as torch
from fastnn import nn
from fastnn.optim.lr_scheduler import OneCycleLR
from fastnn.training import Accuracy, Callback, EarlyStopping, ModelCheckpoint, Trainer
from fastnn.transforms import Compose, GaussianNoise, RandomCrop
from fastnn.utils.data import DataLoader, Dataset

EPOCHS = 4


class Noisy(Dataset[Any]):
    """Images whose samples draw from all the global generators."""

    def __init__(self) -> None:
        generator = np.random.default_rng(5)
        self.labels = generator.integers(0, 3, 52)
        self.images = generator.normal(self.labels[:, None, None, None], 1.0, (52, 1, 6, 6)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> tuple[torch.Tensor, int]:
        shift = np.random.random() + random.random() + float(torch.rand(1))  # noqa: NPY002
        return torch.from_numpy(self.images[index] + np.float32(shift)), int(self.labels[index])


class Slow(Callback):
    """Says each step on standard output, so that the parent knows when to kill."""

    def on_step_end(self, trainer: Trainer) -> None:
        print("step", trainer.step, flush=True)


class Shrink(Callback):
    """A disk that is full from a step on."""

    def __init__(self, step: int) -> None:
        self.at = step

    def on_step_end(self, trainer: Trainer) -> None:
        if trainer.step == self.at:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def dying(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """The function, but that the process is killed at its call of that number."""
    left = [calls]

    def run(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    return run


def make(folder: Path, more: list[Callback]) -> tuple[Trainer, Any, Any]:
    """A trainer and its loaders, the same at each call."""
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(36, 3)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    own = torch.Generator().manual_seed(1)
    trainer = Trainer(
        model,
        optimizer,
        nn.CrossEntropyLoss(),
        scheduler=OneCycleLR(optimizer, 0.05, total_steps=EPOCHS * 4 + 4),
        schedule="step",
        metrics={"accuracy": Accuracy()},
        augment=Compose([RandomCrop(5, generator=own), GaussianNoise(clip=False)]),
        accumulate=2,
        clip_grad_norm=1.0,
        callbacks=[ModelCheckpoint(folder, "val_loss", keep=2, every_steps=1), EarlyStopping(patience=9), *more],
        progress=False,
    )
    data = Noisy()
    train = DataLoader(data, 8, shuffle=True, generator=torch.Generator().manual_seed(2))
    return trainer, train, [(torch.from_numpy(data.images[:, :, :5, :5]), torch.tensor(data.labels))]


def main() -> None:
    folder = Path(sys.argv[1])
    how, _, count = (sys.argv[2] if len(sys.argv) > 2 else "").partition(":")
    if how in ("replace", "fsync"):
        setattr(os, how, dying(getattr(os, how), int(count)))
    trainer, train, validation = make(folder, [Slow(), Shrink(int(count) if how == "full" else -1)])
    trainer.fit(train, validation, epochs=EPOCHS, resume=True)
    print("done", flush=True)


if __name__ == "__main__":
    main()
