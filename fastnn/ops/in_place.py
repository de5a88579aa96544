"""In-place forms: the out-of-place op, its values stored in the target's memory, its node made the target's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.gate import cast

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}


def in_place(
    forward: Callable[..., Tensor], input: Tensor, *args: Any, reads_input: bool = False, **options: Any
) -> Tensor:
    """input becomes forward(input, *args, **options); raises, with nothing changed, where it can't hold the result.

    reads_input: whether the gradient reads the input's old values, which are then kept.
    """
    others = tuple(arg for arg in args if isinstance(arg, _core.TensorBase))
    _core.check_inplace(input, *others)
    # Only where a gradient will read the old values must they be kept.
    keep = any(other.requires_grad for other in others) or (reads_input and input.requires_grad)
    keep = keep and _core.is_grad_enabled()
    out = forward(_core.snapshot(input) if keep else input, *args, **options)
    array = input._array
    if out._array.shape != array.shape:
        raise RuntimeError(
            f"output with shape {list(array.shape)} doesn't match the broadcast shape {list(out._array.shape)}"
        )
    if CATEGORY[out._array.dtype.kind] > CATEGORY[array.dtype.kind]:
        raise RuntimeError(f"result type {out.dtype} can't be cast to the desired output type {input.dtype}")
    out = cast(out, array.dtype)
    if input.requires_grad and not out.requires_grad and _core.is_grad_enabled():  # as a comparison: the gradient ends
        out = _core.record("ZerosBackward0", _zeros_backward, (input,), out._array)
    np.copyto(array, out._array)
    return _core.adopt(input, out)


def _zeros_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _core.wrap(np.zeros(grad._array.shape, grad._array.dtype))
