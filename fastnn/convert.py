"""Tensors from data: nested lists, NumPy arrays, buffers, other tensors."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastnn import _core, dtypes
from fastnn.device import check

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.device import DeviceLike
    from fastnn.tensor import Tensor

_PYTHON_NUMBERS = frozenset((float, int, bool))
_warned_read_only = False

# The least and the greatest finite number of each dtype but bool.
_LIMITS: dict[dtypes.dtype, tuple[float, float]] = {
    t: (limits.min, limits.max)
    for t in dtypes.ALL_DTYPES
    if t is not dtypes.bool
    for limits in [dtypes.finfo(t) if t.is_floating_point else dtypes.iinfo(t)]
}


def leaf(array: NDArray[Any], requires_grad: bool = False) -> Tensor:
    """A tensor of the array's own memory. RuntimeError if it is to require grad and is not floating."""
    if requires_grad and array.dtype.kind != "f":
        raise RuntimeError(
            f"Only Tensors of floating point dtype can require gradients, got {dtypes.from_numpy_dtype(array.dtype)}"
        )
    made: Tensor = _core.wrap(array)
    if requires_grad:
        made.requires_grad = True
    return made


def convert_scalar(value: bool | int | float, target: dtypes.dtype) -> bool | int | float:
    """A number as one that ``target`` holds: floats are truncated to ints, and ints from -255 wrap into uint8.

    RuntimeError where it does not fit; infinities and NaN fit floating dtypes only.
    """
    if target is dtypes.bool:
        return value != 0
    if target.is_floating_point:
        if _LIMITS[target][1] < abs(value) != math.inf:
            raise RuntimeError(f"value {value} cannot be converted to type {target} without overflow")
        return value
    lowest, highest = _LIMITS[target]
    if target is dtypes.uint8 and isinstance(value, int):
        lowest = -highest
    if lowest <= value <= highest:
        return int(value) & 0xFF if target is dtypes.uint8 else int(value)
    raise RuntimeError(f"value {value} cannot be converted to type {target} without overflow")


# ------------------------------------------------------------------------------------------- nested sequences


def _is_sequence(item: object) -> bool:
    if isinstance(item, (list, tuple)):
        return True
    if isinstance(item, np.ndarray):
        return item.ndim > 0
    return hasattr(item, "__len__") and hasattr(item, "__getitem__") and not isinstance(item, (str, dict))


def _leaf_dtypes(data: Any, found: set[Any]) -> None:
    """Collects what decides the dtype: Python's number types as they are, dtypes for arrays and tensors."""
    kinds = set(map(type, data))
    if kinds <= _PYTHON_NUMBERS:
        found |= kinds
        return
    for item in data:
        if isinstance(item, _core.TensorBase):
            found.add(dtypes.from_numpy_dtype(item._array.dtype))
        elif hasattr(item, "__array__"):
            found.add(dtypes.from_numpy_dtype(np.asarray(item).dtype))
        elif type(item) in _PYTHON_NUMBERS:
            found.add(type(item))
        elif isinstance(item, (bool, int, float)):  # subclasses: IntEnum and the like
            found.add(next(kind for kind in (bool, int, float) if isinstance(item, kind)))
        elif _is_sequence(item):
            _leaf_dtypes(item, found)
        else:
            _refuse(item)


def _refuse(item: object) -> None:
    if isinstance(item, (str, complex)):
        raise TypeError(f"tensor(): argument 'data': invalid data type '{type(item).__name__}', expected numbers")
    raise RuntimeError(f"tensor(): argument 'data': Could not infer dtype of {type(item).__name__}")


def _plain(data: Any) -> Any:
    """data as nested lists of numbers and arrays; its tensors, which must hold one element each, become numbers."""
    if isinstance(data, _core.TensorBase):
        if data._array.size != 1:
            raise ValueError(
                "tensor(): argument 'data': only one element tensors can be converted to Python scalars, "
                f"got one of shape {data._array.shape}"
            )
        return data._array.item()
    if hasattr(data, "__array__"):
        return np.asarray(data)
    return [_plain(item) for item in data] if _is_sequence(data) else data


def _check_rectangular(data: Any, dim: int = 0) -> None:
    """ValueError, in PyTorch's words, for sequences of unequal length at one depth."""
    if not _is_sequence(data) or not len(data):
        return
    if not _is_sequence(data[0]):
        for position, item in enumerate(data):
            if _is_sequence(item):
                raise ValueError(f"expected a number at dim {dim}, position {position} (got {type(item).__name__})")
        return
    for item in data:
        if not _is_sequence(item):
            raise TypeError(f"not a sequence: expected one of length {len(data[0])} at dim {dim + 1}, got {item!r}")
        if len(item) != len(data[0]):
            raise ValueError(f"expected sequence of length {len(data[0])} at dim {dim + 1} (got {len(item)})")
    for item in data:
        _check_rectangular(item, dim + 1)


def _from_sequence(data: Any, dtype: dtypes.dtype | None) -> NDArray[Any]:
    found: set[Any] = set()
    _leaf_dtypes(data, found)
    inferred: dtypes.dtype | None = None
    for kind in found:
        one = kind if isinstance(kind, dtypes.dtype) else _inferred(kind)
        inferred = one if inferred is None else dtypes.promote_types(inferred, one)
    inferred = inferred or dtypes.get_default_dtype()
    target = dtype or inferred
    # Numbers meant for integers go through a type that holds them all, so that those that do not fit are seen.
    wide = target.to_numpy
    if not target.is_floating_point:
        wide = np.dtype(np.float64 if inferred.is_floating_point else np.int64)
    if not found <= _PYTHON_NUMBERS:
        data = _plain(data)
    try:
        with np.errstate(over="ignore"):
            array = np.array(data, wide)
    except OverflowError:
        raise ValueError(f"tensor(): argument 'data': an int does not fit into {wide}") from None
    except (ValueError, TypeError):
        _check_rectangular(data)
        raise
    return array if array.dtype == target.to_numpy else _narrow(array, target)


def _inferred(kind: type) -> dtypes.dtype:
    return dtypes.get_default_dtype() if kind is float else dtypes.int64 if kind is int else dtypes.bool


def _narrow(array: NDArray[Any], target: dtypes.dtype) -> NDArray[Any]:
    if target is not dtypes.bool and array.size:
        lowest, highest = array.min(), array.max()
        for extreme in (lowest, highest):  # NaN is both
            convert_scalar(extreme.item(), target)
    return array.astype(target.to_numpy)


# ------------------------------------------------------------------------------------------- public functions


def _cast(array: NDArray[Any], dtype: dtypes.dtype | None, copy: bool) -> NDArray[Any]:
    """A dense native array of ``array``'s values: its own memory where nothing must change and copy is False."""
    own = dtypes.from_numpy_dtype(array.dtype)
    array = np.asarray(array)  # a subclass (matrix, memmap) becomes a plain array
    with np.errstate(all="ignore"):
        return array.astype((dtype or own).to_numpy, order="C" if copy else "K", copy=copy)


def tensor(
    data: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new tensor of a copy of ``data``: a number, a nested sequence, an array or a tensor.

    dtype: unless given, that of an array; the default one for Python floats, int64 for ints, bool for bools, and for
    a mixture what ``promote_types`` says. Raises ValueError for ragged sequences, RuntimeError where an int dtype
    cannot hold a number, TypeError (RuntimeError for None and other objects) for what is not a number.
    """
    check(device)
    if pin_memory:
        raise NotImplementedError("tensor(): pin_memory=True is not supported: fastnn is a CPU library")
    wanted = None if dtype is None else dtypes.check_dtype(dtype, "tensor")
    if type(data) in _PYTHON_NUMBERS:
        target = wanted or _inferred(type(data))
        return leaf(_scalar(data, target), requires_grad)
    if isinstance(data, _core.TensorBase):
        return leaf(_cast(data._array, wanted, copy=True), requires_grad)
    if isinstance(data, (np.ndarray, np.generic)):
        return leaf(_cast(np.asarray(data), wanted, copy=True), requires_grad)
    if isinstance(data, (list, tuple)):
        return leaf(_from_sequence(data, wanted), requires_grad)
    if hasattr(data, "__array__"):
        return leaf(_cast(np.asarray(data), wanted, copy=True), requires_grad)
    if isinstance(data, (int, float)):  # a subclass, such as an IntEnum
        return tensor((int if isinstance(data, int) else float)(data), dtype=wanted, requires_grad=requires_grad)
    if not _is_sequence(data):
        _refuse(data)
    return leaf(_from_sequence(list(data), wanted), requires_grad)


def _scalar(value: bool | int | float, target: dtypes.dtype) -> NDArray[Any]:
    """A 0-d array of a number; a float that is too large for a floating dtype becomes an infinity."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63 and not target.is_floating_point:
        raise ValueError(f"tensor(): argument 'data': {value} does not fit into int64")
    try:
        with np.errstate(over="ignore"):
            return np.array(value if target.is_floating_point else convert_scalar(value, target), target.to_numpy)
    except OverflowError:
        raise ValueError(f"tensor(): argument 'data': an int does not fit into {target.to_numpy}") from None


def as_tensor(data: Any, dtype: Any = None, device: DeviceLike = None) -> Tensor:
    """``data`` as a tensor, sharing its memory where it is a tensor or an array that need not be converted.

    A tensor that is converted stays on the tape. Otherwise as ``tensor``.
    """
    check(device)
    wanted = None if dtype is None else dtypes.check_dtype(dtype, "as_tensor")
    if isinstance(data, _core.TensorBase):
        given = cast("Tensor", data)
        return given if wanted is None or given._array.dtype == wanted.to_numpy else given.to(wanted)
    if isinstance(data, np.ndarray) or (hasattr(data, "__array__") and not isinstance(data, np.generic)):
        array = _plain_view(np.asarray(data))
        if not array.flags.aligned or not array.dtype.isnative:
            return leaf(_cast(array, wanted, copy=True))
        shared = _cast(array, wanted, copy=False)
        _warn_if_read_only(shared)
        return leaf(shared)
    return tensor(data, dtype=wanted)


def _plain_view(array: NDArray[Any]) -> NDArray[Any]:
    """The same memory as a plain array, with the one of C's integer types of its width that fastnn uses."""
    own = dtypes.from_numpy_dtype(array.dtype).to_numpy
    array = np.asarray(array)
    return array if array.dtype.num == own.num else array.view(own.newbyteorder(array.dtype.byteorder))


def from_numpy(ndarray: NDArray[Any]) -> Tensor:
    """A tensor that shares the array's memory, whatever its strides; a read-only one is allowed (with one warning).

    TypeError for what is not an array or has no matching dtype; ValueError for foreign byte order or unaligned memory.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy(): expected np.ndarray (got {type(ndarray).__name__})")
    array = _plain_view(ndarray)
    if not ndarray.dtype.isnative:
        raise ValueError(
            "from_numpy(): argument 'ndarray' has byte order different from the native byte order "
            f"({ndarray.dtype.str}); convert it with array.astype(array.dtype.newbyteorder('='))"
        )
    if not ndarray.flags.aligned:
        raise ValueError("from_numpy(): argument 'ndarray' is not aligned to its elements; pass array.copy()")
    _warn_if_read_only(array)
    return leaf(array)


def _warn_if_read_only(array: NDArray[Any]) -> None:
    global _warned_read_only
    if not array.flags.writeable and not _warned_read_only:
        _warned_read_only = True
        warnings.warn(
            "The given NumPy array is read-only: so is the tensor that shares its memory, and in-place operations on "
            "it raise an error. Copy the array to protect its data. This warning appears once.",
            UserWarning,
            stacklevel=3,
        )


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """``obj`` as a tensor: a tensor, an array, a buffer or a DLPack object shares its memory unless converted.

    copy: True always copies, False raises ValueError where a copy would be needed, None copies if it must.
    requires_grad: as ``obj`` has it unless given; another value detaches.
    """
    wanted = None if dtype is None else dtypes.check_dtype(dtype, "asarray")
    check(device)
    if isinstance(obj, (bytes, bytearray, memoryview)):
        made = frombuffer(obj, dtype=wanted or dtypes.get_default_dtype())
    elif isinstance(obj, (_core.TensorBase, np.ndarray)) or hasattr(obj, "__array__"):
        made = as_tensor(obj)
    elif hasattr(obj, "__dlpack__"):
        from fastnn.dlpack import from_dlpack

        made = from_dlpack(obj)
    elif copy is False:
        raise ValueError(f"asarray(): copy=False: can't alias a {type(obj).__name__} into a tensor")
    else:
        return tensor(obj, dtype=wanted, requires_grad=bool(requires_grad))
    if wanted is not None and made._array.dtype != wanted.to_numpy:
        if copy is False:
            raise ValueError(f"asarray(): copy=False: can't alias dtype {made.dtype} into dtype {wanted}")
        made = made.to(wanted)
    elif copy:
        made = made.clone()
    if requires_grad is not None and requires_grad is not made.requires_grad:
        made = made.detach()
        made.requires_grad = requires_grad
    return made


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-D tensor of the memory of an object with the buffer interface.

    dtype: of its elements; count: how many (all to the end if negative); offset: bytes to skip. ValueError where
    they do not fit or are not aligned; a read-only buffer is allowed, with one warning.
    """
    target = dtypes.check_dtype(dtype, "frombuffer")
    try:
        length = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError(f"frombuffer(): {type(buffer).__name__} does not implement Python buffer protocol") from None
    if length == 0 or count == 0:
        raise ValueError(f"frombuffer(): both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"frombuffer(): offset ({offset} bytes) must be non-negative and no greater than "
            f"buffer length ({length} bytes) minus 1"
        )
    available = length - offset
    if count < 0 and available % target.itemsize:
        raise ValueError(
            f"frombuffer(): buffer length ({length} bytes) after offset ({offset} bytes) must be a multiple of "
            f"element size ({target.itemsize})"
        )
    if count > 0 and count * target.itemsize > available:
        raise ValueError(
            f"frombuffer(): requested buffer length ({count} * {target.itemsize} bytes) after offset ({offset} bytes) "
            f"must not be greater than actual buffer length ({length} bytes)"
        )
    array = np.frombuffer(buffer, target.to_numpy, max(count, -1), offset)
    if not array.flags.aligned:
        raise ValueError(f"frombuffer(): offset ({offset} bytes) leaves {target} unaligned; copy the bytes first")
    _warn_if_read_only(array)
    return leaf(array, requires_grad)
