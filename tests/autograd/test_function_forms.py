"""Functions of the user's own, in every documented form: what PyTorch does with them, fastnn does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.autograd import Function, gradcheck
from fastnn.autograd.function import once_differentiable


def _functions(torch: Any) -> dict[str, Any]:
    """Each a Function of ``torch``."""
    once = torch.autograd.function.once_differentiable

    class Base(torch.autograd.Function):
        @staticmethod
        def backward(ctx, *grads):
            return grads[0]

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor, note="unused"):
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, grad):
            assert ctx.needs_input_grad == (True, False, False)[: len(ctx.needs_input_grad)]
            return grad * ctx.factor, None, None

    class Split(torch.autograd.Function):
        @staticmethod
        def forward(x, factor=3):
            return x * factor, x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.factor = inputs
            assert isinstance(output, tuple)
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, first, second):
            (x,) = ctx.saved_tensors
            return first * ctx.factor + 2 * x * second, None

    class Mixed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, "text", None, 3, x * 4

        @staticmethod
        def backward(ctx, first, text, nothing, number, last):
            assert text is None and nothing is None and number is None
            return first * 2 + last * 4

    class Same(Base):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    class InPlace(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(x)
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, grad):
            (squared,) = ctx.saved_tensors
            return grad * 2 * squared.sqrt()

    class Sorted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            order = torch.argsort(x)
            positive = x > 0
            ctx.save_for_backward(order)
            ctx.mark_non_differentiable(order, positive)
            ctx.set_materialize_grads(False)
            return x[order], order, positive

        @staticmethod
        def backward(ctx, grad, order_grad, positive_grad):
            assert order_grad is None and positive_grad is None
            (order,) = ctx.saved_tensors
            return torch.zeros_like(grad).scatter_add(0, order, grad)

    class Broadcast(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, grad):
            return grad, grad.double()

    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once
        def backward(ctx, grad):
            return 2 * ctx.saved_tensors[0] * grad

    class Vjp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, grad):
            return grad * 2, None, None

    return {cls.__name__: cls for cls in (Scaled, Split, Mixed, Same, InPlace, Sorted, Broadcast, Once, Vjp)}


USES: dict[str, Callable[[Any, dict[str, Any], Any], Any]] = {
    "scaled": lambda torch, f, x: f["Scaled"].apply(x, 3),
    "scaled twice": lambda torch, f, x: f["Scaled"].apply(f["Scaled"].apply(x, 3), 2, "note"),
    "scaled by keyword": lambda torch, f, x: f["Scaled"].apply(x, factor=3),
    "split": lambda torch, f, x: sum(f["Split"].apply(x, 5)),
    "split default": lambda torch, f, x: f["Split"].apply(x)[0],
    "split keyword": lambda torch, f, x: f["Split"].apply(x, factor=4)[0],
    "split unused": lambda torch, f, x: f["Split"].apply(x, 5)[1],
    "mixed": lambda torch, f, x: f["Mixed"].apply(x)[0] + f["Mixed"].apply(x)[4],
    "mixed one": lambda torch, f, x: f["Mixed"].apply(x)[4],
    "same": lambda torch, f, x: f["Same"].apply(x),
    "in place": lambda torch, f, x: f["InPlace"].apply(x * 1),
    "in place, then more": lambda torch, f, x: f["InPlace"].apply(x * 1).exp(),
    "sorted": lambda torch, f, x: f["Sorted"].apply(x)[0] * torch.tensor([1.0, 2.0, 3.0]),
    "broadcast": lambda torch, f, x: f["Broadcast"].apply(x.reshape(3, 1) * 1, x) * torch.arange(9.0).reshape(3, 3),
    "once": lambda torch, f, x: f["Once"].apply(x),
    "vjp": lambda torch, f, x: f["Vjp"].apply(x),
}


def _outcome(torch: Any, use: Callable[[Any, dict[str, Any], Any], Any]) -> tuple[Any, Any]:
    x = torch.tensor([0.5, 2.0, 1.0], requires_grad=True)
    y = use(torch, _functions(torch), x)
    y.sum().backward()
    return y.tolist(), x.grad.tolist()


@pytest.mark.peer
@pytest.mark.parametrize("name", USES)
def test_values_and_gradients_as_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = _outcome(fastnn, USES[name]), _outcome(torch, USES[name])
    assert np.allclose(ours[0], theirs[0]) and np.allclose(ours[1], theirs[1])


def _bad(torch: Any) -> dict[str, Any]:
    def returning(name: str, result: Any) -> Any:
        def forward(ctx: Any, x: Any, y: Any = None) -> Any:
            return x * 1

        def backward(ctx: Any, grad: Any) -> Any:
            return result(grad)

        return type(
            name, (torch.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        )

    return {
        "shape": lambda x: returning("F", lambda grad: grad[:2]).apply(x).sum().backward(),
        "number": lambda x: returning("F", lambda grad: (grad, grad)).apply(x).sum().backward(),
        "few": lambda x: returning("F", lambda grad: grad).apply(x, x).sum().backward(),
        "not a variable": lambda x: returning("F", lambda grad: (grad, grad)).apply(x, 3).sum().backward(),
        "leaf in place": lambda x: _functions(torch)["InPlace"].apply(x),
        "keyword": lambda x: _functions(torch)["Scaled"].apply(x, times=3),
        "call": lambda x: _functions(torch)["Scaled"]()(x, 3),
        "saved": lambda x: type(
            "S", (torch.autograd.Function,), {"forward": staticmethod(lambda ctx, x: ctx.save_for_backward(3))}
        ).apply(x),
        "no forward": lambda x: type("N", (torch.autograd.Function,), {}).apply(x),
        "no backward": lambda x: (
            type("N", (torch.autograd.Function,), {"forward": staticmethod(lambda c, x: x * 1)})
            .apply(x)
            .sum()
            .backward()
        ),
    }


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", _bad(fastnn))
def test_errors_as_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    texts = []
    for module in (torch, fastnn):
        x = module.tensor([0.5, 2.0, 1.0], requires_grad=True)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the type is compared below
            _bad(module)[name](x)
        texts.append((type(caught.value), str(caught.value)[:30]))
        assert x.grad is None
    assert texts[0][0] is texts[1][0]
    if name in ("shape", "few", "not a variable", "call", "saved", "no forward", "no backward"):
        assert texts[0][1] == texts[1][1]


def test_once_differentiable_refuses_a_second_time() -> None:
    x = fastnn.tensor([1.0, 2.0], requires_grad=True)
    y = _functions(fastnn)["Once"].apply(x)
    seed = fastnn.ones(2, requires_grad=True)
    (gradient,) = fastnn.autograd.grad(y, x, seed, create_graph=True)
    assert gradient.tolist() == [2.0, 4.0]
    with pytest.raises(RuntimeError, match=r"trying to differentiate twice a function.*once_differentiable"):
        gradient.sum().backward()


def test_a_value_changed_after_forward_saved_it_is_an_error() -> None:
    class Keeps(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * grad

    x = fastnn.ones(3, requires_grad=True)
    y = x * 1
    z = Keeps.apply(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    squared = _functions(fastnn)["InPlace"].apply(x * 3)
    squared.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squared.sum().backward()
    same = _functions(fastnn)["Same"].apply(y)  # which shares y's memory
    w = y * y
    same.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        w.sum().backward()


def test_mark_dirty_of_what_is_no_input() -> None:
    class Strange(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x * 1
            ctx.mark_dirty(y)
            return y

    with pytest.raises(RuntimeError, match="not an input of forward"):
        Strange.apply(fastnn.ones(2, requires_grad=True))


def test_in_place_functions_differentiate_twice() -> None:
    x = fastnn.tensor([0.5, 2.0], dtype=fastnn.float64, requires_grad=True)
    assert gradcheck(lambda t: _functions(fastnn)["InPlace"].apply(t * 2), (x,))
    assert fastnn.autograd.gradgradcheck(lambda t: _functions(fastnn)["Split"].apply(t, 2), (x,))
