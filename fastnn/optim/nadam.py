"""NAdam (Dozat 2016), as PyTorch has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.optim._plan import Bucket
from fastnn.optim._rules import RuleOptimizer
from fastnn.optim.adam import check_betas
from fastnn.optim.optimizer import check_modes, check_rate
from fastnn.tensor import Tensor


class NAdam(RuleOptimizer):
    """Adam with Nesterov momentum: mu_t = beta1 * (1 - 0.96**(t * momentum_decay) / 2),
    p -= lr * ((1 - mu_t) / (1 - prod mu) * g + mu_t+1 / (1 - prod mu * mu_t+1) * m)
    / (sqrt(v / (1 - beta2**t)) + eps).

    ``decoupled_weight_decay`` shrinks p by 1 - lr * weight_decay; otherwise g = grad + weight_decay * p.

    ``foreach`` changes nothing; ``capturable`` and ``differentiable`` are not offered (NotImplementedError).
    ValueError for rates out of range.
    """

    _rule = "nadam"
    _state_names = ("mu_product", "exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_rate("momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
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

    def _state_of(self, param: Tensor, name: str) -> Tensor:
        if name != "mu_product":
            return super()._state_of(param, name)
        state = self._state[param]
        if name not in state:
            state[name] = _core.wrap(np.ones((), np.float32))
        return state[name]  # type: ignore[no-any-return]

    def _make_buckets(self, params: list[Tensor], names: tuple[str, ...]) -> list[Bucket]:
        """As of all; the products lie in one array for each bucket, of which the states hold views."""
        buckets = super()._make_buckets(params, names)
        for bucket in buckets:
            shared = np.array([float(product) for product in bucket.states["mu_product"]], np.float32)
            for position, param in enumerate(bucket.params):
                self._state[param]["mu_product"] = _core.wrap(shared[position : position + 1].reshape(()))
            bucket.states["mu_product"] = [shared]
        return buckets

    def _lists(self, states: dict[str, Any]) -> tuple[Any, Any, Any]:
        return states["exp_avg"], states["exp_avg_sq"], None

    def _factors(self, group: dict[str, Any], steps: Any, states: dict[str, Any]) -> Sequence[Any]:
        lr, (beta1, beta2), decay = float(group["lr"]), map(float, group["betas"]), group["momentum_decay"]
        mu, after = (beta1 * (1 - 0.5 * 0.96 ** ((steps + ahead) * decay)) for ahead in (0, 1))
        (shared,) = states["mu_product"]
        products = shared.astype(np.float64) * mu
        shared[...] = products
        share, next_share = lr * (1 - mu) / (1 - products), lr * after / (1 - products * after)
        return share, next_share, 1 / (1 - beta2**steps)
