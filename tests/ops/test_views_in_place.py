"""Views changed in place while they are part of the graph, and the changes of a base that its views see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.autograd import gradcheck, gradgradcheck


def base_then_view(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    y[0] = 5
    y.view(-1).mul_(2)
    return (y * y).sum()


def view_by_other(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    v = y[1]
    v.mul_(w)
    return (y**3).sum() + v.sum()


def view_of_changed_base(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    v = y[1]
    y.mul_(3)
    return (v * w).sum()


def transposed(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    y.t().add_(1)
    y.transpose(0, 1)[0].mul_(0.1).exp_()
    return (y * y).sum()


def expanded_before(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    wide = y[:1].expand(3, 4)
    y.mul_(2)
    return (wide * x).sum()


def diagonal(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    y.diagonal().mul_(w[:3])
    y.view(4, 3)[1].fill_(3.0)
    return (y * y).sum()


def view_of_view(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    v = y.view(-1)
    u = v[2:7]
    u.copy_(w.repeat(2)[:5])
    v[0] = 7.0
    return (y * y).sum() + (u * u * u).sum() + (v * v).sum()


def overlapping_views(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    first, last = y.view(-1)[:6], y.view(-1)[4:]
    first.mul_(2)
    last.mul_(3)
    first.mul_(w[0])
    return (y * y).sum() + first.sum() + (last * last).sum()


def constant_base(fw: Any, x: Any, w: Any) -> Any:
    buffer = fw.zeros(4, dtype=fw.float64)
    v = buffer[1:3]
    assert not v.requires_grad
    buffer.add_(w)
    buffer.mul_(w)
    assert v.requires_grad and v.grad_fn is not None and not v.is_leaf
    return (v * v).sum()


def masked(fw: Any, x: Any, w: Any) -> Any:
    y = x * w
    y.view(-1).masked_fill_(fw.arange(12) > 5, 2.0)
    return (y * y).sum()


def split_parts(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    y.unsqueeze(0).mul_(w)
    y.flatten().sub_(1)
    y.view(-1).clamp_(max=20.0)
    return (y * y).sum()


def chain(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    v = y[0]
    v.mul_(2)
    v.mul_(w)
    y[1].add_(v)
    return (y * y * v).sum()


def strided(fw: Any, x: Any, w: Any) -> Any:
    y = x * 1
    v = y.as_strided((2, 3), (4, 1), 1)
    v.mul_(2)
    return (y * y).sum() + (v * v * v).sum()


def strided_overlap(fw: Any, x: Any, w: Any) -> Any:
    v = (x * 1).as_strided((3, 3), (1, 1))
    return (v * v * v).sum()


def loop(fw: Any, x: Any, w: Any) -> Any:
    state = fw.zeros(3, 4, dtype=fw.float64)
    state[0].add_(w)
    for i in range(1, 3):
        state[i].copy_(state[i - 1].clone() * x[i])
    return (state * state).sum()


CASES = [
    base_then_view, view_by_other, view_of_changed_base, transposed, expanded_before, diagonal, view_of_view,
    overlapping_views, constant_base, masked, split_parts, chain, strided, strided_overlap, loop,
]  # fmt: skip


def inputs(fw: Any) -> tuple[Any, Any]:
    x = (fw.arange(12, dtype=fw.float64).reshape(3, 4) + 1) / 4
    return x.requires_grad_(), fw.tensor([2.0, 3.0, 4.0, 5.0], dtype=fw.float64, requires_grad=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_gradients_are_the_differences(case: Callable[..., Any]) -> None:
    assert gradcheck(lambda x, w: case(fastnn, x, w), list(inputs(fastnn)))
    assert gradgradcheck(lambda x, w: case(fastnn, x, w), list(inputs(fastnn)))


@pytest.mark.peer
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_values_and_gradients_are_pytorchs(case: Callable[..., Any]) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for fw in (fastnn, torch):
        given = inputs(fw)
        out = case(fw, *given)
        grads = fw.autograd.grad(out, given, allow_unused=True)
        found.append([out.item(), *[None if g is None else g.tolist() for g in grads]])
    assert (found[0][1] is None, found[0][2] is None) == (found[1][1] is None, found[1][2] is None)
    for mine, theirs in zip(*found, strict=True):
        if theirs is not None:
            np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_known_gradient() -> None:
    x = fastnn.ones(3).requires_grad_()
    y = x * 1
    y[0] = 5
    y.view(-1).mul_(2)
    (y * y).sum().backward()
    assert y.tolist() == [10, 2, 2]
    assert x.grad is not None and x.grad.tolist() == [0, 8, 8]  # d(4 x**2) of those that kept x


def test_the_bases_node_names_the_change() -> None:
    y = fastnn.ones(3).requires_grad_() * 1
    v = y[1:]
    v.mul_(2)
    assert y.grad_fn is not None and y.grad_fn.name() == "CopySlices"
    y.mul_(2)
    assert v.grad_fn is not None and v.grad_fn.name() == "AsStridedBackward0"


def test_a_saved_value_changed_through_a_view_is_an_error() -> None:
    y = fastnn.ones(3).requires_grad_() * 1
    z = y * y
    y[1:].zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_a_saved_view_changed_through_its_base_is_an_error() -> None:
    y = fastnn.ones(3).requires_grad_() * 1
    v = y[1:]
    z = v * v
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_views_of_leaves() -> None:
    x = fastnn.ones(3).requires_grad_()
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        x.view(-1).mul_(2)
    with fastnn.no_grad():
        v = x.view(-1)
        v.mul_(2)
    assert x.tolist() == [2, 2, 2] and x.is_leaf
    with pytest.raises(RuntimeError, match="created in no_grad mode"):
        v.mul_(2)
    x.detach().mul_(2)
    assert x.tolist() == [4, 4, 4]


def test_a_leafs_old_view_keeps_its_gradient() -> None:
    x = fastnn.ones(3).requires_grad_()
    v = x.view(-1)
    with fastnn.no_grad():
        x.mul_(2)
    (v * v).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [4, 4, 4]


def test_a_base_with_strides_of_its_own() -> None:
    memory = np.zeros((4, 6))
    y = fastnn.from_numpy(memory[::2, ::3])
    w = fastnn.ones(2, dtype=fastnn.float64).requires_grad_()
    y.t()[1].add_(w)
    y[1].mul_(3)
    (y * y).sum().backward()
    assert w.grad is not None and w.grad.tolist() == [2, 18]
    assert memory[:, 3].tolist() == [1, 0, 3, 0]


def test_as_strided_refuses_what_is_outside() -> None:
    x = fastnn.arange(6)
    assert x.as_strided((2, 2), (1, 2)).tolist() == [[0, 2], [1, 3]]
    assert x[2:].as_strided((2,), (2,)).tolist() == [2, 4]
    assert x[2:].as_strided((2,), (2,), 2).tolist() == [2, 4]
    with pytest.raises(RuntimeError, match="outside"):
        x.as_strided((7,), (1,))
    with pytest.raises(RuntimeError, match="mismatch in length"):
        x.as_strided((2,), (1, 1))
    with pytest.raises(RuntimeError, match="read-only"):
        x.as_strided((2, 2), (1, 1)).add_(1)
