"""What convolutions and pooling share: options that are one number or one an axis, and batches left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastnn.ops.dims import integer

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

Numbers = int | Sequence[int]


def numbers(value: Any, axes: int, function: str, argument: str) -> tuple[int, ...]:
    """value as one int an axis: an int or a sequence of one stands for all. RuntimeError for another count."""
    if type(value) is int:
        return (value,) * axes
    if isinstance(value, (tuple, list)):
        given = tuple(integer(each, function, argument) for each in value)
        if len(given) == 1:
            return given * axes
        if len(given) != axes:
            raise RuntimeError(
                f"{function}(): argument '{argument}': expected one number or {axes}, one a spatial dimension, "
                f"got {list(given)}"
            )
        return given
    return (integer(value, function, argument),) * axes


def batched(input: Tensor, axes: int) -> Tensor:
    """input with a batch of one in front where it has none."""
    return input if input._array.ndim == axes + 2 else input.unsqueeze(0)


def times(extents: Sequence[int]) -> str:
    """Extents as PyTorch writes them: 3 x 4."""
    return " x ".join(map(str, extents))
