"""``Optimizer``: parameter groups, state, saving and loading, hooks. ``_plan.py`` says how a step is kept quick."""

from __future__ import annotations

import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.autograd import enable_grad, no_grad
from fastnn.optim._plan import Bucket, Kernel, Plan
from fastnn.optim._step_hooks import (
    Hook,
    added,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    with_hooks,
)
from fastnn.tensor import Tensor
from fastnn.utils.hooks import RemovableHandle

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

StateDict = dict[str, Any]
_HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


def check_rate(words: str, value: Any) -> None:
    """ValueError unless value, a number or a one-element tensor, is at least 0."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not value >= 0.0:
        raise ValueError(f"Invalid {words}: {value}")


def check_modes(group: dict[str, Any]) -> None:
    """The options about how a step is run: ``foreach`` and ``fused`` change nothing; the others are not offered."""
    for name in ("differentiable", "capturable"):
        if group.get(name):
            raise NotImplementedError(f"{name}=True is not implemented: leave the option out")
    if group.get("fused") and group.get("foreach"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def loss_of(closure: Callable[[], Any] | None) -> Any:
    """What the closure returns, called with recording on."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


class Optimizer:
    """Base of all optimizers. A subclass calls ``super().__init__(params, defaults)`` and defines ``step``.

    ``params``: tensors, (name, tensor) pairs, or dicts that hold a group's ``params`` and its own options;
    ``defaults``: the options of groups that do not set them. Errors as in PyTorch.
    """

    _optimizer_step_pre_hooks: OrderedDict[int, Hook]
    _optimizer_step_post_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Hook]
    _state_names: tuple[str, ...] = ()
    _counts_steps = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + type(params).__name__
            )
        self.defaults = defaults
        self._init_runtime()
        self._state: defaultdict[Tensor, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _init_runtime(self) -> None:
        for name in _HOOKS:
            self.__dict__.setdefault(name, OrderedDict())
        self._plans: dict[int, Plan] = {}
        self._exposed = False  # whether somebody may hold the state, and change it behind our back

    @property
    def state(self) -> defaultdict[Tensor, Any]:
        """For each parameter a dict of what the optimizer remembers of it, under PyTorch's names."""
        self._exposed = True
        return self._state

    @state.setter
    def state(self, value: Any) -> None:
        self._state = value
        self._exposed = True

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self._state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({name: value for name, value in state.items() if name != "state"})
        self._init_runtime()
        if "state" in state:
            self._state = state["state"]

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for index, group in enumerate(self.param_groups):
            text += f"\nParameter Group {index}\n"
            text += "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
        return text + ")"

    # ------------------------------------------------------------------------------------ groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group: a dict of ``params`` and options. Errors, before anything changes, as in PyTorch."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                "sets will change between runs. Please use a list instead."
            )
        given = [given] if isinstance(given, Tensor) else list(given)
        names = [item[0] for item in given if isinstance(item, tuple)]
        params = [item[1] if isinstance(item, tuple) else item for item in given]
        if names and len(names) != len(params):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}")
            if not (param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        if len({id(param) for param in params}) != len(params):
            warnings.warn("optimizer contains a parameter group with duplicate parameters", stacklevel=3)
        for group in self.param_groups:
            if bool(names) != ("param_names" in group):
                words = "with names" if names else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {words} to the optimizer"
                )
        taken = {id(param) for group in self.param_groups for param in group["params"]}
        if not taken.isdisjoint(id(param) for param in params):
            raise ValueError("some parameters appear in more than one parameter group")
        check_modes({**self.defaults, **param_group})
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or, without ``set_to_none``, fill them with zeros."""
        for group in self.param_groups:
            if set_to_none:
                for param in group["params"]:
                    param.grad = None
                continue
            with no_grad():
                for param in group["params"]:
                    if param.grad is not None:
                        param.grad = param.grad.detach().zero_()

    # ------------------------------------------------------------------------------------ stepping

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient. ``closure`` computes the loss anew, which is returned."""
        raise NotImplementedError

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The states that the kernel needs for this group, each of its parameter's shape."""
        return self._state_names

    def _update(self, closure: Callable[[], Any] | None) -> Any:
        """What every ``step`` does: the closure, then a kernel call for each group and dtype."""
        loss = loss_of(closure)
        for index, group in enumerate(self.param_groups):
            kernel = self._kernel(group)
            for bucket, grads in self._gathered(index, group):
                bucket.update(grads, kernel)
        return loss

    def _kernel(self, group: dict[str, Any]) -> Kernel:
        """The kernel call with the group's options."""
        raise NotImplementedError

    def _gathered(self, index: int, group: dict[str, Any]) -> list[tuple[Bucket, list[Any]]]:
        """The group's buckets with their gradients; parameters without a gradient are left out."""
        names = self._names(group)
        plan = None if self._exposed else self._plans.get(index)
        gradients = None if plan is None else plan.gradients(group["params"], names)
        if plan is None or gradients is None:
            plan = Plan(group["params"], names, self._make_buckets(group["params"], names))
            gradients = plan.gradients(group["params"], names)
            assert gradients is not None
            self._plans[index] = plan
        return list(zip(plan.buckets, gradients, strict=True))

    def _make_buckets(self, params: list[Tensor], names: tuple[str, ...]) -> list[Bucket]:
        by_dtype: dict[Any, list[Tensor]] = {}
        for param in params:
            if param.grad is not None:
                by_dtype.setdefault(param.dtype, []).append(param)
        for members in by_dtype.values():
            for param in members:
                if not param._array.flags.writeable:
                    raise RuntimeError(f"step(): a parameter of shape {tuple(param.shape)} lies in read-only memory")
        buckets = []
        for members in by_dtype.values():
            initialized = [bool(self._state[param]) for param in members] if names else [False] * len(members)
            steps = self._shared_steps(members) if self._counts_steps else None
            states = {name: [self._state_of(param, name) for param in members] for name in names}
            buckets.append(Bucket(members, states, steps, initialized))
        return buckets

    def _state_of(self, param: Tensor, name: str) -> Tensor:
        """``param``'s state ``name``, made of zeros where it has none."""
        state = self._state[param]
        tensor: Tensor | None = state.get(name)
        if tensor is None:
            tensor = state[name] = _core.wrap(_zeros(param))
        elif tensor.shape != param.shape or tensor.dtype != param.dtype:
            raise RuntimeError(
                f"step(): state '{name}' has shape {tuple(tensor.shape)} and dtype {tensor.dtype}, "
                f"its parameter {tuple(param.shape)} and {param.dtype}"
            )
        return tensor

    def _shared_steps(self, params: list[Tensor]) -> Any:
        """One array of the parameters' step counts; their ``step`` tensors become views of it."""
        steps = _steps(self._state[param].get("step", 0.0) for param in params)
        for position, param in enumerate(params):
            self._state[param]["step"] = _core.wrap(steps[position : position + 1].reshape(()))
        return steps

    # ------------------------------------------------------------------------------------ saving, loading

    def state_dict(self) -> StateDict:
        """``state`` and ``param_groups`` with numbers in the place of parameters; tensors are shared."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {numbers[id(key)] if isinstance(key, Tensor) else key: _copied(v) for key, v in self._state.items()}
        result: StateDict = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Take over the options and states of ``state_dict``, which is not kept: tensors are copied.

        ValueError, before anything changes, where its groups do not match this optimizer's.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        sizes = [len(group["params"]) for group in self.param_groups]
        if sizes != [len(group["params"]) for group in saved]:
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        for theirs in saved:
            check_modes(theirs)
        numbers = chain.from_iterable(group["params"] for group in saved)
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        by_number = dict(zip(numbers, params, strict=True))
        state: defaultdict[Tensor, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                state[by_number[key]] = _cast(by_number[key], value)
            else:
                state[key] = value
        for ours, theirs in zip(self.param_groups, saved, strict=True):
            theirs["params"] = ours["params"]
            if "param_names" in ours:
                theirs.setdefault("param_names", ours["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ------------------------------------------------------------------------------------ hooks

    def _add_hook(self, table: str, hook: Hook, prepend: bool = False) -> RemovableHandle:
        hooks: OrderedDict[int, Hook] = self.__dict__[table]
        handle = added(hooks, hook)
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """``hook(optimizer, args, kwargs)`` runs before each step and may return ``(args, kwargs)``."""
        return self._add_hook("_optimizer_step_pre_hooks", hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """``hook(optimizer, args, kwargs)`` runs after each step."""
        return self._add_hook("_optimizer_step_post_hooks", hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer)`` runs before ``state_dict``."""
        return self._add_hook("_optimizer_state_dict_pre_hooks", hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer, state_dict)`` runs after ``state_dict`` and may return another."""
        return self._add_hook("_optimizer_state_dict_post_hooks", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer, state_dict)`` runs before ``load_state_dict`` and may return another."""
        return self._add_hook("_optimizer_load_state_dict_pre_hooks", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer)`` runs after ``load_state_dict``."""
        return self._add_hook("_optimizer_load_state_dict_post_hooks", hook, prepend)


def _zeros(param: Tensor) -> Any:
    return np.zeros(param._array.shape, param._array.dtype)


def _steps(counts: Iterable[Any]) -> Any:
    return np.array([float(count) for count in counts], np.float32)


def _copied(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value


def _cast(param: Tensor, value: Any, key: Any = None) -> Any:
    """A copy of a state's value, its tensors in the parameter's dtype (the step count keeps its own)."""
    if isinstance(value, Tensor):
        if key == "step" or not param.is_floating_point():
            return value.detach().clone()
        return value.detach().to(param.dtype, copy=True)
    if isinstance(value, dict):
        return {name: _cast(param, item, name) for name, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_cast(param, item) for item in value)  # type: ignore[call-arg]
    return value
