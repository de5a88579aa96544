"""The case table: one row a kernel and input. Value tests, gradient tests and benchmarks all walk ``CASES``.

A row's ``make(rng, dtype)`` gives the kernel's positional arguments, outputs included (filled with NaN, or 77 in a
mask, so that an element left unwritten shows). Every row is a value row: its outputs are compared with those of the
reference on the same inputs in float64. A row with a ``size`` is a benchmark row. A row with a ``gradient`` is
checked in float64 against the slope of the forward kernel along a random direction.

To add a kernel, add its rows at the end; the tests fail for a kernel of the contract that has no value row, no
benchmark row, or (where it computes a gradient) no gradient row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from . import contract
from .contract import Array

Generator = np.random.Generator
Arguments = tuple[Any, ...]


class Gradient(NamedTuple):
    """A scalar function of some arrays by the forward kernel, and its gradients at ``inputs`` by the backward."""

    inputs: list[Array]
    loss: Callable[[Sequence[Array]], float]
    gradients: Callable[[], list[Array]]


class Case(NamedTuple):
    """One row. ``outputs`` names the parameters written (arrays or lists of arrays). An output may differ from the
    float64 truth t by (atol + rtol * abs(t)) * eps of the dtype, and by its smallest normal number.
    """

    kernel: str
    label: str
    make: Callable[[Generator, DTypeLike], Arguments]
    outputs: tuple[str, ...]
    rtol: float = 8.0
    atol: float = 0.0
    size: str | None = None  # "small" or "large": a benchmark row
    gradient: Callable[[Any, Generator], Gradient] | None = None  # takes a backend

    @property
    def id(self) -> str:
        return f"{self.kernel}-{self.label}"

    def written(self, arguments: Arguments) -> list[Array]:
        """The output arrays among the arguments, lists of arrays laid out flat, None left out."""
        found: list[Array] = []
        for name, value in zip(parameters(self.kernel), arguments, strict=True):
            if name in self.outputs and value is not None:
                found += value if isinstance(value, list) else [value]
        return found


def parameters(kernel: str) -> list[str]:
    """The names of a kernel's parameters."""
    return list(inspect.signature(getattr(contract, kernel)).parameters)


CASES: list[Case] = []


def _row(kernel: str, label: str, make: Callable[[Generator, DTypeLike], Arguments], outputs: str, **rest: Any) -> None:
    CASES.append(Case(kernel, label, make, tuple(outputs.split()), **rest))


def normal(rng: Generator, dtype: DTypeLike, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(dtype)


def blank(dtype: DTypeLike, *shape: int) -> Array:
    """An output that shows where it was not written."""
    return np.full(shape, np.nan, dtype)


def _clear_of_zero(rng: Generator, *shape: int) -> Array:
    """float64 values at least 0.1 from the kink of relu."""
    x = rng.standard_normal(shape)
    return np.asarray(x + np.copysign(0.1, x))


# ----------------------------------------------------------------------------------------------- linear


def _matmul_rows() -> None:
    def row(
        label: str,
        sizes: tuple[int, int, int, int],
        transposed: str = "nn",
        bias: bool = False,
        activation: str = "none",
        accumulate: bool = False,
        shared: str = "",
        nasty: bool = False,
        size: str | None = None,
    ) -> None:
        batch, m, k, n = sizes

        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            a = normal(rng, dtype, 1 if "a" in shared else batch, *((k, m) if transposed[0] == "t" else (m, k)))
            b = normal(rng, dtype, 1 if "b" in shared else batch, *((n, k) if transposed[1] == "t" else (k, n)))
            if nasty:
                a[:, 1, 2], a[:, 3, 4], b[:, 0, 5] = np.nan, np.inf, -np.inf
            out = normal(rng, dtype, batch, m, n) if accumulate else blank(dtype, batch, m, n)
            v = normal(rng, dtype, n) if bias else None
            return a, b, transposed[0] == "t", transposed[1] == "t", v, activation, accumulate, out

        _row("matmul", label, make, "out", rtol=16, atol=16 + 2 * k, size=size)

    for transposed in ("nn", "nt", "tn", "tt"):
        row(f"{transposed}-2x33x100x77", (2, 33, 100, 77), transposed)
        row(f"{transposed}-1x5x7x3", (1, 5, 7, 3), transposed, bias=True, activation="relu", accumulate=True)
        row(f"{transposed}-nasty", (1, 9, 8, 17), transposed, nasty=True)
    for activation in contract.ACTIVATIONS:
        row(f"{activation}-2x19x20x21", (2, 19, 20, 21), bias=True, activation=activation)
    for label, sizes in {
        "empty-batch": (0, 3, 4, 5),
        "no-rows": (2, 0, 4, 5),
        "no-columns": (2, 3, 4, 0),
        "one": (1, 1, 1, 1),
        "column": (1, 301, 7, 1),
        "row": (1, 1, 7, 301),
        "tall": (1, 1031, 3, 2),
        "wide": (1, 2, 3, 1031),
        "deep": (1, 3, 2049, 5),
    }.items():
        row(label, sizes)
    for accumulate in (False, True):
        row(f"no-depth-{accumulate}", (2, 3, 0, 5), bias=True, accumulate=accumulate)
    for shared in ("a", "b", "ab"):
        row(f"shared-{shared}", (3, 6, 5, 4), shared=shared)
    row("64x128x64", (1, 64, 128, 64), size="small")
    row("8x64x64x64", (8, 64, 64, 64), "nt", size="small")
    row("512x512x512", (1, 512, 512, 512), size="large")


def _linear_gradient(m: int, k: int, n: int, activation: str) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        inputs = [normal(rng, "f8", m, k), normal(rng, "f8", n, k), normal(rng, "f8", n)]
        seed = normal(rng, "f8", m, n)

        def forward(x: Array, weight: Array, bias: Array) -> Array:
            out = blank("f8", m, n)
            backend.linear_forward(x, weight, bias, activation, out)
            return out

        def gradients() -> list[Array]:
            x, weight, bias = inputs
            found = [blank("f8", *array.shape) for array in inputs]
            out = forward(x, weight, bias)
            backend.linear_backward(seed, x, weight, out, activation, blank("f8", m, n), *found)
            return found

        return Gradient(inputs, lambda values: float((forward(*values) * seed).sum()), gradients)

    return build


def _linear_rows() -> None:
    def row(label: str, m: int, k: int, n: int, activation: str, bias: bool = True, size: str | None = None) -> None:
        def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
            scale = np.asarray(max(k, 1) ** -0.5, dtype)
            x, weight = normal(rng, dtype, m, k), normal(rng, dtype, n, k) * scale
            return x, weight, normal(rng, dtype, n) if bias else None, activation, blank(dtype, m, n)

        def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
            x, weight = normal(rng, dtype, m, k), normal(rng, dtype, n, k)
            plain = activation == "none"
            out = None if plain else np.tanh(normal(rng, dtype, m, n))
            workspace = None if plain else blank(dtype, m, n)
            written = blank(dtype, m, k), blank(dtype, n, k), blank(dtype, n) if bias else None
            return normal(rng, dtype, m, n), x, weight, out, activation, workspace, *written

        deepest = max(m, k, n)
        _row("linear_forward", label, forward, "out", rtol=16, atol=16 + 2 * k**0.5, size=size)
        outputs = "workspace grad_x grad_weight grad_bias"
        gradient = _linear_gradient(m, k, n, activation) if 0 < m * k * n < 100_000 else None
        _row("linear_backward", label, backward, outputs, rtol=16, atol=16 + 2 * deepest, size=size, gradient=gradient)

    row("1x784x128", 1, 784, 128, "relu", size="small")
    row("64x784x128", 64, 784, 128, "relu", size="small")
    row("256x1024x1024", 256, 1024, 1024, "relu", size="large")
    row("33x100x77", 33, 100, 77, "tanh", size="small")
    row("64x128x64", 64, 128, 64, "none", size="small")
    row("sigmoid", 17, 9, 13, "sigmoid")
    row("tanh", 5, 9, 13, "tanh")
    row("relu", 6, 11, 10, "relu")
    row("no-bias", 7, 9, 3, "none", bias=False)
    row("no-rows", 0, 4, 3, "relu")
    row("no-depth", 3, 0, 4, "tanh")
    row("no-outputs", 3, 4, 0, "none")
    row("one", 1, 1, 1, "relu")
    row("tall", 1025, 3, 2, "relu")

    def some(wanted: tuple[bool, bool, bool]) -> Callable[[Generator, DTypeLike], Arguments]:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            shapes = (6, 5), (4, 5), (4,)
            written = (blank(dtype, *shape) if want else None for want, shape in zip(wanted, shapes, strict=True))
            x, weight, out = normal(rng, dtype, 6, 5), normal(rng, dtype, 4, 5), np.tanh(normal(rng, dtype, 6, 4))
            return normal(rng, dtype, 6, 4), x, weight, out, "tanh", blank(dtype, 6, 4), *written

        return make

    for name, wanted in {
        "x": (True, False, False),
        "weight": (False, True, False),
        "bias": (False, False, True),
    }.items():
        _row(
            "linear_backward", f"only-{name}", some(wanted), "workspace grad_x grad_weight grad_bias", rtol=16, atol=32
        )


# ----------------------------------------------------------------------------------------------- rows, elements


class Pair(NamedTuple):
    """A forward kernel of one array and its backward, which reads forward's input or its output."""

    forward: str
    backward: str
    reads: str
    extra: tuple[float, ...] = ()
    rtol: float = 8.0
    atol: float = 0.0
    backward_atol: float = 0.0


def _pair_gradient(pair: Pair, shape: tuple[int, ...]) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        x, seed = _clear_of_zero(rng, *shape), normal(rng, "f8", *shape)

        def forward(x: Array) -> Array:
            out = blank("f8", *shape)
            getattr(backend, pair.forward)(x, *pair.extra, out)
            return out

        def gradients() -> list[Array]:
            grad_x = blank("f8", *shape)
            getattr(backend, pair.backward)(seed, x if pair.reads == "x" else forward(x), *pair.extra, grad_x)
            return [grad_x]

        return Gradient([x], lambda values: float((forward(values[0]) * seed).sum()), gradients)

    return build


def _pair_rows(
    pair: Pair, label: str, x: Callable[[Generator], Array], size: str | None = None, slope: bool = False
) -> None:
    def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
        values = x(rng).astype(dtype)
        return values, *pair.extra, blank(dtype, *values.shape)

    def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
        from . import numpy_backend

        read = x(rng).astype(dtype)
        if pair.reads == "out":
            getattr(numpy_backend, pair.forward)(read.copy(), *pair.extra, read)
        return normal(rng, dtype, *read.shape), read, *pair.extra, blank(dtype, *read.shape)

    gradient = _pair_gradient(pair, x(np.random.default_rng(0)).shape) if slope else None
    _row(pair.forward, label, forward, "out", size=size, rtol=pair.rtol, atol=pair.atol)
    atol = pair.backward_atol
    _row(pair.backward, label, backward, "grad_x", size=size, gradient=gradient, rtol=pair.rtol, atol=atol)


def _draw(shape: tuple[int, ...], scale: float = 1.0) -> Callable[[Generator], Array]:
    return lambda rng: rng.standard_normal(shape) * scale


NASTY = np.array(
    [0.0, -0.0, 1.0, -1.0, 1e-20, -1e-20, 20.0, -20.0, 88.0, -87.0, 110.0, -110.0, 800.0, -800.0, 3e38, -3e38]
)
NOT_FINITE = np.array([np.inf, -np.inf, np.nan, 1.0, 0.5])


def _softmax_rows() -> None:
    inf, nan = np.inf, np.nan
    nasty = np.array(
        [
            [-inf, 0, 0, 1, 2],
            [-inf, -inf, -inf, -inf, -inf],
            [inf, 0, 1, 2, 3],
            [inf, -inf, inf, 0, 1],
            [0, nan, 1, 2, 3],
            [-inf, nan, -inf, 2, 3],
            [3e38, -3e38, 0, 1, 2],
            [-3e38, -3e38, -3e38, -3e38, -3e38],
            [1e4, 1e4 + 1, 1e4, -1e4, 0],
        ]
    )
    for pair in (
        Pair("softmax_forward", "softmax_backward", "out", rtol=64, backward_atol=8),
        Pair("log_softmax_forward", "log_softmax_backward", "out", rtol=64, atol=32, backward_atol=64),
    ):
        for m, n, size in ((64, 10, "small"), (128, 1000, "small"), (2048, 2048, "large")):
            _pair_rows(pair, f"{m}x{n}", _draw((m, n), 3), size, slope=n == 10)
        for m, n in ((0, 5), (3, 0), (1, 1), (5, 1), (3, 2), (2, 17), (1, 33), (301, 3)):
            _pair_rows(pair, f"{m}x{n}", _draw((m, n)), slope=n == 17)
        _pair_rows(pair, "nasty", lambda rng: nasty)
        _pair_rows(pair, "nasty-wide", lambda rng: np.concatenate([nasty, np.full((9, 61), -1e30)], axis=1))


def _elementwise_rows() -> None:
    for pair in (
        Pair("relu_forward", "relu_backward", "out"),
        Pair("leaky_relu_forward", "leaky_relu_backward", "x", (0.01,)),
        Pair("sigmoid_forward", "sigmoid_backward", "out"),
        Pair("tanh_forward", "tanh_backward", "out", backward_atol=8),  # 1 - out * out cancels near 1
    ):
        _pair_rows(pair, "64x128", _draw((64, 128)), "small")
        _pair_rows(pair, "1000x1000", _draw((1000, 1000)), "large")
        for odd in ((0,), (1,), (7,), (5, 3), (2, 3, 43)):
            _pair_rows(pair, "x".join(map(str, odd)), _draw(odd, 4), slope=True)
        _pair_rows(pair, "nasty", lambda rng: np.concatenate([NASTY, NOT_FINITE]))

    def exp(label: str, x: Callable[[Generator], Array], size: str | None = None) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            values = x(rng).astype(dtype)
            return values, blank(dtype, *values.shape)

        _row("exp_forward", label, make, "out", size=size)

    def copy(label: str, shape: tuple[int, ...], size: str | None = None) -> None:
        _row(
            "copy",
            label,
            lambda rng, dtype: (normal(rng, dtype, *shape), blank(dtype, *shape)),
            "out",
            rtol=0,
            size=size,
        )

    sizes: dict[tuple[int, int], str | None]
    sizes = {(64, 128): "small", (1000, 1000): "large", (0, 3): None, (5, 7): None}
    for shape, size in sizes.items():
        exp(f"{shape[0]}x{shape[1]}", _draw(shape, 10), size)
        copy(f"{shape[0]}x{shape[1]}", shape, size)
    exp("nasty", lambda rng: np.concatenate([NASTY, NOT_FINITE]))

    def binary(kernel: str, label: str, a: tuple[int, ...], b: tuple[int, ...], size: str | None = None) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            return normal(rng, dtype, *a), normal(rng, dtype, *b), blank(dtype, *np.broadcast_shapes(a, b))

        _row(kernel, label, make, "out", rtol=1, size=size)

    def nasty(rng: Generator, dtype: DTypeLike) -> Arguments:
        values = np.concatenate([NASTY, NOT_FINITE]).astype(dtype)
        n = len(values)
        return values.reshape(1, n, 1), values.reshape(1, 1, n), blank(dtype, 1, n, n)

    for kernel in ("add", "sub", "mul", "div"):
        binary(kernel, "10", (1, 1, 10), (1, 1, 10), "small")
        binary(kernel, "1000x1000", (1, 1, 1_000_000), (1, 1, 1_000_000), "large")
        binary(kernel, "1000x1000+1000", (1, 1000, 1000), (1, 1, 1000), "large")
        binary(kernel, "1000x1+1000x1000", (1, 1000, 1), (1, 1000, 1000), "large")
        binary(kernel, "scalar", (1, 1, 1), (2, 3, 37))
        binary(kernel, "2x1x4+1x3x1", (2, 1, 4), (2, 3, 1))
        binary(kernel, "middle", (3, 5, 7), (3, 1, 7))
        binary(kernel, "ends", (1, 5, 1), (3, 5, 7))
        binary(kernel, "empty", (2, 0, 3), (2, 1, 3))
        binary(kernel, "one", (1, 1, 1), (1, 1, 1))
        _row(kernel, "nasty", nasty, "out", rtol=1)


# ----------------------------------------------------------------------------------------------- loss


class Loss(NamedTuple):
    """What a cross-entropy is asked for."""

    m: int
    n: int
    reduction: str = "mean"
    smoothing: float = 0.0
    weighted: bool = False
    ignored: int = 0  # the first so many targets
    grad: bool = True


def _loss_inputs(loss: Loss, rng: Generator, dtype: DTypeLike) -> tuple[Array, Array, Array | None]:
    target = rng.integers(0, max(loss.n, 1), loss.m)
    target[: loss.ignored] = -100
    weight = rng.uniform(0.5, 2, loss.n).astype(dtype) if loss.weighted else None
    return normal(rng, dtype, loss.m, loss.n) * np.asarray(3, dtype), target, weight


def _loss_gradient(loss: Loss) -> Callable[[Any, Generator], Gradient]:
    def build(backend: Any, rng: Generator) -> Gradient:
        logits, target, weight = _loss_inputs(loss, rng, "f8")

        def run(logits: Array) -> tuple[float, Array]:
            losses, grad = blank("f8", loss.m), blank("f8", loss.m, loss.n)
            options = -100, loss.smoothing, loss.reduction
            value = backend.cross_entropy_forward(logits, target, weight, *options, losses, grad)
            return float(losses.sum()) if loss.reduction == "none" else value, grad

        return Gradient([logits], lambda values: run(values[0])[0], lambda: [run(logits)[1]])

    return build


def _loss_rows() -> None:
    def row(label: str, loss: Loss, size: str | None = None, nasty: bool = False) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            logits, target, weight = _loss_inputs(loss, rng, dtype)
            if nasty:
                logits[0, 0], logits[1, 1], logits[2, 2], logits[3], target[3] = np.nan, np.inf, -np.inf, -np.inf, 0
                logits[4, 0], logits[4, 1], logits[5, 0] = 3e38, -3e38, np.nan
                target[5] = -100
            grad = blank(dtype, loss.m, loss.n) if loss.grad else None
            return logits, target, weight, -100, loss.smoothing, loss.reduction, blank(dtype, loss.m), grad

        gradient = _loss_gradient(loss) if loss.grad and 0 < loss.m * loss.n < 1000 and loss.ignored < loss.m else None
        _row("cross_entropy_forward", label, make, "losses grad", rtol=64, atol=64, size=size, gradient=gradient)

    row("64x10", Loss(64, 10), "small")
    row("256x1000", Loss(256, 1000), "large")
    for reduction in ("none", "sum", "mean"):
        row(f"{reduction}-plain", Loss(7, 5, reduction))
        row(f"{reduction}-all", Loss(9, 17, reduction, smoothing=0.1, weighted=True, ignored=3))
    row("no-grad", Loss(8, 6, grad=False, weighted=True))
    row("all-ignored", Loss(4, 3, ignored=4))
    row("no-rows", Loss(0, 3))
    row("no-rows-sum", Loss(0, 3, "sum"))
    row("one", Loss(1, 1))
    row("nasty", Loss(8, 19, "sum"), nasty=True)


# ----------------------------------------------------------------------------------------------- reduce


def _sum_rows() -> None:
    for label, shape, size in (
        ("1000x1000-rows", (1, 1000, 1000), "large"),
        ("1000x1000-columns", (1000, 1000, 1), "large"),
        ("1000000-all", (1, 1_000_000, 1), "large"),
        ("64x128-rows", (1, 64, 128), "small"),
        ("none", (3, 0, 4), None),
        ("no-outer", (0, 3, 4), None),
        ("no-inner", (3, 4, 0), None),
        ("one", (1, 1, 1), None),
        ("middle", (3, 65, 7), None),
        ("odd", (2, 1023, 33), None),
    ):
        make = lambda rng, dtype, s=shape: (normal(rng, dtype, *s), blank(dtype, s[0], s[2]))  # noqa: E731 - one row
        # Rounding of a sum of normal terms: in proportion to the size of the partial sums.
        _row("sum_forward", label, make, "out", rtol=8, atol=4 * max(shape[1], 1) ** 0.5, size=size)

    def absorbed(shape: tuple[int, int, int]) -> Callable[[Generator, DTypeLike], Arguments]:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            x = np.ones(shape, dtype)
            x[:, 0] = 2**24  # a lone float32 accumulator would stay there
            return x, blank(dtype, shape[0], shape[2])

        return make

    for shape in ((1, 100_001, 1), (1, 100_001, 2), (2, 30_001, 17)):
        _row("sum_forward", f"absorbed-{shape}", absorbed(shape), "out", rtol=16)

    def nasty(rng: Generator, dtype: DTypeLike) -> Arguments:
        x = normal(rng, dtype, 4, 70, 3)
        x[0, 3, 0], x[1, 3, 0], x[1, 66, 0], x[2, 69, 2], x[3, 0, 1] = np.nan, np.inf, -np.inf, -np.inf, np.inf
        return x, blank(dtype, 4, 3)

    _row("sum_forward", "nasty", nasty, "out", rtol=8, atol=64)


# ----------------------------------------------------------------------------------------------- dropout


def _dropout_rows() -> None:
    def gradient(shape: tuple[int, ...], p: float) -> Callable[[Any, Generator], Gradient]:
        def build(backend: Any, rng: Generator) -> Gradient:
            x, seed, mask = normal(rng, "f8", *shape), normal(rng, "f8", *shape), np.full(shape, 77, np.uint8)

            def forward(x: Array) -> Array:
                out = blank("f8", *shape)
                backend.dropout_forward(x, p, 5, 6, out, mask)
                return out

            def gradients() -> list[Array]:
                forward(x)
                grad_x = blank("f8", *shape)
                backend.dropout_backward(seed, mask, p, grad_x)
                return [grad_x]

            return Gradient([x], lambda values: float((forward(values[0]) * seed).sum()), gradients)

        return build

    def row(shape: tuple[int, ...], p: float, size: str | None = None, nasty: bool = False, offset: int = 3) -> None:
        def forward(rng: Generator, dtype: DTypeLike) -> Arguments:
            x = normal(rng, dtype, *shape)
            if nasty:
                x.flat[::3], x.flat[1::3] = np.inf, np.nan
            return x, p, 2**40 + 12345, offset, blank(dtype, *shape), np.full(shape, 77, np.uint8)

        def backward(rng: Generator, dtype: DTypeLike) -> Arguments:
            return normal(rng, dtype, *shape), (rng.random(shape) >= p).astype(np.uint8), p, blank(dtype, *shape)

        label = f"{'x'.join(map(str, shape))}-{p}" + ("-nasty" if nasty else "") + (f"-{offset}" if offset != 3 else "")
        _row("dropout_forward", label, forward, "out mask", size=size)
        slope = gradient(shape, p) if np.prod(shape) < 1000 else None
        _row("dropout_backward", label, backward, "grad_x", size=size, gradient=slope)

    row((64, 128), 0.5, "small")
    row((1000, 1000), 0.5, "large")
    for p in (0.0, 0.1, 0.999):
        row((7, 9), p)
    for shape in ((0,), (1,), (3,), (5,)):
        row(shape, 0.3)
    row((11, 3), 0.5, nasty=True)
    row((4, 33), 0.5, offset=2**32 - 5)  # the counter carries into its second word


# ----------------------------------------------------------------------------------------------- optim


def _optim_rows() -> None:
    def arrays(rng: Generator, dtype: DTypeLike, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
        return [normal(rng, dtype, *shape) for shape in shapes]

    few = [(3, 4), (7,), (0,), (1,), (2, 3, 5)]
    big, many = [(1_000_000,)], [(1000,)] * 100

    def sgd(
        label: str,
        shapes: Sequence[tuple[int, ...]],
        options: tuple[float, float, float, bool, bool],  # momentum, dampening, weight_decay, nesterov, maximize
        size: str | None = None,
    ) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            params, grads, buffers = (arrays(rng, dtype, shapes) for _ in range(3))
            initialized = [i % 2 == 0 for i in range(len(shapes))]
            return params, grads, buffers if options[0] else None, initialized, 0.1, *options

        _row("sgd_step", label, make, "params momentum_buffers", rtol=16, atol=16, size=size)

    sgd("1x1M", big, (0.9, 0.0, 0.0, False, False), "large")
    sgd("100x1k", many, (0.9, 0.0, 0.0, False, False), "small")
    sgd("plain", few, (0.0, 0.0, 0.0, False, False))
    sgd("decay-maximize", few, (0.0, 0.0, 0.01, False, True))
    sgd("momentum", few, (0.9, 0.1, 0.01, False, False))
    sgd("nesterov", few, (0.8, 0.0, 0.01, True, True))
    sgd("none", [], (0.9, 0.0, 0.0, False, False))

    def adam(
        label: str,
        shapes: Sequence[tuple[int, ...]],
        decay: float = 0.0,
        decoupled: bool = False,
        maximize: bool = False,
        amsgrad: bool = False,
        size: str | None = None,
    ) -> None:
        def make(rng: Generator, dtype: DTypeLike) -> Arguments:
            params, grads, means = (arrays(rng, dtype, shapes) for _ in range(3))
            squares, largest = ([np.abs(v) for v in arrays(rng, dtype, shapes)] for _ in range(2))
            steps = [1 + 3 * i for i in range(len(shapes))]
            state = means, squares, largest if amsgrad else None, steps
            return params, grads, *state, 1e-2, 0.9, 0.999, 1e-8, decay, decoupled, maximize

        _row("adam_step", label, make, "params exp_avgs exp_avg_sqs max_exp_avg_sqs", rtol=32, atol=32, size=size)

    adam("1x1M", big, size="large")
    adam("100x1k", many, size="small")
    adam("plain", few)
    adam("decay", few, 0.01)
    adam("decoupled", few, 0.01, decoupled=True, maximize=True)
    adam("amsgrad", few, 0.01, amsgrad=True)
    adam("none", [])


for _rows in (
    _matmul_rows,
    _linear_rows,
    _softmax_rows,
    _elementwise_rows,
    _loss_rows,
    _sum_rows,
    _dropout_rows,
    _optim_rows,
):
    _rows()
