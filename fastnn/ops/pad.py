"""pad: constants, reflections, edges or the other end around a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.ops.dims import integer
from fastnn.ops.gate import tensor_argument
from fastnn.ops.join import cat, flip
from fastnn.ops.pieces import narrow

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.ops.dims import Array
    from fastnn.tensor import Tensor

__all__ = ["pad"]

MODES = ("constant", "reflect", "replicate", "circular")
Pairs = tuple[tuple[int, int], ...]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """input with more (or, where negative, fewer) places at the ends of its last len(pad) / 2 dimensions.

    pad: (before, after) of the last dimension, then of the one before it, and so on.
    mode: "constant" (value, default 0; any number of dimensions), or, for the last one to three dimensions behind a
    channel and perhaps a batch, "reflect" (the edge not repeated), "replicate" (the edge repeated) or "circular".
    RuntimeError where pad does not fit, NotImplementedError for another mode or number of dimensions, ValueError for a
    value with a mode that has none.
    """
    x = tensor_argument(input, "pad")._array
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"pad(): argument 'pad' must be tuple of ints, not {type(pad).__name__}")
    amounts = [integer(n, "pad", "pad") for n in pad]
    if len(amounts) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, got {len(amounts)}")
    if len(amounts) > 2 * x.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(amounts)} and input of dimension {x.ndim}"
        )
    if mode not in MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    pairs = tuple((amounts[i], amounts[i + 1]) for i in range(len(amounts) - 2, -1, -2))
    if mode == "constant":
        return _constant(input, pairs, 0 if value is None else value)
    if value is not None and value != 0:
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if len(pairs) not in (1, 2, 3) or x.ndim not in (len(pairs) + 1, len(pairs) + 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: got "
            f"{len(amounts)} numbers for an input of {x.ndim} dimensions"
        )
    first = x.ndim - len(pairs)
    _check(x, pairs, mode)
    out = input
    for axis, (before, after) in enumerate(pairs, first):
        out = _around(out, axis, before, after, mode)
    return out


def _check(x: Array, pairs: Pairs, mode: str) -> None:
    for axis, (before, after) in enumerate(pairs, x.ndim - len(pairs)):
        extent = x.shape[axis]
        if extent + before + after < 1 or extent < 1:
            raise RuntimeError(
                f"pad(): padding {(before, after)} leaves nothing of dimension {axis} of {list(x.shape)}"
            )
        if mode == "reflect" and max(before, after) >= extent:
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
                f"{(before, after)} at dimension {axis} of input {list(x.shape)}"
            )
        if mode == "circular" and max(before, after) > extent:
            raise RuntimeError(
                "Padding value causes wrapping around more than once: got padding "
                f"{(before, after)} at dimension {axis} of input {list(x.shape)}"
            )


def _around(input: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """One axis: what goes before, the input (cropped where an amount is negative), what goes behind."""
    extent = input._array.shape[axis]
    if mode == "circular" and min(before, after) < 0:  # what is left is what goes round
        extent += min(before, 0) + min(after, 0)
        input, before, after = narrow(input, axis, max(-before, 0), extent), max(before, 0), max(after, 0)
    pieces: list[Tensor] = []
    if before > 0:
        pieces.append(_border(input, axis, before, extent, mode, True))
    pieces.append(narrow(input, axis, max(-before, 0), extent + min(before, 0) + min(after, 0)))
    if after > 0:
        pieces.append(_border(input, axis, after, extent, mode, False))
    return cat(pieces, axis) if len(pieces) > 1 else pieces[0]


def _border(input: Tensor, axis: int, count: int, extent: int, mode: str, before: bool) -> Tensor:
    if mode == "reflect":
        return flip(narrow(input, axis, 1 if before else extent - 1 - count, count), (axis,))
    if mode == "circular":
        return narrow(input, axis, extent - count if before else 0, count)
    edge = narrow(input, axis, 0 if before else extent - 1, 1)
    return edge.expand(*[count if i == axis else -1 for i in range(input._array.ndim)])


def _constant(input: Tensor, pairs: Pairs, value: float) -> Tensor:
    x = input._array
    lead = x.ndim - len(pairs)
    shape = list(x.shape)
    source, target = [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for axis, (before, after) in enumerate(pairs, lead):
        extent = x.shape[axis]
        shape[axis] = extent + before + after
        if shape[axis] < 0:
            raise RuntimeError(
                f"The input size {extent}, plus negative padding {before} and {after}, resulted in a negative output "
                f"size, which is invalid. Check dimension {axis} of your input."
            )
        source[axis] = slice(min(max(-before, 0), extent), max(extent - max(-after, 0), 0))
        target[axis] = slice(max(before, 0), shape[axis] - max(after, 0))
    out: Array = np.full(shape, value, x.dtype)
    inside = x[tuple(source)]
    if inside.size:
        out[tuple(target)] = inside
    return _core.record("ConstantPadNdBackward0", _constant_backward, (input,), out, (), False, pairs)


def _constant_backward(ctx: Node, grad: Tensor) -> Tensor:
    return _constant(grad, tuple((-before, -after) for before, after in ctx.extra), 0)
