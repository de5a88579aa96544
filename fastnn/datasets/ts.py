"""The .ts format of the time-series classification archive: series of one or more channels, equal in length or not.

Its description: https://www.aeon-toolkit.org/en/stable/examples/datasets/load_data_from_files.html
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLAGS = {"true": True, "false": False}


@dataclass
class TimeSeries:
    """``series[i]``: float32 (length, channels); ``labels``: int64 (N,) into ``classes``, or the float32 target values
    of a regression file, or None where the file has neither; ``name``: the problem's.
    """

    name: str
    series: list[NDArray[np.float32]]
    labels: NDArray[Any] | None
    classes: list[str]

    def __len__(self) -> int:
        return len(self.series)


def read_ts(path: str | os.PathLike[str]) -> TimeSeries:
    """Read a .ts file. A missing value, "?", becomes NaN.

    ValueError that names file and line for what is not the format: an unknown label, channels of unequal length, a
    number of channels other than @dimensions says, no @data. NotImplementedError for values with time stamps.
    """
    name, classes, dimensions = "", [], None
    labelled = regression = False
    series: list[NDArray[np.float32]] = []
    labels: list[Any] = []
    in_data = False

    def fail(reason: str) -> ValueError:
        return ValueError(f"read_ts(): {path}, line {line_number}: {reason}")

    line_number = 0
    with open(path, encoding="utf-8") as file:
        for raw in file:
            line_number += 1
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            if not in_data:
                if not line.startswith("@"):
                    raise fail(f"expected a line that starts with @ before @data, got {line[:40]!r}")
                key, *words = line[1:].split()
                key = key.lower()
                if key == "data":
                    in_data = True
                elif key == "problemname":
                    name = " ".join(words)
                elif key == "dimensions":
                    if len(words) != 1 or not words[0].isdigit():
                        raise fail(f"@dimensions must be a number, got {' '.join(words)!r}")
                    dimensions = int(words[0])
                elif key in ("classlabel", "targetlabel"):
                    if not words or words[0].lower() not in _FLAGS:
                        raise fail(f"@{key} must be true or false, got {' '.join(words)!r}")
                    if _FLAGS[words[0].lower()]:
                        labelled, regression, classes = True, key == "targetlabel", words[1:]
                elif key == "timestamps" and words and words[0].lower() == "true":
                    raise NotImplementedError(f"read_ts(): {path}: @timeStamps true (values with time stamps)")
                continue
            *channels, label = line.split(":") if labelled else (*line.split(":"), "")
            if dimensions is not None and len(channels) != dimensions:
                raise fail(f"expected {dimensions} channels, got {len(channels)}")
            try:
                rows = [[float("nan") if v.strip() == "?" else float(v) for v in c.split(",")] for c in channels]
                value = float(label) if regression else None
            except ValueError as error:
                raise fail(str(error)) from None
            if not rows or len({len(row) for row in rows}) != 1:
                raise fail(f"channels differ in length: {[len(row) for row in rows]}")
            series.append(np.array(rows, np.float32).T.copy())
            if regression:
                labels.append(value)
            elif labelled:
                if label.strip() not in classes:
                    raise fail(f"label {label.strip()!r} is none of {' '.join(classes)}")
                labels.append(classes.index(label.strip()))
    if not in_data:
        raise ValueError(f"read_ts(): {path}: there is no @data line")
    kept = np.array(labels, np.float32 if regression else np.int64) if labelled else None
    return TimeSeries(name, series, kept, [] if regression else classes)
