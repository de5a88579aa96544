"""MNIST and Fashion-MNIST: 60,000 + 10,000 grey images of 28 x 28 in IDX files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fastnn.datasets.download import fetch
from fastnn.datasets.folders import cache_folder, candidates, file_in, find
from fastnn.datasets.idx import read_idx
from fastnn.datasets.images import ImageDataset
from fastnn.tensor import Tensor


class MNIST(ImageDataset):
    """Handwritten digits (LeCun, Cortes, Burges 1998).

    root: the folder with the four IDX files, gzipped or not; None: ``$FASTNN_DATA``, the system's data folder
    (/usr/share/datasets/mnist), then the cache. download: fetch from the official source what is missing, into
    root or the cache. FileNotFoundError where there is nothing, ValueError for files that are damaged or do not match.
    """

    folder: ClassVar[str] = "mnist"
    mirror: ClassVar[str] = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    checksums: ClassVar[dict[str, str]] = {  # MD5 of the gzipped files, as the source states them
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    hint: ClassVar[str] = ""
    classes: ClassVar[list[str]] = [str(digit) for digit in range(10)]

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.train = train
        names = [name for name in self.checksums if name.startswith("train" if train else "t10k")]
        places = list(candidates(root, self.folder))
        found = find(places, names)
        if found is None and download:
            found = cache_folder() / self.folder if root is None else Path(root)
            for name in names:
                if file_in(found, name) is None:
                    fetch(f"{self.mirror}{name}.gz", found / f"{name}.gz", self.checksums[name], "md5")
        if found is None:
            raise FileNotFoundError(
                f"{type(self).__name__}: {names[0]} and {names[1]} (.gz or not) are in none of "
                f"{', '.join(map(str, places))}; name their folder, or say download=True{self.hint}"
            )
        self.source = found
        images_path, labels_path = (file_in(found, name) for name in names)
        assert images_path is not None and labels_path is not None
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.ndim != 3 or images.dtype != np.uint8:
            raise ValueError(
                f"{images_path}: expected images of bytes (N, H, W), got {images.dtype} of shape {images.shape}"
            )
        if labels.shape != images.shape[:1]:
            raise ValueError(f"{labels_path}: {len(images)} images need as many labels, got shape {labels.shape}")
        if labels.size and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise ValueError(f"{labels_path}: labels must be in 0 ... {len(self.classes) - 1}, got {labels.max()}")
        super().__init__(images, labels, 255, transform, target_transform)


class FashionMNIST(MNIST):
    """Articles of clothing (Xiao, Rasul, Vollgraf 2017), in MNIST's format and numbers.

    Found as MNIST is; the system's folder is that of Debian's package dataset-fashion-mnist.
    """

    folder: ClassVar[str] = "fashion-mnist"
    mirror: ClassVar[str] = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    checksums: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    hint: ClassVar[str] = ", or install Debian's package dataset-fashion-mnist"
    classes: ClassVar[list[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip
