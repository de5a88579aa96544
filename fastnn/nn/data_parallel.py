"""DataParallel: on a CPU, its module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from fastnn.nn.module import Module

T = TypeVar("T", bound=Module)


class DataParallel(Module, Generic[T]):
    """Calls ``module``: there is one device, so nothing is split, as in PyTorch without GPUs.

    The wrapped module is ``.module``, and so it is named in the state. RuntimeError for device_ids.
    """

    module: T

    def __init__(
        self, module: T, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        if device_ids:
            raise RuntimeError(f"DataParallel: there is only the CPU, but got device_ids={list(device_ids)}")
        self.module = module
        self.device_ids: list[Any] = []
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What ``module`` makes of the same arguments."""
        return self.module(*inputs, **kwargs)
