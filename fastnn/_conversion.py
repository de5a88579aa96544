"""Tensor's ways out: to Python, NumPy, other dtypes, copies and pickles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core, dtypes
from fastnn.device import device as Device
from fastnn.kernels import K
from fastnn.layouts import check_format, contiguous_format
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor


# Elements from which the kernel's threads copy sooner than NumPy.
COPY_BY_KERNEL = 1 << 17


def item(self: Tensor) -> bool | int | float:
    """The value of a tensor of one element as a Python number; RuntimeError for any other size."""
    array = self._array
    if array.size != 1:
        raise RuntimeError(f"a Tensor with {array.size} elements cannot be converted to Scalar")
    value: bool | int | float = array.item()
    return value


def tolist(self: Tensor) -> Any:
    """The values as nested lists of Python numbers (a number for a 0-d tensor)."""
    return self._array.tolist()


def numpy(self: Tensor, *, force: bool = False) -> NDArray[Any]:
    """The ndarray that holds the values: memory is shared. RuntimeError where it requires grad, unless force."""
    if self.requires_grad and not force:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    return self._array


def clone(self: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, on the tape: its gradient is self's."""
    check_format(memory_format, "clone")
    array = self._array
    if array.size < COPY_BY_KERNEL or array.dtype not in KERNEL_DTYPES or not array.flags.c_contiguous:
        out = array.copy()
    else:  # on all threads
        out = np.empty_like(array)
        K.copy(_core.dense(self), out)
    return _core.record("CloneBackward0", _identity, (self,), out)


def _identity(ctx: Node, grad: Tensor) -> Tensor:
    return grad


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """self in the dtype (and on the device) asked for: to(dtype), to(device), to(device, dtype), to(other tensor).

    Also takes non_blocking and copy. Returns self where nothing changes, unless copy.
    """
    copy = bool(kwargs.pop("copy", False))
    kwargs.pop("non_blocking", None)
    order = kwargs.pop("memory_format", None)
    check_format(order, "to")
    wanted = kwargs.pop("dtype", None)
    place = kwargs.pop("device", None)
    if kwargs:
        raise NotImplementedError(f"to(): {', '.join(kwargs)}")
    for arg in args:
        if isinstance(arg, _core.TensorBase):
            wanted = dtypes.from_numpy_dtype(arg._array.dtype)
        elif isinstance(arg, dtypes.dtype):
            wanted = arg
        elif isinstance(arg, (str, Device)):
            place = arg
        elif isinstance(arg, bool):  # PyTorch's positional non_blocking
            continue
        elif arg is not None:
            raise TypeError(
                f"to() received an invalid argument: expected a dtype, device or Tensor, got {type(arg).__name__}"
            )
    from fastnn.device import check

    check(place)
    out = self if wanted is None else cast(self, dtypes.to_numpy_dtype(wanted))
    if order is contiguous_format and not out._array.flags.c_contiguous:
        return _core.record("CloneBackward0", _identity, (out,), np.ascontiguousarray(out._array))
    return clone(out) if copy and out is self else out


def type_(self: Tensor, dtype: Any = None) -> Any:
    """self in another dtype, or the name of its type where none is given.

    dtype: also a tensor type as FloatTensor, or its name, "torch.FloatTensor".
    """
    if dtype is None:
        return f"fastnn.{_TYPE_NAMES[self.dtype]}"
    if isinstance(dtype, str):
        named = [kind for kind, name in _TYPE_NAMES.items() if dtype in (f"torch.{name}", f"fastnn.{name}")]
        if not named:
            raise ValueError(f"invalid type: {dtype!r}")
        dtype = named[0]
    elif isinstance(getattr(dtype, "dtype", None), dtypes.dtype):
        dtype = dtype.dtype
    return cast(self, dtypes.to_numpy_dtype(dtype))


_TYPE_NAMES = {
    dtypes.float16: "HalfTensor",
    dtypes.float32: "FloatTensor",
    dtypes.float64: "DoubleTensor",
    dtypes.uint8: "ByteTensor",
    dtypes.int8: "CharTensor",
    dtypes.int16: "ShortTensor",
    dtypes.int32: "IntTensor",
    dtypes.int64: "LongTensor",
    dtypes.bool: "BoolTensor",
}


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """self's values become src's, broadcast and cast; src gets the gradient."""
    from fastnn.ops.broadcast import sum_to

    source = tensor_argument(src, "copy_", "src")
    try:
        values = np.broadcast_to(source._array, self._array.shape)
    except ValueError:
        raise RuntimeError(
            f"The size of src {list(source._array.shape)} must match, or broadcast to, that of self "
            f"{list(self._array.shape)}"
        ) from None

    def backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        mine, theirs = ctx.needs
        back = cast(sum_to(grad, ctx.extra[0]), ctx.extra[1]) if theirs else None
        return (grad * 0 if mine else None), back

    _core.check_inplace(self, source)
    with np.errstate(all="ignore"):
        np.copyto(self._array, values, casting="unsafe")
    extra = (source._array.shape, source._array.dtype)
    return _core.rebase(self, "CopyBackwards", backward, (self, source), extra=extra)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Every element becomes value."""
    from fastnn.creation import tensor

    source: Any = value if isinstance(value, _core.TensorBase) else tensor(value, dtype=self.dtype)
    return copy_(self, source)


def zero_(self: Tensor) -> Tensor:
    """Every element becomes 0."""
    return fill_(self, 0)


def deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """A leaf of the same values, gradient and attributes, once in a memo."""
    if self.grad_fn is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment."
        )
    if id(self) in memo:
        known: Tensor = memo[id(self)]
        return known
    import copy

    out: Tensor = _core.make_subclass(type(self), _core.wrap(self._array.copy()), self.requires_grad)
    memo[id(self)] = out
    if self.grad is not None:
        out.grad = copy.deepcopy(self.grad, memo)
    out.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return out


def rebuild(cls: type[Tensor], array: NDArray[Any], requires_grad: bool, attributes: dict[str, Any]) -> Tensor:
    """A tensor from what reduce_ex stored."""
    out: Tensor = _core.make_subclass(cls, _core.wrap(array), requires_grad)
    out.__dict__.update(attributes)
    return out


def reduce_ex(self: Tensor, protocol: Any) -> Any:
    """For pickle and copy: the values, requires_grad and attributes of a leaf."""
    if self.grad_fn is not None:
        raise RuntimeError("a non-leaf Tensor that requires grad can't be pickled; call detach() first")
    return rebuild, (type(self), self._array, self.requires_grad, dict(self.__dict__))
