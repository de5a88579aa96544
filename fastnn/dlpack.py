"""Tensors to and from other libraries without a copy, by the DLPack protocol (https://dmlc.github.io/dlpack)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import dtypes
from fastnn.convert import leaf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.tensor import Tensor

# The device types of the protocol whose memory the CPU reads.
_CPU = 1


class _Capsule:
    """A bare capsule with the methods that np.from_dlpack asks for."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU, 0


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares memory with an object of another library (or a DLPack capsule).

    TypeError for an object without the protocol or a dtype that fastnn lacks; RuntimeError for memory not on the CPU.
    """
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    elif not hasattr(ext_tensor, "__dlpack__") or not hasattr(ext_tensor, "__dlpack_device__"):
        raise TypeError(f"from_dlpack(): argument 'ext_tensor' has no __dlpack__ method: {type(ext_tensor).__name__}")
    device_type = int(ext_tensor.__dlpack_device__()[0])
    if device_type != _CPU:
        raise RuntimeError(
            f"from_dlpack(): argument 'ext_tensor' is on a device of DLPack's type {device_type}; "
            "fastnn is a CPU library: copy it to the CPU first"
        )
    try:
        array: NDArray[Any] = np.from_dlpack(ext_tensor)
    except RuntimeError as error:  # NumPy's for an element type that it lacks, such as bfloat16
        raise TypeError(f"from_dlpack(): argument 'ext_tensor': {error}") from error
    dtypes.from_numpy_dtype(array.dtype)  # which refuses, by name, a dtype that fastnn lacks
    return leaf(array)


def dlpack(tensor: Tensor, **kwargs: Any) -> Any:
    """A capsule of the tensor's memory; ``Tensor.__dlpack__``.

    kwargs: the protocol's stream, max_version, dl_device and copy. BufferError for a tensor that requires
    grad, and for read-only memory that the protocol's version cannot mark.
    """
    if tensor.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    array = tensor._array
    try:
        return array.__dlpack__(**kwargs)
    except BufferError:
        if array.flags.writeable:
            raise
        raise BufferError(
            "the tensor's memory is read-only, which a consumer of this version of DLPack cannot be told; "
            "pass tensor.clone()"
        ) from None


def dlpack_device(tensor: Tensor) -> tuple[int, int]:
    """DLPack's (device type, index): always the CPU's, (1, 0); ``Tensor.__dlpack_device__``."""
    kind, index = tensor._array.__dlpack_device__()
    return int(kind), int(index)


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor's memory. Errors as of ``dlpack``."""
    return dlpack(tensor)
