"""``Parameter`` and ``Buffer``: tensors that a module registers when they are assigned to it."""

from __future__ import annotations

from typing import Any

from fastnn import _core
from fastnn.creation import empty
from fastnn.tensor import Tensor


def _tensor_or_empty(data: Any, who: str) -> Tensor:
    if data is None:
        return empty(0)
    if not isinstance(data, Tensor):
        raise TypeError(f"{who}: data must be a Tensor or None, got {type(data).__name__}")
    return data


class Parameter(Tensor):
    """A tensor that a module trains: assigning one to an attribute of a module registers it there.

    ``data`` is the tensor whose memory it shares (None: an empty one); TypeError for anything else.
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        made: Parameter = _core.make_subclass(cls, _tensor_or_empty(data, "Parameter"), requires_grad)
        return made

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        """Everything is done in __new__."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        found: Parameter | None = memo.get(id(self))
        if found is None:
            found = type(self)(self.detach().clone(), self.requires_grad)
            memo[id(self)] = found
        return found

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _parameter, (type(self), self.detach(), self.requires_grad, dict(self.__dict__))

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    __str__ = __repr__


def _parameter(cls: type[Parameter], data: Tensor, requires_grad: bool, attributes: dict[str, Any]) -> Parameter:
    made = cls(data, requires_grad)
    made.__dict__.update(attributes)
    return made


class Buffer(Tensor):
    """A tensor that belongs to a module's state and is not trained; assigning one to an attribute registers it.

    ``persistent`` says whether ``state_dict`` holds it.
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        data = _tensor_or_empty(data, "Buffer")
        made: Buffer = _core.make_subclass(cls, data, data.requires_grad)
        made.persistent = persistent
        return made

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        """Everything is done in __new__."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        found: Buffer | None = memo.get(id(self))
        if found is None:
            found = type(self)(self.detach().clone(), persistent=self.persistent)
            memo[id(self)] = found
        return found

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _buffer, (type(self), self.detach(), self.persistent)


def _buffer(cls: type[Buffer], data: Tensor, persistent: bool) -> Buffer:
    return cls(data, persistent=persistent)
