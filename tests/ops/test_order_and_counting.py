"""Medians, modes, quantiles, unique, searchsorted, histograms and running values."""

from __future__ import annotations

import numpy as np
import pytest
from op_cases import Case, check_gradient, check_peer, check_value, ids, normal

import fastnn

NAN = float("nan")
X = normal(3, 5)
V = normal(6, seed=1)
WITH_NAN = np.array([[1.0, NAN, 3.0, 2.0], [4.0, 0.0, NAN, NAN]])
WHOLE = np.array([[3, 1, 1, 2, 3], [0, 0, 5, 5, 5]])
ROWS = np.sort(normal(2, 4, seed=2))


def running(ufunc):
    """NumPy's running values and where the last of them stands."""

    def both(x):
        values = ufunc.accumulate(x, 1)
        index = np.maximum.accumulate(np.where(x == values, np.arange(x.shape[1]), 0), 1)
        return values, index

    return both


CASES = [
    Case("kthvalue", lambda fw, x: fw.kthvalue(x, 2, 0), (X,), lambda x: (np.sort(x, 0)[1], np.argsort(x, 0)[1])),
    Case("kthvalue_kept", lambda fw, x: x.kthvalue(5, keepdim=True)[0], (X,), lambda x: x.max(1, keepdims=True)),
    Case("median", lambda fw, x: fw.median(x), (X,), np.median),
    Case("median_dim", lambda fw, x: x.median(1), (X,), lambda x: (np.median(x, 1), np.argsort(x, 1)[:, 2])),
    Case("median_even", lambda fw, x: x.median(), (V,), lambda x: np.sort(x)[2]),
    Case("nanmedian", lambda fw, x: fw.nanmedian(x, 1)[0], (WITH_NAN,), lambda x: np.array([2.0, 0.0]), twice=False),
    Case("quantile", lambda fw, x: fw.quantile(x, 0.3), (X,), lambda x: np.quantile(x, 0.3)),
    Case(
        "quantile_several",
        lambda fw, x: x.quantile(fw.tensor([0.1, 0.9], dtype=x.dtype), 1, True),
        (X,),
        lambda x: np.quantile(x, [0.1, 0.9], 1, keepdims=True),
    ),
    *[
        Case(
            f"quantile_{way}",
            lambda fw, x, way=way: fw.quantile(x, 0.4, 0, interpolation=way),
            (X,),
            lambda x, way=way: np.quantile(x, 0.4, 0, method=way),
        )
        for way in ("lower", "higher", "midpoint", "nearest")
    ],
    Case("quantile_q", lambda fw, x, q: fw.quantile(x, q), (X, np.array(0.37)), lambda x, q: np.quantile(x, q)),
    Case("nanquantile", lambda fw, x: fw.nanquantile(x, 0.5, 1), (WITH_NAN,), lambda x: np.nanquantile(x, 0.5, 1),
         twice=False),
    Case("msort", lambda fw, x: fw.msort(x), (X,), lambda x: np.sort(x, 0)),
    Case("cummax", lambda fw, x: fw.cummax(x, 1), (X,), running(np.maximum)),
    Case("cummin", lambda fw, x: x.cummin(1), (X,), running(np.minimum)),
    Case("logcumsumexp", lambda fw, x: fw.logcumsumexp(x, 1), (X,), lambda x: np.log(np.cumsum(np.exp(x), 1))),
    Case("diff", lambda fw, x: fw.diff(x, 2), (X,), lambda x: np.diff(x, 2)),
    Case("diff_joined", lambda fw, x, y: x.diff(prepend=y), (X, X[:, :1]), lambda x, y: np.diff(x, prepend=y)),
    Case("gradient", lambda fw, x: fw.gradient(x, spacing=0.5), (X,), lambda x: np.gradient(x, 0.5)),
    Case("gradient_2", lambda fw, x: fw.gradient(x, edge_order=2, dim=1), (X,),
         lambda x: [np.gradient(x, axis=1, edge_order=2)]),
    Case(
        "gradient_at",
        lambda fw, x: fw.gradient(x, spacing=(fw.tensor([0.0, 1, 3, 4, 8], dtype=x.dtype),), dim=1),
        (X,),
        lambda x: [np.gradient(x, [0.0, 1, 3, 4, 8], axis=1)],
    ),
    Case("trapezoid", lambda fw, y: fw.trapezoid(y, dx=0.5), (X,), lambda y: np.trapezoid(y, dx=0.5)),
    Case("trapezoid_at", lambda fw, y, x: fw.trapz(y, x), (X, np.sort(X[0])), lambda y, x: np.trapezoid(y, x)),
    Case("cumulative_trapezoid", lambda fw, y: fw.cumulative_trapezoid(y, dim=0), (X,),
         lambda y: np.cumsum((y[1:] + y[:-1]) / 2, 0)),
    Case("renorm", lambda fw, x: fw.renorm(x, 2, 0, 0.5), (X,),
         lambda x: x * np.minimum(1, 0.5 / np.linalg.norm(x, axis=1, keepdims=True)), twice=False),
]  # fmt: skip

CONSTANT = [
    Case("mode", lambda fw, x: fw.mode(x)[0], (WHOLE,), lambda x: np.array([1, 5])),
    Case("unique", lambda fw, x: fw.unique(x), (WHOLE,), np.unique),
    Case(
        "unique_all",
        lambda fw, x: x.unique(return_inverse=True, return_counts=True),
        (WHOLE,),
        lambda x: np.unique(x, return_inverse=True, return_counts=True),
    ),
    Case("unique_rows", lambda fw, x: fw.unique(x, dim=0), (WHOLE[[1, 0, 1]],), lambda x: np.unique(x, axis=0)),
    Case("unique_consecutive", lambda fw, x: fw.unique_consecutive(x, return_counts=True), (WHOLE,),
         lambda x: (np.array([3, 1, 2, 3, 0, 5]), np.array([1, 2, 1, 1, 2, 3]))),
    Case("bincount", lambda fw, x: fw.bincount(x.flatten(), minlength=8), (WHOLE,),
         lambda x: np.bincount(x.ravel(), minlength=8)),
    Case("bincount_weights", lambda fw, x, w: x[0].bincount(w.detach()), (WHOLE, np.arange(5.0)),
         lambda x, w: np.bincount(x[0], w)),
    Case("histc", lambda fw, x: fw.histc(x.detach(), 4, -1, 1), (X,), lambda x: np.histogram(x, 4, (-1, 1))[0]),
    Case("histogram", lambda fw, x: fw.histogram(x.detach(), 5), (X,), lambda x: np.histogram(x, 5)),
    Case("histogram_density", lambda fw, x: fw.histogram(x.detach(), 3, range=(-1.0, 2.0), density=True), (X,),
         lambda x: np.histogram(x, 3, (-1, 2), density=True)),
    Case("searchsorted", lambda fw, x, v: fw.searchsorted(x[0], v), (ROWS, V), lambda x, v: np.searchsorted(x[0], v)),
    Case("searchsorted_rows", lambda fw, x, v: fw.searchsorted(x, v.reshape(2, 3), right=True), (ROWS, V),
         lambda x, v: np.stack([np.searchsorted(a, b, "right") for a, b in zip(x, v.reshape(2, 3), strict=True)])),
    Case("bucketize", lambda fw, v, x: fw.bucketize(v, x[0], out_int32=True), (V, ROWS),
         lambda v, x: np.searchsorted(x[0], v).astype(np.int32)),
]  # fmt: skip

EDGES = [
    Case("median_nan", lambda fw, x: x.median(1)[0].detach(), (WITH_NAN,)),
    Case("cummax_nan", lambda fw, x: fw.cummax(x, 1)[0].detach(), (WITH_NAN,)),
    Case("quantile_nan", lambda fw, x: fw.quantile(x.detach(), 0.5, 1), (WITH_NAN,)),
    Case("mode_float", lambda fw, x: fw.mode(x.round(), 0)[0].detach(), (X,)),
    Case("trapezoid_int", lambda fw, x: fw.trapezoid(x), (WHOLE,)),
    Case("diff_bool", lambda fw, x: fw.diff(x > 1), (WHOLE,)),
]

BAD = [
    ("kthvalue", lambda fw: fw.kthvalue(fw.ones(3), 4), RuntimeError, "out of range"),
    ("quantile_q", lambda fw: fw.quantile(fw.ones(3), 1.5), RuntimeError, r"range \[0, 1\]"),
    ("quantile_int", lambda fw: fw.quantile(fw.arange(3), 0.5), RuntimeError, "float or double"),
    ("quantile_way", lambda fw: fw.quantile(fw.ones(3), 0.5, interpolation="x"), RuntimeError, "interpolation must be"),
    ("bincount", lambda fw: fw.bincount(fw.tensor([-1])), RuntimeError, "non-negative"),
    ("bincount_float", lambda fw: fw.bincount(fw.ones(2)), RuntimeError, "bincount"),
    ("histc", lambda fw: fw.histc(fw.ones(2), 0), RuntimeError, "bins must be"),
    ("histc_range", lambda fw: fw.histc(fw.ones(2), 3, 2, 1), RuntimeError, "max must be larger"),
    ("searchsorted", lambda fw: fw.searchsorted(fw.ones(2), fw.ones(2).double()), RuntimeError, "same dtype"),
    ("side", lambda fw: fw.searchsorted(fw.ones(2), 1.0, side="middle"), RuntimeError, "side can only be"),
    ("gradient", lambda fw: fw.gradient(fw.ones(1)), RuntimeError, "at least 2"),
    ("renorm", lambda fw: fw.renorm(fw.ones(2), 2, 0, 1.0), RuntimeError, "at least 2 dimensions"),
]


@pytest.mark.parametrize("case", CASES + CONSTANT, ids=ids)
def test_value(case):
    check_value(case)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_gradient(case):
    check_gradient(case)


@pytest.mark.peer
@pytest.mark.parametrize("case", CASES + CONSTANT + EDGES, ids=ids)
def test_peer(case):
    check_peer(case, pytest.importorskip("torch"), "float32")


@pytest.mark.parametrize(("call", "error", "text"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_error(call, error, text):
    with pytest.raises(error, match=text):
        call(fastnn)
