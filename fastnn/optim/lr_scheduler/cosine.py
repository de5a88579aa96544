"""Rates along a cosine (Loshchilov & Hutter 2017)."""

from __future__ import annotations

import math

from fastnn.optim.lr_scheduler.scheduler import LRScheduler, Rate
from fastnn.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """eta_min + (lr - eta_min) * (1 + cos(pi * step / T_max)) / 2: down in ``T_max`` steps, and up again after them.

    The rule is applied to the rate that is found, so that other schedulers may change it too.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _height(self, step: int) -> float:
        return 1 + math.cos(math.pi * step / self.T_max)

    def get_lr(self) -> list[Rate]:
        """The rates of step ``last_epoch``, one a group; for ``step`` alone to call."""
        self._warn_unless_stepping()
        if self._is_initial:
            return self._found()
        step, low = self.last_epoch, self.eta_min
        if self._step_count == 1 and step > 0:
            return self._get_closed_form_lr()
        if (step - 1 - self.T_max) % (2 * self.T_max) == 0:  # the step before was at the bottom, where the ratio is 0/0
            first = 1 - math.cos(math.pi / self.T_max)
            groups = self.optimizer.param_groups
            return [g["lr"] + (rate - low) * first / 2 for rate, g in zip(self.base_lrs, groups, strict=True)]
        ratio = self._height(step) / self._height(step - 1)
        return [ratio * (group["lr"] - low) + low for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[Rate]:
        low, height = self.eta_min, self._height(self.last_epoch)
        return [low + (rate - low) * height / 2 for rate in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """eta_min + (lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2, where T_cur steps have passed since a restart and the
    next comes after T_i: ``T_0`` at first, then ``T_mult`` times as many each time.

    ValueError for numbers out of range, or of another type.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min = T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        """The rates of step ``last_epoch``, one a group; for ``step`` alone to call."""
        self._warn_unless_stepping()
        low, height = self.eta_min, 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [low + (rate - low) * height / 2 for rate in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """The next step, or the step ``epoch``, which may be a fraction (of an epoch's batches).

        ValueError for a negative epoch.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._jump(epoch)
        self.last_epoch = math.floor(epoch)
        with self._stepping():
            values = self.get_lr()
        self._set_rates(values)

    def _jump(self, epoch: float) -> None:
        if epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:  # the restarts so far: T_0 * (1 + T_mult + ... + T_mult**(n - 1)) <= epoch
            n = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**n
