"""Saving a module's state and loading it: everything is checked before the first value is copied."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from fastnn.autograd import no_grad
from fastnn.nn.parameter import Parameter
from fastnn.tensor import Tensor
from fastnn.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from fastnn.nn.module import Module

Hook = Callable[..., Any]
_EXTRA_STATE = "_extra_state"
_PENDING = "pending_writes"  # in local_metadata: where load_state_dict collects what is to be written


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class _IncompatibleKeys(_Keys):
    """What ``load_state_dict`` returns: the keys it missed and those it did not know."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys!r}, unexpected_keys={self.unexpected_keys!r})"

    __str__ = __repr__


class _Write:
    """One checked change of a module: copy ``value`` into the tensor ``name``, or put it in its place."""

    __slots__ = ("assign", "before", "module", "name", "value")

    def __init__(self, module: Any, name: str, value: Tensor, assign: bool) -> None:
        self.module, self.name, self.value, self.assign = module, name, value, assign
        self.before: Tensor | None = None

    def run(self, keep: bool) -> None:
        target: Tensor = getattr(self.module, self.name)
        if self.assign:
            self.before = target
            setattr(self.module, self.name, self._replacement(target))
        else:
            self.before = target.detach().clone() if keep else None
            target.copy_(self.value)

    def _replacement(self, target: Tensor) -> Tensor:
        if not isinstance(target, Parameter):
            return self.value
        if isinstance(self.value, Parameter):
            self.value.requires_grad_(target.requires_grad)
            return self.value
        return Parameter(self.value, requires_grad=target.requires_grad)

    def undo(self) -> None:
        assert self.before is not None
        if self.assign:
            setattr(self.module, self.name, self.before)
        else:
            getattr(self.module, self.name).copy_(self.before)


class _ModuleHook:
    """A hook that is handed its module, which it does not keep alive."""

    def __init__(self, hook: Hook, module: ModuleState) -> None:
        self.hook, self.module = hook, ref(module)

    def __call__(self, *args: Any) -> Any:
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args)

    def __getstate__(self) -> dict[str, Any]:
        return {"hook": self.hook, "module": self.module()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["module"] is None:
            raise RuntimeError("You are trying to revive the hook of a dead Module!")
        self.hook, self.module = state["hook"], ref(state["module"])


class ModuleState:
    """The part of Module that saves and loads."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Module | None]
    _version: int
    _state_dict_pre_hooks: OrderedDict[int, Hook]
    _state_dict_hooks: OrderedDict[int, Hook]
    _load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _load_state_dict_post_hooks: OrderedDict[int, Hook]

    def _init_state_hooks(self) -> None:
        self.__dict__.update(
            _state_dict_pre_hooks=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
        )

    def get_extra_state(self) -> Any:
        """What else ``state_dict`` should hold (under ``_extra_state``): define it with ``set_extra_state``."""
        raise RuntimeError(f"{type(self).__name__} defines no get_extra_state(), so it has no extra state to return")

    def set_extra_state(self, state: Any) -> None:
        """Take back what ``get_extra_state`` gave."""
        raise RuntimeError(f"{type(self).__name__} defines no set_extra_state(), so it can take no extra state")

    # ------------------------------------------------------------------------------------ hooks

    def _add_state_hook(self, table: OrderedDict[int, Hook], hook: Hook) -> RemovableHandle:
        handle = RemovableHandle(table)
        table[handle.id] = hook
        return handle

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """``hook(module, prefix, keep_vars)`` runs before ``state_dict`` collects this module."""
        return self._add_state_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """``hook(module, state_dict, prefix, local_metadata)`` runs after; it changes state_dict in place."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return self._add_state_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Hook) -> RemovableHandle:
        """As the public one, but the hook may return another dict."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via "
                "register_state_dict_post_hook"
            )
        return self._add_state_hook(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)`` runs
        before this module is loaded and may change state_dict in place."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Hook, with_module: bool = False) -> RemovableHandle:
        return self._add_state_hook(self._load_state_dict_pre_hooks, _ModuleHook(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """``hook(module, incompatible_keys)`` runs after the values are in; it may change the lists in place."""
        return self._add_state_hook(self._load_state_dict_post_hooks, hook)

    # ------------------------------------------------------------------------------------ saving

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not ModuleState.get_extra_state:
            destination[prefix + _EXTRA_STATE] = self.get_extra_state()

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """All parameters and persistent buffers by dotted name, in an OrderedDict; values share the module's memory.

        ``destination``: a dict to fill; ``keep_vars``: the parameters themselves rather than detached tensors.
        """
        if args:
            warnings.warn("Positional args are being deprecated, use kwargs instead.", FutureWarning, stacklevel=2)
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and not keep_vars else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            returned = hook(self, destination, prefix, local_metadata)
            if returned is not None:
                if getattr(hook, "_from_public_api", False):
                    raise RuntimeError("state_dict post-hook must return None")
                destination = returned
        return destination

    # ------------------------------------------------------------------------------------ loading

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Check this module's own entries and write them; where ``load_state_dict`` asks, leave the writing to it."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        pending: list[Any] | None = local_metadata.get(_PENDING)
        writes: list[Any] = [] if pending is None else pending
        buffers = {k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set}
        own = {k: v for k, v in {**self._parameters, **buffers}.items() if v is not None}
        for name, target in own.items():
            key = prefix + name
            if key in state_dict:
                if hasattr(target, "materialize") and hasattr(state_dict[key], "materialize"):
                    continue  # both wait for their shape: see lazy.py
                value = _fitting(key, state_dict[key], target, error_msgs)
                if value is not None:
                    writes.append(_Write(self, name, value, local_metadata.get("assign_to_params_buffers", False)))
            elif strict:
                missing_keys.append(key)
        extra_key = prefix + _EXTRA_STATE
        if type(self).set_extra_state is not ModuleState.set_extra_state:
            if extra_key in state_dict:
                writes.append((self.set_extra_state, state_dict[extra_key]))
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra_key:
                    name, *below = key[len(prefix) :].split(".", 1)
                    if name not in (self._modules if below else own):
                        unexpected_keys.append(key)
        if pending is None:
            _run(writes, keep=False)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Copy ``state_dict``'s values into this module's tensors; with ``assign`` put its tensors in their place.

        Returns the missing and the unexpected keys. RuntimeError, naming every one, where ``strict`` and there are any,
        and, strict or not, where a shape differs: then nothing was changed. TypeError where it is no mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        keys = _IncompatibleKeys([], [])
        errors: list[str] = []
        writes: list[Any] = []
        loaded: list[ModuleState] = []
        metadata = getattr(state_dict, "_metadata", None) or {}

        def check(module: ModuleState, entries: dict[str, Any], prefix: str) -> None:
            local_metadata = {**metadata.get(prefix[:-1], {}), _PENDING: writes}
            if assign:
                local_metadata["assign_to_params_buffers"] = True
            module._load_from_state_dict(entries, prefix, local_metadata, True, *keys, errors)
            for name, child in module._modules.items():
                if child is not None:
                    below = f"{prefix}{name}."
                    check(child, {k: v for k, v in entries.items() if k.startswith(below)}, below)
            loaded.append(module)

        check(self, OrderedDict(state_dict), "")
        hooks = [(module, hook) for module in loaded for hook in module._load_state_dict_post_hooks.values()]
        if errors or (strict and any(keys) and not hooks):
            self._raise_load_errors(keys if strict else _IncompatibleKeys([], []), errors)
        _run(writes, keep=bool(hooks))
        for module, hook in hooks:  # which may strike keys from the lists
            if hook(module, keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                    "values, if incompatible_keys need to be modified, it should be done inplace."
                )
        if strict and any(keys):
            with no_grad():
                for write in writes:
                    if isinstance(write, _Write):
                        write.undo()
            self._raise_load_errors(keys, errors)
        return keys

    def _raise_load_errors(self, keys: _IncompatibleKeys, errors: list[str]) -> None:
        lines = list(errors)
        for words, names in (("Unexpected", keys.unexpected_keys), ("Missing", keys.missing_keys)):
            if names:
                quoted = ", ".join(f'"{name}"' for name in names)
                lines.insert(0, f"{words} key(s) in state_dict: {quoted}. ")
        raise RuntimeError(
            "Error(s) in loading state_dict for {}:\n\t{}".format(type(self).__name__, "\n\t".join(lines))
        )


def _run(writes: list[Any], keep: bool) -> None:
    with no_grad():
        for write in writes:
            if isinstance(write, _Write):
                write.run(keep)
            else:
                set_extra_state, state = write
                set_extra_state(state)


def _fitting(key: str, value: Any, target: Tensor, error_msgs: list[str]) -> Tensor | None:
    """``value`` where it can be loaded into ``target``, else None and a line in ``error_msgs``."""
    if not isinstance(value, Tensor):
        error_msgs.append(
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint '
            f"but received {type(value)}"
        )
        return None
    if target.dim() == 0 and tuple(value.shape) == (1,):  # scalars were once saved so
        value = value[0]
    if value.shape != target.shape:
        error_msgs.append(
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {target.shape}."
        )
        return None
    checked: Tensor = value
    return checked
