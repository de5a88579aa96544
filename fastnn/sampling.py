"""Random tensors of a stated size, and samples of distributions that tensors describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core, dtypes
from fastnn.arguments import array_of, check_options, int_argument, number_argument, size_argument, sizes_argument
from fastnn.convert import leaf
from fastnn.generator import Generator, pick

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.device import DeviceLike
    from fastnn.tensor import Tensor

# Up to which whole number a dtype holds every one.
_EXACT = {2: 2**11, 4: 2**24, 8: 2**53}


# ------------------------------------------------------------------------------------------- arrays


def uniform_array(rng: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Uniform in [0, 1)."""
    if dtype == np.float16:  # a float32 draw could round to 1
        halves: NDArray[Any] = rng.integers(0, 2048, shape, np.uint16).astype(np.float16) / np.float16(2048)
        return halves
    drawn: NDArray[Any] = rng.random(shape, dtype)
    return drawn


def normal_array(rng: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Normal of mean 0 and deviation 1."""
    drawn: NDArray[Any] = rng.standard_normal(shape, np.float32 if dtype == np.float16 else dtype)
    return drawn.astype(dtype, copy=False)


def integer_array(
    rng: Any, low: int, high: int, shape: tuple[int, ...], dtype: np.dtype[Any], function: str
) -> NDArray[Any]:
    """Whole numbers in [low, high). RuntimeError for an empty range, or one that the dtype does not hold."""
    if low >= high:
        raise RuntimeError(f"{function} expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype.kind == "f":
        lowest, highest = -int(np.finfo(dtype).max), int(np.finfo(dtype).max)
    elif dtype.kind == "b":
        lowest, highest = 0, 1
    else:
        lowest, highest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    name = dtypes.from_numpy_dtype(dtype)
    if not lowest <= low <= highest:
        raise RuntimeError(f"{function}: from = {low} is out of bounds for {name}")
    if not lowest <= high - 1 <= highest:
        raise RuntimeError(f"{function}: to - 1 = {high - 1} is out of bounds for {name}")
    drawn: NDArray[Any] = rng.integers(low, high, shape, np.int64)
    return drawn.astype(dtype, copy=False)


def exact_limit(dtype: np.dtype[Any]) -> int:
    """One more than the greatest number that ``random_()`` draws: all of them fit the dtype exactly."""
    if dtype.kind == "b":
        return 2
    return _EXACT[dtype.itemsize] + 1 if dtype.kind == "f" else int(np.iinfo(dtype).max) + (dtype.itemsize < 8)


def floating(function: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype; NotImplementedError unless it is floating."""
    if dtype.kind != "f":
        name = dtypes.from_numpy_dtype(dtype)
        raise NotImplementedError(f"{function}(): not implemented for {name}: expected a floating dtype")
    return dtype


# ------------------------------------------------------------------------------------------- of a stated size


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1). ``sizes``: ints or one tuple; dtype: a floating one, the default unless given."""
    check_options("rand", device, layout, pin_memory)
    shape, target = sizes_argument("rand", sizes, size), floating("rand", dtypes.to_numpy_dtype(dtype, "rand"))
    return leaf(uniform_array(pick(generator, "rand").numpy, shape, target), requires_grad)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers of mean 0 and deviation 1; arguments as of ``rand``."""
    check_options("randn", device, layout, pin_memory)
    shape, target = sizes_argument("randn", sizes, size), floating("randn", dtypes.to_numpy_dtype(dtype, "randn"))
    return leaf(normal_array(pick(generator, "randn").numpy, shape, target), requires_grad)


def _bounds(function: str, bounds: tuple[Any, ...], low: Any, high: Any) -> tuple[int, int]:
    if len(bounds) == 2 and low is None and high is None:
        low, high = bounds
    elif len(bounds) == 1 and high is None:
        high = bounds[0]
    elif bounds or high is None:
        raise TypeError(f"{function}(): expected (high) or (low, high), got {(*bounds, low, high)}")
    return 0 if low is None else int_argument(function, "low", low), int_argument(function, "high", high)


def randint(
    *args: Any,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Whole numbers in [low, high): randint(high, size) or randint(low, high, size).

    size: a tuple of ints; dtype: int64 unless given. RuntimeError where low >= high or the dtype cannot hold them.
    """
    check_options("randint", device, layout, pin_memory)
    if size is None:
        if not args:
            raise TypeError('randint() missing 1 required argument: "size"')
        *args_before, size = args
        args = tuple(args_before)
    first, last = _bounds("randint", args, low, high)
    target = np.dtype(np.int64) if dtype is None else dtypes.to_numpy_dtype(dtype, "randint")
    shape = size_argument("randint", size)
    drawn = integer_array(pick(generator, "randint").numpy, first, last, shape, target, "randint")
    return leaf(drawn, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers 0 ... n - 1 in random order, int64 unless ``dtype`` is given. RuntimeError if it cannot hold them."""
    check_options("randperm", device, layout, pin_memory)
    count = int_argument("randperm", "n", n)
    if count < 0:
        raise RuntimeError(f"randperm(): argument 'n' must be at least 0, got {count}")
    target = np.dtype(np.int64) if dtype is None else dtypes.to_numpy_dtype(dtype, "randperm")
    limit = exact_limit(target)
    if count > limit:
        name = dtypes.from_numpy_dtype(target)
        raise RuntimeError(f"randperm(): argument 'n' must be at most {limit} for {name}, got {count}")
    drawn: NDArray[Any] = pick(generator, "randperm").numpy.permutation(count)
    return leaf(drawn.astype(target, copy=False), requires_grad)


# ------------------------------------------------------------------------------------------- like another tensor


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: None = None,
) -> Tensor:
    """``rand`` of ``input``'s shape, and its dtype unless given."""
    check_options("rand_like", device, layout, pin_memory, memory_format)
    array = array_of("rand_like", input)
    target = floating("rand_like", array.dtype if dtype is None else dtypes.to_numpy_dtype(dtype, "rand_like"))
    return leaf(uniform_array(pick(generator, "rand_like").numpy, array.shape, target), requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: None = None,
) -> Tensor:
    """``randn`` of ``input``'s shape, and its dtype unless given."""
    check_options("randn_like", device, layout, pin_memory, memory_format)
    array = array_of("randn_like", input)
    target = floating("randn_like", array.dtype if dtype is None else dtypes.to_numpy_dtype(dtype, "randn_like"))
    return leaf(normal_array(pick(generator, "randn_like").numpy, array.shape, target), requires_grad)


def randint_like(
    input: Tensor,
    *bounds: Any,
    low: int | None = None,
    high: int | None = None,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: None = None,
) -> Tensor:
    """``randint`` of ``input``'s shape, and its dtype unless given: (input, high) or (input, low, high)."""
    check_options("randint_like", device, layout, pin_memory, memory_format)
    array = array_of("randint_like", input)
    first, last = _bounds("randint_like", bounds, low, high)
    target = array.dtype if dtype is None else dtypes.to_numpy_dtype(dtype, "randint_like")
    drawn = integer_array(pick(generator, "randint_like").numpy, first, last, array.shape, target, "randint_like")
    return leaf(drawn, requires_grad)


# ------------------------------------------------------------------------------------------- of tensors


def no_gradient(ctx: Any, grad: Tensor) -> Any:
    """The gradient of a sample with respect to what it was drawn from: zero."""
    zeros = [_core.wrap(np.zeros(shape, grad._array.dtype)) for shape in ctx.extra]
    return zeros[0] if len(zeros) == 1 else tuple(zeros)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: None = None,
    device: DeviceLike = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers: of a mean and a deviation of one ``size``, or one for each element of the tensors mean and std.

    Tensors are broadcast, and their dtype is the result's; their gradient is zero. RuntimeError for a negative std or
    shapes that do not match, TypeError for numbers without a size.
    """
    check_options("normal", device, layout, pin_memory)
    tensors = tuple(value for value in (mean, std) if isinstance(value, _core.TensorBase))
    rng = pick(generator, "normal").numpy
    if not tensors:
        if size is None:
            raise TypeError("normal(): mean and std are numbers, so that argument 'size' must be given")
        shape = size_argument("normal", size)
        target = floating("normal", dtypes.to_numpy_dtype(dtype, "normal"))
        centre, spread = number_argument("normal", "mean", mean), number_argument("normal", "std", std)
        if spread < 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {spread}")
        return leaf(normal_array(rng, shape, target) * target.type(spread) + target.type(centre), requires_grad)
    if size is not None or dtype is not None or requires_grad:
        raise TypeError(
            "normal(): arguments 'size', 'dtype' and 'requires_grad' need a mean and a std that are numbers"
        )
    centres = mean._array if isinstance(mean, _core.TensorBase) else number_argument("normal", "mean", mean)
    spreads = std._array if isinstance(std, _core.TensorBase) else number_argument("normal", "std", std)
    if not np.all(np.asarray(spreads) >= 0):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    target = floating("normal", tensors[0]._array.dtype)
    try:
        shape = np.broadcast_shapes(*(tensor._array.shape for tensor in tensors))
    except ValueError:
        raise RuntimeError(f"normal(): shapes of mean {mean.shape} and std {std.shape} cannot be broadcast") from None
    drawn = (normal_array(rng, shape, target) * spreads + centres).astype(target, copy=False)
    extra = tuple(tensor._array.shape for tensor in tensors)
    result: Tensor = _core.record("NormalBackward0", no_gradient, tensors, np.asarray(drawn), extra=extra)
    return result


def bernoulli_array(rng: Any, p: Any, shape: tuple[int, ...], function: str) -> NDArray[np.bool_]:
    """True with probability p, a number or an array that is broadcast. RuntimeError unless 0 <= p <= 1."""
    inside = (p >= 0) & (p <= 1)
    if not np.all(inside):
        wrong = np.asarray(p)[~np.asarray(inside)].flat[0]
        raise RuntimeError(f"{function} expects p to be in [0, 1], but got p={wrong}")
    drawn: NDArray[np.bool_] = np.less(rng.random(shape), p)
    return drawn


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that ``input`` gives for each element (or p for all), else 0; the gradient is zero.

    RuntimeError for a probability outside [0, 1]; NotImplementedError for an input that is not floating.
    """
    array = array_of("bernoulli", input)
    rng = pick(generator, "bernoulli").numpy
    chances = floating("bernoulli", array.dtype) and array if p is None else number_argument("bernoulli", "p", p)
    drawn = np.asarray(bernoulli_array(rng, chances, array.shape, "bernoulli")).astype(array.dtype)
    result: Tensor = _core.record("BernoulliBackward0", no_gradient, (input,), drawn, extra=(array.shape,))
    return result


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Indices drawn in proportion to the weights in each row of ``input``, as int64: (N,) -> (S,) or (M, N) -> (M, S).

    The weights need not sum to 1. RuntimeError for negative or infinite weights, a row of zeros, num_samples < 1, or
    more samples without replacement than there are weights.
    """
    array = array_of("multinomial", input)
    samples = int_argument("multinomial", "num_samples", num_samples)
    rng = pick(generator, "multinomial").numpy
    if array.dtype.kind != "f":
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {dtypes.from_numpy_dtype(array.dtype)}"
        )
    if array.ndim not in (1, 2):
        raise RuntimeError(f"multinomial(): input must be 1 or 2 dim, got shape {array.shape}")
    if samples <= 0:
        raise RuntimeError(f"multinomial(): cannot sample num_samples <= 0 samples, got {samples}")
    if not replacement and samples > array.shape[-1]:
        raise RuntimeError(
            "multinomial(): cannot sample num_samples > input.size(-1) samples without replacement: "
            f"{samples} > {array.shape[-1]}"
        )
    weights = np.atleast_2d(array).astype(np.float64)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise RuntimeError("multinomial(): probability tensor contains either `inf`, `nan` or element < 0")
    totals = weights.sum(1)
    if not (totals > 0).all():
        raise RuntimeError("multinomial(): invalid multinomial distribution (sum of probabilities <= 0)")
    drawn = (_with_replacement if replacement else _without_replacement)(rng, weights, samples)
    return leaf(drawn[0] if array.ndim == 1 else drawn)


def _with_replacement(rng: Any, weights: NDArray[np.float64], samples: int) -> NDArray[np.int64]:
    cumulative = np.cumsum(weights, 1)
    points = rng.random((len(weights), samples)) * cumulative[:, -1:]
    drawn = np.empty(points.shape, np.int64)
    for row, (bounds, wanted) in enumerate(zip(cumulative, points, strict=True)):
        last = np.searchsorted(bounds, bounds[-1])  # the last of a weight above 0: a point may round up to the sum
        drawn[row] = np.minimum(np.searchsorted(bounds, wanted, "right"), last)
    return drawn


def _without_replacement(rng: Any, weights: NDArray[np.float64], samples: int) -> NDArray[np.int64]:
    # A race of exponential clocks: arrival times E / w, in order, are draws without replacement (Efraimidis 2006).
    with np.errstate(divide="ignore"):
        times = rng.standard_exponential(weights.shape) / weights
    return np.argsort(times, 1, "stable")[:, :samples].astype(np.int64)
