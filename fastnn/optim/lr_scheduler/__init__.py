"""Learning rates that change while training goes on, as in ``torch.optim.lr_scheduler``.

Every scheduler sets the groups' ``lr`` at once when it is made, then at each ``step()``, which belongs after the
optimizer's. Most multiply the rate that they find, so that several on one optimizer work together.
"""

from __future__ import annotations

from fastnn.optim.lr_scheduler.combined import ChainedScheduler, SequentialLR
from fastnn.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from fastnn.optim.lr_scheduler.cyclic import CyclicLR
from fastnn.optim.lr_scheduler.decay import ConstantLR, ExponentialLR, LinearLR, MultiStepLR, PolynomialLR, StepLR
from fastnn.optim.lr_scheduler.function import LambdaLR, MultiplicativeLR
from fastnn.optim.lr_scheduler.one_cycle import OneCycleLR
from fastnn.optim.lr_scheduler.plateau import ReduceLROnPlateau
from fastnn.optim.lr_scheduler.scheduler import LRScheduler, _LRScheduler

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "_LRScheduler",
]
