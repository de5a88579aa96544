"""Series: JapaneseVowels (speech, unequal lengths) and yearly sunspot numbers."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.creation import from_numpy
from fastnn.datasets.download import fetch_package
from fastnn.datasets.folders import cache_folder, candidates, find
from fastnn.datasets.ts import read_ts
from fastnn.tensor import Tensor
from fastnn.utils.data import Dataset


def located(
    name: str,
    files: dict[str, str],
    root: str | os.PathLike[str] | None,
    download: bool,
    package: tuple[str, str],
    requirement: str,
) -> Path:
    """The folder that holds the files (path inside the package: SHA-256); FileNotFoundError where there is none."""
    places = list(candidates(root, name, package))
    found = find(places, [Path(file).name for file in files])
    if found is None and download:
        found = cache_folder() / name if root is None else Path(root)
        fetch_package(requirement, False, {f"*/{file}": checksum for file, checksum in files.items()}, found)
    if found is None:
        raise FileNotFoundError(
            f"{name}: {', '.join(Path(file).name for file in files)} not found in {', '.join(map(str, places))}; "
            f"name their folder, install {requirement}, or say download=True"
        )
    return found


class JapaneseVowels(Dataset[tuple[Tensor, int]]):
    """270 + 370 utterances of two vowels by 9 speakers (Kudo, Toyama, Shimbo 1999). Sample i is (series, speaker):
    12 LPC cepstrum coefficients at 7 to 29 points of time as a float32 tensor (length, 12), and an int.

    Found in root, ``$FASTNN_DATA``, the system's data folder, an installed sktime, or the cache; download: taken out
    of sktime's wheel.
    """

    files: ClassVar[dict[str, str]] = {
        "JapaneseVowels_TRAIN.ts": "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
        "JapaneseVowels_TEST.ts": "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
    }

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True, download: bool = False) -> None:
        package = ("sktime", "datasets/data/JapaneseVowels")
        self.source = located("JapaneseVowels", self.files, root, download, package, "sktime==1.2.0")
        read = read_ts(self.source / f"JapaneseVowels_{'TRAIN' if train else 'TEST'}.ts")
        if read.labels is None:
            raise ValueError(f"{self.source}: JapaneseVowels without class labels")
        self.train = train
        self.series = [from_numpy(series) for series in read.series]
        self.targets = from_numpy(read.labels)
        self.classes = read.classes

    def __len__(self) -> int:
        return len(self.series)

    def __getitem__(self, index: Any) -> tuple[Tensor, int]:
        return self.series[index], int(self.targets._array[index])


class Sunspots:
    """Yearly sunspot numbers, 1700 to 2008 (SIDC): ``years`` int64 and ``values`` float32, (309,) each.

    Found in root, ``$FASTNN_DATA``, the system's data folder, an installed statsmodels, or the cache; download: taken
    out of statsmodels' wheel.
    """

    files: ClassVar[dict[str, str]] = {
        "sunspots/sunspots.csv": "f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b",
    }

    def __init__(self, root: str | os.PathLike[str] | None = None, download: bool = False) -> None:
        package = ("statsmodels", "datasets/sunspots")
        self.source = located("sunspots", self.files, root, download, package, "statsmodels==0.15.0")
        path = self.source / "sunspots.csv"
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        if header != ["YEAR", "SUNACTIVITY"] or not rows or any(len(row) != 2 for row in rows):
            raise ValueError(f"{path}: expected the columns YEAR and SUNACTIVITY, got {header}")
        self.years: NDArray[np.int64] = np.array([int(float(year)) for year, _ in rows])
        self.values: NDArray[np.float32] = np.array([float(value) for _, value in rows], np.float32)

    def __len__(self) -> int:
        return len(self.values)
