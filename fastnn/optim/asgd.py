"""Averaged stochastic gradient descent (Polyak & Juditsky 1992), as PyTorch has it."""

from __future__ import annotations

from typing import Any

from fastnn.creation import zeros_like
from fastnn.ops.dims import Array
from fastnn.optim._plain import PlainOptimizer, scalar
from fastnn.optim.optimizer import check_modes, check_rate
from fastnn.tensor import Tensor


class ASGD(PlainOptimizer):
    """p = (1 - lambd * eta) * p - eta * g, with g = grad + weight_decay * p; ax += mu * (p - ax);
    then eta = lr / (1 + lambd * lr * t)**alpha and mu = 1 / max(1, t - t0). ``ax`` in the state is the average.

    ``foreach`` changes nothing; ``capturable`` and ``differentiable`` are not offered (NotImplementedError).
    ValueError for rates out of range.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rate("learning rate", lr)
        check_rate("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        check_modes(defaults)
        super().__init__(params, defaults)

    def _first_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {
            "step": scalar(0),
            "eta": scalar(float(group["lr"])),
            "mu": scalar(1),
            "ax": zeros_like(param.detach()),
        }

    def _change(self, group: dict[str, Any], param: Array, grad: Array, state: dict[str, Array]) -> None:
        step, eta, mu, average = (state[name] for name in ("step", "eta", "mu", "ax"))
        lr, lambd, rate = float(group["lr"]), group["lambd"], float(eta)
        step += 1
        if group["weight_decay"] != 0:
            grad = grad + group["weight_decay"] * param
        param *= 1 - lambd * rate
        param -= rate * grad
        if mu != 1:
            average += (param - average) * float(mu)
        else:
            average[...] = param
        count = float(step)
        eta[...] = lr / (1 + lambd * lr * count) ** group["alpha"]
        mu[...] = 1 / max(1, count - group["t0"])
