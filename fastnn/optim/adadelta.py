"""Adadelta (Zeiler 2012), as PyTorch has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.optim._rules import RuleOptimizer
from fastnn.optim.optimizer import check_modes, check_rate
from fastnn.tensor import Tensor


class Adadelta(RuleOptimizer):
    """v = rho * v + (1 - rho) * g**2; u = g * sqrt(w + eps) / sqrt(v + eps); w = rho * w + (1 - rho) * u**2;
    p -= lr * u, with g = grad + weight_decay * p.

    ``foreach`` changes nothing; ``capturable`` and ``differentiable`` are not offered (NotImplementedError).
    ValueError for rates out of range.
    """

    _rule = "adadelta"
    _state_names = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate("learning rate", lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_rate("epsilon value", eps)
        check_rate("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "capturable": capturable,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        check_modes(defaults)
        super().__init__(params, defaults)

    def _options(self, group: dict[str, Any]) -> Sequence[float]:
        return (group["rho"], group["eps"], 0.0, 0.0)
