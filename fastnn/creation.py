"""Tensors of constants and ranges. Those made from data are in convert.py, and have their names here too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core, dtypes
from fastnn.arguments import array_of, check_options, int_argument, number_argument, size_argument, sizes_argument
from fastnn.convert import as_tensor, asarray, convert_scalar, from_numpy, frombuffer, leaf, tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.device import DeviceLike
    from fastnn.tensor import Tensor

__all__ = [
    "arange",
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "new_empty",
    "new_full",
    "new_ones",
    "new_tensor",
    "new_zeros",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]

# ------------------------------------------------------------------------------------------- constants


def zeros(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros. ``sizes``: ints or one tuple of them; dtype: the default one unless given."""
    check_options("zeros", device, layout, pin_memory)
    return leaf(np.zeros(sizes_argument("zeros", sizes, size), dtypes.to_numpy_dtype(dtype, "zeros")), requires_grad)


def ones(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones; arguments as of ``zeros``."""
    check_options("ones", device, layout, pin_memory)
    return leaf(np.ones(sizes_argument("ones", sizes, size), dtypes.to_numpy_dtype(dtype, "ones")), requires_grad)


def empty(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: None = None,
) -> Tensor:
    """A tensor of whatever the memory held; arguments as of ``zeros``."""
    check_options("empty", device, layout, pin_memory, memory_format)
    return leaf(np.empty(sizes_argument("empty", sizes, size), dtypes.to_numpy_dtype(dtype, "empty")), requires_grad)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one number, whose kind gives the dtype unless it is given: bool, int64 or the default dtype.

    size: a tuple or list of ints. RuntimeError where the dtype cannot hold the number.
    """
    check_options("full", device, layout, pin_memory)
    shape = size_argument("full", size)
    value = number_argument("full", "fill_value", fill_value)
    target = dtypes.number_dtype(value) if dtype is None else dtypes.check_dtype(dtype, "full")
    return leaf(np.full(shape, convert_scalar(value, target), target.to_numpy), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an (n, m) tensor of zeros; m is n unless given."""
    check_options("eye", device, layout, pin_memory)
    rows = int_argument("eye", "n", n)
    columns = rows if m is None else int_argument("eye", "m", m)
    for name, extent in (("n", rows), ("m", columns)):
        if extent < 0:
            raise RuntimeError(f"eye(): {name} must be greater or equal to 0, got {extent}")
    return leaf(np.eye(rows, columns, dtype=dtypes.to_numpy_dtype(dtype, "eye")), requires_grad)


# ------------------------------------------------------------------------------------------- ranges


def arange(
    *bounds: Any,
    start: Any = None,
    end: Any = None,
    step: Any = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below end (above it for a negative step): ceil((end - start) / step) numbers.

    arange(end), arange(start, end) or arange(start, end, step). dtype: int64 if all three are ints, else the default.
    RuntimeError for a step of 0, bounds on the wrong side of each other, or ones that are not finite.
    """
    check_options("arange", device, layout, pin_memory)
    names = ("end",) if len(bounds) == 1 and end is None else ("start", "end", "step")
    values = {"start": start, "end": end, "step": step}
    if len(bounds) > len(names):
        raise TypeError(f"arange() takes from 1 to 3 positional arguments but {len(bounds)} were given")
    for name, bound in zip(names, bounds, strict=False):
        if values[name] is not None:
            raise TypeError(f"arange() got multiple values for argument '{name}'")
        values[name] = bound
    if values["end"] is None:
        raise TypeError('arange() missing 1 required positional argument: "end"')
    first = 0 if values["start"] is None else number_argument("arange", "start", values["start"])
    last = number_argument("arange", "end", values["end"])
    by = 1 if values["step"] is None else number_argument("arange", "step", values["step"])
    return leaf(_range(first, last, by, dtype), requires_grad)


def _range(first: float, last: float, by: float, dtype: Any) -> NDArray[Any]:
    is_float = any(isinstance(value, float) for value in (first, last, by))
    target = dtypes.get_default_dtype() if is_float else dtypes.int64
    if dtype is not None:
        target = dtypes.check_dtype(dtype, "arange")
    if target is dtypes.bool:
        raise NotImplementedError("arange(): dtype fastnn.bool is not supported")
    if by == 0:
        raise RuntimeError("arange(): step must be nonzero")
    if not (math.isfinite(first) and math.isfinite(last) and math.isfinite(by)):
        raise RuntimeError(f"arange(): unsupported range: {first} -> {last} by {by}")
    if (last < first) if by > 0 else (last > first):
        raise RuntimeError(
            f"arange(): upper bound and lower bound inconsistent with step sign: start {first}, end {last}, step {by}"
        )
    if target is dtypes.int64:  # PyTorch truncates all three first, and counts exactly
        first, last, by = int(first), int(last), int(by)
        if by == 0:
            raise RuntimeError("arange(): step must be nonzero for dtype fastnn.int64, which truncates it")
        return np.arange(first, last, by, dtype=np.int64)
    count = math.ceil((last - first) / by)
    if target.is_floating_point:
        return (np.arange(count, dtype=np.float64) * by + first).astype(target.to_numpy)
    return (np.arange(count, dtype=np.int64) * int(by) + int(first)).astype(target.to_numpy)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` numbers from start to end, both among them, at equal distances; integers are truncated."""
    check_options("linspace", device, layout, pin_memory)
    target = dtypes.check_dtype(dtype, "linspace")
    points = _points("linspace", start, end, steps, target)
    return leaf(points.astype(target.to_numpy), requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """base ** p for the ``steps`` powers p of ``linspace(start, end, steps)``; integers are truncated."""
    check_options("logspace", device, layout, pin_memory)
    target = dtypes.check_dtype(dtype, "logspace")
    points = _points("logspace", start, end, steps, target)
    with np.errstate(all="ignore"):
        powers = np.power(float(number_argument("logspace", "base", base)), points)
        return leaf(powers.astype(target.to_numpy), requires_grad)


def _points(function: str, start: Any, end: Any, steps: int, target: dtypes.dtype) -> NDArray[Any]:
    """In float64. Counted from the nearer end, as PyTorch does, so that both ends are exact."""
    count = int_argument(function, "steps", steps)
    if count < 0:
        raise RuntimeError(f"{function}(): number of steps must be non-negative, got {count}")
    if target is dtypes.bool:
        raise NotImplementedError(f"{function}(): dtype fastnn.bool is not supported")
    ends = [bound._array.ndim for bound in (start, end) if isinstance(bound, _core.TensorBase)]
    if any(ends):
        raise RuntimeError(
            f"{function} only supports 0-dimensional start and end tensors, but got {max(ends)} dimension(s)."
        )
    first, last = number_argument(function, "start", start), number_argument(function, "end", end)
    if not target.is_floating_point:
        first, last = int(first), int(last)
    if count < 2:
        return np.full(count, first, np.float64)
    step = (last - first) / (count - 1)
    index = np.arange(count, dtype=np.float64)
    with np.errstate(all="ignore"):
        return np.where(index < count // 2, first + step * index, last - step * (count - 1 - index))


# ------------------------------------------------------------------------------------------- like another tensor


def _like_dtype(array: NDArray[Any], dtype: Any, function: str) -> np.dtype[Any]:
    return array.dtype if dtype is None else dtypes.to_numpy_dtype(dtype, function)


def zeros_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: None = None,
) -> Tensor:
    """Zeros of ``input``'s shape, and its dtype unless given; contiguous."""
    check_options("zeros_like", device, layout, pin_memory, memory_format)
    array = array_of("zeros_like", input)
    return leaf(np.zeros(array.shape, _like_dtype(array, dtype, "zeros_like")), requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: None = None,
) -> Tensor:
    """Ones of ``input``'s shape, and its dtype unless given; contiguous."""
    check_options("ones_like", device, layout, pin_memory, memory_format)
    array = array_of("ones_like", input)
    return leaf(np.ones(array.shape, _like_dtype(array, dtype, "ones_like")), requires_grad)


def empty_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: None = None,
) -> Tensor:
    """Whatever the memory held, in ``input``'s shape, and its dtype unless given; contiguous."""
    check_options("empty_like", device, layout, pin_memory, memory_format)
    array = array_of("empty_like", input)
    return leaf(np.empty(array.shape, _like_dtype(array, dtype, "empty_like")), requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: None = None,
) -> Tensor:
    """One number in ``input``'s shape, and its dtype unless given; contiguous. RuntimeError where it does not fit."""
    check_options("full_like", device, layout, pin_memory, memory_format)
    array = array_of("full_like", input)
    target = dtypes.from_numpy_dtype(_like_dtype(array, dtype, "full_like"))
    value = convert_scalar(number_argument("full_like", "fill_value", fill_value), target)
    return leaf(np.full(array.shape, value, target.to_numpy), requires_grad)


# The methods new_*: as the functions of those names, with the tensor's dtype unless one is given.


def _own(self: Tensor, dtype: Any) -> Any:
    return dtypes.from_numpy_dtype(self._array.dtype) if dtype is None else dtype


def new_zeros(self: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """zeros(*size) of this tensor's dtype unless given; options as of ``zeros``."""
    return zeros(*size, dtype=_own(self, dtype), **options)


def new_ones(self: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """ones(*size) of this tensor's dtype unless given; options as of ``ones``."""
    return ones(*size, dtype=_own(self, dtype), **options)


def new_empty(self: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """empty(*size) of this tensor's dtype unless given; options as of ``empty``."""
    return empty(*size, dtype=_own(self, dtype), **options)


def new_full(self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """full(size, fill_value) of this tensor's dtype unless given; options as of ``full``."""
    return full(size, fill_value, dtype=_own(self, dtype), **options)


def new_tensor(self: Tensor, data: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """tensor(data) of this tensor's dtype unless given; options as of ``tensor``."""
    return tensor(data, dtype=_own(self, dtype), **options)
