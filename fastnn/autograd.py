"""The public face of the tape: backward, grad, grad modes, and Function for ops of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import numpy as np

from fastnn import _core
from fastnn._core import is_grad_enabled

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "Function", "backward", "detect_anomaly", "enable_grad", "grad", "gradcheck", "gradgradcheck", "inference_mode",
    "is_grad_enabled", "no_grad", "set_grad_enabled",
]  # fmt: skip

Callee = TypeVar("Callee", bound=Callable[..., Any])
Self = TypeVar("Self")


# ------------------------------------------------------------------------------------------------ backward, grad


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
    """Adds the gradients of sum(tensors * grad_tensors) to the .grad of the leaves (of inputs, where given).

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
            if not leaf.is_leaf:
                raise NotImplementedError("backward() with inputs that are not leaves; use autograd.grad")
    _core.run_backward(roots, seeds, create_graph if retain_graph is None else retain_graph, create_graph, inputs, True)


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
    for tensor in wanted:
        if not tensor.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots, seeds = _roots(outputs, grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    found = list(_core.run_backward(roots, seeds, keep, create_graph, wanted, False) or ())
    for i, gradient in enumerate(found):
        if gradient is None and materialize_grads:
            found[i] = _core.wrap(np.zeros_like(wanted[i]._array))
        elif gradient is None and not allow_unused:
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True "
                "if this is the desired behavior."
            )
    return cast("tuple[Tensor, ...]", tuple(found))  # a None stands there for allow_unused=True alone


# ------------------------------------------------------------------------------------------------ modes


class _Mode:
    """A mode of this thread, as a context manager and as a decorator."""

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *exception: object) -> None:
        raise NotImplementedError

    def _again(self) -> _Mode:
        """A manager of its own for each call of a decorated function."""
        return type(self)()

    def __call__(self, function: Callee) -> Callee:
        import inspect

        if inspect.isgeneratorfunction(function):
            raise NotImplementedError(f"{type(self).__name__} as a decorator of a generator function")

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return cast(Callee, inside)


class _Recording(_Mode):
    """Recording turned on or off; also decorates without parentheses, as in `@no_grad`."""

    mode: bool

    @overload
    def __new__(cls: type[Self], function: None = None) -> Self: ...
    @overload
    def __new__(cls, function: Callee) -> Callee: ...  # type: ignore[misc] # an instance is expected
    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self.previous = _core.set_grad_mode(self.mode)

    def __exit__(self, *exception: object) -> None:
        _core.set_grad_mode(self.previous)


class no_grad(_Recording):
    """Turns recording off in this thread: `with no_grad():` or `@no_grad()`."""

    mode = False


class enable_grad(_Recording):
    """Turns recording on in this thread, also within no_grad."""

    mode = True


class set_grad_enabled(_Mode):
    """Turns recording on or off: at once when called, back again at the end of a `with`."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self.previous = _core.set_grad_mode(self.mode)

    def __enter__(self) -> None:
        _core.set_grad_mode(self.mode)

    def __exit__(self, *exception: object) -> None:
        _core.set_grad_mode(self.previous)

    def _again(self) -> _Mode:
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callee) -> Callee:
        _core.set_grad_mode(self.previous)  # a decorator acts on the function alone
        return super().__call__(function)


class inference_mode(_Mode):
    """no_grad whose new tensors can never be saved for a backward."""

    mode: bool

    @overload
    def __new__(cls: type[Self], mode: bool = True) -> Self: ...
    @overload
    def __new__(cls, mode: Callee) -> Callee: ...  # type: ignore[misc] # an instance is expected
    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if callable(mode):
            self.mode = True
            return self(mode)
        self.mode = bool(mode)
        return self

    def __enter__(self) -> None:
        self.previous = (_core.set_grad_mode(not self.mode), _core.set_inference_mode(self.mode))

    def __exit__(self, *exception: object) -> None:
        _core.set_grad_mode(self.previous[0])
        _core.set_inference_mode(self.previous[1])

    def _again(self) -> _Mode:
        return inference_mode(self.mode)


@contextmanager
def detect_anomaly(check_nan: bool = True) -> Iterator[None]:
    """A failing backward names the line of the forward call. check_nan=True (NaN gradients) is not implemented."""
    if check_nan:
        raise NotImplementedError("detect_anomaly(check_nan=True): pass check_nan=False")
    import traceback

    previous = _core.set_anomaly_trace(lambda: "".join(traceback.format_stack(limit=12)[:-1]))
    try:
        yield
    finally:
        _core.set_anomaly_trace(previous)


from fastnn._function import Function  # noqa: E402 - these build on the names above
from fastnn._gradcheck import gradcheck, gradgradcheck  # noqa: E402
