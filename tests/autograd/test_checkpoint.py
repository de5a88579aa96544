"""Checkpointing gives what the plain call gives, in every direction, and keeps less."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


class Both(NamedTuple):
    first: Any
    second: Any


def _block() -> nn.Module:
    fastnn.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4), nn.LayerNorm(4)).double()


PARTS: dict[str, Callable[[nn.Module, Any, Callable[..., Any]], Any]] = {
    "module": lambda block, x, call: call(block, x),
    "non-leaf": lambda block, x, call: call(block, x * 2) + x,
    "two in a row": lambda block, x, call: call(block, call(block, x) + x),
    "nested": lambda block, x, call: call(lambda t: call(block, t) * t, x),
    "closure": lambda block, x, call: (lambda y: call(lambda: block(y) * y))(x * 3),
    "keyword": lambda block, x, call: call(lambda t, scale: block(t) * scale, x, scale=x.sum()),
    "nested arguments": lambda block, x, call: call(lambda d: block(d["x"][0]), {"x": [x * 2]}),
    "several outputs": lambda block, x, call: (lambda out: out[0] * out[1]["b"])(
        call(lambda t: (block(t), {"b": t.exp()}), x)
    ),
    "named tuple": lambda block, x, call: call(lambda t: Both(block(t), t.detach()), x).first,
    "one output unused": lambda block, x, call: call(lambda t: (block(t), t * 2), x)[1],
    "argument returned": lambda block, x, call: call(lambda t: (t, block(t)), x)[0] * 2,
    "view": lambda block, x, call: call(lambda t: block(t).reshape(-1)[2:7], x),
}


def _gradients(block: nn.Module, x: Any, y: Any, create_graph: bool = False) -> list[Any]:
    wanted = [x, *block.parameters()]
    first = fastnn.autograd.grad((y * y).sum(), wanted, create_graph=create_graph, allow_unused=True)
    if not create_graph:
        return list(first)
    score = sum((g * g).sum() for g in first if g is not None and g.requires_grad)
    return [*first, *fastnn.autograd.grad(score, wanted, allow_unused=True)]


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("name", PARTS)
def test_gradients_are_those_of_the_plain_call(name: str, twice: bool) -> None:
    block = _block()
    x = fastnn.rand(3, 4, dtype=fastnn.float64).requires_grad_()
    plain = _gradients(block, x, PARTS[name](block, x, lambda f, *a, **k: f(*a, **k)), twice)
    kept = _gradients(
        block, x, PARTS[name](block, x, lambda f, *a, **k: checkpoint(f, *a, use_reentrant=False, **k)), twice
    )
    for a, b in zip(plain, kept, strict=True):
        assert (a is None) == (b is None)
        assert a is None or np.allclose(a.numpy(force=True), b.numpy(force=True), rtol=1e-12)


def test_backward_twice_and_hooks_run_once() -> None:
    block, log = _block(), []
    x = fastnn.rand(3, 4, dtype=fastnn.float64).requires_grad_()
    weight = next(block.parameters())
    x.register_hook(lambda grad: log.append("x"))
    weight.register_hook(lambda grad: log.append("w"))
    between = x * 2
    between.register_hook(lambda grad: log.append("y"))
    out = checkpoint(block, between, use_reentrant=False).sum()
    out.backward(retain_graph=True)
    once = weight.grad.clone()
    assert sorted(log) == ["w", "x", "y"]
    out.backward()
    assert fastnn.equal(weight.grad, 2 * once)
    with pytest.raises(RuntimeError, match="second time"):
        out.backward()


def test_dropout_draws_the_same_mask_unless_told_not_to() -> None:
    drop = nn.Dropout(0.5)
    x = fastnn.ones(1000, requires_grad=True)
    y = checkpoint(drop, x, use_reentrant=False)
    before = fastnn.get_rng_state()
    y.sum().backward()
    assert fastnn.equal(x.grad, y.detach()) and fastnn.equal(before, fastnn.get_rng_state())
    x.grad = None
    y = checkpoint(drop, x, use_reentrant=False, preserve_rng_state=False)
    y.sum().backward()
    assert not fastnn.equal(x.grad, y.detach())


def test_intermediate_values_are_not_kept() -> None:
    kept: list[Any] = []

    def part(t: Any) -> Any:
        inside = t.exp()
        kept.append(weakref.ref(inside))
        middle = inside * inside
        kept.append(weakref.ref(middle._array))
        return middle.sum()

    x = fastnn.ones(5, requires_grad=True)
    y = checkpoint(part, x, use_reentrant=False)
    gc.collect()
    assert [ref() for ref in kept] == [None, None]
    y.backward()
    assert np.allclose(x.grad.numpy(), 2 * np.exp(2.0))


def test_a_part_that_changes_is_an_error() -> None:
    sizes = iter([3, 2])
    x = fastnn.ones(5, requires_grad=True)
    y = checkpoint(lambda t: t[: next(sizes)] * 2, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match=r"float32\[2\] and float32\[3\]"):
        y.sum().backward()
    x2 = x * 1
    y = checkpoint(lambda t: t * 2, x2, use_reentrant=False)
    x2.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_contexts_of_both_runs() -> None:
    log = []

    @contextmanager
    def noting(word: str) -> Any:
        log.append(word)
        yield

    x = fastnn.ones(5, requires_grad=True)
    y = checkpoint(lambda t: t * 2, x, use_reentrant=False, context_fn=lambda: (noting("first"), noting("again")))
    assert log == ["first"]
    y.sum().backward()
    assert log == ["first", "again"]


def test_without_gradients_it_is_the_plain_call() -> None:
    x = fastnn.ones(5, requires_grad=True)
    with fastnn.no_grad():
        assert not checkpoint(fastnn.exp, x, use_reentrant=False).requires_grad
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        assert not checkpoint(lambda t: t * x, x.detach(), use_reentrant=True).requires_grad
    assert checkpoint(lambda t: t * x, x.detach(), use_reentrant=False).requires_grad
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
        assert checkpoint(fastnn.exp, x).requires_grad
    with pytest.raises(ValueError, match="Unexpected keyword arguments: dim"):
        checkpoint(fastnn.sum, x, dim=0, use_reentrant=True)
    with pytest.raises(NotImplementedError, match="debug=True"):
        checkpoint(fastnn.exp, x, use_reentrant=False, debug=True)
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(fastnn.exp, x, use_reentrant=False, determinism_check="always")


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("segments", [1, 2, 3, 4])
def test_checkpoint_sequential(segments: int, reentrant: bool) -> None:
    block = _block()
    x = fastnn.rand(3, 4, dtype=fastnn.float64).requires_grad_()
    plain = _gradients(block, x, block(x))
    kept = _gradients(block, x, checkpoint_sequential(block, segments, x, use_reentrant=reentrant))
    for a, b in zip(plain, kept, strict=True):
        assert np.allclose(a.numpy(), b.numpy(), rtol=1e-12)
