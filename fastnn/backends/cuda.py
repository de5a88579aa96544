"""torch.backends.cuda: its switches, which change nothing here."""

from __future__ import annotations

__all__ = ["is_built", "matmul"]


class _Matmul:
    """Switches of GPU products."""

    allow_tf32: bool = False
    allow_fp16_reduced_precision_reduction: bool = True
    allow_bf16_reduced_precision_reduction: bool = True


matmul = _Matmul()


def is_built() -> bool:
    """False: fastnn is a CPU library."""
    return False
