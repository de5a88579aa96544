"""Arithmetic, comparisons, functions of one tensor, choosing and products, against NumPy and against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn as fw

NASTY = [0.0, -0.0, 1.0, -1.5, 2.0, 3.5, -7.0, 1e-30, 1e30, np.inf, -np.inf, np.nan]

# name -> (function of the library, how many tensors)
FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    **{
        name: (lambda fw, x, name=name: getattr(fw, name)(x), 1)
        for name in (
            "abs",
            "acos",
            "acosh",
            "asin",
            "asinh",
            "atan",
            "atanh",
            "ceil",
            "cos",
            "cosh",
            "exp",
            "exp2",
            "expm1",
            "floor",
            "frac",
            "isfinite",
            "isinf",
            "isnan",
            "log",
            "log10",
            "log1p",
            "log2",
            "logical_not",
            "neg",
            "reciprocal",
            "relu",
            "round",
            "rsqrt",
            "sigmoid",
            "sign",
            "sin",
            "sinh",
            "sqrt",
            "square",
            "tan",
            "tanh",
            "trunc",
        )
    },
    **{
        name: (lambda fw, x, y, name=name: getattr(fw, name)(x, y), 2)
        for name in (
            "add",
            "sub",
            "mul",
            "div",
            "floor_divide",
            "remainder",
            "fmod",
            "pow",
            "maximum",
            "minimum",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "logical_and",
            "logical_or",
            "logical_xor",
        )
    },
    "add-alpha": (lambda fw, x, y: fw.add(x, y, alpha=2), 2),
    "div-floor": (lambda fw, x, y: fw.div(x, y, rounding_mode="floor"), 2),
    "div-trunc": (lambda fw, x, y: fw.div(x, y, rounding_mode="trunc"), 2),
    "where": (lambda fw, x, y: fw.where(x > y, x, y), 2),
    "clamp": (lambda fw, x: fw.clamp(x, -1, 2), 1),
    "clamp-tensors": (lambda fw, x, y: fw.clamp(x, min=y), 2),
    "clamp-max": (lambda fw, x: x.clamp(max=0.5), 1),
    "plus-number": (lambda fw, x: x + 2.5, 1),
    "number-minus": (lambda fw, x: 3 - x, 1),
    "number-over": (lambda fw, x: 1.0 / x, 1),
    "times-int": (lambda fw, x: x * 3, 1),
    "power": (lambda fw, x: x**2, 1),
    "power-half": (lambda fw, x: x**0.5, 1),
    "number-power": (lambda fw, x: 2**x, 1),
    "mod": (lambda fw, x: x % 3, 1),
    "floordiv": (lambda fw, x: x // 2, 1),
    "leaky_relu": (lambda fw, x: fw.nn.functional.leaky_relu(x, 0.2), 1),
    "isclose": (lambda fw, x, y: fw.isclose(x, y), 2),
}

DTYPES = ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]


def values(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype == "uint8":
        return rng.integers(1, 9, shape).astype(dtype)
    if dtype.startswith("int"):
        return rng.choice([-7, -3, -1, 1, 2, 5], shape).astype(dtype)
    with np.errstate(over="ignore"):
        return rng.choice(NASTY, shape).astype(dtype)


def outcome(run: Callable[[], Any]) -> Any:
    """The result as an array, or the kind of error."""
    try:
        result = run()
    except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError) as error:
        return type(error)
    return np.array(result.tolist() if result.ndim == 0 else result.detach().numpy()), str(result.dtype).split(".")[1]


@pytest.mark.peer
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("first", DTYPES)
def test_values_and_dtypes_are_pytorchs(name: str, first: str) -> None:
    torch = pytest.importorskip("torch")
    _, count = FUNCTIONS[name]
    if (name, first) == ("clamp", "uint8"):
        pytest.skip("PyTorch wraps the bound -1 to 255; here it is 0, uint8's limit")
    for second in ("float32", "int64", "bool")[: 1 if count == 1 else 3]:
        compare_with(torch, name, first, second)


def compare_with(torch: Any, name: str, first: str, second: str) -> None:
    function, count = FUNCTIONS[name]
    x, y = values(first, (13, 5), 1), values(second, (5,), 2)
    ours = outcome(lambda: function(fw, *[fw.from_numpy(a) for a in (x, y)[:count]]))
    theirs = outcome(lambda: function(torch, *[torch.from_numpy(a) for a in (x, y)[:count]]))
    if isinstance(theirs, type) or isinstance(ours, type):
        if isinstance(ours, tuple) and name in ("relu", "leaky_relu"):
            return  # PyTorch has no kernel for it
        assert isinstance(ours, type) and isinstance(theirs, type), (ours, theirs)
        return
    assert ours[1] == theirs[1], f"dtype {ours[1]}, PyTorch's is {theirs[1]}"
    tolerance = 2e-3 if "float16" in (first, ours[1]) else 2e-6
    np.testing.assert_allclose(ours[0].astype(float), theirs[0].astype(float), rtol=tolerance, atol=1e-44)


SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((), ()), ((3,), ()), ((0,), (1,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((4, 1, 3), (2, 1)), ((200, 300), (300,)),
    ((200, 300), (200, 1)), ((5, 1, 7, 1), (5, 6, 1, 8)), ((50, 60, 7), (50, 1, 7)), ((0, 3), (3,)),
]  # fmt: skip


@pytest.mark.parametrize("op", ["add", "sub", "mul", "div"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_broadcast(op: str, shapes: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(1, 9, s).astype(dtype) for s in shapes)
    want = getattr(np, {"add": "add", "sub": "subtract", "mul": "multiply", "div": "true_divide"}[op])(x, y)
    for a, b in ((x, y), (x.T.copy().T, y)):
        got = getattr(fw, op)(fw.from_numpy(a), fw.from_numpy(b))
        assert got.shape == want.shape
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)


def test_shapes_that_do_not_broadcast() -> None:
    for n in (3, 30_000):
        with pytest.raises(RuntimeError, match="must match the size of tensor b"):
            fw.ones(n, 2) + fw.ones(n, 5)


def test_views_of_every_kind_are_read_rightly() -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    for view in (base[::-1], base[:, ::-2], base.T, base[1:3, 2:5], np.broadcast_to(base[0], (3, 6)), base[:0]):
        t = fw.from_numpy(view)
        np.testing.assert_array_equal((t + 1).numpy(), view + 1)
        np.testing.assert_array_equal((t * t).numpy(), view * view)
        np.testing.assert_allclose(t.exp().numpy(), np.exp(view), rtol=1e-6)
        np.testing.assert_array_equal(fw.relu(t - 5).numpy(), np.maximum(view - 5, 0))


def test_float_division_of_integers_and_python_signs() -> None:
    assert (fw.tensor([3]) / 2).numpy().tolist() == [1.5]
    assert (fw.tensor([-3]) // 2).numpy().tolist() == [-2] and (fw.tensor([-3]) % 2).numpy().tolist() == [1]
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        fw.tensor([1]) // 0
    with pytest.raises(RuntimeError, match="negative integer powers"):
        fw.tensor([2]) ** -1


def test_in_place_forms() -> None:
    x = fw.tensor([1.0, 4.0])
    memory = x.numpy()
    x += 1
    x *= 2
    x -= fw.tensor([0.0, 1.0])
    x /= 2
    x.sqrt_().neg_().clamp_(-2, -1.5)
    np.testing.assert_allclose(memory, [-1.5, -2.0])
    assert x.numpy() is memory
    with pytest.raises(RuntimeError, match="broadcast shape"):
        x += fw.ones(3, 2)
    counts = fw.tensor([1, 2])
    with pytest.raises(RuntimeError, match="can't be cast"):
        counts += 0.5
    with pytest.raises(RuntimeError, match="can't be cast"):
        counts /= 2
    assert counts.tolist() == [1, 2] and memory.tolist() == [-1.5, -2.0]


def test_numpy_arrays_and_scalars_mix() -> None:
    x = fw.ones(3)
    assert isinstance(np.ones(3, np.float32) + x, fw.Tensor)
    assert (x + np.float32(2)).tolist() == [3, 3, 3]
    assert np.asarray(x).base is None or np.shares_memory(np.asarray(x), x.numpy())
    with pytest.raises(TypeError):
        x + "1"


MATRICES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)),
    ((2, 0), (0, 4)), ((0, 3), (3, 4)), ((0, 2, 3), (3, 4)), ((70, 33), (33, 65)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", MATRICES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "float16"])
def test_matmul(shapes: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-4, 5, s).astype(dtype) for s in shapes)
    want = np.matmul(x, y)
    got = fw.from_numpy(x) @ fw.from_numpy(y)
    assert got.shape == want.shape and got.dtype.to_numpy == dtype
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)
    if x.ndim > 1 and y.ndim > 1:  # operands whose transposes are dense
        xt = fw.from_numpy(np.ascontiguousarray(x.swapaxes(-1, -2))).transpose(-1, -2)
        yt = fw.from_numpy(np.ascontiguousarray(y.swapaxes(-1, -2))).transpose(-1, -2)
        np.testing.assert_allclose((xt @ yt).numpy(), want, rtol=1e-6)


@pytest.mark.parametrize("shapes", [s for s in MATRICES if 0 not in s[0] and s[0][0] != 70], ids=str)
def test_matmul_gradients(shapes: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = (fw.tensor(rng.standard_normal(s), requires_grad=True) for s in shapes)
    assert fw.autograd.gradcheck(fw.matmul, (a, b), fast_mode=True)
    assert fw.autograd.gradgradcheck(fw.matmul, (a, b), fast_mode=True)


def test_products_that_do_not_fit() -> None:
    for a, b in (((2, 3), (4, 5)), ((2, 3), (2,)), ((), (2,)), ((2, 2, 3), (3, 3, 4)), ((3,), (4,))):
        with pytest.raises(RuntimeError):
            fw.ones(a) @ fw.ones(b)
    with pytest.raises(RuntimeError, match="dtype"):
        fw.ones(2, 2) @ fw.ones(2, 2, dtype=fw.float64)
    with pytest.raises(RuntimeError, match="2-D"):
        fw.mm(fw.ones(2), fw.ones(2, 2))
    with pytest.raises(RuntimeError, match="batch"):
        fw.bmm(fw.ones(2, 2, 2), fw.ones(3, 2, 2))


def test_linear_errors_name_the_argument() -> None:
    F = fw.nn.functional
    w, b = fw.ones(4, 3), fw.ones(4)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        F.linear(fw.ones(2, 5), w, b)
    with pytest.raises(RuntimeError, match="same dtype"):
        F.linear(fw.ones(2, 3, dtype=fw.float64), w, b)
    with pytest.raises(RuntimeError, match="bias has shape"):
        F.linear(fw.ones(2, 3), w, fw.ones(5))
    with pytest.raises(RuntimeError, match="bias has dtype"):
        F.linear(fw.ones(2, 3), w, fw.ones(4, dtype=fw.float64))
    with pytest.raises(TypeError, match="must be Tensor"):
        F.linear(np.ones((2, 3)), w, b)
    with pytest.raises(TypeError, match="argument 'bias' must be Tensor, not ndarray"):
        F.linear(fw.ones(2, 3), w, np.ones(4, np.float32))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 3), (2, 0, 3), (5, 2, 3)], ids=str)
def test_linear_of_any_leading_shape(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal(shape), rng.standard_normal((4, 3)), rng.standard_normal(4)
    got = fw.nn.functional.linear(fw.from_numpy(x), fw.from_numpy(w), fw.from_numpy(b))
    np.testing.assert_allclose(got.numpy(), x @ w.T + b, rtol=1e-12)
    t = fw.from_numpy(x).requires_grad_()
    fw.nn.functional.linear(t, fw.from_numpy(w)).sum().backward()
    assert t.grad.shape == shape
