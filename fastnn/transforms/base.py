"""``Transform``: the gate that every transform's batch passes; ``Compose``: one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import _core
from fastnn.convert import leaf
from fastnn.generator import Generator, pick
from fastnn.tensor import Tensor

Array = NDArray[Any]


class Transform:
    """Base: a subclass defines ``apply(images, random)``, which returns new images and leaves the given ones alone.

    TypeError for what is not a tensor of floats, ValueError for fewer than three dimensions.
    """

    def __init__(self, generator: Generator | None = None) -> None:
        pick(generator, type(self).__name__)
        self.generator = generator

    def apply(self, images: Array, random: np.random.Generator) -> Array:
        """images: (N, C, H, W), C-contiguous; random: where to draw from."""
        raise NotImplementedError

    def __call__(self, images: Tensor) -> Tensor:
        """The transformed images, a new tensor off the tape. images: (..., C, H, W)."""
        name = type(self).__name__
        if not isinstance(images, _core.TensorBase):
            raise TypeError(f"{name}: expected a tensor of images, got {type(images).__name__}")
        array = images._array
        if array.dtype.kind != "f":
            raise TypeError(f"{name}: expected images of a floating dtype, got {images.dtype}")
        if array.ndim < 3:
            raise ValueError(f"{name}: expected images of shape (..., C, H, W), got {tuple(array.shape)}")
        batch = np.ascontiguousarray(array).reshape(math.prod(array.shape[:-3]), *array.shape[-3:])
        made = self.apply(batch, pick(self.generator, name).numpy)
        return leaf(made.reshape(*array.shape[:-3], *made.shape[-3:]))


class Compose:
    """The transforms one after another; each is any function of a tensor."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, images: Any) -> Any:
        for transform in self.transforms:
            images = transform(images)
        return images


def generators_of(transform: Any) -> Iterator[Generator]:
    """The generators of their own that a transform, or those composed in it, draw from."""
    generator = getattr(transform, "generator", None)
    if isinstance(generator, Generator):
        yield generator
    for part in getattr(transform, "transforms", ()):
        yield from generators_of(part)


def check_share(name: str, argument: str, value: float) -> float:
    """ValueError unless value is in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}: argument '{argument}' must be in [0, 1], got {value}")
    return float(value)


def check_range(name: str, argument: str, value: Sequence[float], least: float = -np.inf) -> tuple[float, float]:
    """ValueError unless value is two numbers, the first not above the second and not below ``least``."""
    pair = tuple(float(number) for number in value)
    if len(pair) != 2 or not least <= pair[0] <= pair[1]:
        raise ValueError(f"{name}: argument '{argument}' must be two ascending numbers from {least} on, got {value}")
    return pair[0], pair[1]
