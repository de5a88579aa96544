"""The line search of LBFGS: a step that meets the strong Wolfe conditions (Nocedal & Wright 2006, 3.5), as PyTorch's.

Along the line x + t * d, a point is known by its loss f, its gradient g and its slope g . d.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastnn.ops.dims import Array

Objective = Callable[[Any], tuple[float, Array]]  # t -> loss and gradient at x + t * d
ENOUGH_DECREASE, ENOUGH_FLATTENING = 1e-4, 0.9
LEAST_CHANGE = 1e-9


class Point(NamedTuple):
    t: Any
    loss: float
    grad: Array
    slope: Any


def cubic_minimum(a: Point, b: Point, bounds: tuple[Any, Any] | None = None) -> Any:
    """Where the cubic through two points with their slopes is least, within ``bounds`` (else between the points);
    the middle where it has no minimum."""
    low, high = bounds if bounds is not None else (min(a.t, b.t), max(a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = np.sqrt(square)
    left, right = (a, b) if a.t <= b.t else (b, a)
    position = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(position, low), high)


def strong_wolfe(evaluate: Objective, start: Point, t: Any, direction: Array, most: int) -> tuple[Point, int]:
    """The point found and how often the loss was evaluated, about ``most`` times at the most.

    ``start``: the point of t = 0; ``t``: the first step to try.
    """

    def at(t: Any) -> Point:
        loss, grad = evaluate(t)
        return Point(t, loss, grad, np.dot(grad, direction))

    def too_high(point: Point) -> bool:
        return bool(point.loss > start.loss + ENOUGH_DECREASE * point.t * start.slope)

    def flat(point: Point) -> bool:
        return bool(abs(point.slope) <= -ENOUGH_FLATTENING * start.slope)

    before, new, count, done = start, at(t), 0, False
    bracket = [start, new]
    while count < most:  # look for an interval that holds such a point
        if too_high(new) or (count > 1 and new.loss >= before.loss):
            bracket = [before, new]
            break
        if flat(new):
            bracket, done = [new], True
            break
        if new.slope >= 0:
            bracket = [before, new]
            break
        nearest, farthest = new.t + 0.01 * (new.t - before.t), new.t * 10
        t = cubic_minimum(before, new, (nearest, farthest))
        before, new = new, at(t)
        count += 1
    if count == most:
        bracket = [start, new]

    evaluations = count + 1
    low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
    longest = np.abs(direction).max()
    stalled = False
    while not done and count < most:  # make it smaller
        if abs(bracket[1].t - bracket[0].t) * longest < LEAST_CHANGE:
            break
        t = cubic_minimum(bracket[0], bracket[1])
        left, right = min(bracket[0].t, bracket[1].t), max(bracket[0].t, bracket[1].t)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # close to an end: once is tolerated, then the step moves away
            if stalled or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        new = at(t)
        count += 1
        evaluations += 1
        if too_high(new) or new.loss >= bracket[low].loss:
            bracket[high] = new
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            if flat(new):
                done = True
            elif new.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
    return bracket[low], evaluations
