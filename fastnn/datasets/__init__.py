"""Real data for examples, tests and first tries: images, speech, text and series, read from the files they come in.

Nothing is downloaded unless ``download=True`` is said. ``folders.py`` tells where files are looked for: the folder the
caller names, ``$FASTNN_DATA``, the system's data folder, installed packages, and the cache that downloads go to.
"""

from __future__ import annotations

from fastnn.datasets.digits import Digits
from fastnn.datasets.folders import cache_folder
from fastnn.datasets.idx import read_idx
from fastnn.datasets.mnist import MNIST, FashionMNIST
from fastnn.datasets.series import JapaneseVowels, Sunspots
from fastnn.datasets.shakespeare import Shakespeare
from fastnn.datasets.ts import TimeSeries, read_ts

__all__ = [
    "Digits",
    "FashionMNIST",
    "JapaneseVowels",
    "MNIST",
    "Shakespeare",
    "Sunspots",
    "TimeSeries",
    "cache_folder",
    "read_idx",
    "read_ts",
]
