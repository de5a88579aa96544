"""fastnn.linalg: what each factor must satisfy, NumPy's values, differences, and PyTorch's values and gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from op_cases import Case, check_gradient, check_peer, check_value, ids, normal

import fastnn

A = normal(2, 3, 3) + 2 * np.eye(3)
SYMMETRIC = A @ A.swapaxes(-1, -2) + np.eye(3)
TALL = normal(4, 2, seed=1)
WIDE = normal(2, 4, seed=2)
B = normal(2, 3, 2, seed=3)
V = normal(3, seed=4)
LOWER = np.tril(A)
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


def sym(x):
    """Symmetric matrices, so that differences in one element are right."""
    return (x + x.transpose(-1, -2)) / 2


CASES = [
    Case("inv", lambda fw, a: fw.linalg.inv(a), (A,), np.linalg.inv),
    Case("det", lambda fw, a: fw.linalg.det(a), (A,), np.linalg.det),
    Case("slogdet", lambda fw, a: fw.linalg.slogdet(a), (A,), lambda a: tuple(np.linalg.slogdet(a))),
    Case("logdet", lambda fw, a: fw.logdet(a), (SYMMETRIC,), lambda a: np.log(np.linalg.det(a))),
    Case("solve", lambda fw, a, b: fw.linalg.solve(a, b), (A, B), np.linalg.solve),
    Case("solve_vector", lambda fw, a, b: fw.linalg.solve(a[0], b), (A, V), lambda a, b: np.linalg.solve(a[0], b)),
    Case(
        "solve_right",
        lambda fw, a, b: fw.linalg.solve(a, b.transpose(-1, -2), left=False),
        (A, B),
        lambda a, b: b.swapaxes(-1, -2) @ np.linalg.inv(a),
    ),
    Case(
        "solve_triangular",
        lambda fw, a, b: fw.linalg.solve_triangular(a, b, upper=False),
        (A, B),
        lambda a, b: np.linalg.solve(np.tril(a), b),
    ),
    Case(
        "solve_unitriangular",
        lambda fw, a, b: fw.linalg.solve_triangular(a, b, upper=True, unitriangular=True),
        (A, B),
        lambda a, b: np.linalg.solve(np.triu(a, 1) + np.eye(3), b),
    ),
    Case("cholesky", lambda fw, a: fw.linalg.cholesky(sym(a)), (SYMMETRIC,), np.linalg.cholesky),
    Case(
        "cholesky_upper",
        lambda fw, a: fw.linalg.cholesky(sym(a), upper=True),
        (SYMMETRIC,),
        lambda a: np.linalg.cholesky(a).swapaxes(-1, -2),
    ),
    Case(
        "cholesky_solve",
        lambda fw, a, b: fw.cholesky_solve(b, fw.linalg.cholesky(sym(a))),
        (SYMMETRIC, B),
        np.linalg.solve,
    ),
    Case("pinv_tall", lambda fw, a: fw.linalg.pinv(a), (TALL,), np.linalg.pinv),
    Case("pinv_wide", lambda fw, a: fw.linalg.pinv(a), (WIDE,), np.linalg.pinv),
    Case("lstsq", lambda fw, a, b: fw.linalg.lstsq(a, b).solution, (TALL, normal(4, 3)),
         lambda a, b: np.linalg.lstsq(a, b)[0]),
    Case("matrix_power", lambda fw, a: fw.linalg.matrix_power(a, 3), (A,), lambda a: a @ a @ a),
    Case("matrix_power_negative", lambda fw, a: fw.linalg.matrix_power(a, -2), (A,),
         lambda a: np.linalg.inv(a) @ np.linalg.inv(a)),
    Case("multi_dot", lambda fw, v, a, b: fw.linalg.multi_dot([v, a[0], b[0]]), (V, A, B),
         lambda v, a, b: v @ a[0] @ b[0]),
    Case("matrix_exp", lambda fw, a: fw.linalg.matrix_exp(fw.linalg.matrix_exp(a * 0.1) * 0), (A,),
         lambda a: np.broadcast_to(np.eye(3), a.shape)),
    Case("qr_product", lambda fw, a: (lambda q, r: (q.abs(), r.abs()))(*fw.linalg.qr(a)), (TALL,), twice=False),
    Case("qr_wide", lambda fw, a: (lambda q, r: (q.abs(), r.abs()))(*fw.linalg.qr(a)), (WIDE,), twice=False),
    Case("svdvals", lambda fw, a: fw.linalg.svdvals(a), (TALL,), lambda a: np.linalg.svd(a, compute_uv=False)),
    Case("svd", lambda fw, a: (lambda u, s, v: (u.abs(), s, v.abs()))(*fw.linalg.svd(a, False)), (TALL,), twice=False),
    Case("svd_wide", lambda fw, a: (lambda u, s, v: (u.abs(), s, v.abs()))(*fw.svd(a)), (WIDE,), twice=False),
    Case("eigh", lambda fw, a: (lambda w, v: (w, v.abs()))(*fw.linalg.eigh(sym(a))), (SYMMETRIC,), twice=False),
    Case("eigvalsh", lambda fw, a: fw.linalg.eigvalsh(sym(a)), (SYMMETRIC,), np.linalg.eigvalsh),
    Case("tensorinv", lambda fw, a: fw.linalg.tensorinv(a.reshape(2, 3, 6), 2), (normal(6, 6),),
         lambda a: np.linalg.tensorinv(a.reshape(2, 3, 6), 2)),
    Case("tensorsolve", lambda fw, a, b: fw.linalg.tensorsolve(a.reshape(2, 3, 6), b), (normal(6, 6), normal(2, 3)),
         lambda a, b: np.linalg.tensorsolve(a.reshape(2, 3, 6), b)),
    Case("vecdot", lambda fw, a, b: fw.linalg.vecdot(a, b, dim=0), (TALL, normal(4, 2)), lambda a, b: (a * b).sum(0)),
    Case("cross", lambda fw, a, b: fw.linalg.cross(a, b), (A, V[None, None]), np.cross),
    Case("vander", lambda fw, a: fw.linalg.vander(a), (V,), lambda a: np.vander(a, increasing=True)),
    Case("cond", lambda fw, a: fw.linalg.cond(a), (A,), np.linalg.cond),
    Case("cond_fro", lambda fw, a: fw.linalg.cond(a, "fro"), (A,), lambda a: np.linalg.cond(a, "fro")),
    Case("matrix_rank", lambda fw, a: fw.linalg.matrix_rank(a), (SINGULAR,), np.linalg.matrix_rank),
    *[
        Case(
            f"matrix_norm_{order}",
            lambda fw, a, order=order: fw.linalg.matrix_norm(a, order),
            (TALL,),
            lambda a, order=order: np.linalg.norm(a, order),
        )
        for order in ("fro", "nuc", math.inf, -math.inf, 1, -1, 2, -2)
    ],
    *[
        Case(
            f"vector_norm_{order}",
            lambda fw, a, order=order: fw.linalg.vector_norm(a, order, -1),
            (TALL,),
            lambda a, order=order: np.linalg.norm(a, order, -1),
        )
        for order in (2, 1, 3.5, math.inf, -math.inf, 0, 0.5, -1)
    ],
    Case("norm", lambda fw, a: fw.linalg.norm(a, dim=(0, 1)), (TALL,), np.linalg.norm),
    Case("norm_kept", lambda fw, a: fw.linalg.norm(a, 1, dim=(0, 1), keepdim=True), (TALL,),
         lambda a: np.linalg.norm(a, 1, keepdims=True)),
]  # fmt: skip

EDGES = [
    Case("det_zero", lambda fw, a: fw.linalg.det(a), (np.zeros((2, 2)),)),
    Case("logdet_negative", lambda fw, a: fw.logdet(a), (np.diag([1.0, -1.0]),)),
    Case("empty", lambda fw, a: (fw.linalg.inv(a), fw.linalg.det(a)), (np.zeros((0, 0)),)),
    Case("qr_complete", lambda fw, a: fw.linalg.qr(a, "complete")[1].abs().detach(), (TALL,)),
    Case("qr_r", lambda fw, a: fw.linalg.qr(a, "r")[1].abs().detach(), (TALL,)),
    Case("eigh_upper", lambda fw, a: fw.linalg.eigh(a, "U")[0].detach(), (A,)),
    Case("inv_ex", lambda fw, a: fw.linalg.inv_ex(a), (A,)),
    Case("pinv_rtol", lambda fw, a: fw.linalg.pinv(a, rtol=0.5), (TALL,)),
    Case("rank_tol", lambda fw, a: fw.linalg.matrix_rank(a, tol=1e3), (A,)),
    Case("old_pinverse", lambda fw, a: fw.pinverse(a), (TALL,)),
    Case("old_cholesky", lambda fw, a: fw.cholesky(sym(a), True), (SYMMETRIC,)),
]

BAD = [
    (
        "inv_singular",
        lambda fw: fw.linalg.inv(fw.tensor([[1.0, 2.0], [2.0, 4.0]])),
        fastnn.linalg.LinAlgError,
        "[Ss]ingular",
    ),
    (
        "solve_singular",
        lambda fw: fw.linalg.solve(fw.zeros(2, 2), fw.ones(2)),
        fastnn.linalg.LinAlgError,
        "[Ss]ingular",
    ),
    ("cholesky", lambda fw: fw.linalg.cholesky(-fw.eye(2)), fastnn.linalg.LinAlgError, "not positive-definite"),
    ("integers", lambda fw: fw.linalg.inv(fw.ones(2, 2).long()), RuntimeError, "floating point"),
    ("half", lambda fw: fw.linalg.inv(fw.ones(2, 2).half()), NotImplementedError, "float16"),
    ("vector", lambda fw: fw.linalg.inv(fw.ones(2)), RuntimeError, "at least 2 dimensions"),
    ("rectangle", lambda fw: fw.linalg.det(fw.ones(2, 3)), RuntimeError, "square"),
    ("solve_shapes", lambda fw: fw.linalg.solve(fw.eye(3), fw.ones(2, 2)), RuntimeError, "Incompatible shapes"),
    ("solve_dtypes", lambda fw: fw.linalg.solve(fw.eye(3), fw.ones(3).double()), RuntimeError, "same dtype"),
    ("norm_order", lambda fw: fw.linalg.matrix_norm(fw.ones(2, 2), 3), RuntimeError, "Order 3 not supported"),
    ("norm_dim", lambda fw: fw.linalg.matrix_norm(fw.ones(2, 2), dim=(0, 0)), RuntimeError, "must be different"),
    ("multi_dot", lambda fw: fw.linalg.multi_dot([fw.ones(2, 2)]), RuntimeError, "at least 2 tensors"),
    ("qr_mode", lambda fw: fw.linalg.qr(fw.ones(2, 2), "full"), RuntimeError, "unrecognized mode"),
    ("eig", lambda fw: fw.linalg.eig(fw.ones(2, 2)), NotImplementedError, "complex"),
    ("driver", lambda fw: fw.linalg.lstsq(fw.eye(2), fw.ones(2, 1), driver="x"), RuntimeError, "driver"),
]


@pytest.mark.parametrize("case", [case for case in CASES if case.numpy is not None], ids=ids)
def test_value(case):
    check_value(case)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_gradient(case):
    check_gradient(case)


@pytest.mark.peer
@pytest.mark.parametrize("case", CASES + EDGES, ids=ids)
def test_peer(case):
    if case.name == "cond_fro":
        pytest.skip("PyTorch's own gradient fails here: it changes what it saved")
    check_peer(case, pytest.importorskip("torch"), "float64")


@pytest.mark.parametrize(("call", "error", "text"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_error(call, error, text):
    with pytest.raises(error, match=text):
        call(fastnn)


def test_the_gradient_of_a_singular_determinant_is_that_of_the_minors() -> None:
    a = fastnn.tensor(SINGULAR).requires_grad_()
    fastnn.linalg.det(a).backward()
    assert a.grad is not None
    np.testing.assert_allclose(a.grad.numpy(), [[4, -2], [-2, 1]], atol=1e-12)  # PyTorch gives zeros


def test_factors_multiply_to_the_matrix() -> None:
    for given in (TALL, WIDE, A):
        a = fastnn.tensor(given)
        q, r = fastnn.linalg.qr(a)
        u, s, vh = fastnn.linalg.svd(a, full_matrices=False)
        fu, fs, fvh = fastnn.linalg.svd(a)
        np.testing.assert_allclose((q @ r).numpy(), given, atol=1e-12)
        np.testing.assert_allclose((u * s.unsqueeze(-2) @ vh).numpy(), given, atol=1e-12)
        assert fu.shape[-2:] == (given.shape[-2],) * 2 and fvh.shape[-2:] == (given.shape[-1],) * 2
        assert fastnn.allclose(fs, s)
    w, v = fastnn.linalg.eigh(fastnn.tensor(SYMMETRIC))
    np.testing.assert_allclose((v * w.unsqueeze(-2) @ v.mT).numpy(), SYMMETRIC, atol=1e-11)


def test_cholesky_ex_says_which_matrix_failed() -> None:
    given = fastnn.tensor(np.stack([np.eye(2), -np.eye(2)]))
    lower, info = fastnn.linalg.cholesky_ex(given)
    assert info.tolist() == [0, 1]
    assert lower[0].tolist() == [[1, 0], [0, 1]]
