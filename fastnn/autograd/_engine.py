"""backward and grad: the walk over the tape, its arguments checked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastnn import _core

if TYPE_CHECKING:
    from fastnn.tensor import Tensor


def _several(tensors: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (tensors,) if isinstance(tensors, _core.TensorBase) else tuple(tensors)


def _roots(outputs: Tensor | Sequence[Tensor], gradients: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The outputs and a gradient for each, checked; a scalar's gradient is 1 where none is given."""
    roots = _several(outputs)
    given: tuple[Tensor | None, ...] = (None,) * len(roots) if gradients is None else _several(gradients)
    if len(given) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(given)} gradients")
    seeds = []
    for i, (root, seed) in enumerate(zip(roots, given, strict=True)):
        if not root.requires_grad:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        array = root._array
        if seed is None:
            if array.size != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            seed = _core.wrap(np.ones(array.shape, array.dtype))
        elif seed._array.shape != array.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {list(seed._array.shape)} and output[{i}] has a "
                f"shape of {list(array.shape)}."
            )
        elif seed._array.dtype != array.dtype:
            raise RuntimeError(
                f"Mismatch in dtype: grad_output[{i}] has a dtype of {seed.dtype}, expected {root.dtype}, output[{i}]'s"
            )
        seeds.append(seed)
    return roots, tuple(seeds)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds the gradients of sum(tensors * grad_tensors) to the .grad of the leaves (of inputs alone, where given).

    Leaves get their gradients when the walk is over. Raises RuntimeError for a tensor that is not on the tape, a
    non-scalar without a gradient, and a graph whose saved values were freed by an earlier walk.
    """
    roots, seeds = _roots(tensors, grad_tensors)
    if inputs is not None:
        inputs = _several(inputs)
        if not inputs:
            raise RuntimeError("'inputs' argument to backward() cannot be empty.")
        for i, leaf in enumerate(inputs):
            if not leaf.requires_grad:
                raise RuntimeError(f"One of the differentiated Tensors does not require grad: inputs[{i}]")
    keep = create_graph if retain_graph is None else retain_graph
    _run(roots, seeds, keep, create_graph, inputs, True)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of sum(outputs * grad_outputs) with respect to inputs; no .grad is touched.

    allow_unused: give None for an input that outputs do not depend on (else RuntimeError); materialize_grads: zeros.
    """
    if is_grads_batched:
        raise NotImplementedError("grad(): is_grads_batched=True")
    if allow_unused is False and materialize_grads:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    wanted = _several(inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    for tensor in wanted:
        if not tensor.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots, seeds = _roots(outputs, grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    found = list(_run(roots, seeds, keep, create_graph, wanted, False) or ())
    for i, gradient in enumerate(found):
        if gradient is None and materialize_grads:
            found[i] = _core.wrap(np.zeros_like(wanted[i]._array))
        elif gradient is None and not allow_unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
    return cast("tuple[Tensor, ...]", tuple(found))  # a None stands there for allow_unused=True alone


# ------------------------------------------------------------------------------------------------ what a walk reaches


class Walk:
    """A walk that is going on, for hooks that ask what it will reach."""

    def __init__(self, roots: tuple[Tensor, ...], inputs: tuple[Tensor, ...] | None) -> None:
        self.roots, self.inputs = roots, inputs
        self._reached: set[Any] | None = None

    def will_reach(self, tensor: Tensor) -> bool:
        """Whether tensor's gradient is computed in this walk."""
        if self._reached is None:
            self._reached = self._find()
        place = _place(tensor)
        if self.inputs is not None and tensor.grad_fn is None:
            return place in self._reached and any(tensor is one for one in self.inputs)
        return place in self._reached

    def _find(self) -> set[Any]:
        """The places that gradients are brought to; where inputs are given, those that lead to one, and they."""
        wanted = None if self.inputs is None else {_place(tensor) for tensor in self.inputs}
        leads: dict[Any, bool] = {}  # node -> whether the walk runs it
        places = [_place(root) for root in self.roots]
        stack = [root.grad_fn for root in self.roots if root.grad_fn is not None]
        while stack:
            node = stack[-1]
            edges = [_edge(*pair) for pair in node.next_functions if pair[0] is not None]
            below = [place[0] for place in edges if isinstance(place, tuple) and place[0] not in leads]
            if below:
                stack += below
                continue
            stack.pop()
            leads[node] = wanted is None or any(
                place in wanted or (isinstance(place, tuple) and leads[place[0]]) for place in edges
            )
            if leads[node]:
                places += edges
        return {
            place
            for place in places
            if wanted is None or place in wanted or (isinstance(place, tuple) and leads.get(place[0], False))
        }


def _edge(target: Any, index: int) -> Any:
    return id(target.variable) if isinstance(target, _core.AccumulateGrad) else (target, index)


def _place(tensor: Tensor) -> Any:
    """What stands for tensor's place: (node, output), or a leaf's identity."""
    node = tensor.grad_fn
    return id(tensor) if node is None else (node, tensor.output_nr)


class _Walks(threading.local):
    watched = False  # by hooks of several tensors: without them nothing is noted

    def __init__(self) -> None:
        self.stack: list[Walk] = []


_walks = _Walks()


def watch_walks() -> None:
    """From now on current_walk knows."""
    _Walks.watched = True


def current_walk() -> Walk | None:
    """The innermost walk of this thread that began after watch_walks."""
    return _walks.stack[-1] if _walks.stack else None


def _run(
    roots: tuple[Tensor, ...],
    seeds: tuple[Tensor, ...],
    keep: bool,
    create_graph: bool,
    inputs: tuple[Tensor, ...] | None,
    accumulate: bool,
) -> tuple[Tensor | None, ...] | None:
    if not _Walks.watched:
        return _core.run_backward(roots, seeds, keep, create_graph, inputs, accumulate)
    _walks.stack.append(Walk(roots, inputs))
    try:
        return _core.run_backward(roots, seeds, keep, create_graph, inputs, accumulate)
    finally:
        _walks.stack.pop()
