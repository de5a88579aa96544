"""torch.backends as scripts ask for it: none of PyTorch's backends is here, and their switches are remembered only."""

from __future__ import annotations

from fastnn.backends import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]
