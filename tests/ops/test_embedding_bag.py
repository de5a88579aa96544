"""embedding_bag: sums, means and maxima of bags against their definition, gradients, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck, gradgradcheck

INPUT = [1, 2, 2, 5, 4, 3, 2, 0]
OFFSETS = [0, 3, 3, 5]  # the second bag is empty
CASES: list[dict[str, Any]] = [
    {"mode": mode, **more}
    for mode in ("sum", "mean", "max")
    for more in (
        {},
        {"padding_idx": 2},
        {"padding_idx": -1},
        {"include_last_offset": True},
        {"max_norm": 1.0},
    )
]


def arguments(fw: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    offsets = [*OFFSETS, len(INPUT)] if options.get("include_last_offset") else OFFSETS
    return fw.tensor(INPUT), fw.tensor(offsets)


@pytest.mark.peer
@pytest.mark.parametrize("options", CASES)
def test_as_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    table = np.random.default_rng(0).standard_normal((6, 4))
    found = []
    for fw in (fastnn, torch):
        weight = fw.tensor(table).requires_grad_()
        input, offsets = arguments(fw, options)
        out = fw.nn.functional.embedding_bag(input, weight, offsets, **options)
        out.backward(fw.tensor(np.random.default_rng(1).standard_normal(tuple(out.shape))))
        found.append((out.detach().numpy(), weight.grad.numpy(), weight.detach().numpy()))
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-10, 1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("flat", [True, False])
def test_weights_of_samples_as_pytorch(flat: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    table, factors = rng.standard_normal((6, 4)), rng.standard_normal(8)
    found = []
    for fw in (fastnn, torch):
        weight, share = fw.tensor(table).requires_grad_(), fw.tensor(factors).requires_grad_()
        input, offsets = arguments(fw, {})
        given = share if flat else share.reshape(2, 4)
        place = (input, weight, offsets) if flat else (input.reshape(2, 4), weight)
        out = fw.nn.functional.embedding_bag(*place, mode="sum", per_sample_weights=given, padding_idx=4)
        (out * out).sum().backward()
        found.append((out.detach().numpy(), weight.grad.numpy(), share.grad.numpy()))
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-10, 1e-12)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_gradients_of_two_orders(mode: str) -> None:
    weight = fastnn.tensor(np.random.default_rng(0).standard_normal((6, 3))).requires_grad_()
    run = lambda w: F.embedding_bag(fastnn.tensor(INPUT), w, fastnn.tensor(OFFSETS), mode=mode) ** 2  # noqa: E731
    assert gradcheck(run, (weight,))
    assert gradgradcheck(run, (weight,))


def test_gradients_divided_by_how_often_a_row_is_named() -> None:
    """PyTorch's function divides rows 3 and 4 here, which are named once, by the count of row 2."""
    weight = fastnn.zeros(6, 1, dtype=fastnn.float64).requires_grad_()
    for mode, want in (("sum", [1, 1, 1, 1, 1, 1]), ("mean", [1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2])):
        weight.grad = None
        out = F.embedding_bag(fastnn.tensor(INPUT), weight, fastnn.tensor(OFFSETS), mode=mode, scale_grad_by_freq=True)
        out.sum().backward()
        np.testing.assert_allclose(weight.grad.numpy()[:, 0], want, 1e-12)


def test_rows_of_a_matrix_are_bags_and_of_equals_the_first_counts() -> None:
    weight = fastnn.tensor([[1.0, 5.0], [1.0, 2.0], [0.0, 7.0]]).requires_grad_()
    out = F.embedding_bag(fastnn.tensor([[0, 1], [2, 2]]), weight, mode="max")
    assert out.tolist() == [[1, 5], [0, 7]]
    out.sum().backward()
    assert weight.grad.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_no_bags_and_nothing_but_padding() -> None:
    weight = fastnn.ones(3, 2)
    none = fastnn.tensor([], dtype=fastnn.int64)
    assert F.embedding_bag(none, weight, none).shape == (0, 2)
    assert F.embedding_bag(none, weight, fastnn.tensor([0, 0])).tolist() == [[0, 0], [0, 0]]
    for mode in ("sum", "mean", "max"):
        assert F.embedding_bag(fastnn.tensor([[1, 1]]), weight, mode=mode, padding_idx=1).tolist() == [[0, 0]]


IDS = fastnn.tensor(INPUT)


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (lambda w: F.embedding_bag(IDS, w), ValueError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 4), w, fastnn.tensor([0])), ValueError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 2, 2), w), ValueError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 4), w, mode="prod"), ValueError),
        (lambda w: F.embedding_bag(IDS, w, fastnn.tensor([[0]])), ValueError),
        (lambda w: F.embedding_bag(IDS, w, fastnn.tensor([1, 3])), RuntimeError),
        (lambda w: F.embedding_bag(IDS, w, fastnn.tensor([0, 9])), RuntimeError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 4), w[:4]), RuntimeError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 4).double(), w), RuntimeError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 4), w, mode="max", scale_grad_by_freq=True), ValueError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 4), w, per_sample_weights=w[:2]), NotImplementedError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 4), w, mode="sum", per_sample_weights=w), ValueError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 4), w, sparse=True), NotImplementedError),
        (lambda w: F.embedding_bag(IDS.reshape(2, 4), w, padding_idx=7), RuntimeError),
    ],
)
def test_what_it_refuses(run: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        run(fastnn.ones(6, 4))
