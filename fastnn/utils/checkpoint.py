"""Checkpointing: less memory for a part of a network, whose intermediate values backward computes again.

The part runs once, and its graph is looked through for the places where it leads out: parameters, arguments, whatever
it read from outside. Then the graph is dropped, and one node stands for it with these places as its inputs. Backward
runs the part again, recorded, and walks from its outputs to those places.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.autograd import enable_grad, no_grad
from fastnn.random import fork_rng, get_rng_state, set_rng_state

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn"]

Contexts = Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]


class CheckpointError(RuntimeError):
    """The part gave other outputs when it was run again."""


def noop_context_fn() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Two contexts that do nothing."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Contexts = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), of whose intermediate values nothing is kept for backward, which runs it again.

    preserve_rng_state: draw the same random numbers the second time. context_fn: gives the contexts of the first and of
    the second run. determinism_check "default": CheckpointError where the second run's outputs differ in number,
    shape or dtype; "none": no check. use_reentrant=True: only where an argument requires grad, and without keyword
    arguments (ValueError); that is also what None means, with a warning. early_stop changes nothing.
    NotImplementedError for debug=True.
    """
    if debug:
        raise NotImplementedError("checkpoint(): debug=True")
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {determinism_check}")
    if use_reentrant is None:
        warnings.warn(
            "fastnn.utils.checkpoint: the use_reentrant parameter should be passed explicitly. use_reentrant=False is "
            "recommended.",
            stacklevel=2,
        )
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        if not any(isinstance(arg, _core.TensorBase) and arg.requires_grad for arg in args):
            warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)
            with no_grad():
                return function(*args)
    if not _core.is_grad_enabled():
        return function(*args, **kwargs)
    return _Part(function, args, kwargs, context_fn, determinism_check == "default", preserve_rng_state).run()


class _Part:
    """One call of checkpoint."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context_fn: Contexts,
        check: bool,
        preserve_rng_state: bool,
    ) -> None:
        self.function, self.args, self.kwargs, self.check = function, args, kwargs, check
        self.first_context, self.second_context = context_fn()
        self.rng_state = get_rng_state() if preserve_rng_state else None
        self.inputs: tuple[Tensor, ...] = ()
        self.shapes: list[tuple[tuple[int, ...], Any]] = []

    def run(self) -> Any:
        begin = _now()
        with self.first_context:
            result = self.function(*self.args, **self.kwargs)
        outputs = list(_tensors(result))
        self.shapes = [(output._array.shape, output._array.dtype) for output in outputs]
        made = [i for i, output in enumerate(outputs) if output.grad_fn is not None and output.grad_fn.sequence > begin]
        if not made:
            return result
        self.inputs = _beginnings([outputs[i].grad_fn for i in made], begin)
        self.made = made
        arguments = tuple(_tensors((self.args, self.kwargs)))
        arrays = tuple(outputs[i]._array for i in made)
        recorded = _core.record("CheckpointBackward", _backward, self.inputs, arrays, arguments, extra=self)
        places = dict(zip(made, recorded, strict=True))
        counter = iter(range(len(outputs)))
        return _replaced(result, lambda tensor: places.get(next(counter), tensor))

    def again(self) -> list[Tensor]:
        """The outputs once more, recorded; those that the first run made."""
        with fork_rng(enabled=self.rng_state is not None):
            if self.rng_state is not None:
                set_rng_state(self.rng_state)
            with enable_grad(), self.second_context:
                outputs = list(_tensors(self.function(*self.args, **self.kwargs)))
        shapes = [(output._array.shape, output._array.dtype) for output in outputs]
        if self.check and shapes != self.shapes:
            raise CheckpointError(
                "checkpoint(): the outputs of the run in backward differ from those of the run in forward: "
                f"{_listed(shapes)} and {_listed(self.shapes)}"
            )
        return [outputs[i] for i in self.made]


def _listed(shapes: list[tuple[tuple[int, ...], Any]]) -> str:
    return ", ".join(f"{dtype}{list(shape)}" for shape, dtype in shapes)


def _backward(node: _core.Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    part: _Part = node.extra
    _ = node.arrays  # raises where an argument was changed in place since
    create_graph = _core.is_grad_enabled()
    pairs = [
        (output, grad)
        for output, grad in zip(part.again(), grads, strict=True)
        if grad is not None and output.requires_grad
    ]
    if not pairs:
        return (None,) * len(part.inputs)
    roots, seeds = zip(*pairs, strict=True)
    return _core.run_backward(roots, seeds, create_graph, create_graph, part.inputs, False, True) or ()


def _now() -> int:
    """The number of the last node that was recorded."""
    leaf = _core.wrap(np.zeros(()))
    leaf.requires_grad = True
    node = _core.record("Now", lambda node, grad: grad, (leaf,), np.zeros(())).grad_fn
    assert node is not None
    return node.sequence


def _beginnings(roots: Sequence[Any], begin: int) -> tuple[Tensor, ...]:
    """Where the graph that was recorded after ``begin`` leads out of it: leaves, and edges to earlier nodes."""
    found: dict[Any, Tensor] = {}
    seen = set(roots)
    stack = list(roots)
    while stack:
        for target, index in stack.pop().next_functions:
            if target is None:
                continue
            if isinstance(target, _core.AccumulateGrad):
                found[id(target.variable)] = target.variable
            elif target.sequence <= begin:
                found[target, index] = _core.edge(target, index)
            elif target not in seen:
                seen.add(target)
                stack.append(target)
    return tuple(found.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(value, _core.TensorBase):
        yield value  # type: ignore[misc] # a TensorBase in use is a Tensor
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)


def _replaced(value: Any, change: Callable[[Any], Any]) -> Any:
    """value with change(tensor) for each tensor, in the order of _tensors."""
    if isinstance(value, _core.TensorBase):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_replaced(item, change) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_replaced(item, change) for item in value)
    if isinstance(value, dict):
        return {key: _replaced(item, change) for key, item in value.items()}
    return value


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """The modules (a Sequential, or a list of functions) one after another, checkpointed in ``segments`` parts.

    The last part is not: its values are needed first. Other keyword arguments are checkpoint's.
    """
    modules = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = max(1, len(modules) // segments)
    starts = [size * i for i in range(segments - 1)]

    def part(begin: int, end: int) -> Callable[[Any], Any]:
        def forward(value: Any) -> Any:
            for module in modules[begin:end]:
                value = module(value)
            return value

        return forward

    for start in starts:
        input = checkpoint(part(start, start + size), input, use_reentrant=use_reentrant, **kwargs)
    return part(starts[-1] + size if starts else 0, len(modules))(input)
