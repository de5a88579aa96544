"""Making one batch of many samples."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from fastnn._core import TensorBase, wrap

CollateMap = dict[Any, Callable[..., Any]]
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
    first = arrays[0]
    shape, dtype = first.shape, first.dtype
    if not dtype.isnative or any(array.shape != shape or array.dtype != dtype for array in arrays):
        return None
    out = np.empty((len(arrays), *shape), dtype)
    for place, array in enumerate(arrays):
        out[place] = array
    return wrap(out)


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """The samples of ``batch`` as one, by the first entry of ``collate_fn_map`` that their type fits.

    An entry is a type (or a tuple of types) and ``function(batch, *, collate_fn_map)``. Mappings, named tuples, tuples
    and lists that no entry fits are taken apart and collated entry by entry. TypeError for other types, RuntimeError
    where sequences differ in length.
    """
    first = batch[0]
    if collate_fn_map is not None:
        function = collate_fn_map.get(type(first))
        if function is None:
            function = next((value for key, value in collate_fn_map.items() if isinstance(first, key)), None)
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    again = functools.partial(collate, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        return _each_key(first, lambda key: again([sample[key] for sample in batch]))
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(again(samples) for samples in zip(*batch, strict=True)))
    if isinstance(first, Sequence) and not isinstance(first, (str, bytes)):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        collated = [again(samples) for samples in zip(*batch, strict=True)]
        return collated if isinstance(first, tuple) else _each_item(first, collated)
    raise TypeError(_ERROR.format(type(first)))


def collate_tensor_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Tensors, stacked. RuntimeError where their shapes differ."""
    from fastnn.ops.join import stack

    plain = None if any(tensor.requires_grad for tensor in batch) else _stacked([item._array for item in batch])
    return stack(list(batch), 0) if plain is None else plain


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Arrays, stacked in a tensor. TypeError for strings and objects."""
    from fastnn.creation import as_tensor

    first = batch[0]
    if first.dtype.kind in "SUO":
        raise TypeError(_ERROR.format(first.dtype))
    as_tensor(first[:0] if first.ndim else first)  # refuses a dtype that there is no tensor of
    plain = _stacked(batch)
    return collate_tensor_fn([as_tensor(array) for array in batch]) if plain is None else plain


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """NumPy's numbers, in a tensor of their dtype."""
    from fastnn.creation import as_tensor

    return as_tensor(np.array(batch))


def collate_float_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Python's floats, in a float64 tensor."""
    from fastnn.creation import tensor
    from fastnn.dtypes import float64

    return tensor(batch, dtype=float64)


def collate_int_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Python's ints or bools, in an int64 or bool tensor."""
    from fastnn.creation import tensor

    return tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Strings, as they are."""
    return batch


default_collate_fn_map: CollateMap = {
    TensorBase: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Any) -> Any:
    """The samples of ``batch`` stacked along a new first dimension.

    Tensors and arrays are stacked; numbers become a tensor (float64, int64, bool); strings stay a list; mappings,
    named tuples, tuples and lists are taken apart and collated entry by entry. ``default_collate_fn_map`` may be given
    further types. TypeError for types that are not in it, RuntimeError where sequences differ in length or tensors in
    shape.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
