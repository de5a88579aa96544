"""``Registry``: a module's parameters, buffers or children by name.

Every entry stands in the module's ``__dict__`` as well, so that ``layer.weight`` is an ordinary attribute (about
20 ns) where a look-up through ``__getattr__`` would take a microsecond. Whatever writes to a registry, the
module's own methods or user code that does ``module._parameters[name] = p``, changes both places.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
_MISSING = object()


class Registry(dict[str, T]):
    """A dict that mirrors its entries in ``owner().__dict__``. It pickles and copies as a plain dict."""

    __slots__ = ("_owner",)

    def __init__(self, owner: weakref.ref[Any], entries: Mapping[str, T] | Iterable[tuple[str, T]] = ()) -> None:
        super().__init__()
        self._owner = owner
        self.update(entries)

    def _mirror(self) -> dict[str, Any]:
        """The owner's attributes; what it planned from its old entries is dropped."""
        owner = self._owner()
        if owner is None:
            return {}
        attributes: dict[str, Any] = owner.__dict__
        attributes.pop("_plan", None)
        return attributes

    def __setitem__(self, name: str, value: T) -> None:
        super().__setitem__(name, value)
        self._mirror()[name] = value

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._mirror().pop(name, None)

    def pop(self, name: str, default: Any = _MISSING) -> Any:
        if name not in self and default is not _MISSING:
            return default
        value = self[name]
        del self[name]
        return value

    def popitem(self) -> tuple[str, T]:
        name, value = super().popitem()
        self._mirror().pop(name, None)
        return name, value

    def clear(self) -> None:
        for name in list(self):
            del self[name]

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, entries: Any = (), /, **more: T) -> None:
        for name, value in dict(entries, **more).items():
            self[name] = value

    def __ior__(self, entries: Any) -> Registry[T]:  # type: ignore[override, misc]
        self.update(entries)
        return self

    def __reduce__(self) -> tuple[type, tuple[()], None, None, Iterator[tuple[str, T]]]:
        return dict, (), None, None, iter(self.items())
