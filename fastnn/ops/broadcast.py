"""Broadcasting: shapes of results, and gradients summed back to the operands' shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
    from fastnn.ops.reduce import sum as sum_
    from fastnn.ops.shape import reshape

    lead = len(have) - len(shape)
    axes = [*range(lead), *(i + lead for i, n in enumerate(shape) if n == 1 and have[i + lead] != 1)]
    return reshape(sum_(grad, axes), shape)
