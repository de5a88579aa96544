"""``Module``: the base of every layer and model.

Its parts: this file registers, converts and shows; ``_tree.py`` finds what is below a module; ``_hooks.py`` calls with
hooks; ``_state.py`` saves and loads; ``_registry.py`` says why attributes are quick.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastnn.autograd import no_grad
from fastnn.creation import empty, empty_like
from fastnn.dtypes import dtype as DType
from fastnn.dtypes import float16, float32, float64
from fastnn.nn._hooks import ModuleHooks
from fastnn.nn._registry import Registry
from fastnn.nn._state import ModuleState
from fastnn.nn._tree import ModuleTree
from fastnn.nn.parameter import Buffer, Parameter
from fastnn.tensor import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

_REGISTRIES = ("_parameters", "_buffers", "_modules")


def _typename(value: object) -> str:
    """The qualified name of value's type, as PyTorch's messages give it."""
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _forward_unimplemented(self: Module, *input: Any) -> None:
    """What a module computes: every subclass defines it."""
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


def _addindent(text: str, spaces: int) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first] + [" " * spaces + line if line.strip() else "" for line in rest])


class _Getattr:
    """For subclasses of Module that define ``__getattr__``: what their ``super().__getattr__(name)`` calls.

    Not Module's own, because a class with ``__getattr__`` has slower attributes, found or not.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__:
            return self.__dict__[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


class Module(ModuleTree, ModuleHooks, ModuleState):
    """Base class of all layers and models, as in PyTorch.

    A subclass calls ``super().__init__()`` before it assigns parameters, buffers or other modules to attributes
    (which registers them), and defines ``forward``.
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Module | None]
    _version: int = 1
    dump_patches: bool = False
    call_super_init: bool = False

    if TYPE_CHECKING:  # parameters, buffers and modules that __init__ registers are attributes that no class names

        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__getattr__" in cls.__dict__ and not issubclass(cls, _Getattr):
            cls.__bases__ = (*cls.__bases__, _Getattr)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and kwargs:
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
            )
        if not self.call_super_init and args:
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were given"
            )
        me = weakref.ref(self)
        self.__dict__.update(
            training=True,
            _parameters=Registry(me),
            _buffers=Registry(me),
            _non_persistent_buffers_set=set(),
            _modules=Registry(me),
        )
        self._init_hooks()
        self._init_state_hooks()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    forward: Callable[..., Any] = _forward_unimplemented

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooked:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    # ------------------------------------------------------------------------------------ registering

    def _check_name(self, kind: str, name: Any, registry: str) -> None:
        if registry not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {_typename(name)}")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise KeyError(f"attribute '{name}' already exists")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a buffer: a tensor of the module's state that is not trained; ``persistent`` ones are in state_dict.

        KeyError for a name that is empty, has a dot or is another attribute's; TypeError where ``tensor`` is no Tensor.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter. Errors as for ``register_buffer``; ValueError where ``param`` is not a leaf."""
        self._check_name("parameter", name, "_parameters")
        self._check_parameter(name, param)
        self._parameters[name] = param

    @staticmethod
    def _check_parameter(name: str, param: Any) -> None:
        if param is None:
            return
        if not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_typename(param)}' object to parameter '{name}' (torch.nn.Parameter or None required)"
            )
        if param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. "
                f"To express '{name}' as a function of another Tensor, compute the value in the forward() method."
            )

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child. TypeError where ``module`` is no Module; KeyError for a bad name, as in ``register_buffer``."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        self._check_name("module", name, "_modules")
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of ``add_module``."""
        self.add_module(name, module)

    def _forget(self, name: str) -> None:
        """Take whatever is called ``name`` out of the registries and the attributes."""
        for registry in _REGISTRIES:
            self.__dict__[registry].pop(name, None)
        self._non_persistent_buffers_set.discard(name)
        self.__dict__.pop(name, None)

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        parameters = attributes.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._check_parameter(name, value)
            if name not in parameters:
                self._forget(name)
            self.register_parameter(name, value)
            return
        if parameters is None:  # before Module.__init__: nothing is registered yet
            if isinstance(value, Module):
                raise AttributeError("cannot assign module before Module.__init__() call")
            object.__setattr__(self, name, value)
            return
        modules, buffers = attributes["_modules"], attributes["_buffers"]
        if name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            if name not in modules:
                self._forget(name)
            modules[name] = value
        elif name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            modules[name] = None
        elif name in buffers or isinstance(value, Buffer):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
            if isinstance(value, Buffer):
                if name not in buffers:
                    attributes.pop(name, None)
                self.register_buffer(name, value, value.persistent)
            else:
                self.register_buffer(name, value, name not in self._non_persistent_buffers_set)
        elif name in _REGISTRIES:
            self._replace_registry(name, value)
        else:
            if name == "forward":  # of this instance alone: nothing may go round it
                attributes["_hooked"] = True
            object.__setattr__(self, name, value)

    def _replace_registry(self, name: str, entries: Any) -> None:
        entries = dict(entries)
        self.__dict__[name].clear()
        self.__dict__[name] = Registry(weakref.ref(self), entries)

    def __delattr__(self, name: str) -> None:
        for registry in _REGISTRIES:
            if name in self.__dict__.get(registry, ()):
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in _REGISTRIES:  # pickled and copied as plain dicts
            self.__dict__[name] = Registry(weakref.ref(self), state.get(name, {}))
        self.__dict__.setdefault("_non_persistent_buffers_set", set())

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not name[0].isdigit())

    # ------------------------------------------------------------------------------------ changing

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call ``fn`` on every module below this one, children first, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode, which Dropout and its like look at, here and below. ValueError where mode is no bool."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether the parameters get gradients."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the parameters' gradients, or, without ``set_to_none``, fill them with zeros."""
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                with no_grad():
                    parameter.grad = parameter.grad.detach().zero_()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace parameters', gradients' and buffers' values by ``fn`` of them. Parameters stay the same objects."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for parameter in self._parameters.values():
                if parameter is None:
                    continue
                gradient, applied = parameter.grad, fn(parameter)
                if applied is not parameter:
                    parameter.grad = None
                    parameter.data = applied.detach()
                if gradient is not None:
                    parameter.grad = fn(gradient)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating parameters and buffers, in place: ``to(device, dtype)``, ``to(dtype)`` or ``to(tensor)``.

        TypeError where dtype is not floating, RuntimeError for a device other than the CPU.
        """
        dtype = kwargs.get("dtype")
        for argument in (*args, *kwargs.values()):
            if isinstance(argument, Tensor):
                dtype = argument.dtype
            elif type(argument) is DType:
                dtype = argument
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        empty(0).to(*args, **kwargs)  # refuses what a tensor refuses, before anything is changed
        return self if dtype is None else self._to_floating(dtype)

    def _to_floating(self, dtype: DType) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def cpu(self) -> Self:
        """Does nothing: everything is on the CPU."""
        return self

    def cuda(self, device: Any = None) -> Self:
        """RuntimeError: there is only the CPU."""
        raise RuntimeError(f"cuda(device={device!r}): fastnn runs on the CPU only; leave the call out, or use cpu()")

    def share_memory(self) -> Self:
        """Move parameters and buffers to memory that processes forked from now on share; see Tensor.share_memory_."""
        return self._apply(lambda t: t.share_memory_())

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Replace parameters and buffers by uninitialized ones of the same shapes and dtypes."""
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    # ------------------------------------------------------------------------------------ showing

    def extra_repr(self) -> str:
        """What ``repr`` shows between the parentheses, in one line or several."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        children = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        if len(extra_lines) == 1 and not children:
            return f"{self._get_name()}({extra_lines[0]})"
        lines = "\n  ".join([*extra_lines, *children])
        return f"{self._get_name()}(\n  {lines}\n)" if lines else f"{self._get_name()}()"

    # Last, because their names shadow built-ins.

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers, integer ones too, to ``dst_type``."""
        return self._apply(lambda t: t.type(dst_type))

    def half(self) -> Self:
        """Convert floating parameters and buffers to float16."""
        return self._to_floating(float16)

    def float(self) -> Self:
        """Convert floating parameters and buffers to float32."""
        return self._to_floating(float32)

    def double(self) -> Self:
        """Convert floating parameters and buffers to float64."""
        return self._to_floating(float64)
