"""Optimizers, as in ``torch.optim``: one kernel call updates all parameters of a group."""

from __future__ import annotations

from fastnn.optim.adam import Adam
from fastnn.optim.adamw import AdamW
from fastnn.optim.optimizer import Optimizer
from fastnn.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
