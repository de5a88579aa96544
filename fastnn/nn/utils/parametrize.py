"""Parametrizations: parameters that are computed by modules from others, whenever they are read.

A parametrized module gets a class of its own, on which the tensor's name is a property; the tensors that it is computed
from are in ``module.parametrizations[name]``, a ``ParametrizationList``, as ``original`` (or ``original0``, ...).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from fastnn.autograd import no_grad
from fastnn.nn.container import ModuleDict, ModuleList
from fastnn.nn.module import Module
from fastnn.nn.parameter import Parameter
from fastnn.tensor import Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

M = TypeVar("M", bound=Module)

_cache_depth = 0
_cache: dict[tuple[int, str], Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """In it a parametrized tensor is computed once, at its first use."""
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if not _cache_depth:
            _cache.clear()


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


class ParametrizationList(ModuleList):
    """The modules that make one tensor, one after another, and what they make it from. Calling it gives the tensor.

    Made by ``register_parametrization``. ``original`` has gone through the modules' ``right_inverse``, last first,
    where they have one. ValueError where that, or the modules, change dtype or shape (``unsafe``: they may).
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        with no_grad():
            new: Any = original
            for module in reversed(list(modules)):
                new = _right_inverse(module, new)
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        if isinstance(new, Tensor):
            if new.dtype != dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            original.data = new.detach()  # the same object, which an optimizer may hold
            _register(self, "original", original)
        else:
            for i, tensor in enumerate(new):
                if not isinstance(tensor, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                        f"Got element {i} of the sequence with type {type(tensor).__name__}."
                    )
                made = tensor.detach()
                if isinstance(original, Parameter):
                    made = Parameter(made, original.requires_grad)
                _register(self, f"original{i}", made)
        if not unsafe:
            with no_grad():
                _check_result(self(), shape, dtype)

    def originals(self) -> list[Tensor]:
        """What the tensor is made from."""
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Tensor) -> None:
        """Make ``value`` (or the nearest that there is) the tensor, by setting the originals.

        RuntimeError where a module has no right_inverse; ValueError where one gives another number or dtype.
        """
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                new = module.right_inverse(new)
            if self.is_tensor and not isinstance(new, Tensor):
                raise ValueError(f"`right_inverse` should return a tensor. Got {type(new).__name__}")
            values = [new] if self.is_tensor else new
            if not isinstance(values, Sequence):
                raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(values).__name__}.")
            if len(values) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a sequence of "
                    f"length {len(values)}."
                )
            originals = self.originals()
            for i, (tensor, original) in enumerate(zip(values, originals, strict=True)):
                if not isinstance(tensor, Tensor) or tensor.dtype != original.dtype:
                    got = f"dtype {tensor.dtype}" if isinstance(tensor, Tensor) else f"type {type(tensor).__name__}"
                    raise ValueError(f"Tensor {i} returned by `right_inverse` has {got}, expected {original.dtype}")
            for tensor, original in zip(values, originals, strict=True):
                original.data = tensor.detach()

    def forward(self) -> Tensor:
        """The tensor."""
        first, *others = list(self)
        value: Tensor = first(*self.originals())
        for module in others:
            value = module(value)
        return value


def _right_inverse(module: Any, value: Any) -> Any:
    """The identity where there is none."""
    if not hasattr(module, "right_inverse"):
        return value
    try:
        return module.right_inverse(value)
    except NotImplementedError:
        return value


def _check_result(value: Any, shape: Any, dtype: Any) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
    for what, before, after in (("dtype", dtype, value.dtype), ("shape", shape, value.shape)):
        if before != after:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` flag is "
                f"enabled.\nunparametrized {what}: {before}\nparametrized {what}: {after}"
            )


# ------------------------------------------------------------------------------------------------ the class


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    """A copy with a class of its own, so that removing a parametrization from one leaves the other."""
    cls = type(self)
    names = {key: value for key, value in vars(cls).items() if key not in ("__dict__", "__weakref__")}
    copied: Any = type(cls.__name__, cls.__bases__, names)
    replica = copied.__new__(copied)
    memo[id(self)] = replica
    replica.__setstate__(copy.deepcopy({**self.__dict__}, memo))
    return replica


def _getstate(self: Any) -> Any:
    raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        if not _cache_depth:
            return cast(Tensor, self.parametrizations[name]())
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def _begin(module: Any) -> None:
    """Gives module a class of its own, and the dict of its parametrizations."""
    cls = type(module)
    names: dict[str, Any] = {"__getstate__": _getstate}
    if not hasattr(cls, "__deepcopy__"):
        names["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), names)
    module.parametrizations = ModuleDict()


# ------------------------------------------------------------------------------------------------ for users


def register_parametrization(module: M, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> M:
    """Make ``module``'s parameter or buffer ``tensor_name`` be ``parametrization(original)``; returns the module.

    Several are applied in the order they are registered. Where the parametrization has ``right_inverse``, the original
    starts as that of the present value (which may be several tensors), and the tensor can be assigned to. ValueError
    where there is no such tensor, and, unless ``unsafe``, where the parametrization changes its shape or dtype.
    """
    parametrization.train(module.training)
    target: Any = module
    if is_parametrized(module, tensor_name):
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            _check_result(after, before.shape, before.dtype)
            back = _right_inverse(parametrization, after)
            if not isinstance(back, Tensor) or back.dtype != before.dtype or back.shape != before.shape:
                raise ValueError(
                    "parametrization.right_inverse must return a tensor of the same shape and dtype as "
                    f"module.{tensor_name}, unless the `unsafe` flag is enabled."
                )
        made = target.parametrizations[tensor_name]
        made.append(parametrization)
        made.unsafe |= unsafe
    elif tensor_name in module._parameters or tensor_name in module._buffers:
        made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _begin(module)
        setattr(type(module), tensor_name, _property(tensor_name))
        target.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether ``module`` has a parametrization, for ``tensor_name`` where given."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: M, tensor_name: str, leave_parametrized: bool = True) -> M:
    """Undo all parametrizations of ``tensor_name``: the present value, or the original, is the parameter.

    ValueError where there is none, and for ``leave_parametrized=False`` where there are several originals.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    target: Any = module
    made = target.parametrizations[tensor_name]
    if made.is_tensor:
        original: Tensor = made.original
        if leave_parametrized:
            with no_grad():
                original.data = getattr(module, tensor_name).detach()
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del target.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del target.parametrizations
        target.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class that ``module`` had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module: Module, to_module: M, tensor_name: str | None = None) -> M:
    """Put the parametrizations of one module (of one tensor, where named) on another, with the same originals.

    A tensor that ``to_module`` lacks is made. AssertionError where ``from_module`` has none for ``tensor_name``.
    """
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module
    target: Any = to_module
    if tensor_name is not None and tensor_name not in source.parametrizations:
        raise AssertionError(f"from_module has no parametrization of '{tensor_name}'")
    for name in [tensor_name] if tensor_name is not None else list(source.parametrizations):
        made = source.parametrizations[name]
        if not hasattr(to_module, name):
            value = getattr(from_module, name).detach().clone()
            is_parameter = any(isinstance(original, Parameter) for original in made.originals())
            _register(to_module, name, Parameter(value) if is_parameter else value)
        for parametrization in made:
            register_parametrization(to_module, name, parametrization, unsafe=made.unsafe)
        received = target.parametrizations[name]
        for key, original in zip(
            ["original"] if made.is_tensor else [f"original{i}" for i in range(made.ntensors)],
            made.originals(),
            strict=True,
        ):
            setattr(received, key, original)
    return to_module
