"""Making one batch of many samples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

_ERROR = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def _each_key(mapping: Mapping[Any, Any], convert: Callable[[Any], Any]) -> Any:
    """A mapping of ``mapping``'s type whose value at each key is ``convert(key)``; a dict where the type cannot."""
    values = {key: convert(key) for key in mapping}
    try:
        if isinstance(mapping, MutableMapping):
            clone = copy.copy(mapping)
            clone.update(values)
            return clone
        return type(mapping)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _each_item(sequence: Sequence[Any], values: list[Any]) -> Any:
    """A sequence of ``sequence``'s type that holds ``values``; a list where the type cannot."""
    try:
        if isinstance(sequence, MutableSequence):
            clone = copy.copy(sequence)
            for position, value in enumerate(values):
                clone[position] = value
            return clone
        return type(sequence)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def default_convert(data: Any) -> Any:
    """``data`` with NumPy arrays and scalars in it made tensors; what it does not know is left as it is."""
    from fastnn.creation import as_tensor
    from fastnn.tensor import Tensor

    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _each_key(data, lambda key: default_convert(data[key]))
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return list(map(default_convert, data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _each_item(data, list(map(default_convert, data)))
    return data


def _stacked(arrays: Sequence[Any]) -> Any:
    """Arrays of one shape and one native dtype in a tensor: `stack` without the tape. None where they differ."""
    from fastnn._core import wrap

    first = arrays[0]
    shape, dtype = first.shape, first.dtype
    if not dtype.isnative or any(array.shape != shape or array.dtype != dtype for array in arrays):
        return None
    out = np.empty((len(arrays), *shape), dtype)
    for place, array in enumerate(arrays):
        out[place] = array
    return wrap(out)


def default_collate(batch: Any) -> Any:
    """The samples of ``batch`` stacked along a new first dimension.

    Tensors and arrays are stacked; numbers become a tensor (float64, int64, bool); strings stay a list; mappings,
    named tuples, tuples and lists are taken apart and collated entry by entry. TypeError for other types, RuntimeError
    where sequences differ in length or tensors in shape.
    """
    from fastnn.creation import as_tensor, tensor
    from fastnn.dtypes import float64
    from fastnn.ops.join import stack
    from fastnn.tensor import Tensor

    first = batch[0]
    if isinstance(first, Tensor):
        plain = None if any(tensor.requires_grad for tensor in batch) else _stacked([item._array for item in batch])
        return stack(list(batch), 0) if plain is None else plain
    if isinstance(first, np.ndarray):
        if first.dtype.kind in "SUO":
            raise TypeError(_ERROR.format(first.dtype))
        as_tensor(first[:0] if first.ndim else first)  # refuses a dtype that there is no tensor of
        plain = _stacked(batch)
        return stack([as_tensor(array) for array in batch], 0) if plain is None else plain
    if isinstance(first, (np.bool_, np.number)):
        return as_tensor(np.array(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _each_key(first, lambda key: default_collate([sample[key] for sample in batch]))
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(samples) for samples in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        collated = [default_collate(samples) for samples in zip(*batch, strict=True)]
        return collated if isinstance(first, tuple) else _each_item(first, collated)
    raise TypeError(_ERROR.format(type(first)))
