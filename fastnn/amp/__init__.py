"""torch.amp as scripts use it. There is no GPU and no kernel in half precision: autocast for a GPU is disabled with
PyTorch's warning, autocast for the CPU raises; GradScaler scales and unscales in full.
"""

from fastnn.amp.autocast_mode import autocast, is_autocast_available
from fastnn.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "is_autocast_available"]
