"""``summary``: a table of a model's layers with their shapes, parameters, arithmetic and memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn import _core
from fastnn.autograd import no_grad
from fastnn.nn.module import Module
from fastnn.random import fork_rng
from fastnn.training.diagnosis import arrays_in
from fastnn.training.flops import flops_of, is_whole
from fastnn.training.history import table


@dataclass
class Layer:
    """One call of a layer. ``flops``: of its forward pass, a multiply-add counted as two; ``output_bytes``: what it
    leaves in memory.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    flops: int
    output_bytes: int


@dataclass
class Summary:
    """What ``summary`` found; ``str`` is the table.

    ``parameters``: all of the model's, shared ones once; ``trainable``: those that require a gradient; bytes of
    parameters and buffers, of the input, and of all layers' outputs (what a training step keeps, at least).
    """

    layers: list[Layer]
    parameters: int
    trainable: int
    flops: int
    parameter_bytes: int
    input_bytes: int
    output_bytes: int

    def __str__(self) -> str:
        rows = [
            [
                layer.name,
                layer.kind,
                " x ".join(map(str, layer.output_shape)),
                f"{layer.parameters:,}",
                f"{layer.flops:,}",
                _size(layer.output_bytes),
            ]
            for layer in self.layers
        ]
        lines = table(["layer", "kind", "output", "parameters", "FLOPs", "memory"], rows, left=2)
        return "\n".join(
            [
                lines,
                "",
                f"parameters: {self.parameters:,} ({self.trainable:,} trainable)",
                f"FLOPs of a forward pass: {self.flops:,}",
                f"memory: parameters and buffers {_size(self.parameter_bytes)}, input {_size(self.input_bytes)}, "
                f"outputs {_size(self.output_bytes)}",
            ]
        )


def summary(model: Module, *inputs: Any) -> Summary:
    """Run ``model(*inputs)`` once, in eval mode and without gradients, and say what each layer did.

    The model is left as it was: modes, buffers, random numbers. A layer called twice has two rows, and its parameters
    count in the first. Layers without a rule of their own (flops.py) count one operation an element of output.
    """
    layers: list[Layer] = []
    seen: set[int] = set()
    handles = []
    inside: list[Module] = []  # layers that are counted as a whole: what they call is theirs

    def enter(module: Module, given: Any) -> None:
        inside.append(module)

    def leave(name: str) -> Any:
        def hook(module: Module, given: Any, output: Any) -> None:
            inside.pop()
            if inside:
                return
            own = [p for p in module.parameters() if id(p) not in seen]
            seen.update(map(id, own))
            arrays = list(arrays_in(output))
            layers.append(
                Layer(
                    name or type(module).__name__,
                    type(module).__name__,
                    tuple(arrays[0].shape) if arrays else (),
                    sum(p.numel() for p in own),
                    flops_of(module, given, output),
                    sum(array.nbytes for array in arrays),
                )
            )

        return hook

    modes = [(module, module.training) for module in model.modules()]
    try:
        for name, module in model.named_modules():
            if is_whole(module):
                handles.append(module.register_forward_pre_hook(enter))
                handles.append(module.register_forward_hook(leave(name)))
        model.eval()
        with no_grad(), fork_rng():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    parameters = list(model.parameters())
    tensors: list[_core.TensorBase] = [*parameters, *model.buffers()]
    return Summary(
        layers,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(layer.flops for layer in layers),
        sum(tensor._array.nbytes for tensor in tensors),
        sum(array.nbytes for array in arrays_in(inputs)),
        sum(layer.output_bytes for layer in layers),
    )


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
