"""Small questions about tensors and small ways to make them: numel, is_nonzero, scalar_tensor, fill, narrow_copy ..."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core, creation, dtypes
from fastnn.arguments import check_options
from fastnn.ops.dims import sizes
from fastnn.ops.gate import tensor_argument
from fastnn.ops.shape import transpose
from fastnn.size import Size

if TYPE_CHECKING:
    from fastnn.device import DeviceLike
    from fastnn.tensor import Tensor

__all__ = [
    "apply_", "clone", "constant_pad_nd", "detach", "empty_permuted", "empty_strided", "fill", "get_device",
    "grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "is_nonzero", "is_same_size", "is_signed", "map_",
    "narrow_copy", "new", "new_empty_strided", "numel", "range", "scalar_tensor", "typename",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ questions


def numel(input: Tensor) -> int:
    """The number of elements."""
    return tensor_argument(input, "numel")._array.size


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of input is not 0. RuntimeError for another number of elements."""
    x = tensor_argument(input, "is_nonzero")._array
    if x.size != 1:
        few = "no values" if x.size == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {few} is ambiguous")
    return bool(x.item())


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return tensor_argument(input, "is_same_size")._array.shape == tensor_argument(other, "is_same_size")._array.shape


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return tensor_argument(input, "is_signed").is_signed()


def get_device(input: Tensor) -> int:
    """-1: the tensor is on the CPU."""
    tensor_argument(input, "get_device")
    return -1


def typename(obj: Any) -> str:
    """The name of a tensor's type, as in "fastnn.FloatTensor", or of any object's with its module."""
    if isinstance(obj, _core.TensorBase):
        return str(obj.type())  # type: ignore[attr-defined]
    kind = obj if isinstance(obj, type) else type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


# ------------------------------------------------------------------------------------------------ copies


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, on the tape."""
    return tensor_argument(input, "clone").clone(memory_format=memory_format)


def detach(input: Tensor) -> Tensor:
    """The same memory, off the tape."""
    return tensor_argument(input, "detach").detach()


def fill(input: Tensor, value: Any) -> Tensor:
    """value, a number or a 0-d tensor, in the shape and dtype of input."""
    from fastnn._conversion import fill_

    if isinstance(value, _core.TensorBase) and value._array.ndim:
        raise RuntimeError(
            f"fill only supports 0-dimension value tensor but got tensor with {value._array.ndim} dimensions."
        )
    return fill_(tensor_argument(input, "fill").clone(), value)


def narrow_copy(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """A copy of narrow's view."""
    from fastnn.ops.pieces import narrow

    return narrow(input, dim, start, length).clone()


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """input with value around it: pad as of nn.functional.pad, negative entries cut off."""
    from fastnn.ops.pad import pad as padded

    return padded(input, tuple(pad), "constant", value)


def apply_(input: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Every element becomes callable(element), in place, off the tape; slow. RuntimeError where input requires grad."""
    x = tensor_argument(input, "apply_")
    if x.requires_grad:
        raise RuntimeError("Can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead.")
    _core.check_inplace(x)
    array = x._array
    array[...] = np.array([callable(value) for value in array.reshape(-1).tolist()], array.dtype).reshape(array.shape)
    _core.bump_version(x)
    return x


def map_(input: Tensor, other: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Every element becomes callable(element, other's), in place, off the tape; slow. other is broadcast."""
    x, y = tensor_argument(input, "map_"), tensor_argument(other, "map_", "other")
    if x.requires_grad or y.requires_grad:
        raise RuntimeError("Can't call map_() on Variable that requires grad. Use var.detach().map_() instead.")
    _core.check_inplace(x)
    array = x._array
    pairs = zip(array.reshape(-1).tolist(), np.broadcast_to(y._array, array.shape).reshape(-1).tolist(), strict=True)
    array[...] = np.array([callable(a, b) for a, b in pairs], array.dtype).reshape(array.shape)
    _core.bump_version(x)
    return x


_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: builtins.bool
) -> Tensor:
    """nn.functional.grid_sample, its modes by number: bilinear, nearest, bicubic; zeros, border, reflection."""
    from fastnn.ops.grid_sample import grid_sample

    return grid_sample(input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


# ------------------------------------------------------------------------------------------------ new tensors


def scalar_tensor(
    s: Any, *, dtype: Any = None, device: DeviceLike = None, layout: None = None, requires_grad: bool = False
) -> Tensor:
    """A 0-d tensor of a number, of the default dtype unless given."""
    check_options("scalar_tensor", device, layout)
    target = dtypes.get_default_dtype() if dtype is None else dtype
    return creation.full((), s, dtype=target, requires_grad=requires_grad)


def range(
    start: float = 0,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    layout: None = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to end, which counts too (arange's doesn't): of the default dtype unless given."""
    check_options("range", device, layout)
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    count = int((end - start) / step) + 1
    target = dtypes.to_numpy_dtype(dtype, "range")
    values = (np.arange(count, dtype=np.float64) * step + start).astype(target)
    made: Tensor = creation.from_numpy(values)
    return made.requires_grad_(requires_grad)


def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: Any = None,
    device: DeviceLike = None,
    layout: None = None,
    pin_memory: builtins.bool = False,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """Uninitialised memory seen with the given sizes and strides (in elements)."""
    check_options("empty_strided", device, layout, pin_memory)
    shape, strides = sizes(size, (), "empty_strided", "size"), sizes(stride, (), "empty_strided", "stride")
    if len(shape) != len(strides):
        raise RuntimeError(f"mismatch in length of strides and shape: {list(strides)} and {list(shape)}")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(shape)}")
    if any(n < 0 for n in strides):
        raise RuntimeError(f"empty_strided: strides must not be negative, got {list(strides)}")
    length = 0 if 0 in shape else 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    memory = np.zeros(length, dtypes.to_numpy_dtype(dtype, "empty_strided"))
    made = np.ndarray(shape, memory.dtype, memory, 0, [step * memory.itemsize for step in strides])
    out: Tensor = _core.wrap(made)
    return out.requires_grad_(requires_grad)


def new_empty_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], dtype: Any = None, **options: Any
) -> Tensor:
    """empty_strided of input's dtype unless given."""
    x = tensor_argument(input, "new_empty_strided")
    return empty_strided(size, stride, dtype=x.dtype if dtype is None else dtype, **options)


def empty_permuted(size: Sequence[int], physical_layout: Sequence[int], **options: Any) -> Tensor:
    """Uninitialised memory of a size, whose dimensions lie in memory in the order physical_layout names."""
    order = sizes(physical_layout, (), "empty_permuted", "physical_layout")
    shape = sizes(size, (), "empty_permuted", "size")
    if sorted(order) != list(builtins.range(len(shape))):
        raise RuntimeError(f"empty_permuted: physical_layout must name each dimension once, got {list(order)}")
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return empty_strided(shape, strides, **options)


def new(input: Tensor, *args: Any) -> Tensor:
    """The older new_tensor and new_empty: new(2, 3) is memory of that size, new([1, 2]) holds those numbers."""
    x = tensor_argument(input, "new")
    if len(args) == 1 and not isinstance(args[0], int) and not isinstance(args[0], Size):
        data = args[0]
        return x.new_tensor(data._array if isinstance(data, _core.TensorBase) else data)
    return x.new_empty(*args) if args else x.new_empty(0)


# ------------------------------------------------------------------------------------------------ as properties


def conjugate_transpose(input: Tensor) -> Tensor:
    """A matrix transposed. RuntimeError unless input has two dimensions (or none)."""
    ndim = input._array.ndim
    if ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor.")
    return transpose(input, 0, 1) if ndim else input


def matrix_transpose(input: Tensor, name: str = "mT") -> Tensor:
    """The last two dimensions exchanged. RuntimeError for a vector."""
    ndim = input._array.ndim
    if ndim < 2:
        raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got {ndim}-D tensor.")
    return transpose(input, -2, -1)
