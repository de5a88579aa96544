"""Functions on modules, as in ``torch.func``: ``functional_call`` and ``stack_module_state``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.nn.module import Module
from fastnn.nn.utils.stateless import functional_call

__all__ = ["functional_call", "stack_module_state"]


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of several models of one kind, each tensor stacked along a new first dimension.

    RuntimeError for no models, models of several classes, or of which some are training and some not.
    """
    from fastnn.ops.join import stack

    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(name: str, tensors: list[Any]) -> Any:
        wanted = [tensor.requires_grad for tensor in tensors]
        if any(wanted) and not all(wanted):
            raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
        return stack(tensors, 0).detach().requires_grad_(all(wanted))

    parameters = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    return (
        {name: stacked(name, [one[name] for one in parameters]) for name in parameters[0]},
        {name: stacked(name, [one[name] for one in buffers]) for name in buffers[0]},
    )
