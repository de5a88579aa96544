"""Random whole numbers of given means: poisson and binomial. The rest of the sampling is in sampling.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.arguments import array_of
from fastnn.generator import Generator, pick
from fastnn.sampling import no_gradient

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["binomial", "poisson"]


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """A draw of Poisson's distribution for each rate in input, in its dtype; the gradient is zero.

    RuntimeError for negative rates, NotImplementedError unless input is floating.
    """
    array = array_of("poisson", input)
    if array.dtype.kind != "f":
        raise NotImplementedError(f'"poisson_cpu" not implemented for {input.dtype}')
    if not (array >= 0).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    drawn = np.asarray(pick(generator, "poisson").numpy.poisson(array.astype(np.float64))).astype(array.dtype)
    return _core.record("PoissonBackward0", no_gradient, (input,), drawn, extra=(array.shape,))


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of count trials succeed, each with chance prob; broadcast, in count's dtype; the gradient is zero.

    RuntimeError for negative counts and chances outside of [0, 1].
    """
    counts, chances = array_of("binomial", count), array_of("binomial", prob)
    if counts.dtype.kind != "f" or chances.dtype != counts.dtype:
        raise ValueError(
            f"binomial only supports floating-point dtypes of one kind, got count: {count.dtype}, prob: {prob.dtype}"
        )
    if not (counts >= 0).all():
        raise RuntimeError("binomial(): count must be non-negative")
    if not ((chances >= 0) & (chances <= 1)).all():
        raise RuntimeError("binomial(): prob must be in [0, 1]")
    rng = pick(generator, "binomial").numpy
    drawn = np.asarray(rng.binomial(counts.astype(np.int64), chances.astype(np.float64))).astype(counts.dtype)
    shapes = (counts.shape, chances.shape)
    return _core.record("BinomialBackward0", no_gradient, (count, prob), drawn, extra=shapes)
