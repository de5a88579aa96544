"""Hooks around an optimizer's step: its own, and those of all optimizers."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastnn.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from fastnn.optim.optimizer import Optimizer

Hook = Callable[..., Any]
_pre_hooks_of_all: OrderedDict[int, Hook] = OrderedDict()
_post_hooks_of_all: OrderedDict[int, Hook] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """``hook(optimizer, args, kwargs)`` runs before each step of every optimizer; it may return ``(args, kwargs)``."""
    return added(_pre_hooks_of_all, hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """``hook(optimizer, args, kwargs)`` runs after each step of every optimizer."""
    return added(_post_hooks_of_all, hook)


def added(table: OrderedDict[int, Hook], hook: Hook) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


def with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def run(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        before, after = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks
        if not (before or after or _pre_hooks_of_all or _post_hooks_of_all):
            return step(self, *args, **kwargs)
        for hook in [*_pre_hooks_of_all.values(), *before.values()]:
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                args, kwargs = changed
        result = step(self, *args, **kwargs)
        for hook in [*after.values(), *_post_hooks_of_all.values()]:
            hook(self, args, kwargs)
        return result

    return run
