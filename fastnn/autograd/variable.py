"""``Variable``: the name that tensors on the tape had before PyTorch 0.4, for scripts that still say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnn import _core

if TYPE_CHECKING:
    from fastnn.tensor import Tensor


class _IsTensor(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _core.TensorBase)


class Variable(metaclass=_IsTensor):
    """Variable(tensor, requires_grad) is a tensor with the same memory; every tensor is a Variable."""

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: Any = None) -> Any:
        if volatile:
            raise NotImplementedError("Variable(volatile=True): use no_grad()")
        return data.detach().requires_grad_(requires_grad)
