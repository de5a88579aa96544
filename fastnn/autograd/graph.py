"""The graph itself: its nodes and edges, hooks on what nodes save, and hooks on several gradients."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

from fastnn import _core
from fastnn._core import Node
from fastnn.autograd._engine import Walk, current_walk, watch_walks
from fastnn.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
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


# ------------------------------------------------------------------------------------------------ several gradients


class _Handles(RemovableHandle):
    """Removes several hooks at once."""

    def __init__(self, handles: list[RemovableHandle]) -> None:
        self.handles = handles

    def remove(self) -> None:
        """Remove the hooks."""
        for handle in self.handles:
            handle.remove()

    def __getstate__(self) -> Any:
        return self.handles

    def __setstate__(self, state: Any) -> None:
        self.handles = state


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[[Any], None], *, mode: Literal["all", "any"] = "all"
) -> RemovableHandle:
    """mode "all": fn(gradients), once a backward has computed all of the tensors' gradients that it will compute; None
    stands for the others. mode "any": fn(gradient) at the first of them.

    ValueError for another mode, RuntimeError where a tensor requires no gradient ("any": it is left out).
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    watch_walks()
    arrivals = _Arrivals(tuple(tensors), fn, mode)
    hooked = [(i, tensor) for i, tensor in enumerate(tensors) if mode == "all" or tensor.requires_grad]
    return _Handles([tensor.register_hook(arrivals.hook(i)) for i, tensor in hooked])


class _Arrivals:
    """The gradients that have come, of each walk that is going on."""

    def __init__(self, tensors: tuple[Tensor, ...], fn: Callable[[Any], None], mode: str) -> None:
        self.tensors, self.fn, self.mode = tensors, fn, mode
        self.arrived: WeakKeyDictionary[Walk, dict[int, Tensor]] = WeakKeyDictionary()

    def hook(self, i: int) -> Callable[[Tensor], None]:
        def arrive(gradient: Tensor) -> None:
            walk = current_walk()
            assert walk is not None
            arrived = self.arrived.setdefault(walk, {})
            arrived[i] = gradient
            if self.mode == "any":
                if len(arrived) == 1:
                    self.fn(gradient)
            elif len(arrived) == sum(map(walk.will_reach, self.tensors)):
                self.fn([arrived.get(j) for j in range(len(self.tensors))])
                del self.arrived[walk]

        return arrive
