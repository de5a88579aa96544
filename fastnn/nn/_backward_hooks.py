"""Full backward hooks: a module's inputs and outputs pass through identity nodes that run the hooks in backward."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from fastnn.autograd import Function, is_grad_enabled
from fastnn.tensor import Tensor

Gradients = tuple[Any, ...]
Hook = Callable[..., Any]


class _Watch(Function):
    """The identity; in backward the gradients of all outputs go through ``change`` at once.

    As in PyTorch, where a gradient did not come hooks see zeros among those of inputs and None among those of outputs.
    """

    @staticmethod
    def forward(
        ctx: Any, change: Callable[[Gradients], Gradients], zeros: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.change = change
        ctx.set_materialize_grads(zeros)
        outputs = tuple(tensor.view_as(tensor) for tensor in tensors)
        ctx.mark_non_differentiable(*(new for old, new in zip(tensors, outputs, strict=True) if not old.requires_grad))
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Gradients:
        return (None, None, *ctx.change(gradients))


def _watch(
    values: tuple[Any, ...], change: Callable[[Gradients], Gradients], zeros: bool
) -> tuple[tuple[Any, ...], list[int] | None]:
    """``values`` with its tensors passed through ``_Watch``, and their places; None where none requires grad."""
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
    if not (is_grad_enabled() and any(values[i].requires_grad for i in places)):
        return values, None
    new = list(values)
    for place, tensor in zip(places, _Watch.apply(change, zeros, *(values[i] for i in places)), strict=True):
        new[place] = tensor
    if type(values) is not tuple:  # a named tuple
        return type(values)(*new), places
    return tuple(new), places


def _spread(gradients: Gradients, places: list[int], size: int) -> Gradients:
    full: list[Any] = [None] * size
    for place, gradient in zip(places, gradients, strict=True):
        full[place] = gradient
    return tuple(full)


class BackwardHooks:
    """One call's backward hooks: what ties the gradients of its outputs to those of its inputs."""

    def __init__(self, module: Any, hooks: list[Hook], pre_hooks: list[Hook]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.inputs: tuple[list[int] | None, int] = (None, 0)
        self.outputs: tuple[list[int] | None, int] = (None, 0)
        self.grad_output: Gradients | None = None

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of forward."""
        watched, places = _watch(args, self._on_inputs, zeros=True)
        self.inputs = (places, len(args))
        return watched

    def watch_outputs(self, result: Any) -> Any:
        """The result of the call."""
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                f"but received {type(result)}",
                stacklevel=4,
            )
            return result
        watched, places = _watch(result if isinstance(result, tuple) else (result,), self._on_outputs, zeros=False)
        self.outputs = (places, len(watched))
        return watched if isinstance(result, tuple) else watched[0]

    def _on_outputs(self, gradients: Gradients) -> Gradients:
        places, size = self.outputs
        assert places is not None
        self.grad_output = _spread(gradients, places, size)
        for hook in self.pre_hooks:
            changed = hook(self.module, self.grad_output)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != size:
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(changed)}, but expected {size}"
                )
            self.grad_output = changed
        passed_on = self.grad_output
        if self.inputs[0] is None:
            self._without_inputs()
        return tuple(passed_on[place] for place in places)

    def _without_inputs(self) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
            "require gradients.",
            stacklevel=4,
        )
        for hook in self.hooks:
            returned = hook(self.module, (None,) * self.inputs[1], self.grad_output)
            if returned is not None and not (isinstance(returned, tuple) and all(item is None for item in returned)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or "
                    "None for all gradients."
                )
        self.grad_output = None

    def _on_inputs(self, gradients: Gradients) -> Gradients:
        if self.grad_output is None:  # the gradient did not come through the module's outputs
            return gradients
        places, size = self.inputs
        assert places is not None
        grad_input = _spread(gradients, places, size)
        for hook in self.hooks:
            changed = hook(self.module, grad_input, self.grad_output)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != size:
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(changed)}, but expected {size}"
                )
            grad_input = changed
        self.grad_output = None
        return tuple(grad_input[place] for place in places)
