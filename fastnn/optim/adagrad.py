"""Adagrad (Duchi et al. 2011), as PyTorch has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.creation import full_like
from fastnn.optim._rules import RuleOptimizer
from fastnn.optim.optimizer import check_modes, check_rate
from fastnn.tensor import Tensor


class Adagrad(RuleOptimizer):
    """s += g**2; p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps), with g = grad + weight_decay * p.

    s starts at ``initial_accumulator_value``.

    ``foreach`` and ``fused`` change nothing; ``differentiable`` is not offered (NotImplementedError).
    ValueError for rates out of range.
    """

    _rule = "adagrad"
    _state_names = ("sum",)

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate("learning rate", lr)
        check_rate("lr_decay value", lr_decay)
        check_rate("weight_decay value", weight_decay)
        check_rate("initial_accumulator_value value", initial_accumulator_value)
        check_rate("epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        check_modes(defaults)
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                self._state[param] = {
                    "step": _core.wrap(np.zeros((), np.float32)),
                    "sum": full_like(param.detach(), group["initial_accumulator_value"]),
                }

    def _options(self, group: dict[str, Any]) -> Sequence[float]:
        return (group["eps"], 0.0, 0.0, 0.0)

    def _factors(self, group: dict[str, Any], steps: Any, states: dict[str, Any]) -> Sequence[Any]:
        return (float(group["lr"]) / (1 + (steps - 1) * group["lr_decay"]),)
