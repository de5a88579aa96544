"""The special functions and the mathematics of pairs: known values, differences, and PyTorch's values and gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from op_cases import Case, check_gradient, check_peer, check_value, ids, normal

import fastnn

X = normal(3, 4)
Y = normal(3, 4, seed=1)
POSITIVE = np.abs(normal(3, 4, seed=2)) + 0.3
OTHER = np.abs(normal(4, seed=3)) + 0.5
UNIT = np.linspace(0.05, 0.9, 12).reshape(3, 4)
INTS = np.array([[12, -18, 7], [0, 5, 30]])
ZEROS = np.array([0.0, 1.0, -2.0, 0.5])


def exact(function, *arrays):
    """math's function, element by element."""
    return np.vectorize(function)(*arrays)


CASES = [
    Case("erfc", lambda fw, x: fw.erfc(x), (4 * X,), lambda x: exact(math.erfc, x)),
    Case("erfinv", lambda fw, x: fw.erf(fw.erfinv(x)), (UNIT,), lambda x: x),
    Case("erfcx", lambda fw, x: fw.special.erfcx(x), (X,), lambda x: np.exp(x * x) * exact(math.erfc, x)),
    Case("lgamma", lambda fw, x: fw.lgamma(x), (3 * X,), lambda x: exact(math.lgamma, x)),
    Case("digamma", lambda fw, x: fw.digamma(x + 1) - fw.digamma(x), (X,), lambda x: 1 / x),
    Case("polygamma", lambda fw, x: fw.polygamma(1, x + 1) - fw.polygamma(1, x), (POSITIVE,), lambda x: -1 / x**2),
    Case("polygamma_2", lambda fw, x: fw.polygamma(2, x + 1) - fw.polygamma(2, x), (POSITIVE,), lambda x: 2 / x**3),
    Case("mvlgamma", lambda fw, x: fw.mvlgamma(x, 1), (POSITIVE,), lambda x: exact(math.lgamma, x)),
    Case("mvlgamma_3", lambda fw, x: (x + 2).mvlgamma(3), (POSITIVE,)),
    Case("i0", lambda fw, x: fw.i0(x), (3 * X,), np.i0),
    Case("i0e", lambda fw, x: fw.special.i0e(x), (3 * X,), lambda x: np.i0(x) * np.exp(-np.abs(x))),
    Case("i1", lambda fw, x: fw.special.i1(x), (3 * X,)),
    Case("i1e", lambda fw, x: fw.special.i1e(x), (3 * X,)),
    Case("ndtr", lambda fw, x: fw.special.ndtr(x), (X,), lambda x: exact(math.erfc, -x / math.sqrt(2)) / 2),
    Case("ndtri", lambda fw, x: fw.special.ndtr(fw.special.ndtri(x)), (UNIT,), lambda x: x),
    Case(
        "log_ndtr",
        lambda fw, x: fw.special.log_ndtr(4 * x),
        (X,),
        lambda x: np.log(exact(math.erfc, -4 * x / math.sqrt(2)) / 2),
    ),
    Case("entr", lambda fw, x: fw.special.entr(x), (POSITIVE,), lambda x: -x * np.log(x)),
    Case("zeta", lambda fw, x: fw.special.zeta(2.0, x) - fw.special.zeta(2.0, x + 1), (POSITIVE,), lambda x: 1 / x**2),
    Case("igamma", lambda fw, x: fw.igamma(fw.ones_like(x), x), (POSITIVE,), lambda x: 1 - np.exp(-x)),
    Case("igammac", lambda fw, x: fw.igammac(fw.full_like(x, 2), x), (POSITIVE,), lambda x: (1 + x) * np.exp(-x)),
    Case("sinc", lambda fw, x: fw.sinc(x), (np.append(X[0], 0.0),), np.sinc, twice=False),
    Case("logit", lambda fw, x: fw.logit(x), (UNIT,), lambda x: np.log(x / (1 - x))),
    Case("logit_eps", lambda fw, x: fw.logit(x, 0.2), (UNIT,), twice=False),
    Case("deg2rad", lambda fw, x: x.deg2rad(), (X,), np.deg2rad),
    Case("rad2deg", lambda fw, x: x.rad2deg(), (X,), np.rad2deg),
    Case("frexp", lambda fw, x: fw.frexp(x), (X,), np.frexp, twice=False),
    # pairs
    Case("atan2", lambda fw, x, y: fw.atan2(x, y), (X, Y), np.arctan2),
    Case("hypot", lambda fw, x, y: fw.hypot(x, y), (X, Y), np.hypot),
    Case("copysign", lambda fw, x, y: fw.copysign(x, y), (X, Y[0]), np.copysign, twice=False),
    Case("fmax", lambda fw, x, y: fw.fmax(x, y), (X, Y), np.fmax, twice=False),
    Case("fmin", lambda fw, x, y: fw.fmin(x, y[0]), (X, Y), lambda x, y: np.fmin(x, y[0]), twice=False),
    Case("logaddexp", lambda fw, x, y: fw.logaddexp(x, y), (X, Y), np.logaddexp),
    Case("logaddexp2", lambda fw, x, y: fw.logaddexp2(x, y), (X, Y), np.logaddexp2),
    Case("xlogy", lambda fw, x, y: fw.xlogy(x, y), (X, OTHER), lambda x, y: x * np.log(y)),
    Case("xlogy_number", lambda fw, y: fw.xlogy(2, y), (POSITIVE,), lambda y: 2 * np.log(y)),
    Case("xlog1py", lambda fw, x, y: fw.special.xlog1py(x, y), (X, OTHER), lambda x, y: x * np.log1p(y)),
    Case("lerp", lambda fw, x, y: fw.lerp(x, y, 0.3), (X, Y), lambda x, y: x + 0.3 * (y - x)),
    Case("lerp_tensor", lambda fw, x, y, w: fw.lerp(x, y, w), (X, Y, UNIT), lambda x, y, w: x + w * (y - x)),
    Case("addcmul", lambda fw, x, y, z: x.addcmul(y, z, value=0.5), (X, Y, OTHER), lambda x, y, z: x + 0.5 * y * z),
    Case("addcdiv", lambda fw, x, y, z: x.addcdiv(y, z, value=2), (X, Y, OTHER), lambda x, y, z: x + 2 * y / z),
    Case("ldexp", lambda fw, x: fw.ldexp(x, fw.tensor([1, 2, 3, 0])), (X,), lambda x: x * [2, 4, 8, 1]),
    Case("dist", lambda fw, x, y: fw.dist(x, y, 3), (X, Y), lambda x, y: (np.abs(x - y) ** 3).sum() ** (1 / 3)),
]

INTEGERS = [
    Case("gcd", lambda fw, x: fw.gcd(x, fw.tensor(6)), (INTS,), lambda x: np.gcd(x, 6)),
    Case("lcm", lambda fw, x: fw.lcm(x, fw.tensor(4)), (INTS,), lambda x: np.lcm(x, 4)),
    Case("shift", lambda fw, x: (x << 2, x >> 1, 1 << x.abs()), (INTS,), lambda x: (x << 2, x >> 1, 1 << np.abs(x))),
    Case(
        "signs",
        lambda fw, x: (fw.signbit(x), fw.isposinf(x), fw.isneginf(x)),
        (np.array([-0.0, 2, math.inf, -math.inf]),),
        lambda x: (np.signbit(x), np.isposinf(x), np.isneginf(x)),
    ),
    Case("isin", lambda fw, x: fw.isin(x, fw.tensor([7, 5])), (INTS,), lambda x: np.isin(x, [7, 5])),
]

# What PyTorch alone is compared with: edges at which differences are of no use.
EDGES = [
    Case("atan2_zero", lambda fw, x: fw.atan2(x, fw.zeros_like(x)), (ZEROS,)),
    Case("xlogy_zero", lambda fw, x: fw.xlogy(x, x.detach().abs() * 0), (ZEROS,)),
    Case("heaviside", lambda fw, x: fw.heaviside(x.detach(), fw.full_like(x, 0.5)), (ZEROS,)),
    Case(
        "nan_to_num",
        lambda fw, x: fw.nan_to_num(x, nan=1.0, posinf=5.0),
        (np.array([math.nan, math.inf, -math.inf, 2]),),
    ),
    Case("logit_outside", lambda fw, x: fw.logit(x), (np.array([-1.0, 0.5, 2.0]),)),
    Case("erfinv_ends", lambda fw, x: fw.erfinv(x), (np.array([-1.0, 0.0, 1.0, 2.0]),)),
    Case("lgamma_poles", lambda fw, x: fw.lgamma(x), (np.array([0.5, -1.5, 1e5, 171.0]),)),
    Case("digamma_poles", lambda fw, x: fw.digamma(x.detach()), (np.array([0.0, -1.0, -2.5, 1e6]),)),
    Case(
        "integers",
        lambda fw, x: (fw.erfc(x), fw.lgamma(x), fw.atan2(x, x), fw.xlogy(x, x), fw.sinc(x)),
        (np.array([1, 2, 3]),),
    ),
    Case("i1_zero", lambda fw, x: (fw.special.i1(x), fw.special.i1e(x)), (ZEROS,)),
    Case("fmax_nan", lambda fw, x, y: fw.fmax(x, y), (np.array([math.nan, 1.0, 2.0]), np.array([1.0, math.nan, 2.0]))),
]

BAD = [
    ("polygamma", lambda fw: fw.polygamma(-1, fw.ones(2)), RuntimeError, "negative n"),
    ("mvlgamma", lambda fw: fw.mvlgamma(fw.ones(2), 0), RuntimeError, "greater than or equal to 1"),
    ("lerp", lambda fw: fw.lerp(fw.ones(2), fw.ones(2).double(), 0.5), RuntimeError, "expected dtype"),
    ("addcdiv", lambda fw: fw.addcdiv(fw.ones(2), fw.tensor([1]), fw.tensor([2])), RuntimeError, "Integer division"),
    ("gcd", lambda fw: fw.gcd(fw.ones(2), fw.ones(2)), NotImplementedError, "not implemented for"),
    ("heaviside", lambda fw: fw.heaviside(fw.ones(2), fw.ones(2).double()), RuntimeError, "different dtypes"),
    ("hypot", lambda fw: fw.hypot(fw.tensor([1]), fw.tensor([1])), NotImplementedError, "hypot"),
    ("atan2", lambda fw: fw.atan2(fw.ones(2), fw.ones(3)), RuntimeError, "must match"),
]


@pytest.mark.parametrize("case", [case for case in CASES + INTEGERS if case.numpy is not None], ids=ids)
def test_value(case):
    check_value(case)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_gradient(case):
    check_gradient(case)


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES + INTEGERS + EDGES, ids=ids)
def test_peer(case, dtype):
    if dtype == "float64" and case.name in ("digamma", "polygamma"):
        pytest.skip("PyTorch's trigamma is right to ten digits only")
    check_peer(case, pytest.importorskip("torch"), dtype)


@pytest.mark.parametrize(("call", "error", "text"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_error(call, error, text):
    with pytest.raises(error, match=text):
        call(fastnn)


def test_the_first_argument_of_igamma_has_no_gradient() -> None:
    a = fastnn.ones(2).requires_grad_()
    with pytest.raises(NotImplementedError, match="derivative for 'input' of igamma"):
        fastnn.igamma(a, fastnn.ones(2)).sum().backward()
