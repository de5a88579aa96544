"""Progress on a terminal: a bar of the epoch's batches, and a line for each epoch that is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastnn.training.extras import need
from fastnn.training.history import Row, cell


class Progress:
    """tqdm's bars on standard error; where that is no terminal, only the epochs' lines. Nothing when not ``shown``."""

    def __init__(self, shown: bool) -> None:
        self._tqdm = need("tqdm", "a progress bar (Trainer(progress=True))").tqdm if shown else None

    def over(self, batches: Iterable[Any], total: int | None, done: int, description: str) -> Iterator[Any]:
        """The batches, with a bar that begins at ``done``."""
        if self._tqdm is None:
            yield from batches
            return
        bar = self._tqdm(batches, description, total, initial=done, leave=False, disable=None, dynamic_ncols=True)
        self._bar = bar
        yield from bar

    def note(self, loss: float) -> None:
        """Show the loss at the bar's end."""
        if self._tqdm is not None:
            self._bar.set_postfix(loss=f"{loss:.4g}", refresh=False)

    def row(self, row: Row) -> None:
        """The line of an epoch."""
        if self._tqdm is not None:
            self._tqdm.write("  ".join(f"{name} {cell(value)}" for name, value in row.items()))
