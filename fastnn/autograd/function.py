"""``Function``: an op of the user's own, with its gradient."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fastnn import _core

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What forward leaves for backward. Any attribute may be set on it."""

    needs_input_grad: tuple[bool, ...]

    def __init__(self) -> None:
        self._to_save: tuple[Tensor | None, ...] = ()
        self._saved: tuple[Tensor | None, ...] | None = None
        self._non_differentiable: tuple[Tensor, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._materialize = True
        self.needs_input_grad = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for backward, which finds them in saved_tensors; changing them in place is then an error."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, _core.TensorBase):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(tensor).__name__}"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Accepted: forward-mode derivatives, which would read these, are not offered."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, _core.TensorBase):
                raise TypeError(
                    f"save_for_forward expects all arguments to be tensors, but got {type(tensor).__name__}"
                )

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What save_for_backward kept."""
        return self._to_save if self._saved is None else self._saved

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Says that these outputs have no gradient."""
        self._non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether an output that nothing used has a gradient of zeros (True) or None."""
        self._materialize = value

    def mark_dirty(self, *args: Tensor) -> None:
        """Says that forward changed these inputs in place; it must return them too."""
        self._dirty = args


class Function:
    """Subclass it with static methods forward and backward, and call apply(*args).

    Either forward(ctx, *args), or forward(*args) with setup_context(ctx, inputs, output). forward runs unrecorded and
    returns a tensor, or a tuple of which the tensors are outputs. backward(ctx, *grads) gets a gradient for each output
    and returns one (or None) for each argument of forward; where it is made of recorded ops, create_graph=True
    differentiates it again. jvp and vmap are not used: there is no forward-mode and no batching of functions.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The values; with ctx first unless setup_context is defined."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Where defined, forward has no ctx and this saves for backward. inputs: forward's arguments."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of forward's arguments, given those of its outputs. A subclass may call it vjp."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs forward and records backward."""
        split = cls.setup_context is not Function.setup_context
        ctx = FunctionCtx()
        if split:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        elif kwargs:
            bound = inspect.signature(cls.forward).bind(ctx, *args, **kwargs)
            args, kwargs = bound.args[1:], bound.kwargs
        ctx.needs_input_grad = tuple(isinstance(arg, _core.TensorBase) and arg.requires_grad for arg in args)
        previous = _core.set_grad_mode(False)
        try:
            if split:
                outputs = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, outputs)
            else:
                outputs = cls.forward(ctx, *args, **kwargs)
        finally:
            _core.set_grad_mode(previous)
        results = _record(cls, ctx, args, outputs if isinstance(outputs, tuple) else (outputs,))
        return results if isinstance(outputs, tuple) else results[0]


def _record(cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """outputs with the tensors among them on the tape."""
    places = [i for i, arg in enumerate(args) if isinstance(arg, _core.TensorBase)]
    inputs = tuple(args[i] for i in places)
    tensors: list[tuple[int, Any]] = [(i, out) for i, out in enumerate(outputs) if isinstance(out, _core.TensorBase)]
    fixed = {id(t) for t in ctx._non_differentiable}
    dirty = {id(t) for t in ctx._dirty}
    if not dirty <= {id(t) for t in inputs}:
        raise RuntimeError(f"{cls.__name__}: mark_dirty() was given a tensor that is not an input of forward")
    if not _core.needs_grad(*inputs) or all(id(out) in fixed for _, out in tensors):
        ctx._to_save = ()
        return tuple(outputs)
    for tensor in ctx._dirty:
        _core.check_inplace(tensor, *inputs)
    saved = tuple(_place(tensor, inputs, tensors, dirty) for tensor in ctx._to_save)
    shapes = [(out._array.shape, out._array.dtype) for _, out in tensors]
    extra = (cls, ctx, places, len(args), [i for i, _ in tensors], len(outputs), shapes, _shapes_of(inputs))
    ctx._to_save = ()  # the node keeps them, without a cycle through outputs
    arrays = tuple(out._array for _, out in tensors)
    shared = tuple(_source(out, inputs) for _, out in tensors)
    recorded = _core.record(f"{cls.__name__}Backward", _run, inputs, arrays, saved, extra=extra, shared=shared)
    results = list(outputs)
    for (i, out), new in zip(tensors, recorded, strict=True):
        if id(out) in dirty:
            results[i] = _core.adopt(out, new, False)
        else:
            results[i] = out.detach() if id(out) in fixed else new
    return tuple(results)


def _shapes_of(tensors: tuple[Tensor, ...]) -> list[tuple[tuple[int, ...], Any]]:
    return [(tensor._array.shape, tensor._array.dtype) for tensor in tensors]


def _place(tensor: Tensor | None, inputs: Any, outputs: list[tuple[int, Tensor]], dirty: set[int]) -> Any:
    """tensor, or its number among the tensors of outputs where it is one of them and not just an input."""
    if tensor is not None and (id(tensor) in dirty or not any(tensor is one for one in inputs)):
        for number, (_, output) in enumerate(outputs):
            if tensor is output:
                return number
    return tensor


def _source(output: Tensor, inputs: tuple[Tensor, ...]) -> Tensor | None:
    """The input whose memory output is."""
    base = output._base
    for tensor in inputs:
        if output is tensor or (base is not None and (base is tensor or base is tensor._base)):
            return tensor
    return None


def _run(node: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    cls, ctx, places, count, out_places, out_count, out_shapes, in_shapes = node.extra
    given: list[Tensor | None] = [None] * out_count
    for i, grad, (shape, dtype) in zip(out_places, grads, out_shapes, strict=True):
        given[i] = _core.wrap(np.zeros(shape, dtype)) if grad is None and ctx._materialize else grad
    ctx._saved = node.saved
    backward = cls.vjp if cls.backward is Function.backward and cls.vjp is not Function.vjp else cls.backward
    try:
        gradients = backward(ctx, *given)
    finally:
        ctx._saved = None
    gradients = gradients if isinstance(gradients, (tuple, list)) else (gradients,)
    if len(gradients) < count or any(extra is not None for extra in gradients[count:]):
        raise RuntimeError(
            f"function {node.name()} returned an incorrect number of gradients (expected {count}, got {len(gradients)})"
        )
    for i in set(range(count)).difference(places):
        if gradients[i] is not None:
            raise RuntimeError(
                f"function {node.name()} returned a gradient different than None at position {i + 1}, but the "
                "corresponding forward input was not a Variable"
            )
    return tuple(_fitting(node, i, gradients[i], *meant) for i, meant in zip(places, in_shapes, strict=True))


def _fitting(node: Node, i: int, gradient: Any, shape: tuple[int, ...], dtype: Any) -> Tensor | None:
    """A gradient as the walk wants it: of the input's shape, summed where it was broadcast, and dtype."""
    if gradient is None:
        return None
    if not isinstance(gradient, _core.TensorBase):
        raise TypeError(f"{node.name()}: gradient {i} must be a Tensor or None, got {type(gradient).__name__}")
    result: Any = gradient
    found = result._array.shape
    if found != shape:
        padded = (1,) * (len(found) - len(shape)) + shape
        if len(found) < len(shape) or any(want not in (1, have) for want, have in zip(padded, found, strict=True)):
            raise RuntimeError(
                f"Function {node.name()} returned an invalid gradient at index {i} - got {list(found)} but expected "
                f"shape compatible with {list(shape)}"
            )
        result = result.sum_to_size(*shape)
    if result._array.dtype != dtype:
        from fastnn.dtypes import from_numpy_dtype

        result = result.to(from_numpy_dtype(dtype))
    checked: Tensor = result
    return checked


# ------------------------------------------------------------------------------------------------ once


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """For a backward that is not made of recorded ops: its gradients can't be differentiated again."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        previous = _core.set_grad_mode(False)
        try:
            outputs = fn(ctx, *args)
        finally:
            _core.set_grad_mode(previous)
        if not (previous and any(isinstance(arg, _core.TensorBase) and arg.requires_grad for arg in args)):
            return outputs
        made = [
            _refusing(out) if isinstance(out, _core.TensorBase) else out
            for out in (outputs if isinstance(outputs, tuple) else (outputs,))
        ]
        return tuple(made) if isinstance(outputs, tuple) else made[0]

    return wrapper


def _refusing(tensor: _core.TensorBase) -> Tensor:
    """tensor with a gradient that raises."""
    source = _core.wrap(np.zeros((), tensor._array.dtype))
    source.requires_grad = True
    return _core.record("DelayedErrorBackward", _refuse, (source,), tensor._array)


def _refuse(node: Node, grad: Tensor) -> NoReturn:
    raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
