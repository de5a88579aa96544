"""Spectral normalization by a hook: a weight divided by its largest singular value (Miyato et al. 2018)."""

from __future__ import annotations

from typing import Any, TypeVar

from fastnn.autograd import no_grad
from fastnn.nn.module import Module
from fastnn.nn.parameter import Parameter
from fastnn.nn.utils.weight_norm import _parameter_of, _refuse_second, _remove
from fastnn.ops.distance import normalize
from fastnn.tensor import Tensor

M = TypeVar("M", bound=Module)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """``weight`` with ``dim`` first, as a matrix."""
    if dim != 0:
        weight = weight.permute(dim, *(i for i in range(weight.dim()) if i != dim))
    return weight.reshape(weight.size(0), -1)


def default_dim(module: Module) -> int:
    """The dimension of a module's weight that stands for its outputs."""
    from fastnn.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d

    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0


class SpectralNorm:
    """The hook: one or several steps of the power method before each forward in training, and the division."""

    _version = 1

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The normalized weight; the power method changes the module's singular vectors in place."""
        weight: Tensor = getattr(module, self.name + "_orig")
        u: Tensor = getattr(module, self.name + "_u")
        v: Tensor = getattr(module, self.name + "_v")
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(matrix.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(normalize(matrix.mv(v), dim=0, eps=self.eps))
                u, v = u.clone(), v.clone()  # so that an earlier forward can still run backward
        return weight / u.dot(matrix.mv(v))

    @staticmethod
    def apply(module: Module, name: str, n_power_iterations: int, dim: int, eps: float) -> SpectralNorm:
        """Puts the hook on module. RuntimeError where name has one."""
        _refuse_second(module, SpectralNorm, name, "spectral_norm")
        hook = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = _parameter_of(module, name)
        with no_grad():
            height, width = as_matrix(weight, dim).shape
            u = normalize(weight.new_empty(height).normal_(0, 1), dim=0, eps=eps)
            v = normalize(weight.new_empty(width).normal_(0, 1), dim=0, eps=eps)
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        setattr(module, name, weight.data)  # until the first forward, for whatever expects it
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        module.register_forward_pre_hook(hook)
        module._register_state_dict_hook(_NoteVersion(hook))
        return hook

    def remove(self, module: Module) -> None:
        """Makes the normalized weight a parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for name in (self.name, self.name + "_u", self.name + "_v", self.name + "_orig"):
            delattr(module, name)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))


class _NoteVersion:
    """Writes into a state dict which form of the hook it is of, as PyTorch does."""

    def __init__(self, hook: SpectralNorm) -> None:
        self.hook = hook

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
        local_metadata.setdefault("spectral_norm", {})[self.hook.name + ".version"] = SpectralNorm._version


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Replace the parameter ``name`` by itself divided by its largest singular value, as a matrix with ``dim`` first.

    The value is found by ``n_power_iterations`` steps of the power method before each forward in training, on the
    buffers ``name_u`` and ``name_v``; the parameter is ``name_orig``. ``dim`` is 1 for transposed convolutions and else
    0 where None. Returns the module. RuntimeError where it has such a hook already, ValueError for n_power_iterations
    below 1, or where it has no such parameter.
    """
    SpectralNorm.apply(module, name, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Undo ``spectral_norm``: the normalized weight is the parameter. ValueError where there is none."""
    _remove(module, SpectralNorm, name, "spectral_norm")
    for key, hook in list(module._state_dict_hooks.items()):
        if isinstance(hook, _NoteVersion) and hook.hook.name == name:
            del module._state_dict_hooks[key]
    return module
