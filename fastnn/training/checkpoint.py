"""``ModelCheckpoint``: the run's state on disk, each file written whole and then moved to its name."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnn.training.callbacks import Monitor
from fastnn.training.diagnosis import bad_step

if TYPE_CHECKING:
    from fastnn.training.trainer import Trainer

LAST = "last.safetensors"


class ModelCheckpoint(Monitor):
    """Saves the whole run in ``folder``: ``last.safetensors`` after each epoch, and with ``every_steps`` in between;
    with ``monitor``, the ``keep`` best epochs as well, as ``epoch-0003-val_loss-0.1234.safetensors``.

    ``Trainer.fit(resume=folder)``, or resume=True, continues from the last; ``Trainer.load`` takes any of them.
    ``best``: the paths of the kept ones, the best first. OSError, which names the last good checkpoint, where a file
    cannot be written, NonFiniteLossError where the step's gradient has made the model NaN or infinite; that checkpoint
    is left as it was.
    """

    saves = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        monitor: str | None = None,
        mode: str = "min",
        keep: int = 1,
        every_steps: int | None = None,
    ) -> None:
        super().__init__(monitor or "", mode)
        if keep < 1:
            raise ValueError(f"ModelCheckpoint: argument 'keep' must be positive, got {keep}")
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"ModelCheckpoint: argument 'every_steps' must be positive, got {every_steps}")
        self.folder, self.keep, self.every_steps = Path(folder), keep, every_steps
        self._kept: list[tuple[float, str]] = []  # the best first

    @property
    def last(self) -> Path:
        """The path of the last checkpoint, whether it exists or not."""
        return self.folder / LAST

    @property
    def best(self) -> list[Path]:
        """The kept epochs' files."""
        return [self.folder / name for _, name in self._kept]

    def on_fit_start(self, trainer: Trainer) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def on_step_end(self, trainer: Trainer) -> None:
        if self.every_steps is not None and trainer.step % self.every_steps == 0:
            self._save(trainer, LAST)

    def on_epoch_end(self, trainer: Trainer) -> None:
        dropped: list[str] = []
        if self.monitor:
            value = self.value(trainer)
            name = f"epoch-{trainer.epoch:04d}-{self.monitor.replace(os.sep, '_')}-{value:.4f}.safetensors"
            place = sum(not self.is_better(value, other) for other, _ in self._kept)
            if place < self.keep:
                kept = self._kept
                self._kept = [*kept[:place], (value, name), *kept[place:]][: self.keep]
                dropped = [old for _, old in kept if old not in {new for _, new in self._kept}]
                try:
                    self._save(trainer, name)
                except Exception:
                    self._kept = kept
                    raise
        self._save(trainer, LAST)
        for old in dropped:  # only now that the last checkpoint does not list them
            (self.folder / old).unlink(missing_ok=True)

    def _save(self, trainer: Trainer, name: str) -> None:
        path = self.folder / name
        known = f"the last good checkpoint is {self.last}" if self.last.is_file() else "there is no earlier checkpoint"
        spoilt = bad_step(trainer.model, trainer.step, known)
        if spoilt is not None:
            raise spoilt
        try:
            trainer.save(path)
        except OSError as error:
            raise OSError(
                error.errno or errno.EIO, f"{path} cannot be written ({error.strerror or error}); {known}"
            ) from error

    def state_dict(self) -> dict[str, Any]:
        return {"kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._kept = list(state["kept"])
