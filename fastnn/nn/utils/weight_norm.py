"""Weight normalization by a hook: a weight as its length times its direction (Salimans and Kingma 2016)."""

from __future__ import annotations

from typing import Any, TypeVar

from fastnn.autograd import no_grad
from fastnn.nn.module import Module
from fastnn.nn.parameter import Parameter
from fastnn.tensor import Tensor

M = TypeVar("M", bound=Module)


def norm_except_dim(v: Tensor, pow: int, dim: int) -> Tensor:
    """The norm of order ``pow`` over all dimensions but ``dim``, which are kept with extent 1; of all (0-d) for -1."""
    dims = [i for i in range(v.dim()) if i != dim]
    powers = v.abs() if pow == 1 else v.square() if pow == 2 else v.abs() ** pow
    total = powers.sum() if dim == -1 else powers.sum(dims, keepdim=True) if dims else powers
    return total if pow == 1 else total.sqrt() if pow == 2 else total ** (1 / pow)


def weight_of(v: Tensor, g: Tensor, dim: int) -> Tensor:
    """g v / ‖v‖, recorded."""
    return v * (g / norm_except_dim(v, 2, dim))


class WeightNorm:
    """The hook: sets the weight anew before each forward."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        """The weight of the module's present length and direction."""
        return weight_of(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    @staticmethod
    def apply(module: Module, name: str, dim: int | None) -> WeightNorm:
        """Puts the hook on module. RuntimeError where name has one."""
        _refuse_second(module, WeightNorm, name, "weight_norm")
        hook = WeightNorm(name, dim)
        weight = _parameter_of(module, name)
        del module._parameters[name]
        with no_grad():
            length = norm_except_dim(weight, 2, hook.dim)
        module.register_parameter(name + "_g", Parameter(length))
        module.register_parameter(name + "_v", Parameter(weight.data))
        setattr(module, name, hook.compute_weight(module))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Module) -> None:
        """Makes the present weight a parameter again."""
        weight = self.compute_weight(module).detach()
        delattr(module, self.name)
        del module._parameters[self.name + "_g"]
        del module._parameters[self.name + "_v"]
        setattr(module, self.name, Parameter(weight))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def _refuse_second(module: Module, kind: type[Any], name: str, what: str) -> None:
    if any(isinstance(hook, kind) and hook.name == name for hook in module._forward_pre_hooks.values()):
        raise RuntimeError(f"Cannot register two {what} hooks on the same parameter {name}")


def _parameter_of(module: Module, name: str) -> Parameter:
    found = module._parameters.get(name)
    if found is None:
        raise ValueError(f"`{name}` is not a parameter of {type(module).__name__}, or is None")
    return found


def _remove(module: Module, kind: type[Any], name: str, what: str) -> None:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return
    raise ValueError(f"{what} of '{name}' not found in {module}")


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Replace the parameter ``name`` by ``name_g``, its norms over all dimensions but ``dim`` (None: over all), and
    ``name_v``, its direction; a hook computes it before each forward. Returns the module.

    RuntimeError where it has such a hook already, ValueError where it has no such parameter.
    """
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Undo ``weight_norm``: the present weight is the parameter. ValueError where there is none."""
    _remove(module, WeightNorm, name, "weight_norm")
    return module
