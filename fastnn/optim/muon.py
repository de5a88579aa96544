"""Muon (Jordan et al. 2024; Liu et al. 2025 for the step's size), as PyTorch has it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastnn.creation import zeros_like
from fastnn.ops.dims import Array
from fastnn.optim._plain import PlainOptimizer
from fastnn.tensor import Tensor


class Muon(PlainOptimizer):
    """m += (1 - momentum) * (g - m); u = g + momentum * (m - g) if nesterov else m; p -= lr * weight_decay * p;
    p -= lr * ratio * o, where o is u made nearly orthogonal by ``ns_steps`` Newton-Schulz steps
    o = a * o + (b * o o' + c * (o o')**2) o with ``ns_coefficients`` (a, b, c), from u / max(norm(u), eps).

    The steps are rounded to bfloat16's 8 bits, as PyTorch does them. ``adjust_lr_fn`` gives the ratio: "original" or
    None: sqrt(max(1, rows / columns)); "match_rms_adamw": 0.2 * sqrt(max(rows, columns)).

    All parameters must be matrices (ValueError), as must rates be in range.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.dim() != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {param.size()}"
                    )

    def _first_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"momentum_buffer": zeros_like(param.detach())}

    def _change(self, group: dict[str, Any], param: Array, grad: Array, state: dict[str, Array]) -> None:
        lr, momentum, buffer = float(group["lr"]), group["momentum"], state["momentum_buffer"]
        if group["ns_steps"] >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        buffer += (1 - momentum) * (grad - buffer)
        update = grad + momentum * (buffer - grad) if group["nesterov"] else buffer
        rows, columns = param.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        else:
            ratio = math.sqrt(max(1, rows / columns))
        direction = _orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        param *= 1 - lr * group["weight_decay"]
        param -= lr * ratio * direction.astype(param.dtype)


def _rounded(array: Array) -> Array:
    """Float32 values rounded to the nearest bfloat16, which are its upper 16 bits; ties to even."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(array), array, rounded.view(np.float32)).astype(np.float32)


def _orthogonal(matrix: Array, coefficients: Any, steps: int, eps: float) -> Array:
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    found = _rounded(matrix.astype(np.float32).T if tall else matrix.astype(np.float32))
    found = _rounded(found / max(_rounded(np.sqrt(np.square(found).sum(keepdims=True))).item(), eps))
    for _ in range(steps):
        gram = _rounded(found @ found.T)
        gram = _rounded(b * gram + c * (gram @ gram))
        found = _rounded(a * found + gram @ found)
    return found.T if tall else found
