"""How tensors are printed: to the letter as PyTorch prints them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import dtypes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.tensor import Tensor


class _Options:
    """precision: digits behind the point; threshold: elements above which a tensor is summarised, to edgeitems at
    either end of each dimension; linewidth: characters; sci_mode: True, False, or None to decide by the values."""

    __slots__ = ("edgeitems", "linewidth", "precision", "sci_mode", "threshold")

    def __init__(self) -> None:
        self.precision = 4
        self.threshold: float = 1000
        self.edgeitems = 3
        self.linewidth = 80
        self.sci_mode: bool | None = None


_options = _Options()

_PROFILES: dict[str, dict[str, float]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": float("inf"), "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed. One that is None is kept, except sci_mode, which then depends on the values again.

    precision: digits behind the point; threshold: elements above which a tensor is summarised, to edgeitems at either
    end of each dimension; linewidth: characters a line; profile: "default", "short" or "full" (ValueError for others).
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions(): profile must be one of {', '.join(_PROFILES)}, got {profile!r}")
        for name, preset in _PROFILES[profile].items():
            setattr(_options, name, preset)
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None:
            setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options, as a dict that set_printoptions takes."""
    return {name: getattr(_options, name) for name in ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")}


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Within it, tensors are printed with these options (those of set_printoptions)."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


class _Format:
    """The one format that all elements of a tensor share, found from those that will be shown."""

    def __init__(self, shown: NDArray[Any]) -> None:
        self.kind = shown.dtype.kind
        self.scientific = False
        self.whole = True  # floats without a fraction are printed "3."
        self.width = 1
        if self.kind != "f":
            self.width = max([1, *(len(str(value)) for value in np.unique(shown).tolist())])
            return
        values = shown.astype(np.float64).ravel()
        values = values[np.isfinite(values) & (values != 0)]
        if not values.size:
            return
        self.whole = bool((values == np.ceil(values)).all())
        sizes = np.abs(values)
        smallest, largest = float(sizes.min()), float(sizes.max())
        if _options.sci_mode is None:
            self.scientific = largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4
        else:
            self.scientific = _options.sci_mode
        self.width = max(1, *(len(self._text(value)) for value in values.tolist()))

    def _text(self, value: Any) -> str:
        if self.kind != "f":
            return str(value)
        if self.scientific:
            return f"{value:.{_options.precision}e}"
        if self.whole:
            return f"{value:.0f}." if np.isfinite(value) else f"{value:.0f}"
        return f"{value:.{_options.precision}f}"

    def __call__(self, value: Any) -> str:
        return self._text(value).rjust(self.width)


def _edges(array: NDArray[Any]) -> NDArray[Any]:
    """The elements a summary shows."""
    edge = _options.edgeitems
    for axis, extent in enumerate(array.shape):
        if extent > 2 * edge:
            array = np.take(array, [*range(edge), *range(extent - edge, extent)], axis)
    return array


def _vector(array: NDArray[Any], indent: int, summarize: bool, text: _Format) -> str:
    edge = _options.edgeitems
    if summarize and not edge:
        items = ["..."]
    elif summarize and len(array) > 2 * edge:
        items = [*map(text, array[:edge].tolist()), " ...", *map(text, array[-edge:].tolist())]
    else:
        items = [*map(text, array.tolist())]
    per_line = max(1, (_options.linewidth - indent) // (text.width + 2))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested(array: NDArray[Any], indent: int, summarize: bool, text: _Format) -> str:
    if array.ndim == 0:
        return text(array.item())
    if array.ndim == 1:
        return _vector(array, indent, summarize, text)
    edge, extent = _options.edgeitems, len(array)
    cut = summarize and extent > 2 * edge
    rows = [*range(edge), *range(extent - edge, extent)] if cut else range(extent)
    parts = [_nested(array[row], indent + 1, summarize, text) for row in rows]
    if cut:
        parts.insert(edge, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def array_text(array: NDArray[Any], indent: int = 0) -> str:
    """The numbers of an array in brackets; every line but the first is indented by that many spaces."""
    if not array.size:
        return "[]"
    summarize = array.size > _options.threshold
    text = _Format(_edges(array) if summarize else array)
    return _nested(array, indent, summarize, text)


def tensor_repr(tensor: Tensor) -> str:
    """``tensor(...)``: its values, then its size, dtype and place on the tape where they do not go without saying."""
    array: NDArray[Any] = tensor._array
    dtype, default = dtypes.from_numpy_dtype(array.dtype), dtypes.get_default_dtype()
    prefix = "tensor(" if type(tensor).__name__ in ("Tensor", "Parameter") else f"{type(tensor).__name__}("
    suffixes = []
    if (not array.size and array.ndim != 1) or (array.size and not _options.edgeitems):
        suffixes.append(f"size={tuple(array.shape)}")
    if dtype is not default and (not array.size or dtype not in (dtypes.int64, dtypes.bool)):
        suffixes.append(f"dtype={dtype}")
    if tensor.grad_fn is not None:
        suffixes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(prefix + array_text(array, len(prefix)), suffixes, len(prefix))


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"
