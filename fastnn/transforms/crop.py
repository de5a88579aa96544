"""Crops and flips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastnn.generator import Generator
from fastnn.transforms.base import Array, Transform, check_share

_MODES = ("constant", "edge", "reflect", "symmetric")


class RandomCrop(Transform):
    """A window of ``size`` (H, W), or a square one, at a random place of each image.

    padding: pixels added around the image first: all sides, (left and right, top and bottom), or (left, top, right,
    bottom), filled with ``fill`` or as ``padding_mode`` says ("constant", "edge", "reflect", "symmetric").
    ValueError where the padded image is smaller than the window.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        fill: float = 0,
        padding_mode: str = "constant",
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        height, width = (size, size) if isinstance(size, int) else size
        if height < 1 or width < 1:
            raise ValueError(f"RandomCrop: argument 'size' must be positive, got {size}")
        sides = [padding or 0] * 4 if padding is None or isinstance(padding, int) else list(padding)
        sides = sides * 2 if len(sides) == 2 else sides
        if len(sides) != 4 or min(sides) < 0:
            raise ValueError(f"RandomCrop: argument 'padding' must be 1, 2 or 4 numbers from 0 on, got {padding}")
        if padding_mode not in _MODES:
            raise ValueError(f"RandomCrop: argument 'padding_mode' must be one of {_MODES}, got {padding_mode!r}")
        self.size, self.padding, self.fill, self.padding_mode = (height, width), tuple(sides), fill, padding_mode

    def apply(self, images: Array, random: np.random.Generator) -> Array:
        left, top, right, bottom = self.padding
        if any(self.padding):
            around = ((0, 0), (0, 0), (top, bottom), (left, right))
            if self.padding_mode == "constant":
                images = np.pad(images, around, constant_values=self.fill)
            else:
                images = np.pad(images, around, mode=self.padding_mode)  # type: ignore[call-overload]
        height, width = self.size
        rows, columns = images.shape[2] - height + 1, images.shape[3] - width + 1
        if rows < 1 or columns < 1:
            raise ValueError(f"RandomCrop: size {self.size} is larger than the padded images {images.shape[2:]}")
        y, x = random.integers(rows, size=len(images)), random.integers(columns, size=len(images))
        windows = np.lib.stride_tricks.sliding_window_view(images, self.size, (2, 3))
        return np.asarray(windows[np.arange(len(images)), :, y, x])


class _RandomFlip(Transform):
    axis: int

    def __init__(self, p: float = 0.5, generator: Generator | None = None) -> None:
        super().__init__(generator)
        self.p = check_share(type(self).__name__, "p", p)

    def apply(self, images: Array, random: np.random.Generator) -> Array:
        flipped = random.random(len(images)) < self.p
        return np.where(flipped[:, None, None, None], np.flip(images, self.axis), images)


class RandomHorizontalFlip(_RandomFlip):
    """Left and right swapped, in each image with probability ``p``."""

    axis = 3


class RandomVerticalFlip(_RandomFlip):
    """Top and bottom swapped, in each image with probability ``p``."""

    axis = 2
