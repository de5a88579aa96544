"""Lion (Chen et al. 2023). PyTorch has none; the options are those of its authors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.optim._rules import RuleOptimizer
from fastnn.optim.adam import check_betas
from fastnn.optim.optimizer import check_modes, check_rate
from fastnn.tensor import Tensor


class Lion(RuleOptimizer):
    """p *= 1 - lr * weight_decay; p -= lr * sign(beta1 * m + (1 - beta1) * grad); m = beta2 * m + (1 - beta2) * grad.

    ``foreach`` changes nothing; ``capturable`` and ``differentiable`` are not offered (NotImplementedError).
    ValueError for rates out of range.
    """

    _rule = "lion"
    _state_names = ("exp_avg",)
    _counts_steps = False

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate("learning rate", lr)
        check_betas(betas, None)
        check_rate("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        check_modes(defaults)
        super().__init__(params, defaults)

    def _options(self, group: dict[str, Any]) -> Sequence[float]:
        return (*map(float, group["betas"]), 0.0, 1.0)
