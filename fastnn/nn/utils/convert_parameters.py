"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from fastnn.ops.join import cat
from fastnn.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters' elements in one 1-D tensor, on the tape."""
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Make slices of the 1-D ``vec`` the parameters' values; they share its memory.

    TypeError where it is no Tensor, ValueError where it holds too few elements.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    targets = list(parameters)
    wanted = sum(parameter.numel() for parameter in targets)
    if vec.numel() < wanted:
        raise ValueError(f"vector_to_parameters: vec has {vec.numel()} elements, the parameters have {wanted}")
    start = 0
    for parameter in targets:
        stop = start + parameter.numel()
        parameter.data = vec.detach().narrow(0, start, stop - start).view(parameter.shape)
        start = stop
