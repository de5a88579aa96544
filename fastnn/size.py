"""``Size``: the shape of a tensor, a tuple of ints."""

from __future__ import annotations

import math
from typing import SupportsIndex, overload


class Size(tuple[int, ...]):
    """A shape: a tuple in all but its name. A slice of one, or a sum with a tuple, is a Size again."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements of a tensor of this shape: 1 for ()."""
        return math.prod(self)

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> Size: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> int | Size:
        if type(index) is slice:
            return Size(tuple.__getitem__(self, index))
        return tuple.__getitem__(self, index)

    def __add__(self, other: tuple[int, ...], /) -> Size:  # type: ignore[override]
        return Size(tuple.__add__(self, other))

    def __radd__(self, other: tuple[int, ...], /) -> Size:
        return Size(tuple.__add__(other, self))

    def __repr__(self) -> str:
        return f"fastnn.Size([{', '.join(map(str, self))}])"
