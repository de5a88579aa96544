from __future__ import annotations

import numpy as np
import pytest
from op_cases import Case, check_gradient, check_peer, check_value, ids, normal

import fastnn
from fastnn.ops.gather import one_hot

X = normal(3, 4, 5)
M = normal(3, 4, seed=1)
V = normal(4, seed=2)
ROWS = np.array([2, 0, 2, -1])
COLS = np.array([[0, 3], [1, 1]])
MASK = np.array([[True, False, True, True], [False, False, False, True], [True, True, False, False]])
AT = np.array([[0, 3, 3], [1, 1, 0]])
LIST = np.array([2, 0, 2])
INTS = np.arange(12).reshape(3, 4)


def put(key):
    """Assigns to a copy, so that the gradients of both can be seen."""

    def call(fw, x, v, *rest):
        y = x * 1
        y[key(*rest) if callable(key) else key] = v
        return y * y

    return call


def numpy_put(key):
    def call(x, v, *rest):
        y = x.copy()
        y[key(*rest) if callable(key) else key] = v
        return y * y

    return call


SMOOTH = [
    *[
        Case(f"get[{key}]", lambda fw, x, key=key: x[key], (X,), lambda x, key=key: x[key])
        for key in (
            1,
            -1,
            (0, 1, 2),
            (0, 1),
            slice(1, None),
            slice(None, None, 2),
            (slice(None), 2),
            (Ellipsis, 1),
            (1, Ellipsis),
            None,
            (None, Ellipsis, None),
            (slice(0, 2), None, 1, slice(-3, -1)),
            Ellipsis,
            slice(5, 9),
            (slice(2, 1), 0),
        )
    ],
    Case("get_rows", lambda fw, x, i: x[i], (X, ROWS), lambda x, i: x[i]),
    Case("get_last", lambda fw, x, i: x[..., i], (X, ROWS), lambda x, i: x[..., i]),
    Case("get_middle", lambda fw, x, i: x[:, i], (X, COLS), lambda x, i: x[:, i]),
    Case("get_pair", lambda fw, x, i, j: x[i[:2], j], (X, ROWS, COLS), lambda x, i, j: x[i[:2], j]),
    Case("get_apart", lambda fw, x, i: x[i[:2], :, i[2:]], (X, ROWS), lambda x, i: x[i[:2], :, i[2:]]),
    Case("get_int_and_rows", lambda fw, x, i: x[0, :, i], (X, ROWS), lambda x, i: x[0][:, i]),
    Case("get_slice_and_rows", lambda fw, x, i: x[1:, i, 1::2], (X, ROWS), lambda x, i: x[1:, i, 1::2]),
    Case("get_list", lambda fw, x: x[[0, 2], [1, 1]], (X,), lambda x: x[[0, 2], [1, 1]]),
    Case("get_empty", lambda fw, x: x[[]], (X,), lambda x: x[[]]),
    Case("get_mask", lambda fw, x, m: x[m], (M, MASK), lambda x, m: x[m]),
    Case("get_mask_2", lambda fw, x, m: x[m, 1:], (X, MASK), lambda x, m: x[m, 1:]),
    Case(
        "get_mask_and_rows", lambda fw, x, m, i: x[m[:, 0], i[:2]], (X, MASK, ROWS), lambda x, m, i: x[m[:, 0], i[:2]]
    ),
    Case("get_true", lambda fw, x: x[True], (X,), lambda x: x[True]),
    Case("get_none_and_rows", lambda fw, x, i: x[None, i, 0], (X, ROWS), lambda x, i: x[None][:, i][:, :, 0]),
    Case("set_row", put(1), (M, V), numpy_put(1)),
    Case("set_scalar_tensor", put((slice(None), 2)), (M, np.array(2.0)), numpy_put((slice(None), 2))),
    Case("set_rows", put(lambda i: i[:2]), (M, V, ROWS), numpy_put(lambda i: i[:2])),
    Case("set_mask", put(lambda m: m), (M, np.array(0.5), MASK), numpy_put(lambda m: m)),
    Case("set_mask_values", put(lambda m: m), (M, normal(6), MASK), numpy_put(lambda m: m)),
    Case("set_lead", put(0), (M, V[None, None]), numpy_put(0)),
    Case(
        "masked_select",
        lambda fw, x, m: x.masked_select(m[:, :1]),
        (M, MASK),
        lambda x, m: x[np.broadcast_to(m[:, :1], x.shape)],
    ),
    Case("take", lambda fw, x, i: x.take(i), (M, COLS), lambda x, i: x.reshape(-1)[i]),
    Case("gather", lambda fw, x, i: x.gather(1, i), (M, AT), lambda x, i: np.take_along_axis(x[:2], i, 1)),
    Case(
        "gather_0",
        lambda fw, x, i: fw.gather(x, 0, i),
        (M, np.array([[2, 0, 1, 2], [0, 0, 0, 1]])),
        lambda x, i: np.take_along_axis(x, i, 0),
    ),
    Case(
        "take_along_dim",
        lambda fw, x, i: fw.take_along_dim(x, i, 1),
        (M, AT[:1]),
        lambda x, i: np.take_along_axis(x, i, 1),
    ),
    Case("scatter", lambda fw, x, i, s: x.scatter(1, i, s), (M, np.array([[0, 3, 1], [1, 2, 0]]), normal(2, 3))),
    Case("scatter_larger_src", lambda fw, x, i, s: x.scatter_add(1, i, s), (M, AT, normal(3, 4, seed=5))),
    Case("scatter_add", lambda fw, x, i, s: x.scatter_add(1, i, s), (M, AT, normal(2, 3))),
    Case("scatter_reduce_add", lambda fw, x, i: x.scatter(0, i, x, reduce="add"), (M, np.zeros((3, 4), np.int64))),
    Case("scatter_value", lambda fw, x, i: x.scatter(1, i, 2.0), (M, AT)),
    Case("index_select", lambda fw, x, i: x.index_select(1, i), (X, LIST), lambda x, i: x[:, i]),
    Case("index_add", lambda fw, x, i, s: x.index_add(1, i, s, alpha=2), (M, LIST, normal(3, 3))),
    Case("index_fill", lambda fw, x, i, v: x.index_fill(1, i, v), (M, LIST, np.array(2.0))),
    Case("masked_fill", lambda fw, x, m: x.masked_fill(m, -1.0), (M, MASK), lambda x, m: np.where(m, -1.0, x)),
    Case(
        "masked_fill_broadcast",
        lambda fw, x, m, v: x.masked_fill(m, v),
        (V, MASK, np.array(3.0)),
        lambda x, m, v: np.where(m, v, x),
    ),
    Case(
        "masked_fill_in_place",
        lambda fw, x, m, v: (x * 1).masked_fill_(m, v),
        (M, MASK, np.array(3.0)),
        lambda x, m, v: np.where(m, v, x),
    ),
    Case("index_add_in_place", lambda fw, x, i, s: (x * 1).index_add_(1, i, s), (M, LIST, normal(3, 3))),
    Case(
        "scatter_in_place",
        lambda fw, x, i, s: (x * 1).scatter_(1, i, s),
        (M, np.array([[0, 3, 1], [1, 2, 0]]), normal(2, 3)),
    ),
]

OTHERS = [
    Case("ints", lambda fw, i, r: (i[1], i[r], i[:, 1:3], i.gather(1, r[None, :3].abs())), (INTS, ROWS)),
    Case("bool", lambda fw, m: (m[0], m[m], m[[0, 0]]), (MASK,)),
    Case("nonzero", lambda fw, m: (m.nonzero(), *m.nonzero(as_tuple=True)), (MASK,)),
    Case("nonzero_0d", lambda fw, x: x.nonzero(), (np.array(1.0),)),
    Case("get_0d", lambda fw, x: (x[...], x[None], x[True], x[False]), (np.array(1.0),)),
    Case("get_uint8_mask", lambda fw, x, m: x[m.to(fw.uint8)], (M, MASK)),
    Case("get_int32", lambda fw, x, i: x[i.to(fw.int32)], (M, ROWS)),
    Case("get_0d_index", lambda fw, x, i: x[i, :, [0, 1]], (X, np.array(1))),
    Case("gather_0d", lambda fw, x, i: x.gather(0, i), (np.array(3.0), np.array(0))),
    Case("scatter_add_int", lambda fw, i, r: i.scatter_add(0, r[None].abs(), i[:1]), (INTS, ROWS)),
    Case("masked_fill_int", lambda fw, i, m: (i.masked_fill(m, 1.5), i.masked_fill(m, True)), (INTS, MASK)),
    Case("index_select_0d", lambda fw, x: x.index_select(0, fw.tensor([0])), (np.array(3.0),)),
    Case("index_select_empty", lambda fw, x: x.index_select(0, fw.tensor([], dtype=fw.int64)), (M,)),
]

L = [[0, 3]]
BAD = [
    ("int", lambda fw: fw.ones(2, 3)[2], IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
    ("int_1", lambda fw: fw.ones(2, 3)[0, -4], IndexError, "out of bounds for dimension 1"),
    ("many", lambda fw: fw.ones(2, 3)[0, 0, 0], IndexError, "too many indices"),
    ("0d", lambda fw: fw.tensor(1.0)[0], IndexError, "0-dim"),
    ("step", lambda fw: fw.ones(3)[::-1], ValueError, "step must be greater than zero"),
    ("rows", lambda fw: fw.ones(2, 3)[fw.tensor([0, 2])], IndexError, "index 2 is out of bounds for dimension 0"),
    ("rows_negative", lambda fw: fw.ones(2, 3)[:, [-4]], IndexError, "index -4 is out of bounds for dimension 1"),
    ("mask", lambda fw: fw.ones(2, 3)[fw.tensor([True, False, True])], IndexError, "shape of the mask"),
    ("float", lambda fw: fw.ones(2, 3)[1.0], IndexError, "only integers"),
    ("float_tensor", lambda fw: fw.ones(2, 3)[fw.tensor([0.0])], IndexError, "tensors used as indices"),
    ("pairs", lambda fw: fw.ones(2, 3)[[0, 1], [0, 1, 2]], IndexError, "shape mismatch"),
    ("set_shape", lambda fw: fw.ones(2, 3).__setitem__(0, fw.ones(2)), RuntimeError, ""),
    ("set_rows", lambda fw: fw.ones(2, 3).__setitem__([5], 1.0), IndexError, "out of bounds"),
    ("set_leaf", lambda fw: fw.ones(2, requires_grad=True).__setitem__(0, 1.0), RuntimeError, "leaf"),
    (
        "gather",
        lambda fw: fw.ones(2, 3).gather(1, fw.tensor(L)),
        RuntimeError,
        "index 3 is out of bounds for dimension 1",
    ),
    ("gather_negative", lambda fw: fw.ones(2, 3).gather(1, fw.tensor([[-1]])), RuntimeError, "out of bounds"),
    ("gather_ndim", lambda fw: fw.ones(2, 3).gather(1, fw.tensor([0])), RuntimeError, "same number of dimensions"),
    ("gather_large", lambda fw: fw.ones(2, 3).gather(1, fw.tensor([[0]] * 3)), RuntimeError, "no larger than self"),
    ("gather_dtype", lambda fw: fw.ones(2, 3).gather(1, fw.ones(2, 3)), RuntimeError, "int64"),
    ("scatter", lambda fw: fw.ones(2, 3).scatter(1, fw.tensor(L), 1.0), RuntimeError, "out of bounds"),
    ("scatter_dtype", lambda fw: fw.ones(1, 3).scatter(1, fw.tensor([[0]]), fw.tensor([[1]])), RuntimeError, "dtype"),
    ("scatter_src", lambda fw: fw.ones(1, 3).scatter(1, fw.tensor([[0, 1]]), fw.ones(1, 1)), RuntimeError, "src"),
    ("index_select", lambda fw: fw.ones(2, 3).index_select(0, fw.tensor([2])), IndexError, "out of range"),
    ("index_select_negative", lambda fw: fw.ones(2).index_select(0, fw.tensor([-1])), IndexError, "out of range"),
    ("index_select_ndim", lambda fw: fw.ones(2).index_select(0, fw.tensor([[0]])), IndexError, "vector"),
    ("index_add", lambda fw: fw.ones(2, 3).index_add(0, fw.tensor([5]), fw.ones(1, 3)), RuntimeError, "out of bounds"),
    (
        "index_add_count",
        lambda fw: fw.ones(2).index_add(0, fw.tensor([0]), fw.ones(2)),
        RuntimeError,
        "Number of indices",
    ),
    ("masked_fill", lambda fw: fw.ones(2).masked_fill(fw.tensor([0, 1]), 0), RuntimeError, "boolean masks"),
    (
        "masked_fill_value",
        lambda fw: fw.ones(2).masked_fill(fw.tensor([True, False]), fw.ones(2)),
        RuntimeError,
        "0-dim",
    ),
    ("masked_fill_shape", lambda fw: fw.ones(3).masked_fill_(fw.ones(2, 3) > 0, 0), RuntimeError, "broadcast shape"),
    ("masked_select", lambda fw: fw.ones(2).masked_select(fw.tensor([0, 1])), RuntimeError, "BoolTensor"),
    ("take", lambda fw: fw.ones(2).take(fw.tensor([2])), IndexError, "out of range"),
]


@pytest.mark.parametrize("case", [case for case in SMOOTH if case.numpy], ids=ids)
def test_value(case):
    check_value(case)


@pytest.mark.parametrize("case", SMOOTH, ids=ids)
def test_gradient(case):
    check_gradient(case)


@pytest.mark.peer
@pytest.mark.parametrize("case", SMOOTH + OTHERS, ids=ids)
def test_peer(case):
    if case.name in ("scatter_larger_src", "scatter_reduce_add"):
        pytest.skip("PyTorch has no gradient here")
    check_peer(case, pytest.importorskip("torch"), "float32")


@pytest.mark.parametrize(("call", "error", "text"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_error(call, error, text):
    with pytest.raises(error, match=text or None):
        call(fastnn)


@pytest.mark.peer
@pytest.mark.parametrize(("call", "error"), [row[1:3] for row in BAD], ids=[row[0] for row in BAD])
def test_error_peer(call, error):
    torch = pytest.importorskip("torch")
    with pytest.raises(error):
        call(torch)


def test_basic_indexing_shares_memory_and_advanced_does_not():
    x = fastnn.zeros(3, 4)
    x[1, 1:3][0] = 5.0
    assert x[1].tolist() == [0.0, 5.0, 0.0, 0.0]
    x[[1]][0, 0] = 7.0
    assert x[1, 0].item() == 0.0


def test_a_failed_in_place_op_changes_nothing():
    x = fastnn.ones(2, 3)
    with pytest.raises(RuntimeError):
        x.scatter_(1, fastnn.tensor([[0, 5]]), 9.0)
    with pytest.raises(IndexError):
        x[[0, 7]] = 9.0
    assert x.tolist() == [[1.0] * 3] * 2


def test_read_only_memory_is_not_written():
    a = np.ones(3, np.float32)
    a.flags.writeable = False
    t = fastnn._core.wrap(a)
    with pytest.raises(RuntimeError, match="read-only"):
        t[0] = 2.0
    with pytest.raises(RuntimeError, match="read-only"):
        fastnn.ones(1).expand(3)[0] = 2.0


def test_a_later_change_of_the_index_does_not_reach_backward():
    x = fastnn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    at = fastnn.tensor([0, 0])
    y = x[at]
    at[:] = 2
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]


def test_many_duplicates_are_summed_exactly():
    x = fastnn.zeros(2, requires_grad=True)
    x[fastnn.zeros(100001, dtype=fastnn.int64)].sum().backward()
    assert x.grad.tolist() == [100001.0, 0.0]


def test_one_hot():
    assert one_hot(fastnn.tensor([[2, 0]])).tolist() == [[[0, 0, 1], [1, 0, 0]]]
    assert one_hot(fastnn.tensor([1]), 4).tolist() == [[0, 1, 0, 0]]
    assert tuple(one_hot(fastnn.zeros(0, dtype=fastnn.int64), 3).shape) == (0, 3)
    for bad in (fastnn.tensor([-1]), fastnn.tensor([2]), fastnn.tensor([0.0])):
        with pytest.raises(RuntimeError):
            one_hot(bad, 2)
    with pytest.raises(RuntimeError, match="empty"):
        one_hot(fastnn.zeros(0, dtype=fastnn.int64))
