"""``Callback``: what may be hung into a Trainer's loop; ``EarlyStopping``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnn.training.trainer import Trainer


class Callback:
    """Base: a subclass defines the moments that it needs. What it remembers goes through ``state_dict``.

    Callbacks run in the given order, those with ``saves`` (checkpoints) last, so that they save the others' state.
    """

    saves = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first epoch, after a checkpoint was loaded."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After each step of the optimizer."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After each epoch: its row is the last of ``trainer.history``."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """When the last epoch is done, or the run was stopped; not after an error."""

    def close(self) -> None:
        """When ``fit`` is left, whatever happened."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know: numbers, strings, tensors, and lists and dicts of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""


class Monitor(Callback):
    """Base of callbacks that watch a column of the history, ``monitor``: its least or largest (``mode``) is best."""

    def __init__(self, monitor: str, mode: str) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"{type(self).__name__}: argument 'mode' must be 'min' or 'max', got {mode!r}")
        self.monitor, self.mode = monitor, mode

    def value(self, trainer: Trainer) -> float:
        """The last row's value. ValueError, which names the columns, where there is none."""
        row = trainer.history.rows[-1]
        if self.monitor not in row:
            raise ValueError(
                f"{type(self).__name__}: argument 'monitor' is {self.monitor!r}, but an epoch gives {', '.join(row)}"
            )
        return row[self.monitor]

    def is_better(self, value: float, than: float, by: float = 0.0) -> bool:
        """Whether ``value`` is better than another by more than ``by``; NaN never is, and all is better than NaN."""
        if math.isnan(value):
            return False
        if math.isnan(than):
            return True
        return value < than - by if self.mode == "min" else value > than + by


class EarlyStopping(Monitor):
    """Stops after ``patience`` epochs in a row without a gain in ``monitor`` of more than ``min_delta``.

    restore_best: give the model, at the end of ``fit``, the weights of its best epoch, stopped or not.
    ``best_epoch`` counts from 1. ValueError where there is no such column, or for a negative option.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 3,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best: bool = True,
    ) -> None:
        super().__init__(monitor, mode)
        if patience < 0 or not min_delta >= 0:
            raise ValueError(
                f"EarlyStopping: arguments 'patience' and 'min_delta' must not be negative, got {patience}, {min_delta}"
            )
        self.patience, self.min_delta, self.restore_best = patience, min_delta, restore_best
        self.best = math.nan
        self.best_epoch = 0
        self.waited = 0
        self._best_model: dict[str, Any] | None = None

    def on_epoch_end(self, trainer: Trainer) -> None:
        value = self.value(trainer)
        if self.best_epoch == 0 or self.is_better(value, self.best, self.min_delta):
            self.best, self.best_epoch, self.waited = value, trainer.epoch, 0
            if self.restore_best:
                state = trainer.model.state_dict()
                self._best_model = {name: tensor.detach().clone() for name, tensor in state.items()}
            return
        self.waited += 1
        if self.waited >= self.patience:
            trainer.stop(f"no better {self.monitor} than epoch {self.best_epoch}'s {self.best:.6g}")

    def on_fit_end(self, trainer: Trainer) -> None:
        if self.restore_best and self._best_model is not None:
            trainer.model.load_state_dict(self._best_model)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited, "model": self._best_model}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch, self.waited = state["best"], state["best_epoch"], state["waited"]
        self._best_model = state["model"]
