"""``LRScheduler``: the base of all schedulers, and what they share."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import ref

from fastnn.optim.optimizer import Optimizer
from fastnn.tensor import Tensor

Rate = Any  # a number, or a one-element tensor
EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. If epoch is different from None, the closed form is used instead of the "
    "chainable form, where available."
)
OVERRIDDEN_WARNING = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. Please, make sure "
    "to call `optimizer.step()` before `lr_scheduler.step()`."
)
ORDER_WARNING = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. They should be called in the opposite order: "
    "`optimizer.step()` before `lr_scheduler.step()`. Otherwise the first value of the schedule is skipped."
)


def check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def own(value: Rate) -> Rate:
    """The number, or a copy of the tensor, which will be changed in place."""
    return value.clone() if isinstance(value, Tensor) else value


def for_each_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value a group: ``value`` itself for all, or its entries. ValueError where there are too many or few."""
    count = len(optimizer.param_groups)
    if isinstance(value, (list, tuple)):
        if len(value) != count:
            raise ValueError(
                f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
                f"param_groups has {count}."
            )
        return [own(item) for item in value]
    return [own(value) for _ in range(count)]


def values_of(optimizer: Optimizer, key: str) -> list[Rate]:
    """The groups' values of ``key``."""
    return [own(group[key]) for group in optimizer.param_groups]


def set_value(group: dict[str, Any], key: str, value: Rate) -> None:
    """Sets a group's value; where it is a tensor, in place."""
    if isinstance(group[key], Tensor):
        group[key].fill_(float(value))
    else:
        group[key] = value


def uses_beta1(optimizer: Optimizer) -> bool:
    """Whether the optimizer's momentum is ``betas[0]``. ValueError where it has none."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults


def set_momentum(group: dict[str, Any], value: float, beta1: bool) -> None:
    if beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def state_of_function(function: Any) -> dict[str, Any] | None:
    """What a callable object holds; None for a function, which cannot be saved."""
    return None if isinstance(function, types.FunctionType) else dict(function.__dict__)


def _track_steps(optimizer: Optimizer) -> None:
    """Lets the optimizer note that its step was called."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    method = getattr(optimizer.step, "__func__", None)
    function: Callable[..., Any] = optimizer.step if method is None else method  # a function keeps no optimizer alive
    owner = ref(optimizer)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        target = owner()
        target._opt_called = True  # type: ignore[union-attr]
        return function(*args, **kwargs) if method is None else function(target, *args, **kwargs)

    run._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = run  # type: ignore[method-assign]


class LRScheduler:
    """A subclass sets its options, calls ``super().__init__`` and defines ``get_lr``: the rates of step ``last_epoch``.

    ``last_epoch``: -1 to start; otherwise the step to go on after, and the groups must hold ``initial_lr`` (KeyError).
    TypeError where ``optimizer`` is none.
    """

    _get_lr_called_within_step = False
    _is_initial = False
    _get_closed_form_lr: Callable[[], list[Rate]]
    _unsaved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for index, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", own(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{index}] when resuming scheduler with "
                    "last_epoch >= 0: load the optimizer's state first, or leave last_epoch out to start anew"
                )
        self.base_lrs: list[Rate] = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _track_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key not in self._unsaved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Rate]:
        """The rates set last, one a group."""
        return self._last_lr

    def get_lr(self) -> list[Rate]:
        """The rates of step ``last_epoch``, one a group; for ``step`` alone to call."""
        raise NotImplementedError

    def _warn_unless_stepping(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next step. ``epoch`` (out of use) names a step to jump to.

        A UserWarning where the optimizer's own first step has not been taken.
        """
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(OVERRIDDEN_WARNING, UserWarning, stacklevel=2)
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(ORDER_WARNING, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        with self._stepping():
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed = epoch is not None and hasattr(self, "_get_closed_form_lr")
            values = self._get_closed_form_lr() if closed else self.get_lr()
        self._set_rates(values)

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _set_rates(self, values: Sequence[Rate]) -> None:
        for group, rate in zip(self.optimizer.param_groups, values, strict=True):
            set_value(group, "lr", rate)
        self._last_lr: list[Rate] = values_of(self.optimizer, "lr")

    # What most get_lr are made of.

    def _found(self) -> list[Rate]:
        """The rates as they are."""
        return values_of(self.optimizer, "lr")

    def _times(self, factor: float) -> list[Rate]:
        """The rates as they are, times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class _LRScheduler(LRScheduler):
    """The base's name in old scripts."""
