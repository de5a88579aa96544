"""Lazy modules: those whose parameters take their shapes from the first input."""

from __future__ import annotations

from typing import Any

from fastnn.autograd import no_grad
from fastnn.creation import empty
from fastnn.nn.module import Module
from fastnn.nn.parameter import Parameter
from fastnn.tensor import Tensor


class _Uninitialized(Tensor):
    """A tensor whose shape is not known yet; its dtype is."""

    _becomes: type[Tensor]

    @property
    def shape(self) -> Any:
        """RuntimeError: not known yet."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call `forward` "
            "to initialize the parameters before accessing their attributes."
        )

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary tensor of the shape, its values not set."""
        made = empty(tuple(shape), device=device, dtype=self.dtype if dtype is None else dtype)
        self.data = made
        self.__class__ = self._becomes  # type: ignore[assignment]

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """The same object, of the dtype asked for."""
        self.data = super().to(*args, **kwargs).detach()
        return self

    def detach(self) -> Any:
        """Itself: there are no values to share."""
        return self

    def share_memory_(self) -> Any:
        """RuntimeError: there is nothing to share yet."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize it."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            found = type(self)(requires_grad=self.requires_grad, dtype=self.dtype)
            memo[id(self)] = found
        return found

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.requires_grad, None, self.dtype)


class UninitializedParameter(_Uninitialized, Parameter):
    """A Parameter whose shape a lazy module sets at its first call, by ``materialize(shape)``.

    Its shape cannot be read before (RuntimeError).
    """

    _becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> UninitializedParameter:
        return super().__new__(cls, empty(0, device=device, dtype=dtype), requires_grad)  # type: ignore[return-value]

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        """Everything is done in __new__."""


class UninitializedBuffer(_Uninitialized):
    """A buffer whose shape a lazy module sets at its first call, by ``materialize(shape)``."""

    _becomes = Tensor

    def __new__(cls, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> UninitializedBuffer:
        from fastnn import _core

        made: UninitializedBuffer = _core.make_subclass(cls, empty(0, device=device, dtype=dtype), requires_grad)
        return made

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> None:
        """Everything is done in __new__."""


def is_lazy(tensor: object) -> bool:
    """Whether the tensor waits for its shape."""
    return isinstance(tensor, _Uninitialized)


class LazyModuleMixin(Module):
    """Put before a module's class: parameters that are UninitializedParameter take their shapes at the first call.

    ``initialize_parameters(*args)``, which a subclass defines, is handed forward's arguments and materializes them;
    then the module becomes one of ``cls_to_become``, if that is set. Loading a state that has them does so too.
    """

    cls_to_become: type[Module] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(_LazyLoad(), with_module=True)
        self._initialize_hook = self.register_forward_pre_hook(_infer, with_kwargs=True)

    def _waiting(self) -> bool:
        return any(is_lazy(tensor) for table in (self._parameters, self._buffers) for tensor in table.values())

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module waits for its shape."""
        return self._waiting()

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialize the parameters, from forward's arguments: every lazy module defines it."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")


class _LazyLoad:
    """Before a state is loaded: shapes that wait are taken from it."""

    def __call__(self, module: Module, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                given = state_dict.get(prefix + name)
                if isinstance(tensor, _Uninitialized) and given is not None and not is_lazy(given):
                    with no_grad():
                        tensor.materialize(given.shape)


def _infer(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Before the first call of a lazy module: its parameters get their shapes, and it its class."""
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
    module._initialize_hook.remove()
    module._load_hook.remove()
    del module._initialize_hook, module._load_hook
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become
