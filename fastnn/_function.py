"""Function: an op of the user's own, with its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnn import _core

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor


class FunctionCtx:
    """What forward leaves for backward. Any attribute may be set on it."""

    def __init__(self) -> None:
        self._to_save: tuple[Tensor | None, ...] = ()
        self._saved: tuple[Tensor | None, ...] | None = None
        self._non_differentiable: tuple[Tensor, ...] = ()
        self._materialize = True
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for backward, which finds them in saved_tensors; changing them in place is then an error."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, _core.TensorBase):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(tensor).__name__}"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What save_for_backward kept."""
        return self._to_save if self._saved is None else self._saved

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says that these outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether an output that nothing used has a gradient of zeros (True) or None."""
        self._materialize = value

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Not offered: an input that forward changes in place."""
        raise NotImplementedError("Function: mark_dirty (inputs changed in place)")


class Function:
    """Subclass it with static methods forward(ctx, *args) and backward(ctx, *grads), and call apply(*args).

    backward returns a gradient (or None) for each argument of forward. Where it is made of recorded ops,
    create_graph=True differentiates it again.
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """The values; may call ctx.save_for_backward."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of forward's arguments, given those of its outputs."""
        raise NotImplementedError("You must implement the backward function for custom autograd.Function.")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Runs forward and records backward."""
        ctx = FunctionCtx()
        places = [i for i, arg in enumerate(args) if isinstance(arg, _core.TensorBase)]
        inputs = tuple(args[i] for i in places)
        ctx.needs_input_grad = tuple(isinstance(arg, _core.TensorBase) and arg.requires_grad for arg in args)
        previous = _core.set_grad_mode(False)
        try:
            outputs = cls.forward(ctx, *args)
        finally:
            _core.set_grad_mode(previous)
        single = isinstance(outputs, _core.TensorBase)
        outs = (outputs,) if single else tuple(outputs)
        fixed = {id(t) for t in ctx._non_differentiable}
        if not _core.needs_grad(*inputs) or all(id(out) in fixed for out in outs):
            return outputs
        saved = tuple(_place(t, outs) for t in ctx._to_save)
        extra = (cls, ctx, places, len(args), [(out._array.shape, out._array.dtype) for out in outs])
        ctx._to_save = ()  # the node keeps them, without a cycle through outputs
        arrays = tuple(out._array for out in outs)
        recorded = _core.record(f"{cls.__name__}Backward", _run, inputs, arrays, saved, extra=extra)
        result = tuple(old.detach() if id(old) in fixed else new for old, new in zip(outs, recorded, strict=True))
        return result[0] if single else result


def _place(tensor: Tensor | None, outputs: tuple[Tensor, ...]) -> Tensor | int | None:
    """tensor, or its number where it is an output."""
    for i, output in enumerate(outputs):
        if tensor is output:
            return i
    return tensor


def _run(node: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    cls, ctx, places, count, metadata = node.extra
    if ctx._materialize:
        import numpy as np

        grads = tuple(
            _core.wrap(np.zeros(shape, dtype)) if grad is None else grad
            for grad, (shape, dtype) in zip(grads, metadata, strict=True)
        )
    ctx._saved = node.saved
    try:
        gradients = cls.backward(ctx, *grads)
    finally:
        ctx._saved = None
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    if len(gradients) != count:
        raise RuntimeError(
            f"function {node.name()} returned an incorrect number of gradients (expected {count}, got {len(gradients)})"
        )
    for i, gradient in enumerate(gradients):
        if gradient is not None and not isinstance(gradient, _core.TensorBase):
            raise TypeError(f"{node.name()}: gradient {i} must be a Tensor or None, got {type(gradient).__name__}")
    return tuple(gradients[i] for i in places)
