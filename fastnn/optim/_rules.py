"""What the optimizers have in common whose step is one of the contract's RULES."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastnn.kernels import K
from fastnn.optim._plan import Kernel
from fastnn.optim.optimizer import Optimizer


class RuleOptimizer(Optimizer):
    """A subclass names its rule and states, and gives the rule's options and what depends on the step count."""

    _rule: str
    _counts_steps = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in ("foreach", "maximize", "differentiable", "capturable"):
                if name in self.defaults:
                    group.setdefault(name, None if name == "foreach" else False)

    def _options(self, group: dict[str, Any]) -> Sequence[float]:
        """The rule's four numbers."""
        raise NotImplementedError

    def _factors(self, group: dict[str, Any], steps: Any, states: dict[str, Any]) -> Sequence[Any]:
        """Up to three numbers a parameter, each an array over the parameters; steps: how many, with this one (or a
        single number, where all have made as many)."""
        return ()

    def _lists(self, states: dict[str, Any]) -> tuple[Any, Any, Any]:
        """The rule's first, second and third state."""
        first, second, third, *_ = [states[name] for name in self._state_names] + [None] * 2
        return first, second, third

    def _kernel(self, group: dict[str, Any]) -> Kernel:
        options = self._options(group)
        lr, decay, maximize = float(group["lr"]), float(group["weight_decay"]), bool(group["maximize"])

        def call(params: Any, grads: Any, states: Any, steps: list[int], initialized: Any) -> None:
            factors = np.zeros((len(params), 3))
            alike = steps.count(steps[0]) == len(steps) if steps else False  # then one number serves for all
            counts = np.array(steps[:1] if alike else steps, np.float64)
            for column, values in enumerate(self._factors(group, counts, states)):
                factors[:, column] = values
            first, second, third = self._lists(states)
            K.rule_step(self._rule, params, grads, first, second, third, factors, lr, decay, options, maximize)

        return call

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient. ``closure`` computes the loss anew, which is returned."""
        return self._update(closure)
