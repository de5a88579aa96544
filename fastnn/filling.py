"""The methods that fill a tensor with random numbers in place. The gradient of what was there before is zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core, dtypes
from fastnn.arguments import int_argument, number_argument
from fastnn.generator import Generator, pick
from fastnn.sampling import (
    bernoulli_array,
    exact_limit,
    floating,
    integer_array,
    no_gradient,
    normal_array,
    uniform_array,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.tensor import Tensor


def _store(tensor: Tensor, values: NDArray[Any], name: str) -> Tensor:
    tensor._array[...] = values
    filled: Tensor = _core.rebase(tensor, name, no_gradient, (tensor,), extra=(tensor._array.shape,))
    return filled


def uniform_(tensor: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with uniform numbers in [from_, to). RuntimeError where from_ > to or the range overflows the dtype."""
    array = tensor._array
    floating("uniform_", array.dtype)
    low, high = number_argument("uniform_", "from", from_), number_argument("uniform_", "to", to)
    limit = float(np.finfo(array.dtype).max)
    if not (abs(low) <= limit and abs(high) <= limit and high - low <= limit):
        raise RuntimeError(f"uniform_ expects a range that {array.dtype} holds, but got from={low}, to={high}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}")
    rng = pick(generator, "uniform_").numpy
    _core.check_inplace(tensor)
    kind = array.dtype.type
    values = uniform_array(rng, array.shape, array.dtype) * kind(high - low) + kind(low)
    if low < high:  # the sum may have been rounded up to the end, which is not part of the range
        values = np.minimum(values, np.nextafter(kind(high), kind(low)))
    return _store(tensor, np.asarray(values), "UniformBackward0")


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers. RuntimeError for a negative std."""
    array = tensor._array
    floating("normal_", array.dtype)
    centre, spread = number_argument("normal_", "mean", mean), number_argument("normal_", "std", std)
    if spread < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {spread}")
    rng = pick(generator, "normal_").numpy
    _core.check_inplace(tensor)
    values = normal_array(rng, array.shape, array.dtype)
    if (centre, spread) != (0, 1):
        values = values * array.dtype.type(spread) + array.dtype.type(centre)
    return _store(tensor, values, "NormalBackward0")


def bernoulli_(tensor: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with 1 with probability p, else 0.

    p: a number, or a floating tensor that broadcasts. RuntimeError unless it is in [0, 1].
    """
    array = tensor._array
    if isinstance(p, _core.TensorBase):
        floating("bernoulli_", p._array.dtype)
        chances: Any = p._array
        try:
            np.broadcast_to(chances, array.shape)
        except ValueError:
            raise RuntimeError(f"bernoulli_(): p of shape {chances.shape} can't broadcast to {array.shape}") from None
    else:
        chances = number_argument("bernoulli_", "p", p)
    rng = pick(generator, "bernoulli_").numpy
    _core.check_inplace(tensor)
    return _store(tensor, bernoulli_array(rng, chances, array.shape, "bernoulli_"), "BernoulliBackward0")


def exponential_(tensor: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers of density lambd * exp(-lambd * x), above 0. RuntimeError unless lambd > 0."""
    array = tensor._array
    if array.dtype.kind != "f":
        raise RuntimeError(
            "exponential_(): Exponential distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {dtypes.from_numpy_dtype(array.dtype)}"
        )
    rate = number_argument("exponential_", "lambd", lambd)
    if not rate > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate}")
    rng = pick(generator, "exponential_").numpy
    _core.check_inplace(tensor)
    drawn = rng.standard_exponential(array.shape, np.float64 if array.dtype == np.float64 else np.float32) / rate
    values = np.maximum(drawn.astype(array.dtype, copy=False), np.finfo(array.dtype).tiny)
    return _store(tensor, values, "ExponentialBackward0")


def random_(
    tensor: Tensor, from_: int | None = None, to: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Fill with whole numbers: in [from_, to), or with random_(to) in [0, to), or with random_() any from 0 up.

    RuntimeError for an empty range, or one that the dtype does not hold.
    """
    array = tensor._array
    if from_ is None and to is None:
        low, high = 0, exact_limit(array.dtype)
    elif to is None:
        low, high = 0, int_argument("random_", "to", from_)
    else:
        low, high = 0 if from_ is None else int_argument("random_", "from", from_), int_argument("random_", "to", to)
    rng = pick(generator, "random_").numpy
    _core.check_inplace(tensor)
    return _store(tensor, integer_array(rng, low, high, array.shape, array.dtype, "random_"), "RandomBackward0")


def cauchy_(tensor: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers of Cauchy's distribution of a median and a half width sigma. RuntimeError unless sigma > 0."""
    array = tensor._array
    if array.dtype.kind != "f":
        raise RuntimeError(
            "cauchy_(): Cauchy distribution is a continuous probability distribution. dtype must be a floating point "
            f"but you specified {dtypes.from_numpy_dtype(array.dtype)}"
        )
    centre, width = number_argument("cauchy_", "median", median), number_argument("cauchy_", "sigma", sigma)
    if not width > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={width}")
    rng = pick(generator, "cauchy_").numpy
    _core.check_inplace(tensor)
    with np.errstate(over="ignore"):
        drawn = (rng.standard_cauchy(array.shape) * width + centre).astype(array.dtype)
    return _store(tensor, drawn, "CauchyBackward0")


def geometric_(tensor: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with how many trials of chance p it takes to the first success: 1, 2, ... RuntimeError unless 0 < p < 1."""
    array = tensor._array
    chance = number_argument("geometric_", "p", p)
    if not 0 < chance < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={chance}")
    rng = pick(generator, "geometric_").numpy
    _core.check_inplace(tensor)
    return _store(tensor, np.asarray(rng.geometric(chance, array.shape)).astype(array.dtype), "GeometricBackward0")


def log_normal_(tensor: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with exp of normal numbers of that mean and deviation. RuntimeError unless std > 0."""
    array = tensor._array
    floating("log_normal_", array.dtype)
    centre, spread = number_argument("log_normal_", "mean", mean), number_argument("log_normal_", "std", std)
    if not spread > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={spread}")
    rng = pick(generator, "log_normal_").numpy
    _core.check_inplace(tensor)
    with np.errstate(over="ignore"):
        drawn = np.exp(normal_array(rng, array.shape, array.dtype) * spread + centre)
    return _store(tensor, np.asarray(drawn).astype(array.dtype), "LogNormalBackward0")
