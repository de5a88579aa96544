"""Nodes, their hooks, hooks on what they save; anomaly mode; backward and grad with all kinds of inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import autograd


def _x(torch: Any) -> Any:
    return torch.tensor([1.0, 2.0, 3.0], requires_grad=True)


# ------------------------------------------------------------------------------------------------ backward and grad


def _to_inputs(torch: Any) -> Any:
    x = _x(torch)
    y = x * 2
    (y * y).sum().backward(inputs=[y])
    return y.grad.tolist(), x.grad


def _to_inputs_that_retain(torch: Any) -> Any:
    x = _x(torch)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward(inputs=[y, x])
    return y.grad.tolist(), x.grad.tolist()


def _twice_the_same_input(torch: Any) -> Any:
    x = _x(torch)
    y = x * 2
    return [g.tolist() for g in torch.autograd.grad((y * y).sum(), [y, y, x])]


def _of_the_root(torch: Any) -> Any:
    x = _x(torch)
    y = (x * 2).sum()
    return [g.tolist() for g in torch.autograd.grad(y, [y, x])]


def _several_roots(torch: Any) -> Any:
    x = _x(torch)
    y = x * 2
    torch.autograd.backward([y.sum(), y], [None, torch.tensor([1.0, 0.0, 2.0])])
    return x.grad.tolist()


def _unused(torch: Any) -> Any:
    x, z = _x(torch), torch.ones(2, requires_grad=True)
    allowed = torch.autograd.grad(x.sum(), [x, z], allow_unused=True, retain_graph=True)
    zeros = torch.autograd.grad(x.sum(), [x, z], materialize_grads=True)
    return allowed[0].tolist(), allowed[1], zeros[1].tolist()


def _hooks_in_order(torch: Any) -> Any:
    log: list[Any] = []
    x = _x(torch)
    y = (x * 2).sum()
    node = y.grad_fn
    node.register_hook(
        lambda grad_inputs, grad_outputs: log.append(("after", grad_inputs[0].tolist(), len(grad_outputs)))
    )
    node.register_prehook(lambda grad_outputs: log.append(("before", grad_outputs[0].tolist())))
    y.register_hook(lambda grad: log.append(("tensor", grad.tolist())))
    x.register_hook(lambda grad: log.append(("leaf", grad.tolist())))
    x.register_post_accumulate_grad_hook(lambda leaf: log.append(("accumulated", leaf.grad.tolist())))
    y.backward()
    return log


def _hooks_that_change(torch: Any) -> Any:
    x = _x(torch)
    y = x * 2
    handle = y.grad_fn.register_hook(lambda grad_inputs, grad_outputs: (grad_inputs[0] * 10, None))
    y.grad_fn.register_prehook(lambda grad_outputs: (grad_outputs[0] + 1,))
    y.sum().backward(retain_graph=True)
    first = x.grad.tolist()
    handle.remove()
    y.sum().backward()
    return first, x.grad.tolist()


def _nodes(torch: Any) -> Any:
    x = _x(torch)
    y = (x * 2).sum()
    node = y.grad_fn
    node.metadata["note"] = 3
    (before, index), (accumulate, other) = node.next_functions[0], node.next_functions[0][0].next_functions[0]
    return (
        isinstance(node, torch.autograd.graph.Node), y.grad_fn.metadata, node.name(), before.name(), index, other,
        accumulate.name().split("::")[-1], accumulate.variable is x, accumulate.next_functions,
        before == y.grad_fn.next_functions[0][0], before._sequence_nr() < node._sequence_nr(),
        torch.autograd.graph.get_gradient_edge(y).node is node, torch.autograd.graph.get_gradient_edge(x).output_nr,
    )  # fmt: skip


def _prehook_of_a_leaf(torch: Any) -> Any:
    x = _x(torch)
    y = (x * 2).sum()
    accumulate = y.grad_fn.next_functions[0][0].next_functions[0][0]
    accumulate.register_prehook(lambda grads: (grads[0] * 3,))
    y.backward()
    return x.grad.tolist()


def _saved_hooks(torch: Any) -> Any:
    log: list[Any] = []

    def pack(tensor: Any) -> Any:
        log.append(("pack", tensor.tolist()))
        return np.asarray(tensor.detach()).copy()

    def unpack(array: Any) -> Any:
        log.append(("unpack", array.tolist()))
        return torch.from_numpy(array)

    x = _x(torch)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x.exp()
        z = y * y
    x_grad = torch.autograd.grad(z.sum(), x)[0]
    return log, x_grad.tolist()


def _saved_hooks_and_twice(torch: Any) -> Any:
    x = _x(torch)
    with torch.autograd.graph.save_on_cpu():
        y = (x * x * x).sum()
        (first,) = torch.autograd.grad(y, x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    return first.tolist(), second.tolist()


def _several_gradients(torch: Any) -> Any:
    log: list[Any] = []
    a, b = _x(torch), _x(torch)
    c, d = a * b, a + b
    e = (c * 2).sum()
    hook = torch.autograd.graph.register_multi_grad_hook
    handle = hook((a, b, c, d), lambda grads: log.append([None if g is None else g.tolist() for g in grads]))
    hook([c, a, torch.ones(2)], lambda grad: log.append(grad.tolist()), mode="any")
    e.backward(retain_graph=True)
    e.backward(inputs=(a,), retain_graph=True)
    (d.sum() + e).backward(inputs=[b], retain_graph=True)
    (d.sum() * c.sum()).backward(retain_graph=True)
    handle.remove()
    e.backward()
    return log


def _hooks_of_what_nobody_asked_for(torch: Any) -> Any:
    log: list[Any] = []
    a, b = _x(torch), _x(torch)
    c, d = a * 2, b * 3
    c.register_hook(lambda grad: log.append("c"))
    d.register_hook(lambda grad: log.append("d"))
    d.retain_grad()
    a.register_hook(lambda grad: log.append("a"))
    b.register_hook(lambda grad: log.append("b"))
    (c * d).sum().backward(inputs=[a])
    torch.autograd.grad((c * d).sum(), [c])
    return log, d.grad, a.grad.tolist()


def _decorated_generator(torch: Any) -> Any:
    @torch.no_grad()
    def count() -> Any:
        received = yield torch.is_grad_enabled()
        try:
            yield received, torch.is_grad_enabled()
        except ValueError:
            yield "caught", torch.is_grad_enabled()
        return 5

    generator = count()
    seen = [next(generator), torch.is_grad_enabled(), generator.send(3), generator.throw(ValueError)]
    try:
        next(generator)
    except StopIteration as end:
        seen.append(end.value)
    return [*seen, torch.is_grad_enabled()]


def _variable(torch: Any) -> Any:
    x = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    return x.requires_grad, isinstance(x, torch.autograd.Variable), isinstance(3, torch.autograd.Variable)


CASES: list[Callable[[Any], Any]] = [
    _to_inputs, _to_inputs_that_retain, _twice_the_same_input, _of_the_root, _several_roots, _unused, _hooks_in_order,
    _hooks_that_change, _nodes, _prehook_of_a_leaf, _saved_hooks, _saved_hooks_and_twice, _several_gradients,
    _hooks_of_what_nobody_asked_for, _decorated_generator, _variable,
]  # fmt: skip


def _close(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(map(_close, ours, theirs))
    return bool(np.isclose(ours, theirs, rtol=1e-5)) if isinstance(theirs, float) else bool(ours == theirs)


@pytest.mark.peer
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__[1:])
def test_as_pytorch(case: Callable[[Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = case(fastnn), case(torch)
    assert _close(ours, theirs), (ours, theirs)


@pytest.mark.peer
@pytest.mark.parametrize(
    "call",
    [
        lambda torch, x: torch.autograd.grad(x.sum(), [x, torch.ones(1, requires_grad=True)]),
        lambda torch, x: torch.autograd.grad(x.sum(), ()),
        lambda torch, x: torch.autograd.grad(x, x),
        lambda torch, x: torch.autograd.grad(x.sum(), x, torch.ones(3)),
        lambda torch, x: torch.autograd.grad(x.sum(), x, 1.0),
        lambda torch, x: torch.autograd.grad(x.sum(), torch.ones(3)),
        lambda torch, x: torch.autograd.grad(x.sum(), x, allow_unused=False, materialize_grads=True),
        lambda torch, x: torch.autograd.backward([x.sum(), x.prod()], [None]),
        lambda torch, x: x.sum().backward(inputs=[]),
        lambda torch, x: torch.ones(3).sum().backward(),
        lambda torch, x: torch.autograd.graph.get_gradient_edge(torch.ones(3)),
        lambda torch, x: torch.autograd.graph.register_multi_grad_hook([x], print, mode="some"),
    ],
)
def test_errors_as_pytorch(call: Callable[[Any, Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    kinds = []
    for module in (torch, fastnn):
        x = _x(module)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the type is compared below
            call(module, x)
        kinds.append(type(caught.value))
        assert x.grad is None
    assert kinds[0] is kinds[1]


def test_batched_gradients_are_not_offered() -> None:
    x = _x(fastnn)
    with pytest.raises(NotImplementedError, match="is_grads_batched=True"):
        autograd.grad(x * 2, x, fastnn.eye(3), is_grads_batched=True)


# ------------------------------------------------------------------------------------------------ what nodes save


def test_what_unpack_gives_is_checked() -> None:
    x = _x(fastnn)
    for give, error, words in (
        (lambda packed: 3, TypeError, "expected to be a Tensor"),
        (lambda packed: fastnn.ones(4), RuntimeError, r"expected a Tensor of shape \[3\]"),
        (lambda packed: fastnn.ones(3, dtype=fastnn.float64), RuntimeError, "float64"),
    ):
        with autograd.graph.saved_tensors_hooks(lambda tensor: None, give):  # type: ignore[arg-type]
            y = x.exp()
        with pytest.raises(error, match=words):
            y.sum().backward()


def test_saved_copies_are_safe_from_changes_in_place() -> None:
    x = _x(fastnn)
    y = x * 1
    with autograd.graph.save_on_cpu():
        z = (y * y).sum()
    y.zero_()
    z.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_saved_tensors_hooks_can_be_refused() -> None:
    with autograd.graph.disable_saved_tensors_hooks("not here"):
        with pytest.raises(RuntimeError, match="not here"), autograd.graph.save_on_cpu():
            pass
        x = _x(fastnn)
        (x * x).sum().backward()
    with autograd.graph.save_on_cpu():
        pass


def test_increment_version() -> None:
    x = _x(fastnn)
    y = x * 1
    z = y * y
    autograd.graph.increment_version(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


# ------------------------------------------------------------------------------------------------ anomaly mode


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
def test_nan_in_a_gradient_names_the_op_and_its_line() -> None:
    x = fastnn.tensor([0.0, 1.0], requires_grad=True)
    with autograd.detect_anomaly():
        y = (x.sqrt() * 0).sum()  # this very line
        with pytest.raises(RuntimeError, match=r"Function 'SqrtBackward0' returned nan values in its 0th output") as e:
            y.backward()
    assert "this very line" in str(e.value) and x.grad is None
    y = (x.sqrt() * 0).sum()
    y.backward()
    assert np.isnan(x.grad.numpy()[0])
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        autograd.detect_anomaly()


def test_set_detect_anomaly_is_a_switch_and_a_context() -> None:
    anomaly = autograd.anomaly_mode
    assert not anomaly.is_anomaly_enabled()
    with autograd.set_detect_anomaly(True, check_nan=False):
        assert anomaly.is_anomaly_enabled() and not anomaly.is_anomaly_check_nan_enabled()
        with autograd.set_detect_anomaly(False):
            assert not anomaly.is_anomaly_enabled()
        assert anomaly.is_anomaly_enabled()
    autograd.set_detect_anomaly(True)
    assert anomaly.is_anomaly_enabled() and anomaly.is_anomaly_check_nan_enabled()
    autograd.set_detect_anomaly(False)
    assert not anomaly.is_anomaly_enabled() and not anomaly.is_anomaly_check_nan_enabled()


@pytest.mark.peer
def test_the_modes_by_their_top_level_names() -> None:
    torch = pytest.importorskip("torch")
    seen = []
    for module in (torch, fastnn):
        with module.inference_mode():
            x = module.ones(2)
            inside = module.is_inference_mode_enabled()
        module.set_anomaly_enabled(True, check_nan=False)
        on = module.is_anomaly_enabled(), module.is_anomaly_check_nan_enabled()
        module.set_anomaly_enabled(False)
        seen.append(
            (inside, module.is_inference_mode_enabled(), module.is_inference(x), on, module.is_anomaly_enabled())
        )
    assert seen[0] == seen[1]
