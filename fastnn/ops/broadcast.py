"""Broadcasting: shapes of results, and gradients summed back to the operands' shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.kernels import K
from fastnn.ops.gate import KERNEL_DTYPES

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

Shape = tuple[int, ...]


def broadcast_shape(a: Shape, b: Shape) -> Shape:
    """The shape that a and b broadcast to; RuntimeError where they don't, in PyTorch's words."""
    if a == b:
        return a
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        pass
    for back in range(1, min(len(a), len(b)) + 1):
        if a[-back] != b[-back] and 1 not in (a[-back], b[-back]):
            raise RuntimeError(
                f"The size of tensor a ({a[-back]}) must match the size of tensor b ({b[-back]}) "
                f"at non-singleton dimension {max(len(a), len(b)) - back}"
            )
    raise RuntimeError(f"shapes {a} and {b} can't be broadcast together")


def sum_to(grad: Tensor, shape: Shape) -> Tensor:
    """The gradient of a broadcast: grad summed over the axes that broadcasting added or stretched."""
    have = grad._array.shape
    if have == shape:
        return grad
    array = grad._array
    trailing = have[len(have) - len(shape) :] == shape
    if trailing and array.size and array.dtype in KERNEL_DTYPES and not _core.is_grad_enabled():
        out = np.empty(shape, array.dtype)  # a bias: straight to the kernel
        K.sum_forward(_core.dense(grad).reshape(1, -1, out.size), out.reshape(1, -1))
        return _core.wrap(out)
    from fastnn.ops.reduce import sum as sum_
    from fastnn.ops.shape import reshape

    lead = len(have) - len(shape)
    axes = [*range(lead), *(i + lead for i, n in enumerate(shape) if n == 1 and have[i + lead] != 1)]
    return reshape(sum_(grad, axes), shape)
