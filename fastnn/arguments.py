"""The arguments that functions making tensors share: sizes, numbers, and the options that only PyTorch has."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.device import check
from fastnn.layouts import check_format, strided

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.device import DeviceLike


def check_options(
    function: str,
    device: DeviceLike = None,
    layout: object = None,
    pin_memory: bool = False,
    memory_format: object = None,
) -> None:
    """Refuses, by name, what PyTorch's creation functions accept and fastnn does not have."""
    if device is not None:
        check(device)
    if layout not in (None, strided):
        raise NotImplementedError(f"{function}(): layout={layout!r} is not supported: every tensor is strided")
    if pin_memory:
        raise NotImplementedError(f"{function}(): pin_memory=True is not supported: fastnn is a CPU library")
    check_format(memory_format, function)


def parse_size(function: str, given: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape that positional sizes mean: ints, or one sequence of ints. RuntimeError for a negative extent."""
    extents = tuple(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
    for extent in extents:
        if type(extent) is not int or extent < 0:
            break
    else:
        return tuple(extents)
    shape = []
    for position, extent in enumerate(extents):
        if isinstance(extent, (bool, np.bool_)) or not hasattr(extent, "__index__"):
            raise TypeError(
                f"{function}(): argument 'size' must be tuple of ints, but found element of type "
                f"{type(extent).__name__} at pos {position}"
            )
        shape.append(operator.index(extent))
        if shape[-1] < 0:
            raise RuntimeError(f"{function}(): argument 'size': expected extents of at least 0, got {tuple(extents)}")
    return tuple(shape)


def sizes_argument(function: str, positional: tuple[Any, ...], keyword: Any) -> tuple[int, ...]:
    """The shape that ``*sizes``, or the keyword ``size``, mean."""
    if keyword is not None:
        if positional:
            raise TypeError(f"{function}() got multiple values for argument 'size'")
        positional = (keyword,)
    elif not positional:
        raise TypeError(f'{function}() missing 1 required positional argument: "size"')
    return parse_size(function, positional)


def size_argument(function: str, size: Any) -> tuple[int, ...]:
    """The shape that an argument ``size`` means, which must be a sequence."""
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"{function}(): argument 'size' must be tuple of ints, not {type(size).__name__}")
    return parse_size(function, (size,))


def int_argument(function: str, argument: str, value: Any) -> int:
    """An int, a NumPy one or an int tensor of one element as an int; TypeError for anything else."""
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{function}(): argument '{argument}' must be int, not {type(value).__name__}")
    return operator.index(value)


def array_of(function: str, input: Any) -> NDArray[Any]:
    """The array of a tensor; TypeError for other objects."""
    if not isinstance(input, _core.TensorBase):
        raise TypeError(f"{function}(): argument 'input' must be Tensor, not {type(input).__name__}")
    array: NDArray[Any] = input._array
    return array


def number_argument(function: str, argument: str, value: Any) -> bool | int | float:
    """A number, a NumPy scalar or a 0-d tensor as a Python number; TypeError for anything else."""
    if isinstance(value, _core.TensorBase):
        if value._array.ndim:
            raise TypeError(
                f"{function}(): argument '{argument}' must be a number or a 0-d tensor, got {value._array.shape}"
            )
        value = value._array.item()
    elif isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float)):
        raise TypeError(f"{function}(): argument '{argument}' must be Number, not {type(value).__name__}")
    return value
