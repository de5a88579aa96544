"""The graph itself: its nodes and edges, and hooks on what nodes save."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from fastnn import _core
from fastnn._core import Node

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class GradientEdge(NamedTuple):
    """A place in the graph: output output_nr of node (AccumulateGrad for a leaf)."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where tensor's gradient goes. RuntimeError where it requires none."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.grad_fn
    return GradientEdge(_core.AccumulateGrad(tensor) if node is None else node, tensor.output_nr)  # type: ignore[call-arg]


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Says that tensor's memory (or that of each of several) was changed outside fastnn: nodes that saved it refuse."""
    for one in [tensor] if isinstance(tensor, _core.TensorBase) else list(tensor):
        _core.bump_version(one)


# ------------------------------------------------------------------------------------------------ what nodes save

_disabled = threading.local()  # .message: why this thread refuses saved_tensors_hooks


class saved_tensors_hooks:
    """In it a node that saves a tensor keeps pack_hook(tensor), and backward reads unpack_hook of that.

    pack_hook gets the tensor off the tape, and must not change it in place; unpack_hook must return a tensor of the
    same shape and dtype (else RuntimeError; TypeError where it is no tensor). What kernels keep beside tensors (the
    gates of a recurrent layer, the places of a maximum) does not go through the hooks.
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> Any:
        message = getattr(_disabled, "message", None)
        if message is not None:
            raise RuntimeError(message)
        self.previous = _core.set_saving_hooks((self.pack_hook, self.unpack_hook))
        return self

    def __exit__(self, *exception: object) -> None:
        _core.set_saving_hooks(self.previous)


class save_on_cpu(saved_tensors_hooks):
    """In it nodes keep copies of what they save. On a CPU that only shields it from later changes in place."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: tensor.clone(), lambda packed: packed)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """In it saved_tensors_hooks raises RuntimeError with this message."""
    before = getattr(_disabled, "message", None)
    _disabled.message = error_message
    hooks = _core.set_saving_hooks(None)
    try:
        if hooks is not None:
            raise RuntimeError(error_message)
        yield
    finally:
        _core.set_saving_hooks(hooks)
        _disabled.message = before
