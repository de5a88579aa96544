"""einsum, tensordot, kron, cdist and their kin; grids, stacks and diagonals; writing at indices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from op_cases import Case, check_gradient, check_peer, check_value, ids, normal

import fastnn

A = normal(2, 3)
B = normal(3, 4, seed=1)
C = normal(2, 3, 4, seed=2)
D = normal(2, 4, 2, seed=3)
S = normal(3, 3, seed=4)
V = normal(3, seed=5)
W = normal(3, seed=6)
X = normal(2, 4, seed=7)
INDEX = np.array([[0, 1, 1], [2, 0, 1]])
ROWS = np.array([2, 0, 2])
MASK = np.array([[True, False, True], [False, True, True]])


def einsum(equation, *arrays):
    return Case(
        f"einsum_{equation}",
        lambda fw, *given: fw.einsum(equation, *given),
        arrays,
        lambda *given: np.einsum(equation, *given),
    )


def reduced(ufunc, start):
    """What scatter_reduce gives along dimension 1 of a copy of input."""

    def values(x, src):
        out = x.copy() if start is None else np.where(np.arange(4) < 3, start, x)
        for i, j in itertools.product(range(2), range(3)):
            out[i, INDEX[i, j]] = ufunc(out[i, INDEX[i, j]], src[i, j])
        return out

    return values


CASES = [
    einsum("ij,jk->ik", A, B), einsum("ij,jk", A, B), einsum("bij,bjk->bik", C, D), einsum("ii", S), einsum("ii->i", S),
    einsum("i,j->ij", V, W), einsum("ij->ji", A), einsum("ij->", A), einsum("...j,jk->...k", C, normal(4, 2)),
    einsum("b...,b->...", C, normal(2)), einsum("ij,jk,kl->il", A, B, normal(4, 2)), einsum("ab,ab,ab->a", A, A, A),
    einsum("bij,kj->bk", C, normal(3, 4)), einsum("i,i->i", V, W), einsum("i,ij,j->", V, S, W),
    Case("einsum_lists", lambda fw, a, b: fw.einsum(a, [0, 1], b, [1, 2], [2, 0]), (A, B), lambda a, b: (a @ b).T),
    Case("einsum_broadcast", lambda fw, a, b: fw.einsum("ij,ij->i", a, b), (A, normal(2, 1)),
         lambda a, b: (a * b).sum(1)),
    Case("tensordot", lambda fw, a, b: fw.tensordot(a, b, 1), (A, B), lambda a, b: a @ b),
    Case("tensordot_lists", lambda fw, a, b: fw.tensordot(a, b, ([0, 2], [0, 1])), (C, D),
         lambda a, b: np.tensordot(a, b, ([0, 2], [0, 1]))),
    Case("inner", lambda fw, a, b: fw.inner(a, b), (A, S), np.inner),
    Case("vdot", lambda fw, a, b: fw.vdot(a, b), (V, W), np.vdot),
    Case("ger", lambda fw, a, b: fw.ger(a, b), (V, W), np.outer),
    Case("kron", lambda fw, a, b: fw.kron(a, b), (A, D[0]), np.kron),
    Case("cross", lambda fw, a, b: fw.cross(a, b), (A, normal(2, 3, seed=7)), np.cross),
    Case("trace", lambda fw, a: fw.trace(a), (B,), np.trace),
    Case("chain_matmul", lambda fw, a, b, c: fw.chain_matmul(a, b, c), (A, B, normal(4, 2)), lambda a, b, c: a @ b @ c),
    Case("addmv", lambda fw, x, a, v: fw.addmv(x, a, v, beta=0.5, alpha=2), (normal(2), A, V),
         lambda x, a, v: 0.5 * x + 2 * a @ v),
    Case("addr", lambda fw, x, v, w: x.addr(v, w), (S, V, W), lambda x, v, w: x + np.outer(v, w)),
    Case("addbmm", lambda fw, x, a, b: x.addbmm(a, b, alpha=3), (normal(3, 2), C, D),
         lambda x, a, b: x + 3 * (a @ b).sum(0)),
    Case("cdist", lambda fw, a, b: fw.cdist(a, b), (A, S),
         lambda a, b: np.linalg.norm(a[:, None] - b[None], axis=-1)),
    Case("cdist_product", lambda fw, a, b: fw.cdist(a, b, compute_mode="use_mm_for_euclid_dist"), (A, S),
         lambda a, b: np.linalg.norm(a[:, None] - b[None], axis=-1)),
    Case("cdist_1", lambda fw, a, b: fw.cdist(a, b, 1.0), (A, S), lambda a, b: np.abs(a[:, None] - b[None]).sum(-1)),
    Case("cov", lambda fw, a: fw.cov(a), (B,), np.cov),
    Case("cov_weights", lambda fw, a: fw.cov(a, fweights=fw.tensor([1, 2, 3, 4]), correction=0), (B,),
         lambda a: np.cov(a, fweights=[1, 2, 3, 4], ddof=0)),
    Case("corrcoef", lambda fw, a: fw.corrcoef(a)[0, 1], (B,), lambda a: np.corrcoef(a)[0, 1]),
    # grids
    Case("meshgrid", lambda fw, a, b: fw.meshgrid(a, b, indexing="ij"), (V, normal(2)),
         lambda a, b: np.meshgrid(a, b, indexing="ij")),
    Case("meshgrid_xy", lambda fw, a, b: fw.meshgrid(a, b, indexing="xy"), (V, normal(2)), np.meshgrid),
    Case("cartesian_prod", lambda fw, a, b: fw.cartesian_prod(a, b), (V, normal(2)),
         lambda a, b: np.array(list(itertools.product(a, b)))),
    Case("combinations", lambda fw, a: fw.combinations(a), (V,),
         lambda a: np.array(list(itertools.combinations(a, 2)))),
    Case("block_diag", lambda fw, a, b: fw.block_diag(a, b), (A, V),
         lambda a, b: np.block([[a, np.zeros((2, 3))], [np.zeros((1, 3)), b[None]]])),
    Case("column_stack", lambda fw, a, b: fw.column_stack((a, b)), (V, S), lambda a, b: np.column_stack((a, b))),
    Case("broadcast_tensors", lambda fw, a, b: fw.broadcast_tensors(a, b), (A, V),
         lambda a, b: np.broadcast_arrays(a, b)),
    Case("atleast", lambda fw, a: (fw.atleast_1d(a), fw.atleast_2d(a), fw.atleast_3d(a)), (V,),
         lambda a: (np.atleast_1d(a), np.atleast_2d(a), np.atleast_3d(a))),
    Case("splits", lambda fw, a: (*fw.hsplit(a, 2), *fw.vsplit(a, [1]), *fw.dsplit(a, 2)), (D,),
         lambda a: (*np.hsplit(a, 2), *np.vsplit(a, [1]), *np.dsplit(a, 2))),
    Case("vander", lambda fw, a: fw.vander(a, 4, True), (V,), lambda a: np.vander(a, 4, True)),
    # diagonals
    Case("diag", lambda fw, a: fw.diag(a, 1), (V,), lambda a: np.diag(a, 1)),
    Case("diag_of", lambda fw, a: fw.diag(a, -1), (S,), lambda a: np.diag(a, -1)),
    Case("diag_embed", lambda fw, a: fw.diag_embed(a), (A,), lambda a: a[:, None] * np.eye(3)),
    Case("diagflat", lambda fw, a: fw.diagflat(a), (A,), np.diagflat),
    Case("rot90", lambda fw, a: (fw.rot90(a), a.rot90(2), a.rot90(-1, (1, 2))), (C,),
         lambda a: (np.rot90(a), np.rot90(a, 2), np.rot90(a, -1, (1, 2)))),
    Case("select_scatter", lambda fw, a, v: a.select_scatter(v, 0, 1), (A, V), lambda a, v: np.stack([a[0], v])),
    Case("slice_scatter", lambda fw, a, b: fw.slice_scatter(a, b, 1, 0, 3, 2), (A, normal(2, 2)),
         lambda a, b: np.stack([b[:, 0], a[:, 1], b[:, 1]], 1)),
    Case("diagonal_scatter", lambda fw, a, v: fw.diagonal_scatter(a, v), (S, V),
         lambda a, v: a - np.diag(np.diag(a)) + np.diag(v)),
    Case("unfold", lambda fw, a: a.unfold(1, 3, 2), (normal(2, 7),),
         lambda a: np.lib.stride_tricks.sliding_window_view(a, 3, 1)[:, ::2]),
    # writing at indices
    Case("scatter_reduce_sum", lambda fw, x, s: x.scatter_reduce(1, fw.tensor(INDEX.tolist()), s, "sum"), (X, A),
         reduced(np.add, None)),
    Case("scatter_reduce_prod", lambda fw, x, s: x.scatter_reduce(1, fw.tensor(INDEX.tolist()), s, "prod"), (X, A),
         reduced(np.multiply, None)),
    Case("scatter_reduce_amax", lambda fw, x, s: x.scatter_reduce(1, fw.tensor(INDEX.tolist()), s, "amax"), (X, A),
         reduced(np.maximum, None), twice=False),
    Case("scatter_reduce_mean", lambda fw, x, s: x.scatter_reduce(1, fw.tensor(INDEX.tolist()), s, "mean"), (X, A)),
    Case("scatter_reduce_alone",
         lambda fw, x, s: x.scatter_reduce(1, fw.tensor(INDEX.tolist()), s, "amin", include_self=False),
         (X, A), twice=False),
    Case("index_copy", lambda fw, x, s: x.index_copy(0, fw.tensor([2, 0]), s), (S, A),
         lambda x, s: np.stack([s[1], x[1], s[0]])),
    Case("index_reduce", lambda fw, x, s: x.index_reduce(0, fw.tensor([2, 0]), s, "prod"), (S, A),
         lambda x, s: x * np.stack([s[1], np.ones(3), s[0]])),
    Case("index_put", lambda fw, x, v: x.index_put((fw.tensor([0, 2]), fw.tensor([1, 1])), v[:2]), (S, V),
         lambda x, v: x + np.outer([1, 0, 0], [0, v[0] - x[0, 1], 0]) + np.outer([0, 0, 1], [0, v[1] - x[2, 1], 0])),
    Case("index_put_add", lambda fw, x, v: x.index_put((fw.tensor(ROWS.tolist()),), v, True), (S, V),
         lambda x, v: x + np.stack([v, 0 * v, 2 * v])),
    Case("put", lambda fw, x, v: x.put(fw.tensor([1, -1, 3]), v), (A, V),
         lambda x, v: np.array([x[0, 0], v[0], x[0, 2], v[2], x[1, 1], v[1]]).reshape(2, 3)),
    Case("put_add", lambda fw, x, v: x.put(fw.tensor([1, 1, 3]), v, True), (A, V)),
    Case("masked_scatter", lambda fw, x, s: x.masked_scatter(fw.tensor(MASK.tolist()), s), (A, S),
         lambda x, s: np.array([s[0, 0], x[0, 1], s[0, 1], x[1, 0], s[0, 2], s[1, 0]]).reshape(2, 3)),
]  # fmt: skip

CONSTANT = [
    Case("tril_indices", lambda fw: fw.tril_indices(3, 4, 1), (), lambda: np.stack(np.tril_indices(3, 1, 4))),
    Case("triu_indices", lambda fw: fw.triu_indices(3, 4, -1), (), lambda: np.stack(np.triu_indices(3, -1, 4))),
    Case("unravel_index", lambda fw, i: fw.unravel_index(i, (4, 5)), (np.array([3, 19, 7]),),
         lambda i: np.unravel_index(i, (4, 5))),
    Case("hann", lambda fw: fw.hann_window(6, False), (), lambda: np.hanning(6).astype(np.float32)),
    Case("hamming", lambda fw: fw.hamming_window(6, False), (), lambda: np.hamming(6).astype(np.float32)),
    Case("blackman",
         lambda fw: fw.blackman_window(6, False), (), lambda: np.maximum(np.blackman(6), 0).astype(np.float32)),
    Case("bartlett", lambda fw: fw.bartlett_window(6, False), (), lambda: np.bartlett(6).astype(np.float32)),
    Case("kaiser", lambda fw: fw.kaiser_window(6, False, 8.0), (), lambda: np.kaiser(6, 8).astype(np.float32)),
    Case("hann_periodic", lambda fw: fw.hann_window(6), (), lambda: np.hanning(7)[:-1].astype(np.float32)),
]  # fmt: skip

BAD = [
    ("einsum_few", lambda fw: fw.einsum("ij,jk->ik", fw.ones(2, 2)), RuntimeError, "fewer operands"),
    ("einsum_rank", lambda fw: fw.einsum("ijk->i", fw.ones(2, 2)), RuntimeError, "does not match the number of dim"),
    ("einsum_size", lambda fw: fw.einsum("ij,jk", fw.ones(2, 2), fw.ones(3, 3)), RuntimeError, "do not broadcast"),
    ("einsum_output", lambda fw: fw.einsum("i->j", fw.ones(2)), RuntimeError, "does not appear"),
    ("einsum_letter", lambda fw: fw.einsum("1->1", fw.ones(2)), RuntimeError, "invalid subscript"),
    ("tensordot", lambda fw: fw.tensordot(fw.ones(2, 3), fw.ones(2, 3), 1), RuntimeError, "contracted dimensions"),
    ("cross", lambda fw: fw.cross(fw.ones(2), fw.ones(2)), RuntimeError, "no dimension of size 3"),
    ("cdist", lambda fw: fw.cdist(fw.ones(2, 3), fw.ones(2, 4)), RuntimeError, "same number of columns"),
    ("meshgrid", lambda fw: fw.meshgrid(fw.ones(2, 2)), RuntimeError, "0D or 1D"),
    ("scatter_reduce", lambda fw: fw.ones(2).scatter_reduce(0, fw.tensor([0]), fw.ones(1), "max"),
     RuntimeError, "reduce argument"),
    ("index_copy", lambda fw: fw.ones(2).index_copy(0, fw.tensor([0]), fw.ones(2)), IndexError, "Number of indices"),
    ("put", lambda fw: fw.ones(2).put(fw.tensor([2]), fw.ones(1)), IndexError, "out of range"),
    ("masked_scatter", lambda fw: fw.ones(2).masked_scatter(fw.ones(2) > 0, fw.ones(1)),
     RuntimeError, "at least 2 elements"),
    ("unfold", lambda fw: fw.ones(3).unfold(0, 4, 1), RuntimeError, "maximum size"),
    ("select_scatter", lambda fw: fw.ones(2, 2).select_scatter(fw.ones(3), 0, 0), RuntimeError, "size equal"),
    ("hsplit", lambda fw: fw.hsplit(fw.ones(3), 2), RuntimeError, "not divisible"),
    ("trace", lambda fw: fw.trace(fw.ones(3)), RuntimeError, "expected a matrix"),
    ("unravel_index", lambda fw: fw.unravel_index(fw.tensor(6), (2, 3)), ValueError, "out of bounds"),
]  # fmt: skip


@pytest.mark.parametrize("case", [case for case in CASES + CONSTANT if case.numpy is not None], ids=ids)
def test_value(case):
    check_value(case)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_gradient(case):
    check_gradient(case)


@pytest.mark.peer
@pytest.mark.parametrize("case", CASES + CONSTANT, ids=ids)
def test_peer(case):
    if case.name == "vander":
        pytest.skip("PyTorch's own gradient fails here: it changes what it saved")
    check_peer(case, pytest.importorskip("torch"), "float64")


@pytest.mark.parametrize(("call", "error", "text"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_error(call, error, text):
    with pytest.raises(error, match=text):
        call(fastnn)


def test_windows_are_views() -> None:
    x = fastnn.zeros(6)
    windows = x.unfold(0, 2, 2)
    windows[1].fill_(5.0)
    assert x.tolist() == [0, 0, 5, 5, 0, 0]
    assert fastnn.diag(fastnn.eye(2)).data_ptr() != fastnn.eye(2).data_ptr()
