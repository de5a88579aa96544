"""Tensor: an n-dimensional array with a place on the tape.

What it is, its ways out and its operators stand here; the methods that are functions of ops in _methods.py.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

from fastnn import _conversion, _core, creation, dlpack, dtypes, printing, shared_memory
from fastnn import layouts as _layouts
from fastnn._methods import Methods
from fastnn.device import device as Device
from fastnn.ops import arithmetic, compare, elementwise, odds, pairs, pieces
from fastnn.ops import in_place_forms as _in_place_forms
from fastnn.ops import index as _index
from fastnn.ops import join as _join
from fastnn.ops import matmul as _matmul
from fastnn.ops import shape as _shape
from fastnn.ops import special as _special
from fastnn.size import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.utils.hooks import RemovableHandle

CPU = Device("cpu")
_T = TypeVar("_T")


class Tensor(Methods):
    """An array of one dtype on the CPU. Make one with fastnn.tensor, from_numpy, zeros, randn ...

    Memory is shared with NumPy both ways: from_numpy(array), tensor.numpy(), np.asarray(tensor).
    """

    __array_priority__ = 1000  # ndarray + Tensor is Tensor.__radd__

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        """Tensor(data): float32 as in PyTorch's legacy constructor; use fastnn.tensor."""
        if args or kwargs:
            return creation.tensor(*args, **kwargs) if kwargs else _legacy(args)
        return _core.TensorBase.__new__(cls)

    # -------------------------------------------------------------------------------------------- what it is

    @property
    def shape(self) -> Size:
        """The extents."""
        return Size(self._array.shape)

    @overload
    def size(self, dim: None = None) -> Size: ...
    @overload
    def size(self, dim: SupportsIndex) -> int: ...
    def size(self, dim: SupportsIndex | None = None) -> Size | int:
        """The shape, or the extent of one dimension."""
        return Size(self._array.shape) if dim is None else self._array.shape[_dim(dim, self._array.ndim)]

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return dtypes.from_numpy_dtype(self._array.dtype)

    @property
    def device(self) -> Device:
        """Always the CPU."""
        return CPU

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.size

    nelement = numel

    @property
    def itemsize(self) -> int:
        """The bytes of an element."""
        return self._array.itemsize

    def element_size(self) -> int:
        """The bytes of an element."""
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self._array.size * self._array.itemsize

    @overload
    def stride(self, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def stride(self, dim: SupportsIndex) -> int: ...
    def stride(self, dim: SupportsIndex | None = None) -> tuple[int, ...] | int:
        """The steps between neighbours along each dimension, in elements."""
        steps = tuple(step // self._array.itemsize for step in self._array.strides)
        return steps if dim is None else steps[_dim(dim, self._array.ndim)]

    def data_ptr(self) -> int:
        """The address of the first element."""
        return int(self._array.__array_interface__["data"][0])

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in the order of C."""
        return self._array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the dtype is float16, float32 or float64."""
        return self._array.dtype.kind == "f"

    def is_complex(self) -> bool:
        """False: there are no complex dtypes."""
        return False

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return self._array.dtype.kind in "if"

    is_cpu = True
    is_cuda = False
    is_meta = False
    is_mps = False
    is_xpu = False
    is_nested = False
    is_quantized = False
    is_sparse = False
    is_sparse_csr = False

    def is_pinned(self) -> builtins.bool:
        """False: there is no device to pin memory for."""
        return False

    is_shared = shared_memory.is_shared
    share_memory_ = shared_memory.share_memory_

    def polygamma(self, n: builtins.int) -> Tensor:
        """The n-th derivative of digamma."""
        return _special.polygamma(n, self)

    def as_subclass(self, cls: builtins.type[_T]) -> _T:
        """An instance of cls, a subclass of Tensor, of the same memory. TypeError for another class."""
        made: _T = _core.make_subclass(cls, self)
        return made

    layout = _layouts.strided

    # -------------------------------------------------------------------------------------------- the tape

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Adds this tensor's gradients to the .grad of the leaves; see fastnn.autograd.backward."""
        autograd.backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory, off the tape."""
        return _core.detach(self)

    def detach_(self) -> Tensor:
        """Takes this tensor off the tape."""
        self._detach_()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets requires_grad; returns self."""
        self.requires_grad = requires_grad
        return self

    @property
    def data(self) -> Tensor:
        """The same memory, off the tape, whose changes the tape does not notice."""
        return _core.wrap(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, _core.TensorBase):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        self._set_data(value)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """hook(gradient) runs once the whole gradient of this tensor is known; what it returns replaces it."""
        from fastnn.utils.hooks import RemovableHandle

        table = self._hook_table()
        handle = RemovableHandle(table)
        table[handle.id] = hook
        return handle

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """hook(self) runs after a leaf's .grad was updated."""
        from fastnn.utils.hooks import RemovableHandle

        table = self._after_hook_table()
        handle = RemovableHandle(table)
        table[handle.id] = hook
        return handle

    # -------------------------------------------------------------------------------------------- ways out

    item = _conversion.item
    tolist = _conversion.tolist
    numpy = _conversion.numpy
    clone = _conversion.clone
    to = _conversion.to
    type = _conversion.type_
    copy_ = _conversion.copy_
    fill_ = _conversion.fill_
    zero_ = _conversion.zero_
    __deepcopy__ = _conversion.deepcopy
    __reduce_ex__ = _conversion.reduce_ex

    def cpu(self) -> Tensor:
        """self: it is on the CPU."""
        return self

    def cuda(self, *args: Any, **kwargs: Any) -> Tensor:
        """RuntimeError: fastnn is a CPU library."""
        return self.to(Device("cuda"))

    def pin_memory(self) -> Tensor:
        """self: there is no device to pin memory for."""
        return self

    def type_as(self, other: Tensor) -> Tensor:
        """self in other's dtype."""
        return self.to(other.dtype)

    def double(self, memory_format: Any = None) -> Tensor:
        """self in float64."""
        return self.to(dtypes.float64, memory_format=memory_format)

    def float(self, memory_format: Any = None) -> Tensor:
        """self in float32."""
        return self.to(dtypes.float32, memory_format=memory_format)

    def half(self, memory_format: Any = None) -> Tensor:
        """self in float16."""
        return self.to(dtypes.float16, memory_format=memory_format)

    def long(self, memory_format: Any = None) -> Tensor:
        """self in int64."""
        return self.to(dtypes.int64, memory_format=memory_format)

    def int(self, memory_format: Any = None) -> Tensor:
        """self in int32."""
        return self.to(dtypes.int32, memory_format=memory_format)

    def short(self, memory_format: Any = None) -> Tensor:
        """self in int16."""
        return self.to(dtypes.int16, memory_format=memory_format)

    def bool(self, memory_format: Any = None) -> Tensor:
        """self in bool."""
        return self.to(dtypes.bool, memory_format=memory_format)

    def char(self, memory_format: Any = None) -> Tensor:
        """self in int8."""
        return self.to(dtypes.int8, memory_format=memory_format)

    def byte(self, memory_format: Any = None) -> Tensor:
        """self in uint8."""
        return self.to(dtypes.uint8, memory_format=memory_format)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(
        self, array: NDArray[Any], context: Any = None, return_scalar: builtins.bool = False
    ) -> Tensor | NDArray[Any]:
        """What a NumPy function of tensors gives: a tensor, as in PyTorch, but for dtypes that tensors don't have."""
        try:
            return creation.from_numpy(array)
        except TypeError:
            return array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return dlpack.dlpack(self, **kwargs)

    def __dlpack_device__(self) -> tuple[Any, Any]:
        return dlpack.dlpack_device(self)

    def __repr__(self) -> str:
        return printing.tensor_repr(self)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._array.ndim == 0 and spec else str(self)

    def __bool__(self) -> builtins.bool:
        if self._array.size != 1:
            raise RuntimeError(
                "Boolean value of Tensor with no values is ambiguous"
                if self._array.size == 0
                else "Boolean value of Tensor with more than one value is ambiguous"
            )
        return bool(self._array.item())

    def __float__(self) -> builtins.float:
        return float(self.item())

    def __int__(self) -> builtins.int:
        return int(self.item())

    def __index__(self) -> builtins.int:
        if self._array.dtype.kind not in "iub" or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._array.item())

    def __len__(self) -> builtins.int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(pieces.unbind(self))

    def __contains__(self, element: object) -> builtins.bool:
        value = element._array if isinstance(element, _core.TensorBase) else element
        return bool((self._array == value).any())

    def __reversed__(self) -> Tensor:
        return _join.flip(self, 0) if self._array.ndim else self

    def __hash__(self) -> builtins.int:
        return id(self)

    __getitem__ = _index.getitem
    __setitem__ = _index.setitem

    # -------------------------------------------------------------------------------------------- operators

    __add__ = __radd__ = arithmetic.add
    __sub__ = arithmetic.sub
    __rsub__ = arithmetic.rsub
    __mul__ = __rmul__ = arithmetic.mul
    __truediv__ = arithmetic.div
    __floordiv__ = arithmetic.floor_divide
    __mod__ = arithmetic.remainder
    __pow__ = arithmetic.pow
    __matmul__ = _matmul.matmul
    __iadd__ = arithmetic.add_
    __isub__ = arithmetic.sub_
    __imul__ = arithmetic.mul_
    __itruediv__ = arithmetic.div_
    __ipow__ = arithmetic.pow_
    __ifloordiv__ = _in_place_forms.floor_divide_
    __imod__ = _in_place_forms.remainder_
    __iand__ = _in_place_forms.bitwise_and_
    __ior__ = _in_place_forms.bitwise_or_
    __ixor__ = _in_place_forms.bitwise_xor_
    __lshift__ = pairs.bitwise_left_shift
    __rshift__ = pairs.bitwise_right_shift
    __ilshift__ = _in_place_forms.bitwise_left_shift_
    __irshift__ = _in_place_forms.bitwise_right_shift_
    __neg__ = elementwise.neg
    __pos__ = elementwise.positive
    __abs__ = elementwise.abs
    __eq__ = compare.eq  # type: ignore[assignment]
    __ne__ = compare.ne  # type: ignore[assignment]
    __lt__ = compare.lt
    __le__ = compare.le
    __gt__ = compare.gt
    __ge__ = compare.ge
    __and__ = __rand__ = compare.bitwise_and
    __or__ = __ror__ = compare.bitwise_or
    __xor__ = __rxor__ = compare.bitwise_xor
    __invert__ = compare.bitwise_not

    def __rtruediv__(self, other: Any) -> Tensor:
        return arithmetic.div(other, self)

    __rdiv__ = __rtruediv__

    def __rlshift__(self, other: Any) -> Tensor:
        return pairs.bitwise_left_shift(other, self)

    def __rrshift__(self, other: Any) -> Tensor:
        return pairs.bitwise_right_shift(other, self)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return arithmetic.floor_divide(other, self)

    def __rmod__(self, other: Any) -> Tensor:
        return arithmetic.remainder(other, self)

    def __rpow__(self, other: Any) -> Tensor:
        return arithmetic.pow(other, self)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _matmul.matmul(creation.as_tensor(other), self)

    @property
    def T(self) -> Tensor:
        """The dimensions reversed."""
        return _shape.permute(self, tuple(reversed(range(self._array.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped."""
        return odds.matrix_transpose(self)

    @property
    def mH(self) -> Tensor:
        """The last two dimensions swapped: real numbers are their own conjugates."""
        return odds.matrix_transpose(self, "mH")

    @property
    def H(self) -> Tensor:
        """A matrix transposed: real numbers are their own conjugates."""
        return odds.conjugate_transpose(self)


def _dim(dim: SupportsIndex, ndim: int) -> int:
    from fastnn.ops.dims import wrap_dim

    return wrap_dim(dim, ndim)


def _legacy(args: tuple[Any, ...]) -> Tensor:
    """PyTorch's Tensor(data) and Tensor(2, 3)."""
    if len(args) == 1 and not isinstance(args[0], int):
        return creation.tensor(args[0], dtype=dtypes.get_default_dtype())
    return creation.empty(*args)


_core.set_tensor_type(Tensor)

from fastnn import autograd  # noqa: E402 - it builds on Tensor
