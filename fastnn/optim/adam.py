"""Adam (Kingma & Ba 2015), with AMSGrad (Reddi et al. 2018), as PyTorch has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.kernels import K
from fastnn.optim._plan import Kernel
from fastnn.optim.optimizer import Optimizer, check_modes, check_rate
from fastnn.tensor import Tensor


def check_betas(betas: Any, foreach: bool | None) -> None:
    for index in (0, 1):
        if not 0.0 <= betas[index] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")
    are_tensors = [isinstance(beta, Tensor) for beta in betas]
    if not (all(are_tensors) or all(isinstance(beta, float) for beta in betas)):
        raise ValueError("betas must be either both floats or both Tensors")
    for index in (0, 1):
        if are_tensors[index]:
            if foreach:
                raise ValueError(f"betas[{index}] as a Tensor is not supported for capturable=False and foreach=True")
            if betas[index].numel() != 1:
                raise ValueError(f"Tensor betas[{index}] must be 1-element")


class Adam(Optimizer):
    """m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g**2;
    p -= lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps), with g = grad + weight_decay * p.

    ``decoupled_weight_decay`` shrinks p by 1 - lr * weight_decay instead (AdamW); ``amsgrad`` divides by the largest v
    so far; ``maximize`` turns the gradient round; ``foreach`` and ``fused`` change nothing; ``capturable=True`` and
    ``differentiable=True`` are not offered (NotImplementedError). ValueError for rates out of range.
    """

    _counts_steps = True

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_rate("learning rate", lr)
        check_rate("epsilon value", eps)
        check_betas(betas, foreach and not capturable)
        check_rate("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        check_modes(defaults)
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        defaults = {
            "amsgrad": False,
            "maximize": False,
            "foreach": None,
            "capturable": False,
            "differentiable": False,
            "decoupled_weight_decay": False,
            "fused": None,
        }
        for group in self.param_groups:
            for name, default in defaults.items():
                group.setdefault(name, default)

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def _kernel(self, group: dict[str, Any]) -> Kernel:
        beta1, beta2 = group["betas"]
        options = (
            float(group["lr"]),
            float(beta1),
            float(beta2),
            float(group["eps"]),
            float(group["weight_decay"]),
            bool(group["decoupled_weight_decay"]),
            bool(group["maximize"]),
        )

        def call(params: Any, grads: Any, states: Any, steps: list[int], initialized: Any) -> None:
            largest = states.get("max_exp_avg_sq")
            K.adam_step(params, grads, states["exp_avg"], states["exp_avg_sq"], largest, steps, *options)

        return call

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient. ``closure`` computes the loss anew, which is returned."""
        return self._update(closure)
