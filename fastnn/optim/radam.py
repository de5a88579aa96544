"""RAdam (Liu et al. 2019), as PyTorch has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.optim._rules import RuleOptimizer
from fastnn.optim.adam import check_betas
from fastnn.optim.optimizer import check_modes, check_rate
from fastnn.tensor import Tensor


class RAdam(RuleOptimizer):
    """Adam that takes m alone until the variance of v is known: rho_t = rho_inf - 2 t beta2**t / (1 - beta2**t) > 5.

    ``decoupled_weight_decay`` shrinks p by 1 - lr * weight_decay; otherwise g = grad + weight_decay * p.

    ``foreach`` changes nothing; ``capturable`` and ``differentiable`` are not offered (NotImplementedError).
    ValueError for rates out of range.
    """

    _rule = "radam"
    _state_names = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate("learning rate", lr)
        check_rate("epsilon value", eps)
        check_betas(betas, None)
        check_rate("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        check_modes(defaults)
        super().__init__(params, defaults)

    def _options(self, group: dict[str, Any]) -> Sequence[float]:
        return (*map(float, group["betas"]), group["eps"], float(group["decoupled_weight_decay"]))

    def _factors(self, group: dict[str, Any], steps: Any, states: dict[str, Any]) -> Sequence[Any]:
        beta1, beta2 = map(float, group["betas"])
        left1, left2, most = 1 - beta1**steps, 1 - beta2**steps, 2 / (1 - beta2) - 1
        length = most - 2 * steps * beta2**steps / left2
        rate, known = float(group["lr"]) / left1, length > 5
        ratio = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        return np.where(known, rate * np.sqrt(np.where(known, ratio * left2, 1)), rate), known
