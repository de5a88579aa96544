"""RMSprop (Tieleman & Hinton 2012), centred as in Graves (2013), as PyTorch has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.optim._rules import RuleOptimizer
from fastnn.optim.optimizer import check_modes, check_rate
from fastnn.tensor import Tensor


class RMSprop(RuleOptimizer):
    """v = alpha * v + (1 - alpha) * g**2; p -= lr * g / (sqrt(v) + eps), with g = grad + weight_decay * p.

    ``momentum``: p -= lr * buffer, buffer = momentum * buffer + g / (sqrt(v) + eps); ``centered``: v less the square
    of the mean.

    ``foreach`` changes nothing; ``capturable`` and ``differentiable`` are not offered (NotImplementedError).
    ValueError for rates out of range.
    """

    _rule = "rmsprop"
    _state_names = ("square_avg",)

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate("learning rate", lr)
        check_rate("epsilon value", eps)
        check_rate("momentum value", momentum)
        check_rate("weight_decay value", weight_decay)
        check_rate("alpha value", alpha)
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        check_modes(defaults)
        super().__init__(params, defaults)

    def _options(self, group: dict[str, Any]) -> Sequence[float]:
        return (group["alpha"], group["eps"], group["momentum"], 0.0)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if group["momentum"] > 0 else ()
        return ("square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))

    def _lists(self, states: dict[str, Any]) -> tuple[Any, Any, Any]:
        return states["square_avg"], states.get("momentum_buffer"), states.get("grad_avg")
