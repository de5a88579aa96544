"""Modules that hold modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain
from typing import TYPE_CHECKING, Any

from fastnn.nn.activation import ReLU, Sigmoid, Tanh
from fastnn.nn.linear import Linear
from fastnn.nn.module import Module, _addindent
from fastnn.ops.linear import linear_activation

if TYPE_CHECKING:
    from typing_extensions import Self

# What a product's kernel can apply to its result on the way out.
_FUSED: dict[type, str] = {ReLU: "relu", Sigmoid: "sigmoid", Tanh: "tanh"}


def _position(index: Any, size: int) -> int:
    """``index`` counted from the front. IndexError where there is none such."""
    position: int = operator.index(index)
    if not -size <= position < size:
        raise IndexError(f"index {position} is out of range")
    return position % size


class _Numbered(Module):
    """What Sequential and ModuleList share: children called "0", "1", ..."""

    _modules: dict[str, Module]  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def _key(self, index: Any) -> str:
        return list(self._modules)[_position(index, len(self))]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        for key in list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]:
            delattr(self, key)
        self._renumber(list(self._modules.values()))

    def _renumber(self, modules: list[Module]) -> None:
        self._modules = {str(i): module for i, module in enumerate(modules)}

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Remove and return a module, or a slice of them."""
        removed = self[key]  # type: ignore[index]
        del self[key]
        return removed


class Sequential(_Numbered):
    """Runs modules one after another: ``Sequential(a, b)`` or ``Sequential(OrderedDict(first=a, second=b))``.

    A Linear whose result goes straight into a ReLU, Sigmoid or Tanh is computed with it in one kernel call, unless
    one of the two has hooks: the result is the same.
    """

    _plan: list[tuple[Module, Module | None, str]]

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for key, module in args[0].items():
                self.add_module(key, module)
        else:
            for index, module in enumerate(args):
                self.add_module(str(index), module)

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._key(idx)]

    def _make_plan(self) -> list[tuple[Module, Module | None, str]]:
        """The children in order, each Linear paired with the activation behind it. A change of children drops it."""
        plan: list[tuple[Module, Module | None, str]] = []
        for module in self._modules.values():
            if type(module) in _FUSED and plan and type(plan[-1][0]) is Linear and plan[-1][1] is None:
                plan[-1] = (plan[-1][0], module, _FUSED[type(module)])
            else:
                plan.append((module, None, "none"))
        self.__dict__["_plan"] = plan
        return plan

    def forward(self, input: Any) -> Any:
        """The last module's result."""
        plan = self.__dict__.get("_plan")
        if plan is None:
            plan = self._make_plan()
        for module, activation, name in plan:
            if activation is None:
                input = module(input)
            elif module._hooked or activation._hooked or type(module) is not Linear or type(activation) not in _FUSED:
                input = activation(module(input))
            else:
                input = linear_activation(input, module.weight, module.bias, name)
        return input

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before ``index``."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}")
        modules = list(self._modules.values())
        modules.insert(index + size if index < 0 else index, module)
        self._renumber(modules)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Add the modules of another container at the end."""
        for module in list(sequential):
            self.append(module)
        return self

    @staticmethod
    def _check_operand(other: Any) -> None:
        if not isinstance(other, Sequential):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")

    def __add__(self, other: Sequential) -> Sequential:
        self._check_operand(other)
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        self._check_operand(other)
        return self.extend(other)

    def _check_factor(self, factor: Any) -> None:
        if not isinstance(factor, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(factor)}")
        if factor <= 0:
            raise ValueError(f"Non-positive multiplication factor {factor} for {type(self)}")

    def __mul__(self, other: int) -> Sequential:
        self._check_factor(other)
        return Sequential(*(list(self) * other))

    def __rmul__(self, other: int) -> Sequential:
        return self * other

    def __imul__(self, other: int) -> Self:
        self._check_factor(other)
        return self.extend(list(self) * (other - 1))


class ModuleList(_Numbered):
    """A list of modules, each of them registered."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self._modules.values())[idx])
        return self._modules[self._key(idx)]

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def insert(self, index: int, module: Module) -> None:
        """Add a module before ``index``."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end. TypeError where ``modules`` is not iterable."""
        if not isinstance(modules, Iterable):
            raise TypeError("ModuleList.extend should be called with an iterable, but got " + type(modules).__name__)
        for module in list(modules):
            self.append(module)
        return self

    def __repr__(self) -> str:
        """Equal neighbours are shown once: ``(0-3): 4 x Linear(...)``."""
        runs: list[tuple[int, int, str]] = []
        for index, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], index, text)
            else:
                runs.append((index, index, text))
        if not runs:
            return f"{self._get_name()}()"
        shown = [
            f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in runs
        ]
        lines = "\n  ".join(_addindent(line, 2) for line in shown)
        return f"{self._get_name()}(\n  {lines}\n)"


class ModuleDict(Module):
    """A dict of modules, each of them registered."""

    _modules: dict[str, Module]  # type: ignore[assignment]

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Remove and return the module ``key``."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """The modules' names, in order."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Module]:
        """(name, module) pairs."""
        return self._modules.items()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add the modules of a mapping, or of (name, module) pairs."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, but got "
                + type(modules).__name__
            )
        for key, module in _pairs(modules, "ModuleDict"):
            self[key] = module


def _pairs(entries: Any, who: str) -> list[tuple[str, Any]]:
    """(name, value) pairs of a mapping or of an iterable of pairs, checked."""
    if hasattr(entries, "items"):
        return list(entries.items())
    pairs = list(entries)
    for position, pair in enumerate(pairs):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{who} update sequence element #{position} should be Iterable; is{type(pair).__name__}")
        size = len(pair)  # type: ignore[arg-type]
        if size != 2:
            raise ValueError(f"{who} update sequence element #{position} has length {size}; 2 is required")
    return [(pair[0], pair[1]) for pair in pairs]
