"""Clipping gradients by their norm or their value, in place."""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Iterable

import numpy as np

from fastnn import _core
from fastnn.kernels import K
from fastnn.ops.dims import Array
from fastnn.tensor import Tensor


def _as_list(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def gradients_of(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The gradients of those parameters that have one."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def scale_gradients(gradients: list[Tensor], factor: float, limit: float) -> None:
    """Each gradient times factor, then within [-limit, limit], in place."""
    if factor != 1 or limit != math.inf:
        arrays = [gradient._array for gradient in gradients]
        try:
            K.scale_gradients(arrays, factor, limit)
        except ValueError:  # not dense, or of several dtypes; refused before anything was written
            for array in arrays:
                array[...] *= array.dtype.type(factor)
                np.clip(array, -limit, limit, out=array)
    for gradient in gradients:
        _core.bump_version(gradient)


def _norm(arrays: list[Array], order: float) -> float:
    """The norm of all the arrays' elements together."""
    if order in (1.0, 2.0, math.inf):
        try:
            return K.gradient_norm(arrays, order)
        except ValueError:  # not dense, or of several dtypes
            pass
    norms = [np.linalg.norm(array.ravel().astype(np.float64), order) if array.size else 0.0 for array in arrays]
    return float(np.linalg.norm(np.array(norms), order))


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
    total = _norm(arrays, norm_type)
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
    gradients = gradients_of(parameters := _as_list(parameters))
    if is_generator and not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The older name of ``clip_grad_norm_``."""
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients by max_norm / total_norm where that is below 1; ``foreach`` changes nothing."""
    # An infinite norm gives 0, a NaN one NaN, as in PyTorch.
    factor = float(max_norm) / (total_norm.item() + 1e-6)
    scale_gradients(gradients_of(_as_list(parameters)), 1.0 if factor > 1.0 else factor, math.inf)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every element of the gradients to [-clip_value, clip_value]. ``foreach`` changes nothing."""
    limit = float(clip_value)
    gradients = gradients_of(_as_list(parameters))
    if limit < 0:  # NumPy's and PyTorch's order of the limits: the upper one wins
        for gradient in gradients:
            gradient._array[...] = np.where(np.isnan(gradient._array), gradient._array, limit)
            _core.bump_version(gradient)
    else:
        scale_gradients(gradients, 1.0, limit)
