"""linear_cross_entropy: against its definition, whole and by pieces of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn as fw
from fastnn import nn

F = nn.functional
Options = nn.LinearCrossEntropyOptions


def numbers(*shape: int, seed: int = 0) -> Any:
    return fw.tensor(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def inputs() -> tuple[Any, ...]:
    labels = np.random.default_rng(5).integers(0, 7, 11)
    labels[2] = -100
    return numbers(11, 3), numbers(7, 3, seed=1), fw.tensor(labels), numbers(7, seed=2)


def gradients(loss: Any, *tensors: Any, seed: Any = None) -> list[Any]:
    return [g.numpy() for g in fw.autograd.grad(loss, tensors, seed)]


PLANS = [
    Options(),
    Options(batch_chunk_size=4),
    Options(batch_chunk_size=1, acc_policy="compact"),
    Options(chunking_method="aspect_ratio", allow_retain_graph=True),
    Options(chunking_method=None),
]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_pieces_give_what_the_whole_gives(plan: Options, reduction: str, weighted: bool) -> None:
    x, w, t, b = inputs()
    weight = fw.tensor(np.random.default_rng(3).random(7)) if weighted else None
    whole = F.cross_entropy(F.linear(x, w, b), t, weight, reduction=reduction)
    pieces = F.linear_cross_entropy(x, w, t, linear_bias=b, weight=weight, reduction=reduction, options=plan)
    np.testing.assert_allclose(pieces.detach().numpy(), whole.detach().numpy(), 1e-10)
    seed = fw.ones_like(whole) * 2 if reduction != "none" else fw.tensor(np.arange(11.0))
    for have, want in zip(gradients(pieces, x, w, b, seed=seed), gradients(whole, x, w, b, seed=seed), strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-12)


def test_a_single_item_no_bias_and_half_precision() -> None:
    x, w, t, _ = inputs()
    one = F.linear_cross_entropy(x[0], w, t[0], options=Options())
    assert one.shape == () and float(one) == pytest.approx(float(F.cross_entropy((w @ x[0]), t[0])))
    half = F.linear_cross_entropy(x.half(), w.half(), t, options=Options())
    assert half.dtype == fw.float16 and float(half) == pytest.approx(float(F.cross_entropy(x @ w.T, t)), rel=1e-2)


def test_gradients_that_are_used_up() -> None:
    x, w, t, _ = inputs()
    loss = F.linear_cross_entropy(x, w, t, options=Options())
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="allow_retain_graph=True"):
        loss.backward()
    x.grad = w.grad = None
    loss = F.linear_cross_entropy(x, w, t, options=Options(allow_retain_graph=True))
    loss.backward(retain_graph=True)
    once = w.grad.numpy().copy()
    loss.backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * once, 1e-12)


def test_nothing_but_ignored_targets() -> None:
    x, w, _, _ = inputs()
    t = fw.full((11,), -100)
    loss = F.linear_cross_entropy(x, w, t, options=Options())
    loss.backward()
    assert np.isnan(float(loss)) and not x.grad.numpy().any()
    assert float(F.linear_cross_entropy(x, w, t, reduction="sum", options=Options())) == 0


def test_second_derivatives() -> None:
    x, w, t, _ = inputs()
    assert fw.autograd.gradgradcheck(lambda x, w: F.linear_cross_entropy(x, w, t), (x, w))
    with pytest.raises(NotImplementedError, match="LinearCrossEntropy"):
        fw.autograd.grad(F.linear_cross_entropy(x, w, t, options=Options()), x, create_graph=True)


def test_losses_at_several_places() -> None:
    layer = nn.LinearCrossEntropyLoss(3, 4, out_features=(2,), bias=True, label_smoothing=0.1).double()
    x, t = numbers(5, 3), fw.tensor(np.random.default_rng(1).integers(0, 4, (5, 2)))
    logits = layer.linear(x).reshape(5, 4, 2)
    assert float(layer(x, t)) == pytest.approx(float(F.cross_entropy(logits, t, label_smoothing=0.1)))
    with pytest.warns(UserWarning, match="options"):
        F.linear_cross_entropy(x, layer.linear.weight.reshape(4, 2, 3), t, options=Options())


@pytest.mark.parametrize(
    "options",
    [{"acc_policy": "fast"}, {"chunking_method": "aspect_ratio:0"}, {"batch_chunk_size": 0}, {"acc_dtype": fw.int64}],
)
def test_plans_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Options(**options)


def test_what_is_refused() -> None:
    x, w, t, b = inputs()
    for run in (
        lambda: F.linear_cross_entropy(x.reshape(11, 1, 3), w, t),
        lambda: F.linear_cross_entropy(x, w[0], t),
        lambda: F.linear_cross_entropy(x, w[:, :2], t),
        lambda: F.linear_cross_entropy(x, w, t, linear_bias=b[:2]),
        lambda: F.linear_cross_entropy(x[0], w.reshape(7, 1, 3), t[:1]),
        lambda: F.linear_cross_entropy(x, w, F.softmax(x @ w.T, 1), ignore_index=1),
        lambda: F.linear_cross_entropy(x, w.float(), t, options=Options()),
        lambda: nn.LinearCrossEntropyLoss(3, 4, weight=fw.ones(3)),
        lambda: nn.LinearCrossEntropyLoss(3, 4, label_smoothing=2.0),
    ):
        with pytest.raises(RuntimeError):
            run()
    with pytest.raises(ValueError, match="give different chunk sizes"):
        F.linear_cross_entropy(x, w, t, options=Options(batch_chunk_size=3, chunking_method="aspect_ratio"))
    with pytest.raises(ValueError, match="batch_size"):
        F.linear_cross_entropy(x, w, t[:3], options=Options())
    with pytest.raises(IndexError):
        F.linear_cross_entropy(x, w, fw.full((11,), 7), options=Options())
