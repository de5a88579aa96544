"""torch.utils.tensorboard: SummaryWriter of the library tensorboardX, which has the same methods."""

from __future__ import annotations

try:
    from tensorboardX import SummaryWriter
except ImportError as error:
    raise ImportError(
        'fastnn.utils.tensorboard needs tensorboardX: pip install "fastnn-cpu[train]"', name="tensorboardX"
    ) from error

__all__ = ["SummaryWriter"]
