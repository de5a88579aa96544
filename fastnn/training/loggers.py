"""Loggers: the history as a CSV file that is always whole, and as TensorBoard's event files through tensorboardX."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnn.training.callbacks import Callback
from fastnn.training.extras import need

if TYPE_CHECKING:
    from fastnn.training.trainer import Trainer


class CSVLogger(Callback):
    """Writes the whole history after each epoch, so that a resumed run's file has each epoch once."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_fit_start(self, trainer: Trainer) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, trainer: Trainer) -> None:
        trainer.history.to_csv(self.path)


class TensorBoardLogger(Callback):
    """Scalars of each epoch, and with ``every_steps`` the loss of each so many steps, as event files in ``folder``.

    A resumed run says that what was written after its checkpoint does not count (purge_step). Needs tensorboardX.
    """

    def __init__(self, folder: str | os.PathLike[str], every_steps: int | None = None) -> None:
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"TensorBoardLogger: argument 'every_steps' must be positive, got {every_steps}")
        self.folder, self.every_steps = Path(folder), every_steps
        self._library = need("tensorboardX", "TensorBoardLogger")
        self._writer: Any = None

    def on_fit_start(self, trainer: Trainer) -> None:
        purge = trainer.step + 1 if trainer.step else None
        self._writer = self._library.SummaryWriter(str(self.folder), purge_step=purge)

    def on_step_end(self, trainer: Trainer) -> None:
        if self.every_steps is not None and trainer.step % self.every_steps == 0:
            self._writer.add_scalar("step/loss", trainer.last_loss, trainer.step)

    def on_epoch_end(self, trainer: Trainer) -> None:
        for name, value in trainer.history.rows[-1].items():
            if name != "epoch" and not math.isnan(value):
                self._writer.add_scalar(f"epoch/{name}", value, trainer.step)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
