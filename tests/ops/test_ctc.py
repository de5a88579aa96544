"""ctc_loss: against the sum over all alignments, PyTorch, and differences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck


def logits(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def collapsed(path: tuple[int, ...], blank: int) -> list[int]:
    return [label for label, _ in itertools.groupby(path) if label != blank]


@pytest.mark.parametrize("target", [[1], [1, 2], [1, 1], [], [2, 1, 2]])
@pytest.mark.parametrize("blank", [0, 3])
def test_the_sum_over_all_alignments(target: list[int], blank: int) -> None:
    labels = [t if t != blank else 2 for t in target]
    x = F.log_softmax(fastnn.tensor(logits(5, 4)), 1)
    p = np.exp(x.numpy())
    total = sum(
        np.prod(p[range(5), path]) for path in itertools.product(range(4), repeat=5) if collapsed(path, blank) == labels
    )
    loss = F.ctc_loss(
        x, fastnn.tensor(labels, dtype=fastnn.int64), fastnn.tensor(5), fastnn.tensor(len(labels)), blank, "sum"
    )
    assert float(loss) == pytest.approx(-np.log(total), rel=1e-12)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_gradients_through_log_softmax(reduction: str) -> None:
    x = fastnn.tensor(logits(6, 3, 4)).requires_grad_()
    targets = fastnn.tensor([[1, 1, 3], [2, 0, 0], [3, 2, 0]])
    lengths = ([6, 4, 5], [3, 1, 2])
    assert gradcheck(lambda x: F.ctc_loss(F.log_softmax(x, 2), targets, *lengths, reduction=reduction), (x,))


@pytest.mark.peer
@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("zero_infinity", [True, False])
def test_as_pytorch(joined: bool, reduction: str, zero_infinity: bool) -> None:
    torch = pytest.importorskip("torch")
    x = logits(7, 4, 5)
    inputs, states = [7, 5, 2, 6], [3, 2, 4, 0]  # no alignment fits the third
    targets = np.random.default_rng(1).integers(1, 5, (4, 4))
    flat = np.concatenate([row[:n] for row, n in zip(targets, states, strict=True)])
    found = []
    for fw in (fastnn, torch):
        leaf = fw.tensor(x).requires_grad_()
        given = fw.tensor(flat if joined else targets)
        loss = fw.nn.functional.ctc_loss(
            fw.nn.functional.log_softmax(leaf, 2),
            given,
            fw.tensor(inputs),
            fw.tensor(states),
            reduction=reduction,
            zero_infinity=zero_infinity,
        )
        loss.backward(fw.ones_like(loss))
        found.append((loss.detach().numpy(), leaf.grad.numpy()))
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-10)


def test_long_sequences_neither_overflow_nor_vanish() -> None:
    x = fastnn.tensor(logits(2000, 1, 30).astype(np.float32)).requires_grad_()
    loss = F.ctc_loss(F.log_softmax(x, 2), fastnn.ones(1, 500, dtype=fastnn.int64) * 3, [2000], [500])
    loss.backward()
    assert np.isfinite(float(loss)) and np.isfinite(x.grad.numpy()).all() and x.grad.numpy().any()


def test_nothing_to_align() -> None:
    x = F.log_softmax(fastnn.tensor(logits(3, 1, 4)), 2)
    none = fastnn.zeros(1, 0, dtype=fastnn.int64)
    assert float(F.ctc_loss(x, none, [3], [0], reduction="sum")) == pytest.approx(-float(x[:, 0, 0].sum()))
    assert float(F.ctc_loss(x, none, [0], [0], reduction="sum")) == 0
    assert float(F.ctc_loss(x, fastnn.tensor([[1]]), [0], [1], reduction="sum")) == np.inf


def test_it_has_no_second_derivative() -> None:
    x = fastnn.tensor(logits(3, 1, 4)).requires_grad_()
    loss = F.ctc_loss(F.log_softmax(x, 2), fastnn.tensor([[1]]), [3], [1])
    with pytest.raises(NotImplementedError, match="CtcLoss"):
        fastnn.autograd.grad(loss, x, create_graph=True)


X = fastnn.zeros(3, 2, 4)
T = fastnn.ones(2, 2, dtype=fastnn.int64)


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (lambda: F.ctc_loss(X, T, [3, 3], [1, 1], blank=4), RuntimeError),
        (lambda: F.ctc_loss(X, T, [3], [1, 1]), RuntimeError),
        (lambda: F.ctc_loss(X, T, [4, 3], [1, 1]), RuntimeError),
        (lambda: F.ctc_loss(X, T, [-1, 3], [1, 1]), RuntimeError),
        (lambda: F.ctc_loss(X, T, [3, 3], [3, 1]), RuntimeError),
        (lambda: F.ctc_loss(X, T[0], [3, 3], [2, 1]), RuntimeError),
        (lambda: F.ctc_loss(X, T * 4, [3, 3], [1, 1]), RuntimeError),
        (lambda: F.ctc_loss(X, T.double(), [3, 3], [1, 1]), RuntimeError),
        (lambda: F.ctc_loss(X, T, [3, 3], [1, 1], reduction="max"), ValueError),
        (lambda: F.ctc_loss(X[0, 0], T, [3, 3], [1, 1]), RuntimeError),
    ],
)
def test_what_it_refuses(run: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        run()
