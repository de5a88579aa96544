"""What to say when the loss is NaN or infinite: where it began, and the gradients of the last step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.autograd import no_grad
from fastnn.generator import default_generator
from fastnn.nn.module import Module
from fastnn.tensor import Tensor

_SHOWN = 5


class NonFiniteLossError(FloatingPointError):
    """The loss, or a step's new parameters, were NaN or infinite.

    ``step``: the steps of the optimizer before it; ``layer``: the module whose output first was not finite, None where
    all were; ``gradients``: the norm of each parameter's gradient in the last step, the largest first.
    """

    def __init__(self, message: str, step: int, layer: str | None, gradients: list[tuple[str, float]]) -> None:
        super().__init__(message)
        self.step, self.layer, self.gradients = step, layer, gradients


def diagnose(
    model: Module, run: Callable[[], Any], inputs: Any, loss: float, where: str, step: int, before: Tensor
) -> NonFiniteLossError:
    """The error to raise. run: the forward pass again; before: the default generator's state that it began with."""
    lines = [f"the loss is {loss} in {where}, after {step} steps of the optimizer"]
    bad_inputs = [_describe(array) for array in arrays_in(inputs) if not finite(array)]
    if bad_inputs:
        lines.append(f"the batch itself is not finite: {bad_inputs[0]}")
    broken = bad_parameters(model)
    if broken:
        lines.append(broken)
    found = _first_bad_layer(model, run, before)
    if found is None:
        lines.append("the outputs of all layers are finite: the criterion made it")
    else:
        name, kind, output, given = found
        lines.append(f"the first output that is not finite is that of layer {name} ({kind}): {output}")
        lines.append(f"its input: {given}")
    return _error(lines, model, step, None if found is None else found[0])


def bad_step(model: Module, step: int, known: str) -> NonFiniteLossError | None:
    """The error to raise instead of saving a model that is not finite: its last loss was, its gradient was not.

    known: which good checkpoint there is.
    """
    broken = bad_parameters(model)
    if not broken:
        return None
    what = f"step {step} of the optimizer has spoilt the model, which is not saved"
    return _error([what, broken, known], model, step, None)


def _error(lines: list[str], model: Module, step: int, layer: str | None) -> NonFiniteLossError:
    norms = gradient_norms(model)
    if norms:
        shown = ", ".join(f"{name} {norm:.3g}" for name, norm in norms[:_SHOWN])
        lines.append(f"largest gradient norms of the last step: {shown}")
    else:
        lines.append("no step has been taken yet, so there are no gradients")
    return NonFiniteLossError("\n  ".join(lines), step, layer, norms)


def bad_parameters(model: Module) -> str:
    """A line that names parameters with NaN or infinity, "" where there are none."""
    names = [name for name, parameter in model.named_parameters() if not finite(parameter._array)]
    return f"parameters that are not finite: {', '.join(names[:_SHOWN])}" if names else ""


def gradient_norms(model: Module) -> list[tuple[str, float]]:
    """The L2 norm of each parameter's gradient by its name, those that are not finite first, then the largest."""
    norms = []
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                norms.append((name, float(np.linalg.norm(parameter.grad._array.astype(np.float64).reshape(-1)))))
    return sorted(norms, key=lambda pair: (np.isfinite(pair[1]), -pair[1] if np.isfinite(pair[1]) else 0.0))


def finite(array: Any) -> bool:
    """Whether an array of any dtype holds neither NaN nor infinity."""
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def arrays_in(value: Any) -> Iterator[Any]:
    """The arrays of the tensors in nested tuples, lists and dicts; those of packed sequences are tuples too."""
    if isinstance(value, _core.TensorBase):
        yield value._array
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for item in value:
            yield from arrays_in(item)


def _describe(array: Any) -> str:
    good = array[np.isfinite(array)]
    span = f", the others in [{good.min():.3g}, {good.max():.3g}]" if good.size else ""
    counts = f"{np.isnan(array).sum()} NaN and {np.isinf(array).sum()} infinite of {array.size}"
    return f"shape {tuple(array.shape)}, {counts}{span}"


def _first_bad_layer(model: Module, run: Callable[[], Any], before: Tensor) -> tuple[str, str, str, str] | None:
    """Run once more, with the same random numbers, and look at each layer's output. Buffers are put back."""
    found: list[tuple[str, str, str, str]] = []
    handles = []

    def watch(name: str) -> Callable[..., None]:
        def hook(module: Module, given: Any, output: Any) -> None:
            bad = [array for array in arrays_in(output) if not finite(array)]
            if bad and not found:
                ranges = [_describe(array) for array in arrays_in(given) if array.dtype.kind == "f"]
                found.append((name or "the model", type(module).__name__, _describe(bad[0]), "; ".join(ranges)))

        return hook

    buffers = [(buffer, buffer._array.copy()) for buffer in model.buffers()]
    after = default_generator.get_state()
    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_hook(watch(name)))
        default_generator.set_state(before)
        with no_grad():
            run()
    finally:
        default_generator.set_state(after)
        for handle in handles:
            handle.remove()
        for buffer, array in buffers:
            buffer._array[...] = array
    return found[0] if found else None
