"""Rotation, translation, scale and shear: each image sampled at the places that its own affine map says."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

import numpy as np

from fastnn.generator import Generator
from fastnn.transforms.base import Array, Transform, check_range, check_share

_MODES = ("nearest", "bilinear")


def _angles(name: str, argument: str, given: float | Sequence[float]) -> tuple[float, float]:
    if isinstance(given, numbers.Real):
        if given < 0:
            raise ValueError(f"{name}: argument '{argument}', if a single number, must not be negative, got {given}")
        return -float(given), float(given)
    return check_range(name, argument, given)  # type: ignore[arg-type]


class RandomAffine(Transform):
    """Each image turned, moved, scaled and sheared about its centre, by amounts of its own.

    degrees: the range of the angle, clockwise, or d for (-d, d); translate: the largest shares of width and
    height to move by; scale: the range of the factor; shear: the range of the angle in degrees along x, or s for
    (-s, s), or four numbers for x and y; interpolation: "nearest" or "bilinear"; fill: the value of what is outside.
    The map is torchvision's: rotation @ shear @ scale, from the output's coordinates to the input's inverted.
    """

    _direction = 1.0  # rows run downwards: a positive angle turns clockwise to the eye

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: str = "bilinear",
        fill: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        name = type(self).__name__
        self.degrees = _angles(name, "degrees", degrees)
        if translate is not None and len(translate) != 2:
            raise ValueError(f"{name}: argument 'translate' must be two numbers, got {translate}")
        self.translate = tuple(check_share(name, "translate", share) for share in translate or (0.0, 0.0))
        self.scale = (1.0, 1.0) if scale is None else check_range(name, "scale", scale, 1e-6)
        four = None if shear is None or isinstance(shear, numbers.Real) else list(shear)  # type: ignore[arg-type]
        if four is not None and len(four) == 4:
            self.shear = (_angles(name, "shear", four[:2]), _angles(name, "shear", four[2:]))
        else:
            self.shear = (_angles(name, "shear", shear or 0.0), (0.0, 0.0))
        if interpolation not in _MODES:
            raise ValueError(f"{name}: argument 'interpolation' must be one of {_MODES}, got {interpolation!r}")
        self.interpolation, self.fill = interpolation, fill

    @staticmethod
    def _drawn(random: np.random.Generator, ends: tuple[float, float], count: int) -> Array:
        return random.uniform(ends[0], ends[1], count)

    def apply(self, images: Array, random: np.random.Generator) -> Array:
        count, _, height, width = images.shape
        angle = np.deg2rad(self._drawn(random, self.degrees, count))
        # whole pixels, as torchvision moves by
        across: Array = np.round(random.uniform(-1, 1, count) * self.translate[0] * width)
        down: Array = np.round(random.uniform(-1, 1, count) * self.translate[1] * height)
        factor = self._drawn(random, self.scale, count)
        shear_x = np.deg2rad(self._drawn(random, self.shear[0], count))
        shear_y = np.deg2rad(self._drawn(random, self.shear[1], count))
        turned = angle * self._direction
        a = np.cos(turned - shear_y) / np.cos(shear_y)
        b = -np.cos(turned - shear_y) * np.tan(shear_x) / np.cos(shear_y) - np.sin(turned)
        c = np.sin(turned - shear_y) / np.cos(shear_y)
        d = -np.sin(turned - shear_y) * np.tan(shear_x) / np.cos(shear_y) + np.cos(turned)
        # the inverse of [[a, b], [c, d]] * factor, whose determinant is factor ** 2
        x = (np.arange(width) - (width - 1) / 2)[None, None, :] - across[:, None, None]
        y = (np.arange(height) - (height - 1) / 2)[None, :, None] - down[:, None, None]
        a, b, c, d = (part[:, None, None] / factor[:, None, None] for part in (a, b, c, d))
        source_x = (d * x - b * y + (width - 1) / 2).astype(images.dtype)
        source_y = (a * y - c * x + (height - 1) / 2).astype(images.dtype)
        return sample(images, source_x, source_y, self.interpolation == "bilinear", self.fill)


class RandomRotation(RandomAffine):
    """Each image turned about its centre, counter-clockwise, by an angle of ``degrees``: a range, or d for (-d, d)."""

    _direction = -1.0

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = "bilinear",
        fill: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(degrees, interpolation=interpolation, fill=fill, generator=generator)


def sample(images: Array, x: Array, y: Array, bilinear: bool, fill: float) -> Array:
    """The images at the places x, y, in pixels from the middle of the first: (N, C, H, W), (N, h, w) -> (N, C, h, w).

    A border of ``fill`` around the images stands for all that is outside.
    """
    count, channels, height, width = images.shape
    framed = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=fill)
    x = np.clip(x, -1, width) + 1
    y = np.clip(y, -1, height) + 1
    flat = framed.reshape(-1)
    plane = (height + 2) * (width + 2)
    starts = (np.arange(count * channels) * plane).reshape(count, channels, 1, 1)

    def at(row: Array, column: Array) -> Array:
        return np.asarray(np.take(flat, starts + (row * (width + 2) + column)[:, None]))

    if not bilinear:
        return at(np.rint(y).astype(np.int64), np.rint(x).astype(np.int64))
    left = np.minimum(x.astype(np.int64), width)
    top = np.minimum(y.astype(np.int64), height)
    share_x, share_y = ((place - whole).astype(images.dtype)[:, None] for place, whole in ((x, left), (y, top)))
    above = at(top, left) * (1 - share_x) + at(top, left + 1) * share_x
    below = at(top + 1, left) * (1 - share_x) + at(top + 1, left + 1) * share_x
    return np.asarray(above * (1 - share_y) + below * share_y)
