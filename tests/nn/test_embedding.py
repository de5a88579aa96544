"""Embedding: values, gradients, indices out of bounds, the options, and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn as fw
from fastnn.autograd import gradcheck, gradgradcheck

F = fw.nn.functional


def test_padding_duplicates_and_the_padding_row() -> None:
    e = fw.nn.Embedding(5, 2, padding_idx=-1)
    assert (e.weight[4] == 0).all()
    e(fw.tensor([4, 1, 1] * 1000)).sum().backward()
    g = e.weight.grad.numpy()
    assert (g[4] == 0).all() and (g[1] == 2000).all() and (g[[0, 2, 3]] == 0).all()


@pytest.mark.parametrize("bad", [-1, 5, 10**12, -(2**63)])
@pytest.mark.parametrize("max_norm", [None, 1.0])
def test_indices_out_of_bounds_are_refused(bad: int, max_norm: float | None) -> None:
    weight = fw.ones(5, 2)
    with pytest.raises(IndexError, match="index out of range in self"):
        F.embedding(fw.tensor([0, bad]), weight, max_norm=max_norm)
    assert (weight == 1).all()


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_kernels_refuse_them_before_they_write(backend: str) -> None:
    with fw.use_backend(backend):
        from fastnn.kernels import K

        for bad in (-1, 5, 2**62):
            index, out, table = np.array([0, bad]), np.full((2, 2), 7.0), np.full((5, 2), 7.0)
            with pytest.raises(IndexError):
                K.embedding_forward(np.ones((5, 2)), index, out)
            with pytest.raises(IndexError):
                K.embedding_backward(np.ones((2, 2)), index, -1, False, table)
            assert (out == 7).all() and (table == 7).all()


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}, {"scale_grad_by_freq": True}, {"padding_idx": -2}])
@pytest.mark.parametrize("index", [[], [[0, 1, 1], [3, 1, 0]], 2])
def test_gradients(index: Any, options: dict[str, Any]) -> None:
    at = fw.tensor(index, dtype=fw.int64)
    weight = fw.randn(4, 3, dtype=fw.float64, requires_grad=True)
    if options.get("scale_grad_by_freq") or "padding_idx" in options:
        F.embedding(at, weight, **options).sum().backward()
        want = np.zeros((4, 3))
        flat = at.numpy().reshape(-1)
        for i in flat:
            if i != options.get("padding_idx", -9) % 4 or "padding_idx" not in options:
                want[i] += 1 / (flat == i).sum() if "scale_grad_by_freq" in options else 1
        np.testing.assert_allclose(weight.grad.numpy(), want)
    else:
        assert gradcheck(lambda w: F.embedding(at, w).sin(), [weight])
        assert gradgradcheck(lambda w: F.embedding(at, w).sin(), [weight])


def test_an_index_changed_afterwards_does_not_move_the_gradient() -> None:
    index, weight = fw.tensor([0, 1]), fw.randn(3, 2, requires_grad=True)
    out = F.embedding(index, weight)
    index.fill_(2)
    out.sum().backward()
    assert weight.grad.tolist() == [[1, 1], [1, 1], [0, 0]]


def test_bits_do_not_depend_on_threads() -> None:
    rng = np.random.default_rng(0)
    index, before = fw.tensor(rng.integers(0, 50, 4000)), fw.get_num_threads()
    weight, seed = rng.standard_normal((60, 40)).astype("f"), fw.tensor(rng.standard_normal((4000, 40)).astype("f"))
    results = []
    try:
        for threads in (1, 2, 3, 8):
            fw.set_num_threads(threads)
            table = fw.tensor(weight).requires_grad_()
            F.embedding(index, table, 3).backward(seed)
            results.append(table.grad.numpy().tobytes())
    finally:
        fw.set_num_threads(before)
    assert len(set(results)) == 1


def test_errors_and_what_is_not_implemented() -> None:
    index, weight = fw.tensor([0]), fw.ones(2, 3)
    with pytest.raises(NotImplementedError, match="sparse"):
        F.embedding(index, weight, sparse=True)
    with pytest.raises(NotImplementedError, match="sparse"):
        fw.nn.Embedding(2, 3, sparse=True)
    with pytest.raises(RuntimeError, match="scalar types: Long, Int"):
        F.embedding(fw.ones(1), weight)
    with pytest.raises(RuntimeError, match="must be 2-D"):
        F.embedding(index, fw.ones(3))
    with pytest.raises(AssertionError, match="Padding_idx"):
        F.embedding(index, weight, padding_idx=2)
    with pytest.raises(AssertionError, match="Padding_idx"):
        fw.nn.Embedding(2, 3, padding_idx=-3)
    with pytest.raises(AssertionError, match="Shape of weight"):
        fw.nn.Embedding(2, 3, _weight=fw.ones(3, 2))
    with pytest.raises(TypeError, match="must be Tensor"):
        F.embedding([0], weight)


def test_from_pretrained() -> None:
    table = fw.randn(3, 2)
    e = fw.nn.Embedding.from_pretrained(table)
    assert not e.weight.requires_grad and fw.equal(e(fw.tensor([2, 0])), table[fw.tensor([2, 0])])
    assert fw.nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


@pytest.mark.peer
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding_idx": 2},
        {"padding_idx": -1},
        {"max_norm": 1.0},
        {"max_norm": 0.7, "norm_type": 1.0},
        {"max_norm": 0.5, "norm_type": float("inf")},
        {"scale_grad_by_freq": True, "padding_idx": 0},
    ],
)
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_everything_is_pytorchs(options: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    index, table = rng.integers(0, 6, (5, 7)).astype(dtype), rng.standard_normal((6, 3))
    seed, found = rng.standard_normal((5, 7, 3)), []
    for library in (fw, torch):
        layer = library.nn.Embedding(6, 3, dtype=library.float64, **options)
        layer.load_state_dict({"weight": library.tensor(table)})
        out = layer(library.tensor(index))
        out.backward(library.tensor(seed))
        found.append((repr(layer), [x.detach().numpy() for x in (out, layer.weight, layer.weight.grad)]))
    assert found[0][0] == found[1][0]
    for have, want in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12)
