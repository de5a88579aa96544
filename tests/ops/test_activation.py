"""Activations: formulas in float64, gradients by differences, limits at the ends, and PyTorch with every option."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from op_cases import INF, NAN, Case, check_gradient, check_peer, check_value, ids, normal

import fastnn as fw
from fastnn.nn import functional as F

X = normal(5, 7) * 3
KINKED = X + np.sign(X) * 0.05  # 0.05 from 0; the other kinks are at places that X does not come near


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def phi(x: Any) -> Any:
    return np.vectorize(math.erf)(x / math.sqrt(2)) / 2 + 0.5


def f(name: str, *args: Any, **options: Any) -> Any:
    return lambda fw, *tensors: getattr(fw.nn.functional, name)(*tensors, *args, **options)


CASES = [
    Case("gelu", f("gelu"), (X,), lambda x: x * phi(x)),
    Case(
        "gelu-tanh",
        f("gelu", approximate="tanh"),
        (X,),
        lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    Case("silu", f("silu"), (X,), lambda x: x * sigmoid(x)),
    Case("mish", f("mish"), (X,), lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    Case("elu", f("elu", 1.5), (X,), lambda x: np.where(x > 0, x, 1.5 * np.expm1(x)), twice=False),
    Case("elu-negative", f("elu", -0.5), (X,), lambda x: np.where(x > 0, x, -0.5 * np.expm1(x)), twice=False),
    Case(
        "selu",
        f("selu"),
        (KINKED,),
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    ),
    Case("celu", f("celu", 0.7), (X,), lambda x: np.where(x > 0, x, 0.7 * np.expm1(x / 0.7)), twice=False),
    Case("celu-negative", f("celu", -2.0), (X,), lambda x: np.where(x > 0, x, -2 * np.expm1(x / -2)), twice=False),
    Case("softplus", f("softplus"), (X,), lambda x: np.log1p(np.exp(x))),
    Case("softplus-beta", f("softplus", 2.5, 30), (X,), lambda x: np.log1p(np.exp(2.5 * x)) / 2.5),
    Case("logsigmoid", f("logsigmoid"), (X,), lambda x: -np.log1p(np.exp(-x))),
    Case("softsign", f("softsign"), (KINKED,), lambda x: x / (1 + np.abs(x))),
    Case("tanhshrink", f("tanhshrink"), (X,), lambda x: x - np.tanh(x)),
    Case("hardswish", f("hardswish"), (X,), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    Case("hardsigmoid", f("hardsigmoid"), (X,), lambda x: np.clip(x + 3, 0, 6) / 6),
    Case("hardtanh", f("hardtanh", -1.5, 0.75), (X,), lambda x: np.clip(x, -1.5, 0.75)),
    Case("relu6", f("relu6"), (KINKED,), lambda x: np.clip(x, 0, 6)),
    Case("softshrink", f("softshrink", 0.4), (X,), lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.4, 0)),
    Case("hardshrink", f("hardshrink", 0.4), (X,), lambda x: np.where(np.abs(x) > 0.4, x, 0)),
    Case("threshold", f("threshold", 0.3, -2.0), (X,), lambda x: np.where(x > 0.3, x, -2)),
    Case("prelu", f("prelu"), (KINKED, np.array([0.2])), lambda x, w: np.where(x > 0, x, 0.2 * x)),
    Case(
        "prelu-channels",
        f("prelu"),
        (KINKED.reshape(5, 7), normal(7, seed=3)),
        lambda x, w: np.where(x > 0, x, w * x),
    ),
    Case("prelu-vector", f("prelu"), (KINKED[0], np.array([0.2])), lambda x, w: np.where(x > 0, x, 0.2 * x)),
    Case("rrelu", f("rrelu", 0.1, 0.5), (KINKED,), lambda x: np.where(x > 0, x, 0.3 * x)),
    Case("glu", f("glu"), (X[:, :6],), lambda x: x[:, :3] * sigmoid(x[:, 3:])),
    Case("glu-0", f("glu", 0), (X[:4],), lambda x: x[:2] * sigmoid(x[2:])),
    Case("softmin", f("softmin", 1), (X,), lambda x: np.exp(-x) / np.exp(-x).sum(1, keepdims=True)),
    Case("leaky_relu", f("leaky_relu", 0.2), (KINKED,), lambda x: np.where(x > 0, x, 0.2 * x)),
    Case("erf", lambda fw, x: fw.erf(x), (X,), np.vectorize(math.erf)),
    Case("log", lambda fw, x: fw.log(x), (np.abs(X) + 0.1,), np.log),
    Case("sqrt", lambda fw, x: fw.sqrt(x), (np.abs(X) + 0.1,), np.sqrt),
    Case("clamp", lambda fw, x: x.clamp(-0.5, 1.25), (X,), lambda x: np.clip(x, -0.5, 1.25)),
    Case("clamp-low", lambda fw, x: x.clamp(min=-0.5), (X,), lambda x: np.maximum(x, -0.5)),
]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_values(case: Case) -> None:
    check_value(case)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_gradients(case: Case) -> None:
    check_gradient(case)


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_peer(case: Case, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    if dtype == "float64" and case.name in ("celu", "hardsigmoid"):
        pytest.skip("PyTorch rounds 1 / alpha and 1 / 6 to float32")
    if dtype == "float16":
        compare_halves(case, torch)
    else:
        check_peer(case, torch, dtype)


def compare_halves(case: Case, torch: Any) -> None:
    arrays = [a.astype(np.float16) for a in case.arrays]
    ours = case.call(fw, *map(fw.from_numpy, arrays))
    theirs = case.call(torch, *map(torch.from_numpy, arrays))
    assert ours.dtype is fw.float16
    np.testing.assert_allclose(ours.numpy().astype(float), theirs.float().numpy(), rtol=2e-3, atol=2e-3)


KINKS = np.array([0.0, -0.0, -3.0, 3.0, 6.0, -6.0, 0.5, -0.5, 1.0, -1.0, INF, -INF, NAN, 1e-30, 20.0, 21.0], np.float32)
# PyTorch has 0 * inf there, and NaN; here it is the limit.
BETTER = {"gelu", "gelu-tanh", "silu", "mish", "softsign", "hardswish", "tanhshrink", "softmin", "celu-negative"}


@pytest.mark.peer
@pytest.mark.parametrize("case", [c for c in CASES if c.arrays[0] is X or c.arrays[0] is KINKED], ids=ids)
def test_kinks_and_ends_are_pytorchs(case: Case) -> None:
    torch = pytest.importorskip("torch")
    if case.name.startswith("softmin"):
        pytest.skip("its rows are tests of softmax")
    rest = [a.astype(np.float32) for a in case.arrays[1:]]
    if any(a.size > 1 for a in rest):
        pytest.skip("one element against several channels")
    results = []
    for lib in (fw, torch):
        x = lib.tensor(KINKS.tolist(), requires_grad=True)
        y = case.call(lib, x, *map(lib.from_numpy, rest))
        y.sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy()))
    for ours, theirs in zip(*results, strict=True):
        known = ~(np.isnan(theirs) & ~np.isnan(KINKS)) if case.name in BETTER else np.ones(KINKS.shape, bool)
        np.testing.assert_allclose(ours[known], theirs[known], rtol=1e-5, atol=1e-6)


LIMITS = {  # name: (options, values at -inf and inf, slopes there)
    "gelu": ({}, (0, INF), (0, 1)),
    "gelu-tanh": ({"approximate": "tanh"}, (0, INF), (0, 1)),
    "silu": ({}, (0, INF), (0, 1)),
    "mish": ({}, (0, INF), (0, 1)),
    "softplus": ({}, (0, INF), (0, 1)),
    "logsigmoid": ({}, (-INF, 0), (1, 0)),
    "elu": ({}, (-1, INF), (0, 1)),
    "celu": ({}, (-1, INF), (0, 1)),
    "softsign": ({}, (-1, 1), (0, 0)),
    "tanhshrink": ({}, (-INF, INF), (1, 1)),
    "hardswish": ({}, (0, INF), (0, 1)),
    "hardsigmoid": ({}, (0, 1), (0, 0)),
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("dtype", [fw.float32, fw.float64])
@pytest.mark.parametrize("twice", [False, True])
def test_the_ends_are_the_limits(name: str, dtype: Any, twice: bool) -> None:
    options, values, slopes = LIMITS[name]
    far = 1e20  # beyond where squares and cubes overflow
    x = fw.tensor([-INF, INF, -far, far, NAN] * 5, dtype=dtype, requires_grad=True)
    y = getattr(F, name.split("-")[0])(x, **options)
    finite = [v if abs(v) < INF else math.copysign(far, v) for v in values]
    np.testing.assert_allclose(y.detach().numpy().reshape(5, 5)[:, :4], [[*values, *finite]] * 5, rtol=1e-6)
    (grad,) = fw.autograd.grad(y.sum(), x, create_graph=twice)
    np.testing.assert_allclose(grad.detach().numpy().reshape(5, 5)[:, :4], [[*slopes, *slopes]] * 5, atol=1e-12)
    assert np.isnan(y.detach().numpy()[4::5]).all()


IN_PLACE = [
    ("silu", ()), ("mish", ()), ("elu", (0.5,)), ("selu", ()), ("celu", (0.5,)), ("hardtanh", (-1.0, 0.5)),
    ("relu6", ()), ("hardswish", ()), ("hardsigmoid", ()), ("threshold", (0.1, 2.0)), ("leaky_relu", (0.1,)),
    ("relu", ()), ("rrelu", (0.1, 0.3, False)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), IN_PLACE, ids=[name for name, _ in IN_PLACE])
def test_in_place(name: str, args: tuple[Any, ...]) -> None:
    function = getattr(F, name)
    first = fw.tensor(X.astype(np.float32), requires_grad=True)
    second = fw.tensor(X.astype(np.float32), requires_grad=True)
    want = function(first * 1, *args)
    middle = second * 1
    memory = middle.data_ptr()
    have = function(middle, *args, inplace=True)
    assert have is middle and have.data_ptr() == memory
    np.testing.assert_array_equal(have.detach().numpy(), want.detach().numpy())
    want.sum().backward()
    have.sum().backward()
    np.testing.assert_array_equal(second.grad.numpy(), first.grad.numpy())


@pytest.mark.parametrize("name", ["elu_", "selu_", "celu_", "hardtanh_", "leaky_relu_", "rrelu_", "relu_"])
def test_in_place_names(name: str) -> None:
    x = fw.tensor([-1.0, 0.5, 2.0])
    want = getattr(F, name[:-1])(x)
    assert getattr(F, name)(x) is x
    np.testing.assert_array_equal(x.numpy(), want.numpy())


def test_functions_of_one_tensor_in_place_keep_what_their_gradient_reads() -> None:
    for name in ("sin_", "log_", "abs_", "square_", "cos_"):
        x = fw.tensor([0.5, 2.0], requires_grad=True)
        getattr(x * 1, name)().sum().backward()
        z = fw.tensor([0.5, 2.0], requires_grad=True)
        getattr(z, name[:-1])().sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), z.grad.numpy())
    x = fw.tensor([0.5, 2.0], requires_grad=True)
    (x * 1).clamp_(0, 1).sum().backward()
    assert x.grad.tolist() == [1, 0]


def test_rrelu_in_training() -> None:
    fw.manual_seed(3)
    x = fw.full((10_000,), -2.0, requires_grad=True)
    y = F.rrelu(x, 0.1, 0.4, training=True)
    y.sum().backward()
    factors = x.grad.numpy()
    assert factors.min() >= 0.1 and factors.max() < 0.4 and abs(factors.mean() - 0.25) < 0.005
    np.testing.assert_allclose(y.detach().numpy(), -2 * factors, rtol=1e-6)
    fw.manual_seed(3)
    np.testing.assert_array_equal(F.rrelu(x, 0.1, 0.4, True).detach().numpy(), y.detach().numpy())
    ones = fw.ones(9)
    np.testing.assert_array_equal(F.rrelu(ones, training=True).numpy(), ones.numpy())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: F.gelu(fw.ones(2), approximate="erf"), RuntimeError, "either none or tanh"),
        (lambda: F.gelu(fw.tensor([1])), NotImplementedError, "gelu"),
        (lambda: F.silu(fw.tensor([1])), NotImplementedError, "silu"),
        (lambda: F.celu(fw.ones(2), 0.0), RuntimeError, "alpha cannot be 0"),
        (lambda: F.hardtanh(fw.ones(2), 2.0, 1.0), ValueError, "min_val cannot be greater"),
        (lambda: F.softshrink(fw.ones(2), -1.0), RuntimeError, "lambda"),
        (lambda: F.glu(fw.ones(3)), RuntimeError, "must be even, but dimension 0 is size 3"),
        (lambda: F.glu(fw.tensor(1.0)), RuntimeError, "does not support scalars"),
        (lambda: F.glu(fw.ones(2, 2), 2), IndexError, "out of range"),
        (lambda: F.prelu(fw.ones(1, 2), fw.ones(3)), RuntimeError, "parameter numbers = 3 and channel size = 2"),
        (lambda: F.prelu(fw.tensor([1]), fw.ones(1)), RuntimeError, "Type promoting"),
        (lambda: F.rrelu(fw.ones(2), 0.5, 0.1), RuntimeError, "Lower bound"),
        (lambda: F.silu(np.ones(2)), TypeError, "must be Tensor"),
        (lambda: F.relu6(fw.tensor([True])), RuntimeError, "Bool"),
        (lambda: F.silu(fw.ones(2, requires_grad=True), inplace=True), RuntimeError, "leaf"),
    ],
)
def test_refusals(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_integers() -> None:
    ints = fw.tensor([-7, 1, 9])
    assert F.relu6(ints).tolist() == [0, 1, 6] and F.hardtanh(ints, -2, 3).tolist() == [-2, 1, 3]
    assert F.threshold(ints, 2, 0).tolist() == [0, 0, 9]
    assert F.softsign(ints).dtype is fw.float32 and F.tanhshrink(ints).dtype is fw.float32
    np.testing.assert_allclose(fw.erf(ints).numpy(), [-1, math.erf(1), 1], rtol=1e-6)


ULP = [  # name, arguments, the truth in float64, range, ulp in float32
    ("gelu", lambda x: F.gelu(x), None, 3.0, 12),
    ("silu", lambda x: F.silu(x), lambda x: x * sigmoid(x), 80.0, 4),
    ("sigmoid", lambda x: fw.sigmoid(x), sigmoid, 80.0, 4),
    ("tanh", lambda x: fw.tanh(x), np.tanh, 20.0, 4),
    ("exp", lambda x: fw.exp(x), np.exp, 80.0, 2),
    ("log", lambda x: fw.log(x.abs()), lambda x: np.log(np.abs(x)), 80.0, 2),
    ("erf", lambda x: fw.erf(x), None, 6.0, 4),
    ("softplus", lambda x: F.softplus(x, threshold=100), lambda x: np.logaddexp(0, x), 80.0, 4),
    ("logsigmoid", lambda x: F.logsigmoid(x), lambda x: -np.logaddexp(0, -x), 80.0, 4),
    ("mish", lambda x: F.mish(x), lambda x: x * np.tanh(np.logaddexp(0, x)), 80.0, 6),
    ("elu", lambda x: F.elu(x), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 80.0, 2),
]


@pytest.mark.parametrize(("name", "call", "truth", "limit", "ulp"), ULP, ids=[row[0] for row in ULP])
def test_accuracy_in_ulp(name: str, call: Any, truth: Any, limit: float, ulp: float) -> None:
    for reach in (1.0, limit):
        x = np.random.default_rng(5).uniform(-reach, reach, 200_001).astype(np.float32)
        wide = x.astype(np.float64)
        if name == "erf":
            want = np.vectorize(math.erf)(wide)
        elif name == "gelu":
            want = wide / 2 * np.vectorize(math.erfc)(-wide / math.sqrt(2))
        else:
            want = truth(wide)
        spacing = np.spacing(np.maximum(np.abs(want), np.finfo(np.float32).tiny).astype(np.float32))
        worst = np.max(np.abs(call(fw.from_numpy(x)).numpy() - want) / spacing)
        assert worst <= ulp, f"{name}: {worst:.2f} ulp"
