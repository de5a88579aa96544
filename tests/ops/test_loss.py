"""Losses: against PyTorch with every option, formulas, gradients of input and target, extremes, warnings, refusals."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from op_cases import Case, check_gradient, check_peer, ids, normal

import fastnn as fw
from fastnn.nn import functional as F

X, T = normal(4, 6), normal(4, 6, seed=1)
U, V = np.random.default_rng(2).uniform(0.05, 0.95, (2, 4, 6))
W, P = np.random.default_rng(3).uniform(0.5, 2, (2, 4, 6))
SIGN = np.where(normal(4, 6, seed=4) > 0, 1.0, -1.0)
LOGS = X - np.log(np.exp(X).sum(1, keepdims=True))
Q = np.exp(T) / np.exp(T).sum(1, keepdims=True)
LABELS = np.array([2, 0, 5, 3])
IMAGE, PIXELS = normal(2, 3, 4, 5), np.random.default_rng(5).integers(0, 3, (2, 4, 5))
LISTS = np.array([[1, 3, -1, 0, 2, 2], [0, -1, -1, -1, -1, -1], [5, 4, 3, 2, 1, 0], [-1, 1, 2, 3, 4, 5]])


def f(name: str, **options: Any) -> Any:
    def call(fw: Any, *tensors: Any) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="reduction: 'mean' divides")
            return getattr(fw.nn.functional, name)(*tensors, **options)

    return call


def cases() -> list[Case]:
    found = []

    def add(label: str, name: str, arrays: tuple[Any, ...], twice: bool = True, more: Any = (), **options: Any) -> None:
        for reduction in ("none", "mean", "sum", *more):
            call = f(name, reduction=reduction, **options)
            found.append(Case(f"{label}-{reduction}", call, arrays, None, twice))

    add("mse", "mse_loss", (X, T))
    add("l1", "l1_loss", (X, T))
    add("smooth_l1", "smooth_l1_loss", (X, T), twice=False)
    add("smooth_l1-beta", "smooth_l1_loss", (X, T), twice=False, beta=0.3)
    add("smooth_l1-0", "smooth_l1_loss", (X, T), beta=0.0)
    add("huber", "huber_loss", (X, T), twice=False, delta=0.7)
    add("bce", "binary_cross_entropy", (U, V))
    add("bce_with_logits", "binary_cross_entropy_with_logits", (X, V))
    add("kl", "kl_div", (LOGS, Q), more=("batchmean",))
    add("kl-log", "kl_div", (LOGS, np.log(Q)), more=("batchmean",), log_target=True)
    for log_input, full in itertools.product([True, False], [True, False]):
        target = V * 4
        add(f"poisson-{log_input}-{full}", "poisson_nll_loss", (U, target), log_input=log_input, full=full)
    add("gaussian", "gaussian_nll_loss", (X, T, W), full=True)
    add("gaussian-row", "gaussian_nll_loss", (X, T, W[:, 0]))
    add("gaussian-column", "gaussian_nll_loss", (X, T, W[:, :1]))
    add("gaussian-number", "gaussian_nll_loss", (X, T), var=0.5)
    add("ranking", "margin_ranking_loss", (X, T, SIGN), twice=False, margin=0.2)
    add("hinge", "hinge_embedding_loss", (X, SIGN), twice=False, margin=0.8)
    for reduction in ("none", "mean", "sum"):  # PyTorch has no gradient of the target
        call = lambda fw, x, r=reduction: fw.nn.functional.soft_margin_loss(  # noqa: E731
            x, fw.tensor(SIGN.tolist(), dtype=x.dtype), reduction=r
        )
        found.append(Case(f"soft_margin-{reduction}", call, (X,)))
    add("cosine", "cosine_embedding_loss", (X, T, SIGN[:, 0]), margin=-0.5)
    add("cosine-one", "cosine_embedding_loss", (X[0], T[0], SIGN[0, 0]))
    for p, swap in itertools.product([1, 2, 3.0], [False, True]):
        add(f"triplet-{p}-{swap}", "triplet_margin_loss", (X, T, W), twice=p != 1, p=p, swap=swap, margin=1.5)
    add("triplet-distance", "triplet_margin_with_distance_loss", (X, T, W), swap=True)
    add("nll", "nll_loss", (LOGS, LABELS))
    add("nll-ignored", "nll_loss", (LOGS, LABELS), ignore_index=5)
    add("nll-image", "nll_loss", (IMAGE, PIXELS))
    add("nll-one", "nll_loss", (LOGS[0], np.array(3)))
    add("multi_margin", "multi_margin_loss", (X, LABELS), twice=False, margin=0.7)
    add("multi_margin-2", "multi_margin_loss", (X, LABELS), p=2)
    add("multi_margin-one", "multi_margin_loss", (X[0], np.array(2)), p=2)
    add("multilabel_margin", "multilabel_margin_loss", (X, LISTS), twice=False)
    add("multilabel_margin-one", "multilabel_margin_loss", (X[0], LISTS[0]), twice=False)
    add("multilabel_soft", "multilabel_soft_margin_loss", (X, V))
    found.append(Case("cosine_similarity", lambda fw, a, b: fw.nn.functional.cosine_similarity(a, b), (X, T)))
    found.append(Case("pairwise", lambda fw, a, b: fw.nn.functional.pairwise_distance(a, b, 3.0, keepdim=True), (X, T)))
    return found


def weighted() -> list[Case]:
    found = []

    def fixed(name: str, w: Any, **options: Any) -> Any:
        """The loss with a weight that is no leaf of the test."""
        return lambda fw, x, t: getattr(fw.nn.functional, name)(x, t, fw.tensor(w.tolist(), dtype=x.dtype), **options)

    def positive(w: Any, **options: Any) -> Any:
        def call(fw: Any, x: Any, t: Any) -> Any:
            weight = fw.tensor(w.tolist(), dtype=x.dtype)
            name = "binary_cross_entropy_with_logits"
            return getattr(fw.nn.functional, name)(x, t, weight, pos_weight=weight * 2, **options)

        return call

    for reduction in ("none", "mean", "sum"):
        r = {"reduction": reduction}
        for name in ("mse_loss", "l1_loss", "huber_loss"):
            call = lambda fw, x, t, w, name=name, r=r: getattr(fw.nn.functional, name)(x, t, weight=w, **r)  # noqa: E731
            found.append(Case(f"{name}-{reduction}", call, (X, T, W), None, False))
        for label, w in (("full", W), ("row", W[0]), ("column", W[:, :1])):
            call = fixed("binary_cross_entropy", w, **r)
            found.append(Case(f"bce-{label}-{reduction}", call, (U, V)))
            found.append(Case(f"logits-{label}-{reduction}", positive(w, **r), (X, V)))
        found.append(Case(f"nll-weight-{reduction}", fixed("nll_loss", W[0], **r), (LOGS, LABELS)))
        call = fixed("multilabel_soft_margin_loss", W[0], **r)
        found.append(Case(f"multilabel_soft-weight-{reduction}", call, (X, V)))
        call = lambda fw, x, t, r=r: fw.nn.functional.multi_margin_loss(  # noqa: E731
            x, t, weight=fw.tensor(W[0].tolist(), dtype=x.dtype), **r
        )
        found.append(Case(f"multi_margin-weight-{reduction}", call, (X, LABELS), None, False))
    return found


ALL = cases() + weighted()


@pytest.mark.parametrize("case", ALL, ids=ids)
def test_gradients(case: Case) -> None:
    check_gradient(case)


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ALL, ids=ids)
def test_peer(case: Case, dtype: str) -> None:
    check_peer(case, pytest.importorskip("torch"), dtype)


@pytest.mark.parametrize("pos_weight", [None, [1.0]])
def test_logits_at_extremes(pos_weight: Any) -> None:
    x = fw.tensor([-1e4, 1e4, 1e4, -1e4, 0.0], requires_grad=True)
    y = fw.tensor([1.0, 0.0, 1.0, 0.0, 0.0])
    w = None if pos_weight is None else fw.tensor(pos_weight)
    losses = F.binary_cross_entropy_with_logits(x, y, pos_weight=w, reduction="none")
    np.testing.assert_allclose(losses.detach().numpy(), [1e4, 1e4, 0, 0, np.log(2)], rtol=1e-6)
    losses.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [-1, 1, 0, 0, 0.5], atol=1e-7)


@pytest.mark.parametrize("pos_weight", [None, [3.0]])
def test_infinite_logits_that_are_right_cost_nothing(pos_weight: Any) -> None:
    inf = float("inf")
    x = fw.tensor([inf, -inf, inf, -inf], requires_grad=True)
    w = None if pos_weight is None else fw.tensor(pos_weight)
    losses = F.binary_cross_entropy_with_logits(x, fw.tensor([1.0, 0, 0, 1]), pos_weight=w, reduction="none")
    assert losses.tolist() == [0, 0, inf, inf]
    losses[:2].sum().backward()
    assert x.grad.tolist() == [0, 0, 0, 0]


def test_probabilities_of_0_and_1() -> None:
    x = fw.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    losses = F.binary_cross_entropy(x, fw.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    assert losses.tolist() == [0, 0, 100, 100]
    losses.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0, -1e12, 1e12], rtol=1e-6)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_broadcasting_warns(name: str) -> None:
    column, row = fw.tensor([[1.0], [2.0], [3.0]], requires_grad=True), fw.tensor([1.0, 2.0, 3.0])
    with pytest.warns(UserWarning, match="different to the input size"):
        loss = getattr(F, name)(column, row, reduction="none")
    assert loss.shape == (3, 3)
    loss.sum().backward()
    assert column.grad.shape == (3, 1)


def test_a_weight_may_want_a_gradient() -> None:
    x, t, w = (fw.tensor(a, requires_grad=True) for a in (U, V, W[0]))
    assert fw.autograd.gradcheck(F.binary_cross_entropy, (x, t, w))
    with pytest.raises(NotImplementedError, match="pos_weight"):
        F.binary_cross_entropy_with_logits(x, t, pos_weight=w)


def test_kl_mean_warns() -> None:
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(fw.zeros(2, 2), fw.ones(2, 2))


@pytest.mark.parametrize("name", ["mse_loss", "binary_cross_entropy_with_logits", "smooth_l1_loss"])
def test_half(name: str) -> None:
    x, t = fw.tensor(U).half().requires_grad_(True), fw.tensor(V).half()
    loss = getattr(F, name)(x, t)
    loss.backward()
    assert loss.dtype is fw.float16 and x.grad.dtype is fw.float16
    want = getattr(F, name)(fw.tensor(U), fw.tensor(V))
    assert abs(float(loss) - float(want)) < 2e-3


def test_ignored_targets() -> None:
    x = fw.tensor([[0.0, -float("inf")], [-1.0, -2.0]], requires_grad=True)
    loss = F.nll_loss(x, fw.tensor([-100, 1]))
    assert float(loss) == 2.0
    loss.backward()
    assert x.grad.tolist() == [[0, 0], [0, -1]]
    assert np.isnan(float(F.nll_loss(x, fw.tensor([-100, -100]))))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: F.mse_loss(fw.ones(2), fw.ones(2), reduction="avg"), ValueError, "avg is not a valid value"),
        (lambda: F.mse_loss(fw.ones(2), fw.ones(2), weight=fw.ones(1)), ValueError, "same size"),
        (lambda: F.smooth_l1_loss(fw.ones(2), fw.ones(2), beta=-1.0), RuntimeError, "negative values for beta"),
        (lambda: F.huber_loss(fw.ones(2), fw.ones(2), delta=0.0), RuntimeError, "non-positive values for delta"),
        (lambda: F.binary_cross_entropy(fw.ones(2), fw.ones(3)), ValueError, "Using a target size"),
        (lambda: F.binary_cross_entropy(fw.ones(2) * 2, fw.ones(2)), RuntimeError, "between 0 and 1"),
        (lambda: F.binary_cross_entropy_with_logits(fw.ones(2), fw.ones(3)), ValueError, "must be the same as"),
        (lambda: F.nll_loss(fw.ones(2, 3), fw.tensor([0, 3])), IndexError, "Target 3 is out of bounds"),
        (lambda: F.nll_loss(fw.ones(2, 3), fw.tensor([0])), ValueError, "Expected input batch_size"),
        (lambda: F.nll_loss(fw.ones(2, 3), fw.tensor([0.0, 1.0])), RuntimeError, "Long"),
        (lambda: F.nll_loss(fw.ones(2, 3), fw.tensor([0, 1]), fw.ones(2)), RuntimeError, "weight tensor"),
        (lambda: F.gaussian_nll_loss(fw.ones(2), fw.ones(2), -1.0), ValueError, "negative"),
        (lambda: F.gaussian_nll_loss(fw.ones(2), fw.ones(2), fw.ones(3)), ValueError, "incorrect size"),
        (lambda: F.triplet_margin_loss(fw.ones(2), fw.ones(2), fw.ones(1, 2)), RuntimeError, "same number"),
        (lambda: F.triplet_margin_loss(fw.ones(2), fw.ones(2), fw.ones(2), margin=0), ValueError, "margin"),
        (lambda: F.margin_ranking_loss(fw.ones(2), fw.ones(2), fw.ones(1, 2)), RuntimeError, "same dimension"),
        (lambda: F.cosine_embedding_loss(fw.ones(2), fw.ones(2), fw.ones(2)), RuntimeError, "1D target"),
        (lambda: F.multi_margin_loss(fw.ones(2, 3), fw.tensor([0, 3])), RuntimeError, "out of range"),
        (lambda: F.multi_margin_loss(fw.ones(2, 3), fw.tensor([0, 1]), p=3), ValueError, "only p == 1"),
        (lambda: F.mse_loss(np.ones(2), fw.ones(2)), TypeError, "must be Tensor"),
    ],
)
def test_refusals(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
