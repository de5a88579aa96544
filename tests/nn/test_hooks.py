"""Forward and backward hooks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn


def test_order_arguments_and_replacement() -> None:
    log: list[str] = []
    layer = nn.Identity()
    layer.register_forward_pre_hook(lambda m, args: log.append("second"))
    layer.register_forward_pre_hook(lambda m, args: log.append("first") or args[0] + 1, prepend=True)
    handle = layer.register_forward_hook(lambda m, args, out: log.append("after") or out * 10)
    assert layer(fastnn.ones(1)).item() == 20.0 and log == ["first", "second", "after"]
    handle.remove()
    handle.remove()
    assert layer(fastnn.ones(1)).item() == 2.0
    layer._forward_pre_hooks.clear()
    assert layer(fastnn.ones(1)).item() == 1.0 and layer._hooked is False
    with layer.register_forward_hook(lambda m, args, out: out * 3):
        assert layer(fastnn.ones(1)).item() == 3.0
    assert layer(fastnn.ones(1)).item() == 1.0


def test_keyword_hooks() -> None:
    class Scale(nn.Module):
        def forward(self, x: Any, by: float = 1) -> Any:
            return x * by

    layer = Scale()
    layer.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["by"], with_kwargs=True)
    assert layer(fastnn.ones(1), by=2).item() == 6.0
    layer.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args, new_kwargs\)"):
        layer(fastnn.ones(1), by=2)


def test_always_called_hooks() -> None:
    class Fails(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("no")

    log: list[Any] = []
    layer = Fails()
    layer.register_forward_hook(lambda m, args, out: log.append("never"))
    layer.register_forward_hook(lambda m, args, out: log.append(out), always_call=True)

    def bad(m: Any, args: Any, out: Any) -> None:
        raise KeyError("hook")

    layer.register_forward_hook(bad, always_call=True)
    with pytest.raises(ValueError, match="no"), pytest.warns(UserWarning, match="silenced"):
        layer(fastnn.ones(1))
    assert log == [None]


def test_backward_hooks_see_and_replace_gradients() -> None:
    layer = nn.Linear(2, 1, bias=False)
    with fastnn.no_grad():
        layer.weight.copy_(fastnn.tensor([[2.0, 3.0]]))
    log: list[Any] = []

    def hook(module: Any, grad_input: Any, grad_output: Any) -> Any:
        log.append((grad_input[0].tolist(), grad_output[0].tolist()))
        return (grad_input[0] * 2,)

    layer.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 10,))
    layer.register_full_backward_hook(hook)
    x = fastnn.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert log == [([[20.0, 30.0]], [[10.0]])]
    assert x.grad.tolist() == [[40.0, 60.0]] and layer.weight.grad.tolist() == [[10.0, 10.0]]
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: (None, None))
    with pytest.raises(RuntimeError, match="got 2, but expected 1"):
        layer(x).sum().backward()


def test_backward_hook_without_an_input_that_requires_grad() -> None:
    layer, log = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: log.append((grad_input, grad_output)))
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        layer(fastnn.ones(1, 2)).sum().backward()
    assert log[0][0] == (None,) and log[0][1][0].tolist() == [[1.0]]
    with fastnn.no_grad():
        assert not layer(fastnn.ones(1, 2)).requires_grad
    assert len(log) == 1


def _run_two_outputs(torch: Any) -> list[Any]:
    class Two(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, y: Any, flag: bool) -> Any:
            return x * y, x + 1

    log: list[Any] = []
    net = Two()
    net.register_full_backward_hook(
        lambda m, gi, go: log.append([None if g is None else g.tolist() for g in (*gi, *go)])
    )
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0])
    a, _ = net(x, y, True)
    a.sum().backward()
    return [*log, x.grad.tolist()]


@pytest.mark.peer
def test_two_outputs_and_mixed_inputs_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    assert _run_two_outputs(fastnn) == _run_two_outputs(torch)


def test_hooks_survive_pickling_only_as_the_tables_they_are() -> None:
    import copy

    layer = nn.Linear(2, 2)
    layer.register_forward_hook(_double)
    twin = copy.deepcopy(layer)
    x = fastnn.ones(1, 2)
    np.testing.assert_allclose(twin(x).detach().numpy(), layer(x).detach().numpy())
    layer._forward_hooks.clear()
    np.testing.assert_allclose(twin(x).detach().numpy(), 2 * layer(x).detach().numpy())


def _double(module: Any, args: Any, out: Any) -> Any:
    return out * 2
