"""Averages of a model's weights while it is trained: SWA (Izmailov et al. 2018) and exponential moving averages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from fastnn.autograd import no_grad
from fastnn.creation import tensor
from fastnn.dtypes import int64
from fastnn.nn.module import Module
from fastnn.nn.norm import _BatchNorm
from fastnn.optim.lr_scheduler.scheduler import LRScheduler, Rate, for_each_group
from fastnn.optim.optimizer import Optimizer
from fastnn.tensor import Tensor

AverageOne = Callable[[Tensor, Tensor, Any], Tensor]
AverageMany = Callable[[list[Tensor], list[Tensor], Any], None]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def _lerp_(start: Tensor, end: Tensor, weight: float) -> None:
    """start + weight * (end - start), into start; from the nearer end, so that a weight of 1 gives end."""
    way = end - start
    start.copy_(start + way * weight if weight < 0.5 else end - way * (1 - weight))


def get_ema_avg_fn(decay: float = 0.999) -> AverageOne:
    """For ``AveragedModel(avg_fn=...)``: average = decay * average + (1 - decay) * new. ValueError outside [0, 1]."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageMany:
    """For ``AveragedModel(multi_avg_fn=...)``: ``get_ema_avg_fn`` for lists, in place."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list: list[Tensor], current_param_list: list[Tensor], _: Any) -> None:
        for average, new in zip(ema_param_list, current_param_list, strict=True):
            if average.is_floating_point():
                _lerp_(average, new, 1 - decay)
            else:
                average.copy_(average * decay + new * (1 - decay))

    return ema_update


def get_swa_avg_fn() -> AverageOne:
    """For ``AveragedModel(avg_fn=...)``: the mean of all, average += (new - average) / (num_averaged + 1)."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        average: Tensor = averaged_param + (current_param - averaged_param) / (num_averaged + 1)
        return average

    return swa_update


def get_swa_multi_avg_fn() -> AverageMany:
    """For ``AveragedModel(multi_avg_fn=...)``: ``get_swa_avg_fn`` for lists, in place."""

    @no_grad()
    def swa_update(averaged_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any) -> None:
        for average, new in zip(averaged_param_list, current_param_list, strict=True):
            _lerp_(average, new, 1 / (float(num_averaged) + 1))

    return swa_update


class AveragedModel(Module):
    """A copy of ``model`` whose parameters are averages of those that ``update_parameters`` was given.

    ``avg_fn(average, new, num_averaged)`` returns the new average of one tensor, ``multi_avg_fn`` changes lists of one
    dtype in place; without either it is the mean of all. ``use_buffers``: buffers are averaged too, else copied.
    ``device`` is where the copy goes. AssertionError where both functions are given.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AverageOne | None = None,
        multi_avg_fn: AverageMany | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's output."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take ``model``'s parameters into the averages; the first time they are copied."""
        averages: list[Tensor] = [tensor.detach() for tensor in _tensors(self.module, self.use_buffers)]
        news: list[Tensor] = [tensor.detach() for tensor in _tensors(model, self.use_buffers)]
        if self.n_averaged == 0:
            for average, new in zip(averages, news, strict=True):
                average.copy_(new)
        elif self.multi_avg_fn is None:
            one = self.avg_fn or get_swa_avg_fn()
            for average, new in zip(averages, news, strict=True):
                average.copy_(one(average, new, self.n_averaged))
        else:
            by_dtype: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
            for average, new in zip(averages, news, strict=True):
                pair = by_dtype.setdefault(average.dtype, ([], []))
                pair[0].append(average)
                pair[1].append(new)
            for pair in by_dtype.values():
                self.multi_avg_fn(*pair, self.n_averaged)
        if not self.use_buffers:
            for buffer, new in zip(self.module.buffers(), model.buffers(), strict=True):
                buffer.detach().copy_(new.detach())
        self.n_averaged += 1


def _tensors(module: Module, with_buffers: bool) -> Iterable[Tensor]:
    return itertools.chain(module.parameters(), module.buffers()) if with_buffers else module.parameters()


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """The running statistics of ``model``'s batch norms anew: their mean over all batches of ``loader``.

    Where a batch is a list or tuple, its first entry is the input, which goes to ``device`` first if one is given.
    """
    norms: dict[Any, Any] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            norms[module] = module.momentum
    if not norms:
        return
    was_training = model.training
    model.train()
    for norm in norms:
        norm.momentum = None  # the mean of all
    for batch in loader:
        given = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(given if device is None else given.to(device))
    for norm, momentum in norms.items():
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the rate that is found to ``swa_lr`` in ``anneal_epochs`` steps, along a cosine or a line
    (``anneal_strategy`` "cos" or "linear"), then constant.

    ValueError for another strategy, a negative or fractional ``anneal_epochs``, a list that does not fit the groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        swa_lrs = for_each_group("swa_lr", optimizer, swa_lr)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        for rate, group in zip(swa_lrs, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[Rate]:
        """The rates of this step, one a group; for ``step`` alone to call."""
        self._warn_unless_stepping()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            target = group["swa_lr"]
            start = target if before == 1 else (group["lr"] - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates
