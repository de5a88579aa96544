"""Adafactor (Shazeer & Stern 2018), as PyTorch has it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array
from fastnn.optim._plain import PlainOptimizer, scalar
from fastnn.tensor import Tensor


class Adafactor(PlainOptimizer):
    """Adam's second moment kept as the means of its rows and columns, of the last two dimensions.

    With b = t**beta2_decay, r += b * (mean over columns of g**2 - r), c likewise over rows and v = r c / mean(r) (a
    vector keeps v itself): u = g / sqrt(max(v, eps1**2)); p -= lr * weight_decay * p;
    p -= max(eps2, rms(p)) * min(lr, 1 / sqrt(t)) * u / max(1, rms(u) / d).

    ``eps[0]`` None is the dtype's epsilon. ``foreach`` changes nothing. ValueError for rates out of range.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _first_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        shape, dtype = param._array.shape, param._array.dtype
        if len(shape) < 2:
            return {"step": scalar(0), "variance": _core.wrap(np.zeros(shape, dtype))}
        return {
            "step": scalar(0),
            "row_var": _core.wrap(np.zeros((*shape[:-1], 1), dtype)),
            "col_var": _core.wrap(np.zeros((*shape[:-2], 1, shape[-1]), dtype)),
        }

    def _change(self, group: dict[str, Any], param: Array, grad: Array, state: dict[str, Array]) -> None:
        lr, (least, floor) = float(group["lr"]), group["eps"]
        if least is None:
            least = float(np.finfo(param.dtype).eps)
        state["step"] += 1
        count = float(state["step"])
        share = count ** group["beta2_decay"]
        rate = max(floor, _rms(param)) * min(lr, 1 / count**0.5)
        if group["weight_decay"] != 0:
            param *= 1 - lr * group["weight_decay"]
        squares = grad * grad
        if grad.ndim > 1:
            rows, columns = state["row_var"], state["col_var"]
            rows += share * (squares.mean(axis=-1, keepdims=True) - rows)
            columns += share * (squares.mean(axis=-2, keepdims=True) - columns)
            estimate = rows * columns
            estimate /= np.maximum(rows.mean(axis=-2, keepdims=True), least)
        else:
            state["variance"] += share * (squares - state["variance"])
            estimate = state["variance"]
        update = grad / np.sqrt(np.maximum(estimate, least * least))
        param -= rate / max(1.0, _rms(update) / group["d"]) * update


def _rms(array: Array) -> float:
    flat = array.ravel()
    return math.sqrt(np.dot(flat, flat) / array.size)
