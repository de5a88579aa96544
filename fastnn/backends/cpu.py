"""torch.backends.cpu: which instructions the kernels use."""

from __future__ import annotations

__all__ = ["get_cpu_capability"]


def get_cpu_capability() -> str:
    """The instructions that the processor has, in PyTorch's names: "AVX512", "AVX2" or "DEFAULT"."""
    from fastnn.kernels.cython_backend import _variant

    level = _variant.__name__.rpartition("_")[2]
    return {"v4": "AVX512", "v3": "AVX2"}.get(level, "DEFAULT")
