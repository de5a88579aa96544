"""An interpreter of pickles that builds data and nothing else.

Python's own unpickler calls what the pickle names. This one knows a list of names (``_rebuild.find``) and refuses all
others before anything of them is imported; attributes are set on no object but an OrderedDict.
"""

from __future__ import annotations

import pickle
import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from fastnn.serialization._rebuild import FileDtype, Maker, NumpyArray, NumpyDtype, Storage, find

_MARK = object()
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_FROM_MARK: dict[str, Callable[[list[Any]], Any]] = {
    "LIST": list,
    "TUPLE": tuple,
    "FROZENSET": frozenset,
    "DICT": lambda items: dict(zip(items[::2], items[1::2], strict=True)),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_INSIDE = (Maker, Storage, FileDtype, NumpyArray, NumpyDtype)


class Unpickler:
    """``storage``: what a persistent id stands for."""

    def __init__(self, file: str, storage: Callable[[Any], Storage]) -> None:
        self.file, self.storage = file, storage
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        """The object that the pickle describes. UnpicklingError where it is damaged or asks for more than data."""
        try:
            for opcode, argument, _ in pickletools.genops(data):
                if opcode.name == "STOP":
                    return self._finished(self.stack.pop())
                self._step(opcode.name, argument)
        except (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise pickle.UnpicklingError(f"load: {self.file} is damaged: {type(error).__name__}: {error}") from error
        raise pickle.UnpicklingError(f"load: {self.file} is damaged: its pickle has no end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _FROM_MARK:
            stack.append(_FROM_MARK[name](self._to_mark()))
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[int(argument)])
        elif name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"):
            self._fill(name)
        elif name == "GLOBAL":
            module, _, function = argument.partition(" ")
            stack.append(find(module, function, self.file))
        elif name == "STACK_GLOBAL":
            function = stack.pop()
            stack.append(find(stack.pop(), function, self.file))
        elif name in ("REDUCE", "NEWOBJ"):
            self._call()
        elif name == "BUILD":
            self._build()
        elif name == "BINPERSID":
            stack.append(self.storage(stack.pop()))
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._to_mark()
        elif name not in ("PROTO", "FRAME"):
            raise pickle.UnpicklingError(f"load: {self.file} uses the pickle operation {name}, which is not read")

    def _to_mark(self) -> list[Any]:
        """The items above the last mark, which are taken off with it."""
        position = len(self.stack) - 1
        while self.stack[position] is not _MARK:
            position -= 1
            if position < 0:
                raise IndexError("no mark")
        items = self.stack[position + 1 :]
        del self.stack[position:]
        return items

    def _fill(self, name: str) -> None:
        if name in ("APPEND", "SETITEM"):
            count = 1 if name == "APPEND" else 2
            items = self.stack[-count:]
            del self.stack[-count:]
        else:
            items = self._to_mark()
        target = self.stack[-1]
        if name.startswith("APPEND") and type(target) is list:
            target.extend(items)
        elif name == "ADDITEMS" and type(target) is set:
            target.update(items)
        elif name.startswith("SETITEM") and type(target) in (dict, OrderedDict, Counter):
            for key, value in zip(items[::2], items[1::2], strict=True):
                target[key] = value
        else:
            raise TypeError(f"{name} on {type(target).__name__}")

    def _call(self) -> None:
        arguments = self.stack.pop()
        maker = self.stack.pop()
        if not isinstance(maker, Maker) or type(arguments) is not tuple:
            raise pickle.UnpicklingError(f"load: {self.file} calls a {type(maker).__name__}, which is not data")
        self.stack.append(maker.call(*arguments))

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is OrderedDict and type(state) is dict and set(state) <= {"_metadata"}:
            target.__dict__.update(state)
        elif isinstance(target, NumpyDtype):
            target.build(state)
        elif isinstance(target, NumpyArray):
            array = self.stack[-1] = target.build(state)
            self.memo.update({number: array for number, item in self.memo.items() if item is target})
        else:
            raise pickle.UnpicklingError(f"load: {self.file} sets attributes of a {type(target).__name__}")

    def _finished(self, value: Any) -> Any:
        """``value``, once it is seen that it holds nothing that only stands for something."""
        seen: set[int] = set()
        todo = [value]
        while todo:
            item = todo.pop()
            if isinstance(item, _INSIDE):
                raise pickle.UnpicklingError(f"load: {self.file} holds a {type(item).__name__}, which is not data")
            if isinstance(item, (dict, list, tuple, set, frozenset)) and id(item) not in seen:
                seen.add(id(item))
                todo.extend([*item.keys(), *item.values()] if isinstance(item, dict) else item)
        return value
