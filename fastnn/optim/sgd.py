"""Stochastic gradient descent with momentum (Sutskever et al. 2013 for Nesterov's), as PyTorch has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.kernels import K
from fastnn.optim._plan import Kernel
from fastnn.optim.optimizer import Optimizer, check_modes, check_rate
from fastnn.tensor import Tensor


class SGD(Optimizer):
    """d = grad + weight_decay * p; buf = momentum * buf + (1 - dampening) * d (d at first);
    p -= lr * (d + momentum * buf if nesterov else buf).

    ``maximize`` turns the gradient round; ``foreach`` and ``fused`` change nothing; ``differentiable=True`` is
    not offered (NotImplementedError). ValueError for a negative rate, and for nesterov without momentum or with
    dampening.
    """

    _state_names = ("momentum_buffer",)

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate("learning rate", lr)
        check_rate("momentum value", momentum)
        check_rate("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_modes(defaults)
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        defaults = {"nesterov": False, "maximize": False, "foreach": None, "differentiable": False, "fused": False}
        for group in self.param_groups:
            for name, default in defaults.items():
                group.setdefault(name, default)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return self._state_names if group["momentum"] != 0 else ()

    def _kernel(self, group: dict[str, Any]) -> Kernel:
        momentum = float(group["momentum"])
        options = (
            float(group["lr"]),
            momentum,
            float(group["dampening"]),
            float(group["weight_decay"]),
            bool(group["nesterov"]),
            bool(group["maximize"]),
        )

        def call(params: Any, grads: Any, states: Any, steps: Any, initialized: Any) -> None:
            K.sgd_step(params, grads, states.get("momentum_buffer"), initialized, *options)

        return call

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient. ``closure`` computes the loss anew, which is returned."""
        return self._update(closure)
