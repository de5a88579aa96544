"""Calling a module with other tensors in place of its parameters and buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fastnn.nn.module import Module
from fastnn.tensor import Tensor


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with these tensors (dotted names; a mapping, or several) in place of its own.

    ``args`` may be a single argument. ``tie_weights``: a value given for one name of a tensor that has several is used
    for all of them. The module's own tensors are put back after the call; what it does to buffers in place is done to
    those given. Names that it does not have are left out; with ``strict`` they, and names that are missing, are a
    RuntimeError. ValueError for two values of one tied tensor, or two for one name; TypeError for what is no tensor.
    """
    if isinstance(parameters_and_buffers, Mapping):
        given = dict(parameters_and_buffers)
    elif isinstance(parameters_and_buffers, Sequence):
        mappings = list(parameters_and_buffers)
        if not all(isinstance(mapping, Mapping) for mapping in mappings):
            raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
        names = [name for mapping in mappings for name in mapping]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous")
        given = {name: value for mapping in mappings for name, value in mapping.items()}
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameters_and_buffers)}"
        )
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _in_place_of(module, given, tie_weights, strict):
        return module(*arguments, **(kwargs or {}))


def _own(module: Module) -> dict[str, Tensor]:
    """All parameters and buffers under all their names."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _with_tied(own: dict[str, Tensor], given: dict[str, Tensor]) -> dict[str, Tensor]:
    groups: dict[int, list[str]] = {}
    for name, tensor in own.items():
        groups.setdefault(id(tensor), []).append(name)
    complete = dict(given)
    for names in groups.values():
        values = [given[name] for name in names if name in given]
        if any(value is not values[0] for value in values):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, which are tied. Consider using "
                "tie_weights=False"
            )
        if values:
            complete.update(dict.fromkeys(names, values[0]))
    return complete


@contextmanager
def _in_place_of(module: Module, given: dict[str, Tensor], tie_weights: bool, strict: bool) -> Iterator[None]:
    own = _own(module)
    values = _with_tied(own, given) if tie_weights else given
    unexpected, missing = sorted(set(values) - set(own)), sorted(set(own) - set(values))
    if strict and (unexpected or missing):
        words = [
            f"{kind} key(s): {', '.join(map(repr, names))}."
            for kind, names in (("Unexpected", unexpected), ("Missing", missing))
            if names
        ]
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(words))
    for value in values.values():
        if not isinstance(value, Tensor):
            raise TypeError(f"{value} is not an instance of torch.Tensor")
    places = {name: _registry(module, name) for name in values if name in own}
    try:
        for name, (registry, key) in places.items():
            registry[key] = values[name]
        yield
    finally:
        for name, (registry, key) in places.items():
            registry[key] = own[name]


def _registry(module: Module, name: str) -> tuple[dict[str, Any], str]:
    """The dict that holds the tensor ``name``, and its key there."""
    path, _, key = name.rpartition(".")
    owner = module.get_submodule(path)
    return (owner._parameters if key in owner._parameters else owner._buffers), key
