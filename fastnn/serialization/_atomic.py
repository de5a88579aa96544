"""Files that are written whole or not at all: a crash leaves the old one as it was."""

from __future__ import annotations

import os
from collections.abc import Callable


def write_atomically(path: str | os.PathLike[str], write: Callable[[str], None]) -> None:
    """Let ``write`` fill a new file beside ``path``, then put it in its place.

    Where that fails the new file is removed. A link's target is replaced, not the link; an old file's permissions are
    kept. The new content is on the disk before its name is: no crash of the machine leaves an empty file.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    new = os.path.join(folder, f".{name}.{os.urandom(8).hex()}.tmp")
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        mode = os.stat(target if os.path.isfile(target) else new).st_mode & 0o7777
        write(new)  # by a library that may put another file there
        os.chmod(new, mode)
        _flush(new, os.O_RDWR)
        os.replace(new, target)
    except BaseException:
        os.unlink(new)
        raise
    if os.name == "posix":
        _flush(folder, os.O_RDONLY)


def _flush(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
