from __future__ import annotations

import numpy as np
import pytest
from op_cases import Case, check_gradient, check_peer, check_value, ids, normal

import fastnn

X = normal(3, 4, 5)
M = normal(3, 4, seed=1)
N = normal(2, 4, seed=2)
ONE = normal(1, 3, 1, seed=3)

CASES = [
    Case("reshape", lambda fw, x: x.reshape(4, 15), (X,), lambda x: x.reshape(4, 15)),
    Case("reshape_infer", lambda fw, x: fw.reshape(x, (-1, 3)), (X,), lambda x: x.reshape(-1, 3)),
    Case("reshape_transposed", lambda fw, x: x.transpose(0, 2).reshape(-1), (X,), lambda x: x.T.reshape(-1)),
    Case("reshape_0d", lambda fw, x: x.reshape(()), (np.ones((1, 1)),), lambda x: x.reshape(())),
    Case("view", lambda fw, x: x.view(12, 5).view(-1), (X,), lambda x: x.reshape(-1)),
    Case("view_strided", lambda fw, x: x[:, 1:3].view(3, 10), (X,), lambda x: x[:, 1:3].reshape(3, 10)),
    Case(
        "view_as",
        lambda fw, x, y: x.view_as(y.t()) + x.reshape_as(y.t()),
        (M, normal(3, 4)),
        lambda x, y: 2 * x.reshape(4, 3),
    ),
    Case("flatten", lambda fw, x: x.flatten(1), (X,), lambda x: x.reshape(3, 20)),
    Case("flatten_0d", lambda fw, x: x.flatten(), (np.array(1.0),), lambda x: x.reshape(1)),
    Case("ravel", lambda fw, x: x.t().ravel(), (M,), lambda x: x.T.ravel()),
    Case("unflatten", lambda fw, x: x.unflatten(1, (2, -1)), (M,), lambda x: x.reshape(3, 2, 2)),
    Case("squeeze", lambda fw, x: x.squeeze(), (ONE,), lambda x: x.squeeze()),
    Case("squeeze_dim", lambda fw, x: x.squeeze(-1).squeeze(1), (ONE,), lambda x: x.squeeze(-1)),
    Case("squeeze_dims", lambda fw, x: x.squeeze((0, 1)), (ONE,), lambda x: x.squeeze(0)),
    Case("unsqueeze", lambda fw, x: x.unsqueeze(0).unsqueeze(-2), (M,), lambda x: x[None, :, None]),
    Case("transpose", lambda fw, x: x.transpose(0, -1), (X,), lambda x: x.swapaxes(0, 2)),
    Case("permute", lambda fw, x: x.permute(2, 0, 1), (X,), lambda x: x.transpose(2, 0, 1)),
    Case("t", lambda fw, x: x.t(), (M,), lambda x: x.T),
    Case("movedim", lambda fw, x: x.movedim((0, 1), (-1, 0)), (X,), lambda x: np.moveaxis(x, (0, 1), (-1, 0))),
    Case("expand", lambda fw, x: x.expand(2, 4, -1, 5), (ONE,), lambda x: np.broadcast_to(x, (2, 4, 3, 5))),
    Case("expand_as", lambda fw, x, y: x.expand_as(y) * y, (ONE, normal(2, 3, 2)), lambda x, y: x * y),
    Case("contiguous", lambda fw, x: x.t().contiguous(), (M,), lambda x: x.T),
    Case("select", lambda fw, x: x.select(1, -1), (X,), lambda x: x[:, -1]),
    Case("narrow", lambda fw, x: x.narrow(1, 1, 2), (X,), lambda x: x[:, 1:3]),
    Case("narrow_negative", lambda fw, x: x.narrow(0, -2, 1), (X,), lambda x: x[-2:-1]),
    Case("split", lambda fw, x: x.split(2, 1), (M,), lambda x: (x[:, :2], x[:, 2:])),
    Case("split_uneven", lambda fw, x: x.split(2), (M,), lambda x: (x[:2], x[2:])),
    Case("split_sizes", lambda fw, x: x.split([1, 0, 3], 1), (M,), lambda x: (x[:, :1], x[:, 1:1], x[:, 1:])),
    Case("split_partly_used", lambda fw, x: x.split(1, 1)[2], (M,), lambda x: x[:, 2:3]),
    Case("chunk", lambda fw, x: x.chunk(3, 1), (M,), lambda x: (x[:, :2], x[:, 2:])),
    Case("tensor_split", lambda fw, x: x.tensor_split(3, 1), (M,), lambda x: tuple(np.array_split(x, 3, 1))),
    Case("tensor_split_at", lambda fw, x: x.tensor_split((1, 3), 1), (M,), lambda x: tuple(np.split(x, (1, 3), 1))),
    Case("unbind", lambda fw, x: x.unbind(1), (M,), lambda x: tuple(x.T)),
    Case("unbind_partly_used", lambda fw, x: x.unbind(1)[1] ** 2, (M,), lambda x: x[:, 1] ** 2),
    Case("diagonal", lambda fw, x: x.diagonal(1), (M,), lambda x: x.diagonal(1)),
    Case("diagonal_dims", lambda fw, x: x.diagonal(-1, 2, 0), (X,), lambda x: x.diagonal(-1, 2, 0)),
    Case("tril", lambda fw, x: x.tril(-1), (X,), lambda x: np.tril(x, -1)),
    Case("triu", lambda fw, x: fw.triu(x, diagonal=1), (M,), lambda x: np.triu(x, 1)),
    Case("flip", lambda fw, x: x.flip(0, 2), (X,), lambda x: x[::-1, :, ::-1]),
    Case("flip_none", lambda fw, x: x.flip(()), (M,), lambda x: x),
    Case("roll", lambda fw, x: x.roll(2), (M,), lambda x: np.roll(x, 2)),
    Case("roll_dims", lambda fw, x: x.roll((1, -1), (0, 1)), (M,), lambda x: np.roll(x, (1, -1), (0, 1))),
    Case("repeat", lambda fw, x: x.repeat(2, 1, 3), (M,), lambda x: np.tile(x, (2, 1, 3))),
    Case("tile", lambda fw, x: x.tile((2,)), (M,), lambda x: np.tile(x, 2)),
    Case("repeat_interleave", lambda fw, x: x.repeat_interleave(2, 1), (M,), lambda x: x.repeat(2, 1)),
    Case("repeat_interleave_flat", lambda fw, x: x.repeat_interleave(3), (M,), lambda x: x.repeat(3)),
    Case(
        "repeat_counts",
        lambda fw, x, n: x.repeat_interleave(n, 0),
        (M, np.array([2, 0, 1])),
        lambda x, n: x.repeat(n, 0),
    ),
    Case("cat", lambda fw, x, y: fw.cat([x, y, x]), (M, N), lambda x, y: np.concatenate([x, y, x])),
    Case("cat_dim", lambda fw, x, y: fw.cat((x, y), -1), (M, normal(3, 2)), lambda x, y: np.concatenate([x, y], 1)),
    Case("cat_legacy", lambda fw, x: fw.cat([fw.ones(0, dtype=x.dtype), x]), (M,), lambda x: x),
    Case("stack", lambda fw, x, y: fw.stack([x, y], -1), (M, normal(3, 4)), lambda x, y: np.stack([x, y], -1)),
    Case("hstack", lambda fw, x, y: fw.hstack([x, y]), (M, normal(3, 2)), lambda x, y: np.hstack([x, y])),
    Case("hstack_1d", lambda fw, x: fw.hstack([x[0], x[1]]), (M,), lambda x: np.hstack([x[0], x[1]])),
    Case("vstack", lambda fw, x: fw.vstack([x, x[0]]), (M,), lambda x: np.vstack([x, x[0]])),
    Case("dstack", lambda fw, x: fw.dstack([x, x]), (M,), lambda x: np.dstack([x, x])),
]

OTHERS = [
    Case(
        "cat_promotes",
        lambda fw, x, i: (fw.cat([x, i]), fw.cat([i, i > 1]), fw.stack([i[0], x[0]])),
        (M, np.ones((1, 4), np.int64)),
    ),
    Case(
        "empty",
        lambda fw, x: (x.reshape(-1), x.reshape(3, 0), x.t(), *x.split(2), *x.chunk(3), x.expand(2, 0, 3)),
        (np.zeros((0, 3)),),
    ),
    Case(
        "0d",
        lambda fw, x: (x.t(), x.squeeze(0), x.transpose(0, -1), x.flip(0), x.roll(1), x.repeat(2), x.expand(3)),
        (np.array(2.0),),
    ),
]

BAD = [
    ("reshape", lambda fw: fw.ones(2, 3).reshape(4), RuntimeError, r"shape '\[4\]' is invalid for input of size 6"),
    ("reshape_two", lambda fw: fw.ones(2, 3).reshape(-1, -1), RuntimeError, "only one dimension"),
    ("reshape_minus_two", lambda fw: fw.ones(2, 3).reshape(-2, 3), RuntimeError, "invalid shape dimension -2"),
    ("reshape_ambiguous", lambda fw: fw.ones(0, 3).reshape(0, -1), RuntimeError, "ambiguous"),
    ("reshape_float", lambda fw: fw.ones(2, 3).reshape(2.0, 3), TypeError, "must be int"),
    ("view", lambda fw: fw.ones(2, 3).t().view(6), RuntimeError, r"Use .reshape\(...\) instead"),
    ("expand", lambda fw: fw.ones(2, 3).expand(2, 2, 4), RuntimeError, r"\(4\) must match the existing size \(3\)"),
    ("expand_few", lambda fw: fw.ones(2, 3).expand(3), RuntimeError, "number of sizes provided"),
    ("expand_lead", lambda fw: fw.ones(2, 3).expand(-1, 2, 3), RuntimeError, "leading"),
    ("permute", lambda fw: fw.ones(2, 3).permute(0), RuntimeError, "number of dimensions"),
    ("permute_twice", lambda fw: fw.ones(2, 3).permute(0, 0), RuntimeError, "duplicate dims"),
    ("transpose", lambda fw: fw.ones(2, 3).transpose(0, 2), IndexError, "Dimension out of range"),
    ("t", lambda fw: fw.ones(2, 2, 2).t(), RuntimeError, "<= 2 dimensions"),
    ("unsqueeze", lambda fw: fw.ones(2, 3).unsqueeze(4), IndexError, r"\[-3, 2\], but got 4"),
    ("squeeze", lambda fw: fw.ones(2, 3).squeeze(3), IndexError, "Dimension out of range"),
    ("flatten", lambda fw: fw.ones(2, 3).flatten(1, 0), RuntimeError, "start_dim cannot come after"),
    ("unflatten", lambda fw: fw.ones(2, 3).unflatten(1, (2, -1)), RuntimeError, "don't multiply up"),
    ("movedim", lambda fw: fw.ones(2, 3).movedim(0, (0, 1)), TypeError, "movedim"),
    ("narrow", lambda fw: fw.ones(2, 3).narrow(0, 1, 3), RuntimeError, "exceeds dimension size"),
    ("narrow_start", lambda fw: fw.ones(2, 3).narrow(0, 3, 0), IndexError, "start out of range"),
    ("narrow_length", lambda fw: fw.ones(2, 3).narrow(0, 0, -1), RuntimeError, "non-negative"),
    ("select", lambda fw: fw.ones(2, 3).select(0, 2), IndexError, "out of range"),
    ("split", lambda fw: fw.ones(2, 3).split(0), RuntimeError, "split_size"),
    ("split_sizes", lambda fw: fw.ones(2, 3).split([1, 1], 1), RuntimeError, "sum exactly to 3"),
    ("chunk", lambda fw: fw.ones(2, 3).chunk(0), RuntimeError, "greater than 0"),
    ("repeat", lambda fw: fw.ones(2, 3).repeat(2), RuntimeError, "can not be smaller"),
    ("repeat_negative", lambda fw: fw.ones(2, 3).repeat(-1, 2), RuntimeError, "negative dimension"),
    ("diagonal", lambda fw: fw.ones(2, 3).diagonal(0, 0, 0), RuntimeError, "identical"),
    ("tril", lambda fw: fw.ones(3).tril(), RuntimeError, "at least 2 dimensions"),
    ("flip", lambda fw: fw.ones(2, 3).flip(0, 0), RuntimeError, "multiple times"),
    ("roll", lambda fw: fw.ones(2, 3).roll(1, (0, 1)), RuntimeError, "must align"),
    ("cat_none", lambda fw: fw.cat([]), ValueError, "non-empty"),
    ("cat_sizes", lambda fw: fw.cat([fw.ones(2, 3), fw.ones(2, 2)]), RuntimeError, "Expected size 3 but got size 2"),
    ("cat_ndim", lambda fw: fw.cat([fw.ones(2, 3), fw.ones(2)]), RuntimeError, "same number of dimensions"),
    ("cat_0d", lambda fw: fw.cat([fw.tensor(1.0)]), RuntimeError, "zero-dimensional"),
    ("cat_dim", lambda fw: fw.cat([fw.ones(2, 3)], 2), IndexError, "Dimension out of range"),
    ("stack", lambda fw: fw.stack([fw.ones(2), fw.ones(3)]), RuntimeError, "equal size"),
    ("stack_none", lambda fw: fw.stack([]), RuntimeError, "non-empty"),
]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_value(case):
    check_value(case)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_gradient(case):
    check_gradient(case)


@pytest.mark.peer
@pytest.mark.parametrize("case", CASES + OTHERS, ids=ids)
def test_peer(case):
    check_peer(case, pytest.importorskip("torch"), "float32")


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


VIEWS = {
    "reshape": lambda x: x.reshape(2, 8),
    "view": lambda x: x.view(-1),
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "squeeze": lambda x: x.squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "narrow": lambda x: x.narrow(0, 0, 2),
    "select": lambda x: x.select(0, 0),
    "split": lambda x: x.split(2)[0],
    "unbind": lambda x: x.unbind(1)[0],
    "diagonal": lambda x: x.diagonal(),
    "getitem": lambda x: x[:2, ::2],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views_share_memory_and_version(view):
    x = fastnn.zeros(4, 4)
    v = view(x)
    before = x._version
    v.add_(1)
    assert x._version == v._version == before + 1
    assert float(x.sum()) == v.numel()


def test_copies_do_not_share():
    x = fastnn.zeros(4, 4)
    for copy in (x.t().reshape(-1), x.t().contiguous(), x.flip(0), x.repeat(1, 1), fastnn.cat([x])):
        copy.add_(1)
    assert not x.numpy().any()


def test_contiguous_is_itself():
    x = fastnn.zeros(2, 3)
    assert x.contiguous() is x


def test_view_as_another_dtype_is_refused_by_name():
    with pytest.raises(NotImplementedError, match="dtype"):
        fastnn.ones(2).view(fastnn.int32)
