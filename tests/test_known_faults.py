"""Faults that libraries of this kind have had in public, with the right values: each must not come back here.

What belongs to one part alone stands with that part's tests (the tape in test_autograd.py, threads and forks in
test_threads.py, imports and instruction sets in test_build.py, Numba's cache in kernels/test_numba_cache.py).
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

import numpy as np
import pytest

import fastnn as fw

F = fw.nn.functional
INF = float("inf")


def test_softmax_and_logsumexp_of_infinities() -> None:
    """Subtracting an infinite maximum gives inf - inf."""
    assert float(fw.logsumexp(fw.tensor([-INF, -INF]), 0)) == -INF
    assert float(fw.logsumexp(fw.tensor([INF, 1.0]), 0)) == INF
    assert F.softmax(fw.tensor([-INF, 0.0, 0.0]), 0).tolist() == [0.0, 0.5, 0.5]
    assert F.log_softmax(fw.tensor([3e38, -3e38]), 0).tolist() == [0.0, -INF]
    assert np.isnan(F.softmax(fw.tensor([-INF, -INF]), 0).numpy()).all()


def test_long_sums_keep_small_terms() -> None:
    """One running float32 total stops at 2**24; float16 means overflow."""
    a = np.ones((100001, 2), np.float32)
    a[0] = 2**24
    column = fw.tensor(np.ascontiguousarray(a[:, 0]))
    for got, want in (
        (fw.tensor(a).sum(0), 16877216.0),
        (fw.tensor(a).mean(0), 16877216.0 / 100001),
        (fw.tensor(np.ascontiguousarray(a.T)).sum(1), 16877216.0),
        (column.sum(), 16877216.0),
    ):
        assert np.allclose(got.numpy(), want, rtol=1e-4)
    weight = fw.zeros(2, 3, requires_grad=True)
    bias = fw.zeros(2, requires_grad=True)
    F.linear(fw.zeros(100001, 3), weight, bias).backward(fw.tensor(a))
    assert np.allclose(bias.grad.numpy(), 16877216.0, rtol=1e-4)
    half = fw.tensor(np.full(100000, 0.1, np.float16))
    assert abs(float(half.mean()) - 0.1) < 1e-3 and half.mean().dtype == fw.float16


def test_dtypes_are_promoted_or_refused_never_reinterpreted() -> None:
    f32, f64, i64 = fw.float32, fw.float64, fw.int64
    assert (fw.ones(1) + fw.ones(1, dtype=f64)).dtype == f64
    assert (fw.ones(1) * 2.5).dtype == f32 and (fw.ones(1, dtype=i64) * 2.5).dtype == f32
    assert (fw.ones(1) + fw.tensor(1.0, dtype=f64)).dtype == f32
    s = fw.tensor(3.0)
    assert s.shape == () and float(s.sum()) == 3.0 and float(F.softmax(s, 0)) == 1.0


@pytest.mark.parametrize(
    "bad",
    [
        lambda: fw.tensor([1, 2]).mean(),
        lambda: fw.nn.Linear(2, 2)(fw.tensor([[1, 2]])),
        lambda: fw.nn.Linear(2, 2)(fw.zeros(1, 2, dtype=fw.float64)),
        lambda: fw.tensor([1]).requires_grad_(True),
    ],
)
def test_mismatched_dtypes_raise(bad: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError):
        bad()


@pytest.mark.parametrize(
    ("function", "values", "want"),
    [
        (lambda x: x.norm(), [0.0, 0.0], [0, 0]),
        (lambda x: x.prod(), [2.0, 0.0, 3.0], [0, 6, 0]),
        (lambda x: x.prod(), [0.0, 0.0, 3.0], [0, 0, 0]),
        (lambda x: x.cumprod(0), [0.0, 2.0, 3.0], [9, 0, 0]),
        (lambda x: x.amax(), [1.0, 2.0, 2.0], [0, 0.5, 0.5]),
        (lambda x: x.max(0)[0], [1.0, 2.0, 2.0], [0, 1, 0]),
        (F.relu, [0.0, -0.0], [0, 0]),
        (lambda x: x.abs(), [0.0], [0]),
        (lambda x: x.clamp(0, 1), [0.0, 1.0, 2.0], [1, 1, 0]),
    ],
)
def test_subgradients_at_kinks_and_ties(
    function: Callable[[fw.Tensor], fw.Tensor], values: list[float], want: list[float]
) -> None:
    x = fw.tensor(values, requires_grad=True)
    function(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == want


def test_a_loss_that_would_broadcast_warns() -> None:
    with pytest.warns(UserWarning, match="different to the input size"):
        loss = F.mse_loss(fw.tensor([[1.0], [2.0], [3.0]]), fw.tensor([1.0, 2.0, 3.0]))
    assert abs(float(loss) - 4 / 3) < 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.mse_loss(fw.ones(3), fw.zeros(3))


def test_dropout_uses_its_mask_and_chooses() -> None:
    x = fw.zeros(1000, requires_grad=True)
    F.dropout(x, 0.5, True).sum().backward()
    assert x.grad is not None and set(x.grad.tolist()) == {0.0, 2.0}
    assert F.dropout(fw.ones(4), 1.0, True).tolist() == [0, 0, 0, 0]
    assert F.dropout(fw.ones(4), 0.9, False).tolist() == [1, 1, 1, 1]
    kept = F.dropout(fw.full((1000,), INF), 0.5).numpy()
    assert set(kept.tolist()) == {0.0, INF}  # a dropped infinity is 0, not inf * 0
    for p in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            F.dropout(fw.ones(3), p)


def test_the_number_of_threads_changes_no_bit() -> None:
    before = fw.get_num_threads()
    x = fw.tensor(np.random.default_rng(0).standard_normal(1_000_003).astype(np.float32))
    m = fw.tensor(np.random.default_rng(1).standard_normal((300, 400)).astype(np.float32))
    seen = set()
    try:
        for threads in (1, 2, 3, 8):
            fw.set_num_threads(threads)
            fw.manual_seed(0)
            mask = F.dropout(x, 0.3)
            seen.add((float(x.sum()), (m.t() @ m).numpy().tobytes(), mask.numpy().tobytes(), x.exp().numpy().tobytes()))
    finally:
        fw.set_num_threads(before)
    assert len(seen) == 1


def test_four_callers_at_once_get_right_answers() -> None:
    m = fw.tensor(np.random.default_rng(1).standard_normal((200, 200)).astype(np.float32))
    want = (m @ m).numpy().tobytes()
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(i for i in range(50) if (m @ m).numpy().tobytes() != want)

    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_read_only_and_byte_swapped_memory() -> None:
    a = np.frombuffer(np.arange(6, dtype=np.float32).tobytes(), np.float32).reshape(2, 3)
    assert fw.nn.Linear(3, 2)(fw.tensor(a)).shape == (2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t = fw.from_numpy(a)
    assert np.shares_memory(t.numpy(), a)
    F.softmax(t, 1)
    t.sum()
    assert a.flags.writeable is False
    swapped = np.arange(3, dtype=">f4")
    assert fw.tensor(swapped).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="byte order"):
        fw.from_numpy(swapped)


def test_denormals_and_nan_survive_the_import() -> None:
    assert 1e-310 > 0
    assert float(np.float32(1e-40)) > 0
    assert float(fw.tensor(1e-40)) > 0
    fw.ones(300, 300) @ fw.ones(300, 300)
    assert float(np.float32(1e-30) * np.float32(1e-10)) > 0  # kernels flush denormals for themselves alone
    assert np.isnan(float(fw.tensor([1.0, float("nan")]).sum()))


def test_a_failed_load_changes_nothing() -> None:
    model = fw.nn.Sequential(fw.nn.Linear(2, 2), fw.nn.Linear(2, 3))
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    good = {k: fw.ones(*v.shape) for k, v in before.items()}
    for name, value in (("1.bias", fw.ones(4)), ("0.weight", fw.ones(1, 2))):
        for strict in (True, False):
            with pytest.raises(RuntimeError, match="size mismatch"):
                model.load_state_dict({**good, name: value}, strict=strict)
    with pytest.raises(RuntimeError, match=r"0\.bias"):
        model.load_state_dict({k: v for k, v in good.items() if k != "0.bias"})
    assert all((model.state_dict()[k].numpy() == v).all() for k, v in before.items())
    first = model[0].weight
    result = model.load_state_dict({"0.weight": fw.zeros(2, 2), "extra": fw.zeros(1)}, strict=False)
    assert "0.bias" in result.missing_keys and result.unexpected_keys == ["extra"]
    assert model[0].weight is first and float(first.detach().sum()) == 0.0  # loaded in place


def test_fused_layers_leave_one_node() -> None:
    """Overhead: no graph under no_grad, and one node for linear, bias and activation."""
    model = fw.nn.Sequential(fw.nn.Linear(3, 4), fw.nn.ReLU())
    x = fw.ones(2, 3)
    out = model(x)
    assert out.grad_fn is not None
    assert [type(f).__name__ for f, _ in out.grad_fn.next_functions if f is not None] == ["AccumulateGrad"] * 2
    with fw.no_grad():
        assert model(x).grad_fn is None
