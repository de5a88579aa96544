"""SyncBatchNorm: batch norm whose statistics are those of all processes' batches."""

from __future__ import annotations

from typing import Any

from fastnn.nn.module import Module
from fastnn.nn.norm import _BatchNorm
from fastnn.tensor import Tensor


class SyncBatchNorm(_BatchNorm):
    """BatchNorm1d to 3d over the batches of all processes: its parameters, its state, and what it does in evaluation.

    In training it raises NotImplementedError, as no statistics are exchanged yet: use BatchNorm1d to BatchNorm3d, whose
    statistics are those of a process's own batch.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        if self.training:
            raise NotImplementedError(
                "SyncBatchNorm: training is not implemented, as batch statistics are not exchanged between processes; "
                "use BatchNorm1d, BatchNorm2d or BatchNorm3d"
            )
        return super().forward(input)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """``module`` with every batch norm in it replaced by a SyncBatchNorm of the same parameters and buffers."""
        made = module
        if isinstance(module, _BatchNorm):
            options = (module.eps, module.momentum, module.affine, module.track_running_stats, process_group)
            made = cls(module.num_features, *options, bias=module.bias is not None)
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(made, name, getattr(module, name))
            made.train(module.training)
        for name, child in list(module.named_children()):
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made
