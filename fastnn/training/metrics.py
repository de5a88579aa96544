"""Metrics: quantities of an epoch, gathered batch by batch. Their state is numbers, which checkpoints can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tensor import Tensor

Function = Callable[[Tensor, Tensor], Any]


class Metric:
    """Base: a subclass sets ``state``, a dict of numbers and arrays, in ``reset``, and defines the rest."""

    state: dict[str, Any]

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an epoch."""
        raise NotImplementedError

    def update(self, output: Tensor, target: Tensor) -> None:
        """Take in a batch: the model's output and the target."""
        raise NotImplementedError

    def compute(self) -> float:
        """The value so far; NaN where there was no batch."""
        raise NotImplementedError


class Mean(Metric):
    """The mean over samples of ``function(output, target)``, which gives a batch's mean."""

    def __init__(self, function: Function) -> None:
        self.function = function
        super().__init__()

    def reset(self) -> None:
        self.state = {"total": 0.0, "count": 0}

    def add(self, value: float, count: int) -> None:
        """Take in a batch's mean and its number of samples."""
        self.state["total"] += value * count
        self.state["count"] += count

    def update(self, output: Tensor, target: Tensor) -> None:
        self.add(float(self.function(output, target)), batch_size(target))

    def compute(self) -> float:
        return self.state["total"] / self.state["count"] if self.state["count"] else float("nan")


class Accuracy(Metric):
    """The share of samples whose class is among the ``top`` largest of the outputs (N, classes, ...); classes are
    int64 (N, ...), or soft (N, classes, ...), of which the largest counts.
    """

    def __init__(self, top: int = 1) -> None:
        if top < 1:
            raise ValueError(f"Accuracy: argument 'top' must be positive, got {top}")
        self.top = top
        super().__init__()

    def reset(self) -> None:
        self.state = {"correct": 0, "count": 0}

    def update(self, output: Tensor, target: Tensor) -> None:
        scores, truth = _scores(output), _classes(output, target)
        if self.top == 1:
            correct = scores.argmax(1) == truth
        else:
            own = np.take_along_axis(scores, np.expand_dims(truth, 1), 1)
            correct = (scores > own).sum(1) < self.top
        self.state["correct"] += int(correct.sum())
        self.state["count"] += correct.size

    def compute(self) -> float:
        return self.state["correct"] / self.state["count"] if self.state["count"] else float("nan")


class ConfusionMatrix(Metric):
    """How often each class (row) was taken for each class (column); ``compute`` is the share on the diagonal.

    ``matrix``: int64 (classes, classes).
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        super().__init__()

    def reset(self) -> None:
        self.state = {"matrix": np.zeros((self.num_classes, self.num_classes), np.int64)}

    @property
    def matrix(self) -> NDArray[np.int64]:
        """The counts, (classes, classes): rows are labels, columns predictions."""
        matrix: NDArray[np.int64] = self.state["matrix"]
        return matrix

    def update(self, output: Tensor, target: Tensor) -> None:
        predicted, truth = _scores(output).argmax(1).reshape(-1), _classes(output, target).reshape(-1)
        for name, classes in (("target", truth), ("output", predicted)):
            if classes.size and not 0 <= classes.min() <= classes.max() < self.num_classes:
                raise ValueError(
                    f"ConfusionMatrix: {name} holds class {classes.max()}, expected 0 ... {self.num_classes - 1}"
                )
        np.add.at(self.matrix, (truth, predicted), 1)

    def compute(self) -> float:
        total = int(self.matrix.sum())
        return int(self.matrix.trace()) / total if total else float("nan")


def batch_size(target: Any) -> int:
    """The number of samples in a batch with that target."""
    shape = getattr(target, "shape", ())
    return int(shape[0]) if shape else 1


def make_metrics(given: Mapping[str, Metric | Function] | None) -> dict[str, Metric]:
    """The metrics by name; a plain function becomes the mean of its values."""
    made: dict[str, Metric] = {}
    for name, metric in (given or {}).items():
        if not isinstance(metric, Metric) and not callable(metric):
            raise TypeError(f"metric {name!r} must be a Metric or a function, got {type(metric).__name__}")
        made[name] = metric if isinstance(metric, Metric) else Mean(metric)
    return made


def _scores(output: Tensor) -> NDArray[Any]:
    scores = output._array
    if scores.ndim < 2:
        raise ValueError(f"a classification metric expects outputs (N, classes, ...), got shape {tuple(scores.shape)}")
    return scores


def _classes(output: Tensor, target: Tensor) -> NDArray[np.int64]:
    scores, truth = output._array, target._array
    if truth.dtype.kind == "f" and truth.shape == scores.shape:
        return np.asarray(truth.argmax(1))
    expected = scores.shape[:1] + scores.shape[2:]
    if truth.shape != expected or truth.dtype.kind not in "iu":
        raise ValueError(
            f"a classification metric expects integer targets {expected} for outputs "
            f"{tuple(scores.shape)}, got {target.dtype} of shape {tuple(truth.shape)}"
        )
    return truth
