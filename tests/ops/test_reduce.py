from __future__ import annotations

import warnings

import numpy as np
import pytest
from op_cases import INF, NAN, Case, check_gradient, check_peer, check_value, ids, normal

import fastnn

X = normal(3, 4, 5)
M = normal(3, 4, seed=1)
INTS = np.arange(-4, 8).reshape(3, 4)
B = INTS % 3 == 0
ZEROS = np.array([[2.0, 0.0, 3.0, 4.0], [0.0, 0.0, 5.0, 1.0], [1.0, 2.0, 3.0, 4.0]])
TIES = np.array([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
EMPTY = np.zeros((0, 3))


def logsumexp(x, axis):
    top = x.max(axis, keepdims=True)
    return np.log(np.exp(x - top).sum(axis)) + top.squeeze(axis)


SMOOTH = [
    Case("sum", lambda fw, x: x.sum(), (X,), lambda x: x.sum()),
    Case("sum_0", lambda fw, x: x.sum(0), (X,), lambda x: x.sum(0)),
    Case("sum_middle", lambda fw, x: fw.sum(x, -2, keepdim=True), (X,), lambda x: x.sum(1, keepdims=True)),
    Case("sum_outer", lambda fw, x: x.sum((2, 0)), (X,), lambda x: x.sum((0, 2))),
    Case("sum_inner", lambda fw, x: x.sum(dim=[-1, 1], keepdim=True), (X,), lambda x: x.sum((1, 2), keepdims=True)),
    Case("sum_none", lambda fw, x: x.sum(()), (X,), lambda x: x.sum()),
    Case("sum_transposed", lambda fw, x: x.permute(2, 0, 1).sum(1), (X,), lambda x: x.transpose(2, 0, 1).sum(1)),
    Case("sum_expanded", lambda fw, x: x.expand(5, 3, 4).sum((0, 2)), (M,), lambda x: 5 * x.sum(1)),
    Case("sum_0d", lambda fw, x: x.sum(0), (np.array(3.0),), lambda x: x),
    Case("sum_empty", lambda fw, x: x.sum(0), (EMPTY,), lambda x: np.zeros(3)),
    Case("sum_to_size", lambda fw, x: x.sum_to_size(4, 1), (X,), lambda x: x.sum((0, 2)).reshape(4, 1)),
    Case("nansum", lambda fw, x: x.nansum(1), (M,), lambda x: np.nansum(x, 1)),
    Case("mean", lambda fw, x: x.mean(), (X,), lambda x: x.mean()),
    Case("mean_dims", lambda fw, x: x.mean((0, 2), keepdim=True), (X,), lambda x: x.mean((0, 2), keepdims=True)),
    Case("prod", lambda fw, x: x.prod(), (M,), lambda x: x.prod()),
    Case("prod_dim", lambda fw, x: x.prod(1), (M,), lambda x: x.prod(1)),
    Case("prod_zeros", lambda fw, x: x.prod(1, keepdim=True), (ZEROS,), lambda x: x.prod(1, keepdims=True)),
    Case("prod_zeros_all", lambda fw, x: x.prod(), (ZEROS[0],), lambda x: x.prod()),
    Case("prod_empty", lambda fw, x: x.prod(0), (EMPTY,), lambda x: np.ones(3)),
    Case("var", lambda fw, x: x.var(), (X,), lambda x: x.var(ddof=1)),
    Case("var_biased", lambda fw, x: x.var(1, False), (X,), lambda x: x.var(1)),
    Case("var_correction", lambda fw, x: x.var((0, 1), correction=2), (X,), lambda x: x.var((0, 1), ddof=2)),
    Case("std", lambda fw, x: x.std(-1, keepdim=True), (X,), lambda x: x.std(-1, ddof=1, keepdims=True)),
    Case("std_biased", lambda fw, x: x.std(unbiased=False), (X,), lambda x: x.std()),
    Case("var_mean", lambda fw, x: fw.var_mean(x, 0), (X,), lambda x: (x.var(0, ddof=1), x.mean(0))),
    Case("norm", lambda fw, x: x.norm(), (X,), lambda x: np.sqrt((x * x).sum())),
    Case("norm_1", lambda fw, x: x.norm(1, 1), (X,), lambda x: np.abs(x).sum(1)),
    Case(
        "norm_3",
        lambda fw, x: x.norm(3, (0, 2), keepdim=True),
        (X,),
        lambda x: ((np.abs(x) ** 3).sum((0, 2), keepdims=True)) ** (1 / 3),
    ),
    Case("norm_half", lambda fw, x: x.norm(0.5, 1), (M,), lambda x: (np.abs(x) ** 0.5).sum(1) ** 2),
    Case("norm_minus_2", lambda fw, x: x.norm(-2, 1), (M,), lambda x: (np.abs(x) ** -2.0).sum(1) ** -0.5),
    Case("norm_inf", lambda fw, x: x.norm(INF, 1), (M,), lambda x: np.abs(x).max(1)),
    Case("norm_minus_inf", lambda fw, x: x.norm(-INF, 0), (M,), lambda x: np.abs(x).min(0)),
    Case("norm_0", lambda fw, x: x.norm(0, 1), (M,), lambda x: (x != 0).sum(1)),
    Case("logsumexp", lambda fw, x: x.logsumexp(1), (X,), lambda x: logsumexp(x, 1)),
    Case(
        "logsumexp_dims",
        lambda fw, x: x.logsumexp((0, 2), keepdim=True),
        (X,),
        lambda x: np.log(np.exp(x).sum((0, 2), keepdims=True)),
    ),
    Case("max", lambda fw, x: x.max(), (M,), lambda x: x.max()),
    Case("max_dim", lambda fw, x: x.max(1), (M,), lambda x: (x.max(1), x.argmax(1))),
    Case(
        "min_dim",
        lambda fw, x: x.min(0, keepdim=True),
        (M,),
        lambda x: (x.min(0, keepdims=True), x.argmin(0, keepdims=True)),
    ),
    Case("amax", lambda fw, x: x.amax((0, 2)), (X,), lambda x: x.max((0, 2))),
    Case("amin", lambda fw, x: x.amin(-1, keepdim=True), (X,), lambda x: x.min(-1, keepdims=True)),
    Case("aminmax", lambda fw, x: fw.aminmax(x, dim=1), (M,), lambda x: (x.min(1), x.max(1))),
    Case("cumsum", lambda fw, x: x.cumsum(1), (X,), lambda x: x.cumsum(1)),
    Case("cumprod", lambda fw, x: x.cumprod(-1), (X,), lambda x: x.cumprod(-1)),
    Case("cumprod_zeros", lambda fw, x: x.cumprod(1), (ZEROS,), lambda x: x.cumprod(1)),
    Case("sort", lambda fw, x: x.sort(0), (M,), lambda x: (np.sort(x, 0), np.argsort(x, 0))),
    Case("sort_descending", lambda fw, x: x.sort(descending=True), (M,), lambda x: (-np.sort(-x), np.argsort(-x))),
    Case("topk", lambda fw, x: x.topk(2), (M,), lambda x: (-np.sort(-x)[:, :2], np.argsort(-x)[:, :2])),
    Case(
        "topk_partition",
        lambda fw, x: x.topk(3, 0, largest=False),
        (normal(50, 2),),
        lambda x: (np.sort(x, 0)[:3], np.argsort(x, 0)[:3]),
    ),
]

# Values and gradients to compare with PyTorch, where differences don't help: ties, kinks, integers, NaN and infinity.
OTHERS = [
    Case("max_ties", lambda fw, x: x.max(), (TIES,)),
    Case("max_dim_ties", lambda fw, x: x.max(1), (TIES,)),
    Case("amax_ties", lambda fw, x: x.amax(1), (TIES,)),
    Case("amin_ties", lambda fw, x: x.amin(), (TIES,)),
    Case("max_nan", lambda fw, x: x.max(1), (np.array([[1.0, NAN, 2.0], [3.0, 1.0, NAN]]),)),
    Case("max_other", lambda fw, x: fw.max(x, x.flip(0)), (M,)),
    Case("argmax", lambda fw, x: (x.argmax(), x.argmax(1), x.argmin(0, keepdim=True), x.argmax(keepdim=True)), (M,)),
    Case("max_0d", lambda fw, x: x.max(0), (np.array(3.0),)),
    Case("max_int", lambda fw, i: (i.max(), *i.min(1)), (INTS,)),
    Case("max_bool", lambda fw, b: (b.max(), *b.max(1)), (B,)),
    Case("sum_int", lambda fw, i: (i.sum(), i.sum(0), i.int().sum(1), i.prod(1), i.cumsum(0), i.cumprod(1)), (INTS,)),
    Case("sum_bool", lambda fw, b: (b.sum(), b.sum(1, keepdim=True), b.prod(0), b.cumsum(1)), (B,)),
    Case(
        "sum_dtype",
        lambda fw, i: (i.sum(dtype=fw.float64), i.mean(1, dtype=fw.float32), i.sum(0, dtype=fw.bool)),
        (INTS,),
    ),
    Case("all_any", lambda fw, b: (b.all(), b.any(), b.all(1), b.any((0, 1)), b.any(0, keepdim=True), b.all(())), (B,)),
    Case("all_float", lambda fw, x: (x.all(), x.any(1), x.to(fw.uint8).any()), (ZEROS,)),
    Case("all_empty", lambda fw, x: (x.all(0), x.any(0), x.all()), (EMPTY,)),
    Case("count_nonzero", lambda fw, x: (x.count_nonzero(), x.count_nonzero(1), x.count_nonzero((0, 1))), (ZEROS,)),
    Case("empty", lambda fw, x: (x.sum(), x.mean(), x.mean(0), x.var(0), x.norm(2, 0), x.logsumexp(0)), (EMPTY,)),
    Case("var_of_one", lambda fw, x: x.var(0), (np.array([[1.0, 2.0]]),)),
    Case("std_of_equal", lambda fw, x: x.std(1), (np.ones((2, 3)),)),
    Case("norm_zero", lambda fw, x: (x.norm(), x.norm(3), x.norm(1)), (np.zeros(3),)),
    Case("norm_some_zero", lambda fw, x: (x.norm(2, 1), x.norm(1.5, 1), x.norm(INF, 1), x.norm(0, 1)), (ZEROS,)),
    Case("logsumexp_int", lambda fw, i: i.logsumexp(1), (INTS,)),
    Case("logsumexp_inf", lambda fw, x: x.logsumexp(1), (np.array([[-INF, 0.0], [1e4, 1e4]]),)),
    Case("sort_ties", lambda fw, x: x.sort(dim=1, descending=True, stable=True), (TIES,)),
    Case("sort_nan", lambda fw, x: (*x.sort(), *x.sort(descending=True), *x.topk(2)), (np.array([1.0, NAN, 2.0]),)),
    Case("argsort", lambda fw, x: (x.argsort(), x.argsort(0, descending=True)), (M,)),
    Case("sort_int", lambda fw, i: (*i.sort(1, descending=True), *i.topk(2, 0)), (INTS,)),
    Case("scan_0d", lambda fw, x: (x.cumsum(0), x.cumprod(0), x.sort()[0], x.topk(1)[0]), (np.array(2.0),)),
    Case("nanmean", lambda fw, x: (x.nanmean(), x.nanmean(1)), (np.array([[1.0, NAN], [2.0, 3.0]]),)),
]

BAD = [
    ("dim", lambda fw: fw.ones(2, 3).sum(2), IndexError, r"range of \[-2, 1\], but got 2"),
    ("dim_0d", lambda fw: fw.tensor(1.0).sum(1), IndexError, r"\[-1, 0\]"),
    ("twice", lambda fw: fw.ones(2, 3).sum((0, -2)), RuntimeError, "dim 0 appears multiple times"),
    ("twice_mean", lambda fw: fw.ones(2, 3).mean((1, 1)), RuntimeError, "dim 1 appears multiple times"),
    ("dim_type", lambda fw: fw.ones(2, 3).sum(1.0), TypeError, "must be int"),
    ("mean_int", lambda fw: fw.tensor([1, 2]).mean(), RuntimeError, "floating point"),
    ("var_int", lambda fw: fw.tensor([1, 2]).var(), RuntimeError, "floating point"),
    ("norm_int", lambda fw: fw.tensor([1, 2]).norm(), RuntimeError, "floating point"),
    ("norm_p", lambda fw: fw.ones(2).norm("abc"), RuntimeError, "abc"),
    ("norm_empty", lambda fw: fw.ones(0, 3).norm(INF, 0), RuntimeError, "identity"),
    ("max_empty", lambda fw: fw.ones(0, 3).max(), RuntimeError, "numel"),
    ("max_empty_dim", lambda fw: fw.ones(0, 3).max(0), IndexError, "non-zero size"),
    ("amax_empty", lambda fw: fw.ones(0, 3).amax(0), IndexError, "non-zero size"),
    ("argmax_empty", lambda fw: fw.ones(0, 3).argmax(), IndexError, "numel"),
    ("argmax_bool", lambda fw: fw.tensor([True]).argmax(), RuntimeError, "bool"),
    ("topk", lambda fw: fw.ones(2, 3).topk(4), RuntimeError, "out of range"),
    ("topk_negative", lambda fw: fw.ones(2, 3).topk(-1), RuntimeError, "out of range"),
    ("sum_to_size", lambda fw: fw.ones(2, 3).sum_to_size(2), RuntimeError, "not expandable"),
    ("prod_dims", lambda fw: fw.ones(2, 3).prod((0, 1)), TypeError, "must be int"),
]


@pytest.mark.parametrize("case", SMOOTH, ids=ids)
def test_value(case):
    check_value(case)


@pytest.mark.parametrize("case", SMOOTH, ids=ids)
def test_gradient(case):
    check_gradient(case)


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("case", SMOOTH + OTHERS, ids=ids)
def test_peer(case, dtype):
    check_peer(case, pytest.importorskip("torch"), dtype)


@pytest.mark.parametrize(("call", "error", "text"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_error(call, error, text):
    with pytest.raises(error, match=text):
        call(fastnn)


@pytest.mark.peer
@pytest.mark.parametrize(("call", "error"), [row[1:3] for row in BAD], ids=[row[0] for row in BAD])
def test_error_peer(call, error):
    torch = pytest.importorskip("torch")
    with pytest.raises(error):
        call(torch)


def test_nuclear_norm_needs_a_matrix():
    assert fastnn.eye(2).norm("nuc").item() == pytest.approx(2.0)
    with pytest.raises(RuntimeError, match="nuc"):
        fastnn.ones(2).norm("nuc")


def test_long_float32_sums_keep_small_terms():
    a = np.ones((100001, 2), np.float32)
    a[0] = 2**24
    for got, want in (
        (fastnn.tensor(a).sum(0), 16877216.0),
        (fastnn.tensor(a).mean(0), 16877216.0 / 100001),
        (fastnn.tensor(np.ascontiguousarray(a[:, 0])).sum(), 16877216.0),
    ):
        assert np.allclose(got.numpy(), want, rtol=1e-4)


def test_float16_is_summed_in_float32():
    h = fastnn.tensor(np.full(100000, 0.1, np.float16))
    assert abs(float(h.mean()) - 0.1) < 1e-3
    assert h.mean().dtype == fastnn.float16
    assert abs(float(h.var(unbiased=False))) < 1e-3
    assert abs(float(h.norm()) - 0.1 * 100000**0.5) < 0.1


def test_logsumexp_with_infinities():
    assert float(fastnn.logsumexp(fastnn.tensor([-INF, -INF]), 0)) == -INF
    assert float(fastnn.logsumexp(fastnn.tensor([INF, 1.0]), 0)) == INF
    assert np.isnan(float(fastnn.logsumexp(fastnn.tensor([NAN, 1.0]), 0)))
    x = fastnn.tensor([[-INF, -INF], [0.0, 0.0]], requires_grad=True)
    x.logsumexp(1).sum().backward()
    assert x.grad.tolist() == [[0.0, 0.0], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("call", "values", "want"),
    [
        (lambda x: x.norm(), [0.0, 0.0], [0, 0]),
        (lambda x: x.prod(), [2.0, 0.0, 3.0], [0, 6, 0]),
        (lambda x: x.prod(), [0.0, 0.0, 3.0], [0, 0, 0]),
        (lambda x: x.cumprod(0), [0.0, 2.0, 3.0], [9, 0, 0]),
        (lambda x: x.amax(), [1.0, 2.0, 2.0], [0, 0.5, 0.5]),
        (lambda x: x.max(0)[0], [1.0, 2.0, 2.0], [0, 1, 0]),
    ],
)
def test_subgradients(call, values, want):
    x = fastnn.tensor(values, requires_grad=True)
    call(x).sum().backward()
    assert x.grad.tolist() == want


def test_gradient_of_a_sum_is_the_leafs_own():
    x = fastnn.ones(2, 3, requires_grad=True)
    x.sum().backward()
    x.grad.mul_(2)
    assert x.grad.tolist() == [[2.0] * 3] * 2


def test_named_fields():
    found = fastnn.tensor([[1.0, 3.0], [5.0, 2.0]]).max(1)
    assert found.values.tolist() == [3.0, 5.0]
    assert found.indices.tolist() == [1, 0]


@pytest.mark.parametrize(
    "view", [lambda a: a[::-1], lambda a: a[:, ::-2], lambda a: a.T, lambda a: np.broadcast_to(a[0], (3, 6))]
)
def test_strange_strides(view):
    a = view(normal(5, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of read-only memory
        t = fastnn.from_numpy(a) if min(a.strides) >= 0 else fastnn.tensor(a)
    np.testing.assert_allclose(t.sum(0).numpy(), a.sum(0))
    np.testing.assert_allclose(t.var(1).numpy(), a.var(1, ddof=1))
    np.testing.assert_allclose(t.amax(1).numpy(), a.max(1))
