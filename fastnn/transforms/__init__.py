"""Augmentation of batches of images: every transform takes (..., C, H, W), draws for each image on its own, and works
on the whole batch at once. Names and options are those of torchvision.transforms.v2.

    augment = Compose([RandomCrop(28, padding=2), RandomHorizontalFlip(), Normalize([0.286], [0.353])])
    augmented = augment(images)

Random numbers come from ``generator=``, or else from the default generator, which ``fastnn.manual_seed`` seeds.
"""

from __future__ import annotations

from fastnn.transforms.affine import RandomAffine, RandomRotation
from fastnn.transforms.base import Compose, Transform, generators_of
from fastnn.transforms.crop import RandomCrop, RandomHorizontalFlip, RandomVerticalFlip
from fastnn.transforms.mix import CutMix, MixUp
from fastnn.transforms.pixel import GaussianNoise, Normalize, RandomErasing

__all__ = [
    "Compose",
    "CutMix",
    "GaussianNoise",
    "MixUp",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomVerticalFlip",
    "Transform",
    "generators_of",
]
