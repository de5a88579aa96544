"""Normalisation, noise and erasing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastnn.generator import Generator
from fastnn.transforms.base import Array, Transform, check_range, check_share

_ATTEMPTS = 10


class Normalize(Transform):
    """(image - mean) / std, channel by channel. ValueError for a std of 0, or another number of channels."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean, self.std = [float(value) for value in mean], [float(value) for value in std]
        if len(self.mean) != len(self.std) or not self.mean or 0.0 in self.std:
            raise ValueError(f"Normalize: expected as many means as stds, and no std of 0, got {mean} and {std}")

    def apply(self, images: Array, random: np.random.Generator) -> Array:
        if len(self.mean) not in (1, images.shape[1]):
            raise ValueError(f"Normalize: {len(self.mean)} means for images of {images.shape[1]} channels")
        mean, std = (np.array(values, images.dtype)[:, None, None] for values in (self.mean, self.std))
        return np.asarray((images - mean) / std)


class GaussianNoise(Transform):
    """Normal noise added to each pixel; ``clip`` keeps the result in [0, 1]. ValueError for a negative sigma."""

    def __init__(
        self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True, generator: Generator | None = None
    ) -> None:
        super().__init__(generator)
        if not sigma >= 0:
            raise ValueError(f"GaussianNoise: argument 'sigma' must not be negative, got {sigma}")
        self.mean, self.sigma, self.clip = float(mean), float(sigma), clip

    def apply(self, images: Array, random: np.random.Generator) -> Array:
        noise = random.standard_normal(images.shape, np.float64 if images.dtype == np.float64 else np.float32)
        noisy = images + (noise * self.sigma + self.mean).astype(images.dtype, copy=False)
        return np.asarray(np.clip(noisy, 0, 1) if self.clip else noisy)


class RandomErasing(Transform):
    """A rectangle of each image, with probability ``p``, set to ``value``: a number, or "random" for normal noise.

    scale: the range of its share of the image's area; ratio: that of its height to its width (Zhong et al. 2017). An
    image of which ten rectangles in a row did not fit is left as it is, as in torchvision.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str = 0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        self.p = check_share("RandomErasing", "p", p)
        self.scale = check_range("RandomErasing", "scale", scale, 0.0)
        check_share("RandomErasing", "scale", self.scale[1])
        self.ratio = check_range("RandomErasing", "ratio", ratio, 1e-6)
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: argument 'value' must be a number or 'random', got {value!r}")
        self.value = value

    def apply(self, images: Array, random: np.random.Generator) -> Array:
        count, _, height, width = images.shape
        chosen = random.random(count) < self.p
        area = height * width * random.uniform(*self.scale, (count, _ATTEMPTS))
        ratio = np.exp(random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1]), (count, _ATTEMPTS)))
        tall = np.rint(np.sqrt(area * ratio)).astype(np.int64)
        wide = np.rint(np.sqrt(area / ratio)).astype(np.int64)
        fits = (tall < height) & (wide < width)
        first = fits.argmax(1)
        each = np.arange(count)
        tall, wide = tall[each, first], wide[each, first]
        chosen &= fits.any(1)
        top = (random.random(count) * (height - tall + 1)).astype(np.int64)
        left = (random.random(count) * (width - wide + 1)).astype(np.int64)
        rows, columns = np.arange(height)[None, :], np.arange(width)[None, :]
        in_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None]) & chosen[:, None]
        in_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
        erased = (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
        if self.value == "random":
            return np.where(erased, random.standard_normal(images.shape).astype(images.dtype), images)
        return np.where(erased, np.asarray(self.value, images.dtype), images)
