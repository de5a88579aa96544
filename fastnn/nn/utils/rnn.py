"""Batches of sequences of several lengths: padded, packed, and back."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.dtypes import float16, float32, float64, int8, int16, int32, int64, uint8
from fastnn.ops.gather import index_select
from fastnn.ops.join import cat
from fastnn.ops.pieces import narrow
from fastnn.ops.shape import transpose
from fastnn.tensor import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """The steps of a batch of sequences one after the other, without padding; made by the functions of this module.

    ``data``: (S, *); ``batch_sizes``: int64 (T,), how many sequences reach each step; ``sorted_indices``: the places of
    the sequences, longest first, in the batch as it was given, ``unsorted_indices``: its inverse (None: it was sorted).
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """``data`` converted, as by ``Tensor.to``; itself where nothing changes."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def cpu(self) -> Self:
        """Itself: everything is on the CPU."""
        return self

    def double(self) -> Self:
        """``data`` as float64."""
        return self.to(dtype=float64)

    def float(self) -> Self:
        """``data`` as float32."""
        return self.to(dtype=float32)

    def half(self) -> Self:
        """``data`` as float16."""
        return self.to(dtype=float16)

    def long(self) -> Self:
        """``data`` as int64."""
        return self.to(dtype=int64)

    def int(self) -> Self:
        """``data`` as int32."""
        return self.to(dtype=int32)

    def short(self) -> Self:
        """``data`` as int16."""
        return self.to(dtype=int16)

    def char(self) -> Self:
        """``data`` as int8."""
        return self.to(dtype=int8)

    def byte(self) -> Self:
        """``data`` as uint8."""
        return self.to(dtype=uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU: never."""
        return False

    def is_pinned(self) -> bool:
        """Whether the data is in page-locked memory: never."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The inverse of a 1-D tensor of indices; None of None."""
    if permutation is None:
        return None
    inverse = np.empty_like(permutation._array)
    inverse[permutation._array] = np.arange(inverse.size)
    return _core.wrap(inverse)


def _lengths(lengths: Any, function: str) -> Any:
    """int64 (B,) of positive numbers."""
    array = lengths._array if isinstance(lengths, Tensor) else np.asarray(list(lengths), np.int64)
    if array.ndim != 1:
        raise RuntimeError(f"'lengths' argument should be a 1D CPU int64 tensor, but got {array.ndim}D cpu tensor")
    return array.astype(np.int64)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The steps of a padded batch, (T, B, *), or (B, T, *) with ``batch_first``, that its sequences' lengths reach.

    ``lengths``: (B,), each in [1, T], falling unless ``enforce_sorted`` is False, which sorts. Else RuntimeError.
    """
    array = input._array
    if array.ndim < 2:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-{max(array.ndim, 1)}, {max(array.ndim, 1) - 1}], "
            "but got 1)"
        )
    if array.size == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    sizes = _lengths(lengths, "pack_padded_sequence")
    batch_dim = 0 if batch_first else 1
    batch, steps = array.shape[batch_dim], array.shape[1 - batch_dim]
    if sizes.size != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {sizes.size} (batch_size={batch})"
        )
    if sizes.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if sizes.max() > steps:
        raise RuntimeError(f"lengths: expected at most input's {steps} steps, got {int(sizes.max())}")
    sorted_indices = None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        sizes, sorted_indices = sizes[order], _core.wrap(order)
        input = index_select(input, batch_dim, sorted_indices)
    elif (np.diff(sizes) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not need ONNX exportability."
        )
    batch_sizes = (sizes[None, :] > np.arange(sizes[0])[:, None]).sum(1).astype(np.int64)
    by_step = transpose(input, 0, 1) if batch_first else input
    flat = by_step.reshape((-1, *by_step._array.shape[2:]))
    rows = np.concatenate([np.arange(n) + t * batch for t, n in enumerate(batch_sizes.tolist())])
    return PackedSequence(index_select(flat, 0, _core.wrap(rows)), _core.wrap(batch_sizes), sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The batch of a packed sequence, (T, B, *) or (B, T, *) with ``batch_first``, in its first order, and the lengths.

    Padded with ``padding_value`` to ``total_length`` steps (None: the longest); ValueError where that is too few.
    """
    sizes = sequence.batch_sizes._array
    steps = int(sizes.size)
    if total_length is not None and total_length < steps:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {steps}"
        )
    data, batch = sequence.data, int(sizes[0])
    total = steps if total_length is None else total_length
    lengths = (sizes[:, None] > np.arange(batch)[None, :]).sum(0).astype(np.int64)
    order = np.arange(batch) if sequence.unsorted_indices is None else sequence.unsorted_indices._array
    starts = np.concatenate([[0], np.cumsum(sizes)])
    # For each place of the padded batch, in its final order, its row of data; one row behind the last is the padding.
    time, column = np.arange(total)[:, None], order[None, :]
    inside = time < lengths[column]
    source = np.where(inside, starts[np.minimum(time, steps - 1)] + column, data._array.shape[0])
    if batch_first:
        source = source.T
    fill = np.full((1, *data._array.shape[1:]), padding_value, data._array.dtype)
    padded = index_select(cat([data, _core.wrap(fill)]), 0, _core.wrap(np.ascontiguousarray(source.reshape(-1))))
    return padded.reshape((*source.shape, *data._array.shape[1:])), _core.wrap(lengths[order])


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L, *) as one batch (T, B, *), or (B, T, *) with ``batch_first``, padded to the longest on one side.

    Raises RuntimeError for no sequences, for shapes that differ behind the first dimension, or an unknown side.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    given = tuple(sequences)
    if not given:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    first = given[0]._array
    tail = first.shape[1:]
    for i, sequence in enumerate(given):
        if sequence._array.ndim == 0 or sequence._array.shape[1:] != tail:
            raise RuntimeError(
                f"pad_sequence: sequence {i} has shape {list(sequence._array.shape)}, expected [length"
                f"{''.join(f', {extent}' for extent in tail)}] as of the first"
            )
    longest = max(sequence._array.shape[0] for sequence in given)
    lengths = np.array([sequence._array.shape[0] for sequence in given])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    time = np.arange(longest)[None, :] - (0 if padding_side == "right" else longest - lengths[:, None])
    source = np.where((time >= 0) & (time < lengths[:, None]), starts[:-1, None] + time, starts[-1])
    if not batch_first:
        source = source.T
    fill = np.full((1, *tail), padding_value, first.dtype)
    rows = cat([*given, _core.wrap(fill)])
    out = index_select(rows, 0, _core.wrap(np.ascontiguousarray(source.reshape(-1))))
    return out.reshape((*source.shape, *tail))


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, without their padding."""
    by_sequence = padded_sequences if batch_first else transpose(padded_sequences, 0, 1)
    longest = by_sequence._array.shape[1]
    counts = _lengths(lengths, "unpad_sequence").tolist()
    if len(counts) != by_sequence._array.shape[0]:
        raise ValueError(
            f"lengths: expected one for each of {by_sequence._array.shape[0]} sequences, got {len(counts)}"
        )
    return [narrow(by_sequence[i], 0, 0, min(builtins.max(count, 0), longest)) for i, count in enumerate(counts)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (L, *), packed: falling in length, unless ``enforce_sorted`` is False."""
    lengths = [sequence._array.shape[0] for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed sequence, in their first order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
