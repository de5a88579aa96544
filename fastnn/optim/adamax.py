"""Adamax (Kingma & Ba 2015), as PyTorch has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.optim._rules import RuleOptimizer
from fastnn.optim.adam import check_betas
from fastnn.optim.optimizer import check_modes, check_rate
from fastnn.tensor import Tensor


class Adamax(RuleOptimizer):
    """m = beta1 * m + (1 - beta1) * g; u = max(beta2 * u, |g| + eps); p -= lr / (1 - beta1**t) * m / u,
    with g = grad + weight_decay * p.

    ``foreach`` changes nothing; ``capturable`` and ``differentiable`` are not offered (NotImplementedError).
    ValueError for rates out of range.
    """

    _rule = "adamax"
    _state_names = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
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
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        check_modes(defaults)
        super().__init__(params, defaults)

    def _options(self, group: dict[str, Any]) -> Sequence[float]:
        return (*map(float, group["betas"]), group["eps"], 0.0)

    def _factors(self, group: dict[str, Any], steps: Any, states: dict[str, Any]) -> Sequence[Any]:
        return (float(group["lr"]) / (1 - group["betas"][0] ** steps),)
