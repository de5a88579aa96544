"""MixUp and CutMix: two images and their labels in one. They take images and labels, and give soft labels."""

from __future__ import annotations

import numpy as np

from fastnn import _core
from fastnn.convert import leaf
from fastnn.generator import Generator, pick
from fastnn.tensor import Tensor
from fastnn.transforms.base import Array


class _Mix:
    """images (N, C, H, W), labels int64 (N,) or soft (N, classes) -> images, soft labels (N, classes) of their dtype.

    Each image is mixed with the one before it in the batch, all by the same share, drawn from Beta(alpha, alpha). The
    loss must take soft labels, as CrossEntropyLoss does. ValueError for labels that are out of range or too few.
    """

    def __init__(self, *, alpha: float = 1.0, num_classes: int, generator: Generator | None = None) -> None:
        name = type(self).__name__
        if not alpha > 0:
            raise ValueError(f"{name}: argument 'alpha' must be positive, got {alpha}")
        if num_classes < 1:
            raise ValueError(f"{name}: argument 'num_classes' must be positive, got {num_classes}")
        pick(generator, name)
        self.alpha, self.num_classes, self.generator = float(alpha), num_classes, generator

    def mix(self, images: Array, share: float, random: np.random.Generator) -> tuple[Array, float]:
        """The mixed images, and the share of the first that is left in them."""
        raise NotImplementedError

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The mixed images and soft labels."""
        name = type(self).__name__
        for value, argument in ((images, "images"), (labels, "labels")):
            if not isinstance(value, _core.TensorBase):
                raise TypeError(f"{name}: argument '{argument}' must be a tensor, got {type(value).__name__}")
        array = images._array
        if array.ndim != 4 or array.dtype.kind != "f":
            raise ValueError(
                f"{name}: expected images of floats (N, C, H, W), got {images.dtype} {tuple(images.shape)}"
            )
        soft = self._soft(labels._array, len(array), array.dtype)
        random = pick(self.generator, name).numpy
        mixed, share = self.mix(array, float(random.beta(self.alpha, self.alpha)), random)
        blend = soft * share + np.roll(soft, 1, 0) * (1 - share)
        return leaf(mixed), leaf(blend.astype(array.dtype, copy=False))

    def _soft(self, labels: Array, count: int, dtype: np.dtype[np.generic]) -> Array:
        name = type(self).__name__
        if labels.shape == (count, self.num_classes) and labels.dtype.kind == "f":
            return labels
        if labels.shape != (count,) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"{name}: expected {count} integer labels or soft ones {(count, self.num_classes)}, "
                f"got {labels.dtype} of shape {labels.shape}"
            )
        if count and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise ValueError(f"{name}: labels must be in 0 ... {self.num_classes - 1}, got {labels.max()}")
        return np.eye(self.num_classes, dtype=dtype)[labels]


class MixUp(_Mix):
    """share * image + (1 - share) * the image before it (Zhang et al. 2018)."""

    def mix(self, images: Array, share: float, random: np.random.Generator) -> tuple[Array, float]:
        first = images * images.dtype.type(share)
        return first + np.roll(images, 1, 0) * images.dtype.type(1 - share), share


class CutMix(_Mix):
    """A rectangle of 1 - share of the area taken from the image before (Yun et al. 2019)."""

    def mix(self, images: Array, share: float, random: np.random.Generator) -> tuple[Array, float]:
        height, width = images.shape[2:]
        half = 0.5 * np.sqrt(1 - share)
        y, x = int(random.integers(height)), int(random.integers(width))
        top, bottom = max(y - int(half * height), 0), min(y + int(half * height), height)
        left, right = max(x - int(half * width), 0), min(x + int(half * width), width)
        mixed = images.copy()
        mixed[:, :, top:bottom, left:right] = np.roll(images, 1, 0)[:, :, top:bottom, left:right]
        return mixed, 1 - (bottom - top) * (right - left) / (height * width)
