"""``RemovableHandle``: what registering a hook returns."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


def _reference(table: Any) -> Callable[[], Any]:
    return (lambda: table) if type(table) is dict else weakref.ref(table)


class RemovableHandle:
    """Takes a hook out of the table it was put in: ``handle.remove()``, or the end of ``with handle:``.

    ``hooks_dict`` is the table, held weakly where it can be (an ``OrderedDict``, not a plain ``dict``);
    ``extra_dict``, one table or a list of them, may hold more under the same id.
    """

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = _reference(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        extra = [] if extra_dict is None else extra_dict if isinstance(extra_dict, list) else [extra_dict]
        self.extra_dict_ref = tuple(_reference(table) for table in extra)

    def remove(self) -> None:
        """Remove the hook. Doing so twice, or after the table is gone, is harmless."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            table = reference()
            if table is not None:
                table.pop(self.id, None)

    def __getstate__(self) -> tuple[Any, int, tuple[Any, ...]]:
        return self.hooks_dict_ref(), self.id, tuple(reference() for reference in self.extra_dict_ref)

    def __setstate__(self, state: tuple[Any, int, tuple[Any, ...]]) -> None:
        table, self.id, extra = state
        self.hooks_dict_ref = _reference(OrderedDict() if table is None else table)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)
        self.extra_dict_ref = tuple(_reference(OrderedDict() if more is None else more) for more in extra)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, type: Any, value: Any, tb: Any) -> None:
        self.remove()
