"""Memory formats and the one layout: names that PyTorch's functions take, of which all but two mean nothing here."""

from __future__ import annotations

from typing import final

__all__ = [
    "channels_last", "channels_last_3d", "contiguous_format", "layout", "memory_format", "preserve_format", "strided",
]  # fmt: skip


class _Named:
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"fastnn.{self._name}"

    def __reduce__(self) -> str:
        return self._name


@final
class memory_format(_Named):
    """The order in which dimensions lie in memory: contiguous_format is C's, preserve_format the input's."""


@final
class layout(_Named):
    """How a tensor lies in memory: every one of fastnn's is strided."""


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided = layout("strided")


def check_format(given: object, function: str) -> None:
    """NotImplementedError unless given is None, contiguous_format or preserve_format."""
    if given not in (None, contiguous_format, preserve_format):
        raise NotImplementedError(f"{function}(): memory_format={given!r} is not supported")
