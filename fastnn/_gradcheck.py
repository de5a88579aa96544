"""gradcheck: gradients against finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

Fn = Callable[..., Any]


class GradcheckError(RuntimeError):
    """The gradients differ, or can't be compared."""


def _outputs(fn: Fn, inputs: Sequence[Any]) -> list[Tensor]:
    result = fn(*inputs)
    results = (result,) if isinstance(result, _core.TensorBase) else tuple(result)
    return [t for t in results if t._array.dtype.kind == "f"]


def _numerical(fn: Fn, inputs: Sequence[Any], x: Tensor, direction: np.ndarray[Any, Any], eps: float) -> list[Any]:
    """The derivative of each output as x moves along direction, by central differences."""
    array, start = x._array, x._array.copy()
    try:
        array[...] = start + eps * direction
        high = [t._array.copy() for t in _outputs(fn, inputs)]
        array[...] = start - eps * direction
        low = [t._array.copy() for t in _outputs(fn, inputs)]
    finally:
        array[...] = start
    return [(above - below) / (2 * eps) for above, below in zip(high, low, strict=True)]


def gradcheck(
    func: Fn,
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    fast_mode: bool = False,
    **unsupported: Any,
) -> bool:
    """Compares backward with central differences, for every float64 input that requires grad.

    fast_mode: along one random direction an input rather than every element. Raises GradcheckError (or returns
    False) where |analytic - numerical| > atol + rtol * |numerical|. check_undefined_grad has no meaning here: unused
    outputs always get no gradient.
    """
    if unsupported:
        raise NotImplementedError(f"gradcheck(): {', '.join(unsupported)}")
    if nondet_tol or check_grad_dtypes:
        raise NotImplementedError("gradcheck(): nondet_tol and check_grad_dtypes")
    values = (inputs,) if isinstance(inputs, _core.TensorBase) else tuple(inputs)
    checked = [t for t in values if isinstance(t, _core.TensorBase) and t.requires_grad]
    if not checked:
        raise ValueError("gradcheck expects at least one input tensor that requires grad")
    for tensor in checked:
        if tensor._array.dtype != np.float64:
            raise ValueError(
                f"gradcheck expects float64 inputs (finite differences need them), got {tensor._array.dtype}"
            )
    try:
        _compare(func, values, checked, eps, atol, rtol, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(
    func: Fn, values: Sequence[Any], checked: Sequence[Any], eps: float, atol: float, rtol: float, fast_mode: bool
) -> None:
    rng = np.random.default_rng(0)
    outputs = _outputs(func, values)
    for o, output in enumerate(outputs):
        if not output.requires_grad:
            continue
        weights = rng.standard_normal(output._array.shape)
        seed = _core.wrap(weights)
        analytic = _core.run_backward((output,), (seed,), True, False, tuple(checked), False) or ()
        for i, (x, gradient) in enumerate(zip(checked, analytic, strict=True)):
            got = np.zeros(x._array.shape) if gradient is None else gradient._array
            if got.shape != x._array.shape:
                raise GradcheckError(f"input {i}: its gradient has shape {got.shape}, expected {x._array.shape}")
            for direction in _directions(x._array.shape, fast_mode, rng):
                want = float(np.sum(weights * _numerical(func, values, x, direction, eps)[o]))
                have = float(np.sum(got * direction))
                if not abs(have - want) <= atol + rtol * abs(want):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {o} with respect to input {i}:\n"
                        f"numerical: {want}\nanalytical: {have}\nalong direction\n{direction}"
                    )


def _directions(shape: tuple[int, ...], fast: bool, rng: np.random.Generator) -> Any:
    if fast:
        yield rng.standard_normal(shape)
        return
    for index in np.ndindex(*shape):
        direction = np.zeros(shape)
        direction[index] = 1.0
        yield direction


def gradgradcheck(func: Fn, inputs: Tensor | Sequence[Any], grad_outputs: Any = None, **options: Any) -> bool:
    """gradcheck of the gradient itself: first derivatives are recorded (create_graph=True) and compared again."""
    values = (inputs,) if isinstance(inputs, _core.TensorBase) else tuple(inputs)
    outputs = [t for t in _outputs(func, values) if t.requires_grad]
    rng = np.random.default_rng(1)
    if grad_outputs is None:
        grad_outputs = [_core.wrap(rng.standard_normal(t._array.shape)) for t in outputs]
        for seed in grad_outputs:
            seed.requires_grad = True
    places = [i for i, t in enumerate(values) if isinstance(t, _core.TensorBase) and t.requires_grad]

    def gradient(*args: Any) -> tuple[Tensor, ...]:
        given, seeds = args[: len(values)], args[len(values) :]
        roots = tuple(t for t in _outputs(func, given) if t.requires_grad)
        wanted = tuple(given[i] for i in places)
        found = _core.run_backward(roots, tuple(seeds), True, True, wanted, False) or ()
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(gradient, (*values, *grad_outputs), **options)
