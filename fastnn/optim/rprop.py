"""Resilient backpropagation (Riedmiller & Braun 1993), as PyTorch has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.creation import full_like, zeros_like
from fastnn.ops.dims import Array
from fastnn.optim._plain import PlainOptimizer, scalar
from fastnn.optim.optimizer import check_modes, check_rate
from fastnn.tensor import Tensor


class Rprop(PlainOptimizer):
    """Each element has a step size of its own, which grows by ``etas[1]`` where the gradient keeps its sign and shrinks
    by ``etas[0]`` where it turns (that gradient then counts as 0), within ``step_sizes``; p -= step_size * sign(g).

    ``lr`` is the first step size. ``foreach`` changes nothing; ``capturable`` and ``differentiable`` are not offered
    (NotImplementedError). ValueError for rates out of range.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate("learning rate", lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        check_modes(defaults)
        super().__init__(params, defaults)

    def _first_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        own = param.detach()
        return {"step": scalar(0), "prev": zeros_like(own), "step_size": full_like(own, float(group["lr"]))}

    def _change(self, group: dict[str, Any], param: Array, grad: Array, state: dict[str, Array]) -> None:
        previous, size = state["prev"], state["step_size"]
        state["step"] += 1
        (shrink, grow), (least, most) = group["etas"], group["step_sizes"]
        agreement = grad * previous
        turned = agreement < 0
        size *= np.where(agreement > 0, grow, np.where(turned, shrink, 1)).astype(size.dtype)
        np.clip(size, least, most, out=size)
        kept = np.where(turned, 0, grad).astype(grad.dtype)
        param -= np.sign(kept) * size
        previous[...] = kept
