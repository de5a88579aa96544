"""What the image data sets share: bytes and labels, single samples as in torchvision, all at once as tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.creation import from_numpy
from fastnn.tensor import Tensor
from fastnn.utils.data import Dataset, TensorDataset


class ImageDataset(Dataset[tuple[Any, Any]]):
    """Images and their classes. Sample i is (image, label): a float32 tensor (1, H, W) in [0, 1], and an int.

    ``data``: uint8 or float32 (N, H, W) as the files have it; ``targets``: int64 (N,); ``classes``: their names.
    ``transform`` is given the image, ``target_transform`` the label.
    """

    classes: ClassVar[list[str]] = []

    def __init__(
        self,
        images: NDArray[Any],
        labels: NDArray[Any],
        largest: float,
        transform: Callable[[Tensor], Any] | None,
        target_transform: Callable[[int], Any] | None,
    ) -> None:
        self.data = from_numpy(images)
        self.targets = from_numpy(labels.astype(np.int64))
        self.transform = transform
        self.target_transform = target_transform
        self._scale = np.float32(1 / largest)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        image: Any = from_numpy(self.data._array[index][None] * self._scale)
        label: Any = int(self.targets._array[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def tensors(self) -> tuple[Tensor, Tensor]:
        """All images, float32 (N, 1, H, W) in [0, 1], and labels, int64 (N,). Transforms are not applied."""
        return from_numpy(self.data._array[:, None] * self._scale), self.targets

    def as_dataset(self) -> TensorDataset:
        """``tensors()`` as a data set, of which loaders take whole batches at once."""
        return TensorDataset(*self.tensors())

    def __repr__(self) -> str:
        shape = tuple(self.data.shape)
        return f"{type(self).__name__}({shape[0]} images of {shape[1]} x {shape[2]}, {len(self.classes)} classes)"
