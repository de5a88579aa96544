"""autocast, which on a CPU without half-precision kernels has nothing to do, or refuses."""

from __future__ import annotations

import warnings
from contextlib import ContextDecorator
from types import TracebackType

from fastnn.dtypes import dtype as DType

__all__ = ["autocast", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """False: every op runs in the dtype of its tensors."""
    if not isinstance(device_type, str):
        raise TypeError(
            f"is_autocast_available(): argument 'device_type' must be str, not {type(device_type).__name__}"
        )
    return False


class autocast(ContextDecorator):
    """Context and decorator in which PyTorch runs some ops in a lower precision.

    device_type "cuda" (or another that is not here) warns and does nothing, as PyTorch without a GPU; enabled=False
    does nothing. "cpu" with enabled=True raises NotImplementedError.
    """

    def __init__(
        self, device_type: str, dtype: DType | None = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if enabled and device_type == "cpu":
            raise NotImplementedError(
                "autocast(): enabled=True is not implemented for device_type='cpu': no kernel is in half precision; "
                "pass enabled=False, or leave the context out"
            )
        if enabled:
            warnings.warn(
                f"User provided device_type of '{device_type}', but it is not available. Disabling",
                UserWarning,
                stacklevel=2,
            )

    def __enter__(self) -> autocast:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
