"""``Trainer``: the training loop, with everything between two steps of it in a state that can be saved."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Protocol

from fastnn import _core
from fastnn.autograd import no_grad
from fastnn.generator import default_generator
from fastnn.kernels import current_backend
from fastnn.nn.module import Module
from fastnn.nn.utils import clip_grad_norm_, clip_grad_value_
from fastnn.ops.join import cat
from fastnn.optim.optimizer import Optimizer
from fastnn.serialization import save
from fastnn.tensor import Tensor
from fastnn.training import files
from fastnn.training.callbacks import Callback
from fastnn.training.checkpoint import LAST, ModelCheckpoint
from fastnn.training.diagnosis import diagnose
from fastnn.training.history import History, Row
from fastnn.training.metrics import Function, Mean, Metric, batch_size, make_metrics
from fastnn.training.progress import Progress
from fastnn.training.state import generators, random_state, set_random_state

Loader = Iterable[Any]


class Scheduler(Protocol):
    """What is asked of a learning-rate schedule."""

    def step(self, *arguments: Any) -> None:
        """The next epoch's, or step's, rate."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take over a state."""


class Trainer:
    """Trains ``model`` with ``optimizer`` on ``criterion(output, target)``, whose value is a batch's mean.

    A batch is a tuple or list whose last entry is the target and whose others are the model's arguments;
    ``forward(model, batch)``, which returns (output, target), says it otherwise.

    scheduler: stepped after each epoch, or with schedule="step" after each step; one with a ``patience``
    (ReduceLROnPlateau) is given the epoch's ``val_loss``, or ``loss`` without validation. metrics: by name a Metric or
    a function of (output, target). augment: applied to a training batch's first input; mix: to its first input and its
    target (MixUp, CutMix). clip_grad_norm, clip_grad_value: limits of the gradient before each step. accumulate: the
    number of batches whose mean gradient makes a step; what is left of an epoch makes one too. Optimizers that need a
    closure (LBFGS) are not for this loop. progress: show tqdm's bar and a line an epoch.

    ``epoch``, ``step``: how many are done; ``history``: a row an epoch; ``stopped``: why the run ended early, or "".
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        criterion: Callable[[Any, Any], Tensor],
        *,
        scheduler: Scheduler | None = None,
        schedule: str = "epoch",
        metrics: Mapping[str, Metric | Function] | None = None,
        callbacks: Sequence[Callback] = (),
        augment: Callable[[Tensor], Tensor] | None = None,
        mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        accumulate: int = 1,
        forward: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        progress: bool = True,
    ) -> None:
        if schedule not in ("epoch", "step"):
            raise ValueError(f"Trainer: argument 'schedule' must be 'epoch' or 'step', got {schedule!r}")
        if accumulate < 1:
            raise ValueError(f"Trainer: argument 'accumulate' must be positive, got {accumulate}")
        for name, limit in (("clip_grad_norm", clip_grad_norm), ("clip_grad_value", clip_grad_value)):
            if limit is not None and not limit > 0:
                raise ValueError(f"Trainer: argument '{name}' must be positive, got {limit}")
        if forward is not None and (augment is not None or mix is not None):
            raise ValueError("Trainer: 'forward' takes the whole batch, so 'augment' and 'mix' must be left to it")
        self.model, self.optimizer, self.criterion = model, optimizer, criterion
        self.scheduler, self.schedule = scheduler, schedule
        self.metrics = make_metrics(metrics)
        self.callbacks = sorted(callbacks, key=lambda callback: callback.saves)
        self.augment, self.mix, self.forward = augment, mix, forward
        self.clip_grad_norm, self.clip_grad_value, self.accumulate = clip_grad_norm, clip_grad_value, accumulate
        self._progress = Progress(progress)
        self.history = History()
        self.epoch = 0
        self.step = 0
        self.stopped = ""
        self.last_loss = math.nan
        self._loss = Mean(lambda output, target: math.nan)
        self._batch = 0  # how many of the epoch's batches are done
        self._started: dict[str, Any] | None = None  # the random state at the epoch's beginning
        self._resumed: dict[str, Any] | None = None  # that of the checkpoint, until the next batch is drawn
        self._own: list[Any] = []
        self._seconds = 0.0

    # ------------------------------------------------------------------------------------ what users call

    def fit(
        self,
        train: Loader,
        validation: Loader | None = None,
        *,
        epochs: int,
        resume: bool | str | os.PathLike[str] = False,
    ) -> History:
        """Train until ``epochs`` epochs are done in all, evaluating on ``validation`` after each; returns the history.

        resume: a checkpoint (NAME.safetensors), a folder of ModelCheckpoint, or True for that of this trainer's own; a
        folder without a last checkpoint begins anew. ValueError where the loader gives no batch;
        NonFiniteLossError for a loss of NaN or infinity, before that batch changes a parameter.
        """
        if epochs < 0:
            raise ValueError(f"fit(): argument 'epochs' must not be negative, got {epochs}")
        self._own = generators(train, validation, self.augment, self.mix)
        if resume:
            path = self._checkpoint(resume)
            if path is not None:
                self.load(path)
        if self._resumed is None:  # an epoch that an error broke off is begun anew
            self._batch, self._started = 0, None
        try:
            self._call("on_fit_start")
            while self.epoch < epochs and not self.stopped:
                self._run_epoch(train, validation, epochs)
            self._call("on_fit_end")
        finally:
            for callback in self.callbacks:
                callback.close()
        return self.history

    def evaluate(self, loader: Loader) -> Row:
        """The mean loss and the metrics over a loader, without gradients and in eval mode (which is put back).

        ValueError where the loader gives no batch.
        """
        loss = Mean(lambda output, target: math.nan)
        for metric in self.metrics.values():
            metric.reset()
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with no_grad():
                for index, batch in enumerate(loader):
                    self._evaluate_batch(batch, index, loss)
        finally:
            for module, training in modes:
                module.training = training
        if not loss.state["count"]:
            raise ValueError("evaluate(): the loader gives no batch")
        return {"loss": loss.compute(), **{name: metric.compute() for name, metric in self.metrics.items()}}

    def _evaluate_batch(self, batch: Any, index: int, loss: Mean) -> None:
        try:
            output, target = self._forward(batch)
            loss.add(float(self.criterion(output, target)), batch_size(target))
            for metric in self.metrics.values():
                metric.update(output, target)
        except Exception as error:
            _place(error, f"batch {index + 1} of evaluation")
            raise

    def predict(self, loader: Loader) -> Tensor:
        """The model's outputs over a loader, one behind another, without gradients and in eval mode.

        A batch that is a tensor, or holds one entry, has no target. ValueError where the loader gives no batch.
        """
        outputs: list[Tensor] = []
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            with no_grad():
                for batch in loader:
                    if self.forward is not None:
                        outputs.append(self.forward(self.model, batch)[0])
                    elif isinstance(batch, _core.TensorBase):
                        outputs.append(self.model(batch))
                    else:
                        outputs.append(self.model(*(batch if len(batch) == 1 else batch[:-1])))
        finally:
            for module, training in modes:
                module.training = training
        if not outputs:
            raise ValueError("predict(): the loader gives no batch")
        return cat(outputs, 0)

    def stop(self, reason: str) -> None:
        """End the run after this epoch; callbacks call it."""
        self.stopped = reason

    # ------------------------------------------------------------------------------------ the loop

    def _run_epoch(self, train: Loader, validation: Loader | None, epochs: int) -> None:
        began = time.perf_counter()
        batches = self._batches(train)
        if self._batch == 0:
            self._loss.reset()
            for metric in self.metrics.values():
                metric.reset()
        self.model.train()
        total = len(train) if isinstance(train, Sized) else None
        pending = 0
        for batch in self._progress.over(batches, total, self._batch, f"epoch {self.epoch + 1}/{epochs}"):
            self._backward(batch, pending == 0)
            self._batch += 1
            pending += 1
            if pending == self.accumulate:
                self._update(pending)
                pending = 0
            self._progress.note(self.last_loss)
        if pending:
            self._update(pending)
        if self._batch == 0:
            raise ValueError("fit(): the training loader gives no batch")
        row: Row = {"epoch": self.epoch + 1, "loss": self._loss.compute()}
        row |= {name: metric.compute() for name, metric in self.metrics.items()}
        if validation is not None:
            row |= {f"val_{name}": value for name, value in self.evaluate(validation).items()}
        row["lr"] = float(self.optimizer.param_groups[0]["lr"])
        row["seconds"] = self._seconds + time.perf_counter() - began
        if self.scheduler is not None and self.schedule == "epoch":
            plateau = hasattr(self.scheduler, "patience")
            self.scheduler.step(*([row.get("val_loss", row["loss"])] if plateau else []))
        self.history.append(row)
        self.epoch += 1
        self._batch, self._started, self._seconds = 0, None, 0.0
        self._progress.row(row)
        self._call("on_epoch_end")

    def _batches(self, train: Loader) -> Iterable[Any]:
        """The epoch's batches that are still to do; state.py says how a half-done epoch is taken up."""
        if self._resumed is not None and self._started is not None:
            set_random_state(self._started, self._own)
        else:
            if self._resumed is not None:
                set_random_state(self._resumed, self._own)
                self._resumed = None
            self._started = random_state(self._own)
        iterator = iter(train)
        if self._resumed is not None:
            for _ in range(self._batch):
                if next(iterator, None) is None:
                    raise ValueError(
                        f"fit(): the checkpoint was made after {self._batch} batches of an epoch, which has fewer now"
                    )
            set_random_state(self._resumed, self._own)
            self._resumed = None
        return iterator

    def _forward(self, batch: Any, training: bool = False) -> tuple[Any, Any]:
        if self.forward is not None:
            return self.forward(self.model, batch)
        if not isinstance(batch, (tuple, list)) or len(batch) < 2:
            raise TypeError(f"a batch must be a tuple or list of inputs and a target, got {type(batch).__name__}")
        *inputs, target = batch
        if training and self.augment is not None:
            inputs[0] = self.augment(inputs[0])
        if training and self.mix is not None:
            inputs[0], target = self.mix(inputs[0], target)
        return self.model(*inputs), target

    def _backward(self, batch: Any, first: bool) -> None:
        """The batch's loss and gradient, added to what the step's batches gave before."""
        before = default_generator.get_state()
        where = f"batch {self._batch + 1} of epoch {self.epoch + 1}"
        try:
            output, target = self._forward(batch, training=True)
            loss = self.criterion(output, target)
            value = float(loss)
        except Exception as error:
            _place(error, f"training {where}")
            raise
        if not math.isfinite(value):
            raise diagnose(
                self.model, lambda: self._forward(batch, training=True), batch, value, where, self.step, before
            )
        if first:
            self.optimizer.zero_grad()
        (loss / self.accumulate if self.accumulate > 1 else loss).backward()
        self.last_loss = value
        self._loss.add(value, batch_size(target))
        with no_grad():
            for metric in self.metrics.values():
                metric.update(output.detach() if isinstance(output, Tensor) else output, target)

    def _update(self, batches: int) -> None:
        """A step of the optimizer, from the gradients of that many batches."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        if batches != self.accumulate:
            with no_grad():
                for parameter in parameters:
                    parameter.grad.mul_(self.accumulate / batches)
        if self.clip_grad_value is not None:
            clip_grad_value_(parameters, self.clip_grad_value)
        if self.clip_grad_norm is not None:
            clip_grad_norm_(parameters, self.clip_grad_norm)
        self.optimizer.step()
        self.step += 1
        if self.scheduler is not None and self.schedule == "step":
            self.scheduler.step()
        self._call("on_step_end")

    def _call(self, moment: str) -> None:
        for callback in self.callbacks:
            getattr(callback, moment)(self)

    # ------------------------------------------------------------------------------------ checkpoints

    def kinds(self) -> dict[str, str]:
        """The classes of the optimizer and the scheduler: one cannot go on from another's state."""
        return {
            "optimizer": type(self.optimizer).__name__,
            "scheduler": "no scheduler" if self.scheduler is None else type(self.scheduler).__name__,
        }

    def state_dict(self) -> dict[str, Any]:
        """All that the run's future depends on; tensors are shared, so save it before the next step."""
        return {
            "kinds": self.kinds(),
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "callbacks": [[type(callback).__name__, callback.state_dict()] for callback in self.callbacks],
            "metrics": {name: metric.state for name, metric in self.metrics.items()},
            "history": self.history.rows,
            "progress": {"epoch": self.epoch, "step": self.step, "batch": self._batch, "loss": self._loss.state},
            "stopped": self.stopped,
            "backend": current_backend(),
            "random": random_state(self._own),
            "started": self._started,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave. RuntimeError or ValueError, before anything changes, where it is of
        another model, optimizer, scheduler, or of other callbacks or metrics.
        """
        files.check(self, state)
        files.load_model_and_optimizer(self.model, self.optimizer, state)
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        for callback, (_, saved) in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved)
        for name, metric in self.metrics.items():
            metric.state = state["metrics"][name]
        progress = state["progress"]
        self.history.rows = state["history"]
        self.epoch, self.step, self._batch = progress["epoch"], progress["step"], progress["batch"]
        self._loss.state, self.stopped = progress["loss"], state["stopped"]
        self._started, self._resumed = state["started"], state["random"]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``state_dict()`` to a file, whole or not at all."""
        save(self.state_dict(), path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Continue from a checkpoint. FileNotFoundError where there is none; ValueError for a file that is damaged or
        no checkpoint; errors of ``load_state_dict``, with the file's name.
        """
        state = files.read(path)
        try:
            self.load_state_dict(state)
        except (RuntimeError, ValueError) as error:
            _place(error, f"checkpoint {os.fspath(path)}")
            raise

    def _checkpoint(self, resume: bool | str | os.PathLike[str]) -> Path | None:
        if resume is True:
            folders = [callback.folder for callback in self.callbacks if isinstance(callback, ModelCheckpoint)]
            if not folders:
                raise ValueError("fit(): resume=True needs a ModelCheckpoint among the callbacks")
            resume = folders[0]
        path = Path(os.fspath(resume))  # type: ignore[arg-type]
        if path.is_dir() or path.suffix != Path(LAST).suffix:
            return path / LAST if (path / LAST).is_file() else None
        return path


def _place(error: Exception, where: str) -> None:
    """Put the place of its cause into an error's message."""
    if error.args and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]} [in {where}]", *error.args[1:])
