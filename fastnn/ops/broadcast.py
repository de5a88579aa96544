"""Broadcasting: shapes of results, gradients summed back, and operands collapsed to what the kernels loop over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def collapse(a: NDArray[Any], b: NDArray[Any], shape: Shape) -> tuple[Shape, Shape, Shape] | None:
    """Shapes of at most three axes for a, b and the result, each operand's extent the result's or 1.

    Neighbouring axes that broadcast alike are merged; None where more than three kinds alternate.
    """
    if a.shape == b.shape:
        flat = (1, 1, a.size)
        return flat, flat, flat
    groups: list[list[int]] = []  # [extent in a, in b, in the result]
    shape_a = (1,) * (len(shape) - a.ndim) + a.shape
    shape_b = (1,) * (len(shape) - b.ndim) + b.shape
    last = None
    for i, n in enumerate(shape):
        if n == 1:
            continue
        kind = (shape_a[i] == 1, shape_b[i] == 1)
        if kind == last:
            group = groups[-1]
            group[0] *= shape_a[i]
            group[1] *= shape_b[i]
            group[2] *= n
        else:
            groups.append([shape_a[i], shape_b[i], n])
            last = kind
    if len(groups) > 3:
        return None
    groups = [[1, 1, 1]] * (3 - len(groups)) + groups
    first, second, out = zip(*groups, strict=True)
    return first, second, out
