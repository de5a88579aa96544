"""Rates by a function of the caller's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.optim.lr_scheduler.scheduler import LRScheduler, Rate, check_optimizer, state_of_function
from fastnn.optim.optimizer import Optimizer

Factor = Callable[[int], float]


class _ByFunction(LRScheduler):
    _unsaved = ("optimizer", "lr_lambdas")

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | list[Factor], last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        count = len(optimizer.param_groups)
        if not isinstance(lr_lambda, (list, tuple)):
            lr_lambda = [lr_lambda] * count
        elif len(lr_lambda) != count:
            raise ValueError(f"Expected {count} lr_lambdas, but got {len(lr_lambda)}")
        for function in lr_lambda:
            if not callable(function):
                raise TypeError(f"lr_lambda should be a function, but got {type(function).__name__}")
        self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and the functions; of callable objects, what they hold."""
        return {**super().state_dict(), "lr_lambdas": [state_of_function(function) for function in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""
        self.__dict__.update({key: value for key, value in state_dict.items() if key != "lr_lambdas"})
        for function, held in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=False):
            if held is not None:
                function.__dict__.update(held)


class LambdaLR(_ByFunction):
    """The first rate times ``lr_lambda(step)``. ``lr_lambda``: one function, or one a group (ValueError)."""

    def get_lr(self) -> list[Rate]:
        """The rates of step ``last_epoch``, one a group; for ``step`` alone to call."""
        self._warn_unless_stepping()
        return [rate * function(self.last_epoch) for function, rate in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(_ByFunction):
    """The rate is multiplied by ``lr_lambda(step)`` at each step. ``lr_lambda``: one function, or one a group."""

    def get_lr(self) -> list[Rate]:
        """The rates of step ``last_epoch``, one a group; for ``step`` alone to call."""
        self._warn_unless_stepping()
        if self._is_initial:
            return self._found()
        groups = self.optimizer.param_groups
        return [group["lr"] * f(self.last_epoch) for f, group in zip(self.lr_lambdas, groups, strict=True)]
