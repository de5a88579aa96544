"""masked_fill: a value put where a mask is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.broadcast import broadcast_shape, sum_to
from fastnn.ops.dims import Array, Shape
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.in_place import in_place
from fastnn.ops.select import choose

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Pair = tuple[Tensor | None, Tensor | None]

__all__ = ["masked_fill", "masked_fill_"]


def masked_fill(input: Tensor, mask: Tensor, value: Tensor | float) -> Tensor:
    """input with value, a number or 0-d tensor, where mask is true; broadcast, in input's dtype."""
    x = tensor_argument(input, "masked_fill")._array
    m = tensor_argument(mask, "masked_fill", "mask")._array
    if m.dtype != np.bool_:
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {m.dtype}")
    if isinstance(value, _core.TensorBase):
        if value._array.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value._array.ndim} dimension(s)."
            )
        source: Tensor = cast(value, x.dtype)
    else:
        if not isinstance(value, (bool, int, float, np.generic)):
            raise TypeError(f"masked_fill(): argument 'value' must be Tensor or Number, not {type(value).__name__}")
        source = _core.wrap(_number(value, x.dtype))
    shape = broadcast_shape(x.shape, m.shape)
    if _core.needs_grad(input, source):
        m = m.copy()
    return _fill(input, m, source, shape)


def _number(value: Any, dtype: np.dtype[Any]) -> Array:
    """value as a 0-d array of the dtype; RuntimeError where an integer doesn't fit."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if value != value or not info.min <= value <= info.max:
            raise RuntimeError(f"value cannot be converted to type {dtype} without overflow: {value}")
    with np.errstate(over="ignore"):
        return np.asarray(value).astype(dtype)


def _fill(input: Tensor, m: Array, source: Tensor, shape: Shape) -> Tensor:
    x = input._array
    out = choose(m, source._array, x, shape)
    return _core.record("MaskedFillBackward0", _fill_backward, (input, source), out, extra=(m, x.shape))


def _fill_backward(ctx: Node, grad: Tensor) -> Pair:
    m, shape = ctx.extra
    to_input, to_value = ctx.needs
    nothing = _core.wrap(np.zeros((), grad._array.dtype))
    size = grad._array.shape
    target = sum_to(_fill(grad, m, nothing, size), shape) if to_input else None
    return target, sum_to(_fill(grad, ~m, nothing, size), ()) if to_value else None


def masked_fill_(input: Tensor, mask: Tensor, value: Tensor | float) -> Tensor:
    """masked_fill, in place."""
    return in_place(masked_fill, input, mask, value)
