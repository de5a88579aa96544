"""``gradcheck``: gradients against finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

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
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares backward with central differences, for every float64 input that requires grad.

    fast_mode: along one random direction an input rather than every element. Raises GradcheckError (or returns False)
    where |analytic - numerical| > atol + rtol * |numerical|, and where a second backward differs by more than
    nondet_tol. check_undefined_grad and check_grad_dtypes find nothing here: outputs that nothing used never have a
    gradient, and gradients always have their inputs' dtypes; masked is about sparse tensors. NotImplementedError for
    check_batched_grad, check_batched_forward_grad and check_forward_ad.
    """
    asked = {
        "check_batched_grad": check_batched_grad,
        "check_batched_forward_grad": check_batched_forward_grad,
        "check_forward_ad": check_forward_ad,
    }
    for name, value in asked.items():
        if value:
            raise NotImplementedError(f"gradcheck(): {name}=True")
    if not check_backward_ad:
        raise ValueError("Expected at least one of check_forward_ad and check_backward_ad to be True")
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
        _compare(func, values, checked, eps, atol, rtol, nondet_tol, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _compare(
    func: Fn,
    values: Sequence[Any],
    checked: Sequence[Any],
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    fast_mode: bool,
) -> None:
    rng = np.random.default_rng(0)
    outputs = _outputs(func, values)
    for o, output in enumerate(outputs):
        if not output.requires_grad:
            continue
        weights = rng.standard_normal(output._array.shape)
        seed = _core.wrap(weights)
        analytic = _core.run_backward((output,), (seed,), True, False, tuple(checked), False) or ()
        again = _core.run_backward((output,), (seed,), True, False, tuple(checked), False) or ()
        for i, (x, gradient) in enumerate(zip(checked, analytic, strict=True)):
            if gradient is not None and np.abs(gradient._array - again[i]._array).max(initial=0.0) > nondet_tol:  # type: ignore[union-attr]
                raise GradcheckError(
                    f"Backward is not reentrant: running it twice gives the gradient of output {o} with respect to "
                    f"input {i} two values that differ by more than nondet_tol={nondet_tol}"
                )
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


def gradgradcheck(
    func: Fn,
    inputs: Tensor | Sequence[Any],
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """gradcheck of the gradient itself: first derivatives are recorded (create_graph=True) and compared again.

    grad_outputs: what the outputs' gradients are (None: random ones, of which gen_non_contig_grad_outputs makes every
    second element of an array). The other options are gradcheck's. NotImplementedError for check_fwd_over_rev.
    """
    if check_fwd_over_rev:
        raise NotImplementedError("gradgradcheck(): check_fwd_over_rev=True")
    if not check_rev_over_rev:
        raise ValueError("Expected at least one of check_fwd_over_rev and check_rev_over_rev to be True")
    values = (inputs,) if isinstance(inputs, _core.TensorBase) else tuple(inputs)
    outputs = [t for t in _outputs(func, values) if t.requires_grad]
    rng = np.random.default_rng(1)
    if grad_outputs is None:
        arrays = [rng.standard_normal((*t._array.shape, 2)) for t in outputs]
        seeds = [_core.wrap(a[..., 0] if gen_non_contig_grad_outputs else a[..., 0].copy()) for a in arrays]
    else:
        several = (grad_outputs,) if isinstance(grad_outputs, _core.TensorBase) else tuple(grad_outputs)
        seeds = [_core.detach(seed) for seed in several]
    for seed in seeds:
        seed.requires_grad = True
    places = [i for i, t in enumerate(values) if isinstance(t, _core.TensorBase) and t.requires_grad]

    def gradient(*args: Any) -> tuple[Tensor, ...]:
        given, seeds = args[: len(values)], args[len(values) :]
        roots = tuple(t for t in _outputs(func, given) if t.requires_grad)
        wanted = tuple(given[i] for i in places)
        found = _core.run_backward(roots, tuple(seeds), True, True, wanted, False) or ()
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(
        gradient,
        (*values, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        masked=masked,
    )
