"""Clipping gradients by their norm or their value, in place."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable

import numpy as np

from fastnn import _core
from fastnn.tensor import Tensor


def _as_list(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _scale(gradients: list[Tensor], factor: float) -> None:
    for gradient in gradients:
        gradient._array[...] *= gradient._array.dtype.type(factor)
        _core.bump_version(gradient)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm (of order ``norm_type``, inf included) of all the tensors' elements together, a 0-d tensor.

    ``foreach`` changes nothing. RuntimeError where the norm is not finite and ``error_if_nonfinite``.
    """
    arrays = [tensor._array for tensor in _as_list(tensors)]
    norm_type = float(norm_type)
    if not arrays:
        return _core.wrap(np.zeros((), np.float32))
    norms = [np.linalg.norm(array.ravel().astype(np.float64), norm_type) if array.size else 0.0 for array in arrays]
    total = float(np.linalg.norm(np.array(norms), norm_type))
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return _core.wrap(np.array(total, np.result_type(*arrays)))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by one factor, so that their norm together is at most ``max_norm``; return the norm before.

    ``foreach`` changes nothing. RuntimeError where the norm is not finite and ``error_if_nonfinite``.
    """
    is_generator = isinstance(parameters, types.GeneratorType)
    gradients = _gradients(parameters := _as_list(parameters))
    if is_generator and not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    _scale(
        gradients, min(1.0, float(max_norm) / (total.item() + 1e-6)) if np.isfinite(total.item()) else _nonfinite(total)
    )
    return total


def _nonfinite(total: Tensor) -> float:
    """What an infinite or NaN norm scales by, as in PyTorch: 0 and NaN."""
    return 0.0 if np.isinf(total.item()) else float("nan")


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every element of the gradients to [-clip_value, clip_value]. ``foreach`` changes nothing."""
    clip_value = float(clip_value)
    for gradient in _gradients(_as_list(parameters)):
        np.clip(gradient._array, -clip_value, clip_value, out=gradient._array)
        _core.bump_version(gradient)
