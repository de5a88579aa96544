"""``History``: the table of what each epoch gave."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from typing import Any

Row = dict[str, float]


class History:
    """One row an epoch, a column a quantity. ``history["val_loss"]`` is a column, NaN where a row has no such value."""

    def __init__(self, rows: list[Row] | None = None) -> None:
        self.rows: list[Row] = rows if rows is not None else []

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in the order in which they first appear."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def append(self, row: Row) -> None:
        """Add an epoch's row."""
        self.rows.append(row)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        if column not in self.columns:
            raise KeyError(f"History: no column {column!r}; there are {', '.join(self.columns) or 'none'}")
        return [row.get(column, math.nan) for row in self.rows]

    def best(self, column: str, mode: str = "min") -> Row:
        """The row where ``column`` is least, or, with mode="max", largest; the first of equals. NaN is never best."""
        if mode not in ("min", "max"):
            raise ValueError(f"History.best(): argument 'mode' must be 'min' or 'max', got {mode!r}")
        values = [value if mode == "min" else -value for value in self[column]]
        numbers = [index for index, value in enumerate(values) if not math.isnan(value)]
        if not numbers:
            raise ValueError(f"History.best(): column {column!r} holds no number")
        return self.rows[min(numbers, key=lambda index: values[index])]

    def csv(self) -> str:
        """The table as comma-separated values, with a header; every number reads back as the same float."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write ``csv()`` to a file, in one piece."""
        temporary = f"{os.fspath(path)}.part"
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write(self.csv())
        os.replace(temporary, path)

    def __str__(self) -> str:
        return table(self.columns, [[cell(row.get(name)) for name in self.columns] for row in self.rows])


def cell(value: Any) -> str:
    """A number as tables show it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(columns: list[str], rows: list[list[str]], left: int = 0) -> str:
    """Rows in aligned columns under a ruled header; the first ``left`` columns are aligned to the left."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        return "  ".join(
            text.ljust(width) if index < left else text.rjust(width)
            for index, (text, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    return "\n".join([line(columns), line(["-" * width for width in widths]), *map(line, rows)])
