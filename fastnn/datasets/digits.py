"""scikit-learn's digits: 1,797 real handwritten digits of 8 x 8 pixels with 17 shades, always there where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastnn.datasets.images import ImageDataset
from fastnn.tensor import Tensor


class Digits(ImageDataset):
    """The test set of UCI's optical recognition of handwritten digits, as scikit-learn ships it.

    It has no split of its own: a fifth of each class, drawn by ``split_seed``, is for testing (359 in all), the other
    1,438 are for training; train=None gives all. ImportError where scikit-learn is not installed.
    """

    classes: ClassVar[list[str]] = [str(digit) for digit in range(10)]
    source: ClassVar[str] = "scikit-learn"

    def __init__(
        self,
        train: bool | None = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        split_seed: int = 0,
    ) -> None:
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise ImportError("Digits needs scikit-learn: pip install 'fastnn-cpu[train]'") from error
        flat, labels = load_digits(return_X_y=True)
        images = flat.reshape(-1, 8, 8).astype(np.uint8)
        self.train = train
        if train is not None:
            chosen = _split(labels, split_seed) != train
            images, labels = images[chosen], labels[chosen]
        super().__init__(images, labels, 16, transform, target_transform)


def _split(labels: Any, seed: int) -> Any:
    """Which samples are for testing: a fifth of each class."""
    generator = np.random.default_rng(seed)
    test = np.zeros(len(labels), bool)
    for digit in range(10):
        of_digit = np.flatnonzero(labels == digit)
        test[generator.permutation(of_digit)[: round(len(of_digit) / 5)]] = True
    return test
