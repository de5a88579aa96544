"""Where data files are looked for, in this order: a folder the caller names (and then nowhere else), ``$FASTNN_DATA``,
the system's data folder, the data of an installed package, and the cache.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SYSTEM = Path("/usr/share/datasets")  # where Debian's dataset-* packages put theirs


def cache_folder() -> Path:
    """Where downloads go: ``$FASTNN_DATA``, else ``$XDG_CACHE_HOME/fastnn``, else ``~/.cache/fastnn``."""
    named = os.environ.get("FASTNN_DATA")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastnn"


def package_folder(package: str, inside: str) -> Path | None:
    """The folder ``inside`` an installed package, which is not imported; None where there is none."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    places = (spec.submodule_search_locations or ()) if spec is not None else ()
    return next((Path(place) / inside for place in places if (Path(place) / inside).is_dir()), None)


def candidates(
    root: str | os.PathLike[str] | None, name: str, package: tuple[str, str] | None = None
) -> Iterator[Path]:
    """The folders that may hold the data set ``name``; ``package``: an installed package and the folder in it."""
    if root is not None:
        yield from (Path(root), Path(root) / name, Path(root) / name / "raw")
        return
    yield cache_folder() / name
    yield SYSTEM / name
    if package is not None:
        found = package_folder(*package)
        if found is not None:
            yield found


def find(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """The first of the folders that holds all the files, each as it is or with ``.gz`` behind."""
    wanted = list(names)
    return next((f for f in folders if all(file_in(f, name) is not None for name in wanted)), None)


def file_in(folder: Path, name: str) -> Path | None:
    """The file of that name in the folder, or the gzipped one."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
