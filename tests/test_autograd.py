"""The tape: accumulation, freed graphs, hooks, versions, memory, modes, double backward."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref

import numpy as np
import pytest

import fastnn as fw
from fastnn import autograd
from fastnn.autograd import gradcheck, gradgradcheck


def leaf(*values: float) -> fw.Tensor:
    return fw.tensor(list(values), requires_grad=True)


def test_diamond_counts_each_path_once() -> None:
    x = leaf(3.0)
    a = x * 1.0
    b = a + a
    (b * b + b * x + a).backward(fw.ones(1))  # 6x^2 + x
    assert x.grad.numpy().tolist() == [37.0]
    (x * x).backward(fw.ones(1))  # accumulates, does not replace
    assert x.grad.numpy().tolist() == [43.0]


def test_a_chain_of_100_000_ops_needs_no_recursion() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward(fw.ones(1))
    assert x.grad.item() == 1.0
    unwalked = x
    for _ in range(200_000):
        unwalked = unwalked * 1.0
    del unwalked, y  # freed link by link, without recursion either


def test_second_backward_needs_retain_graph() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    y = (x * x).sum()
    x.grad = None
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.numpy().tolist() == [4.0, 8.0]


def test_backward_of_a_non_scalar_needs_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="scalar outputs"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match="shape"):
        (x * 2).backward(fw.ones(3))
    with pytest.raises(RuntimeError, match="does not require grad"):
        fw.ones(1).backward()


def test_double_backward() -> None:
    x = leaf(1.0, 2.0)
    (g,) = autograd.grad((x**3).sum(), x, create_graph=True)
    (h,) = autograd.grad((g**2).sum(), x)  # d/dx 9x^4 = 36 x^3
    assert np.allclose(h.numpy(), [36.0, 288.0])


def test_hooks_see_the_summed_gradient_in_order() -> None:
    x = leaf(1.0, 2.0)
    log: list[tuple[str, list[float]]] = []
    h = x * 1.0

    def first(g: fw.Tensor) -> fw.Tensor:
        log.append(("first", g.numpy().tolist()))
        return g * 2

    h.register_hook(first)
    h.register_hook(lambda g: log.append(("second", g.numpy().tolist())))
    (h * h + h).sum().backward()
    assert log == [("first", [3.0, 5.0]), ("second", [6.0, 10.0])]
    assert x.grad.numpy().tolist() == [6.0, 10.0]


def test_leaf_hooks_run_once_and_can_be_removed() -> None:
    x = leaf(1.0)
    seen: list[float] = []
    handle = x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).backward(fw.ones(1))
    assert seen == [5.0]
    handle.remove()
    (x * 2).backward(fw.ones(1))
    assert seen == [5.0]
    after: list[float] = []
    x.register_post_accumulate_grad_hook(lambda t: after.append(t.grad.item()))
    (x * 2).backward(fw.ones(1))
    assert after == [9.0]
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        fw.ones(1).register_hook(lambda g: None)


def test_a_hook_that_changes_the_shape_is_an_error() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: fw.ones(3))
    with pytest.raises(RuntimeError, match="changed the size"):
        y.sum().backward()
    assert x.grad is None


def test_retain_grad() -> None:
    x = leaf(1.0, 2.0)
    h = x * 3
    h.retain_grad()
    (h * h).sum().backward()
    assert h.grad.numpy().tolist() == [6.0, 12.0]
    assert x.grad.numpy().tolist() == [18.0, 36.0]
    assert h.retains_grad and not x.retains_grad


def test_gradients_do_not_share_memory() -> None:
    a, b, seed = leaf(1.0, 2.0), leaf(1.0, 2.0), fw.ones(2)
    (a + b).backward(seed)
    a.grad.zero_()
    assert b.grad.numpy().tolist() == [1.0, 1.0] and seed.numpy().tolist() == [1.0, 1.0]
    kept: list[fw.Tensor] = []
    c = leaf(1.0, 2.0)
    c.register_hook(lambda g: kept.append(g))
    (c * 2.0).backward(fw.ones(2))
    c.grad.zero_()
    assert kept[0].numpy().tolist() == [2.0, 2.0]


def test_a_value_changed_after_it_was_saved_is_an_error() -> None:
    x = leaf(1.0, 2.0)
    z = x.exp()
    z.add_(1)  # exp's derivative reads its result
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    y = x * 1.0
    w = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        w.sum().backward()


def test_a_view_shares_the_version_counter() -> None:
    x = leaf(1.0, 2.0)
    c = fw.tensor([3.0, 4.0])
    y = x * c
    c.view(2, 1).zero_()
    assert c._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_in_place_gradients() -> None:
    x = leaf(2.0, 3.0)
    y = x * 1.0
    y.mul_(x)
    y += 1
    y.sum().backward()
    assert x.grad.numpy().tolist() == [4.0, 6.0]
    buffer = fw.zeros(2)
    h = leaf(5.0)
    buffer[0:1] = h * 2
    buffer.sum().backward()
    assert h.grad.item() == 2.0


def test_in_place_on_a_leaf_or_a_view_of_one_is_refused() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x[0:1].add_(1)
    with fw.no_grad():
        x.add_(1)
    assert x.detach().numpy().tolist() == [2.0, 3.0]


def test_a_view_follows_a_change_of_its_base() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1.0
    v = y[0:1]
    y.mul_(2)
    (v * 2).sum().backward()
    assert x.grad.numpy().tolist() == [4.0, 0.0]


def test_read_only_memory_is_refused_before_anything_changes() -> None:
    array = np.ones(3, np.float32)
    array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from_numpy warns, once in a process
        t = fw.from_numpy(array)
    with pytest.raises(RuntimeError, match="read-only"):
        t.add_(1)
    assert array.tolist() == [1, 1, 1]


def test_reference_counting_alone_frees_graphs() -> None:
    lin = fw.nn.Linear(4, 4)
    refs = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            h = fw.relu(lin(fw.ones(2, 4)))
            e = h.exp()
            s = fw.nn.functional.softmax(e, 1)  # ops that save outputs
            refs += [weakref.ref(t) for t in (h, e, s)]
            s.sum().backward()
            del h, e, s
            h = lin(fw.ones(2, 4)).tanh()
            refs.append(weakref.ref(h))
            del h  # never walked backward
        assert sum(r() is not None for r in refs) == 0, "kept alive until a gc pass"
    finally:
        gc.enable()


def test_grad_modes() -> None:
    x = leaf(1.0)
    with fw.no_grad():
        assert not fw.is_grad_enabled() and not (x * 2).requires_grad
        with fw.enable_grad():
            assert (x * 2).requires_grad
    assert fw.is_grad_enabled()

    @fw.no_grad()
    def inside() -> bool:
        return fw.is_grad_enabled()

    assert inside() is False
    fw.set_grad_enabled(False)
    assert not fw.is_grad_enabled()
    fw.set_grad_enabled(True)
    with fw.set_grad_enabled(False):
        assert not fw.is_grad_enabled()
    assert fw.is_grad_enabled()


def test_grad_mode_is_each_threads_own() -> None:
    seen: list[bool] = []
    with fw.no_grad():
        thread = threading.Thread(target=lambda: seen.append(fw.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_inference_mode() -> None:
    with fw.inference_mode():
        t = fw.ones(2)
    assert t.is_inference() and not t.requires_grad
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved"):
        x * t
    with pytest.raises(RuntimeError, match="inference tensor"):
        t.add_(1)


def test_grad_of_inputs_alone() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    h = x * w
    gh, gx = autograd.grad((h * h).sum(), (h, x))
    assert gh.numpy().tolist() == [6.0, 16.0] and gx.numpy().tolist() == [18.0, 64.0]
    assert x.grad is None and w.grad is None
    with pytest.raises(RuntimeError, match="not have been used"):
        autograd.grad((x * 2).sum(), w)
    assert autograd.grad((x * 2).sum(), w, allow_unused=True) == (None,)
    (zeros,) = autograd.grad((x * 2).sum(), w, materialize_grads=True)
    assert zeros.numpy().tolist() == [0.0, 0.0]
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None and w.grad.numpy().tolist() == [1.0, 2.0]


def test_several_roots() -> None:
    x = leaf(1.0, 2.0)
    autograd.backward([(x * 2).sum(), (x * x).sum()])
    assert x.grad.numpy().tolist() == [4.0, 6.0]


class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def, override]
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
        (x,) = ctx.saved_tensors
        return 3 * x * x * grad


def test_function_of_the_users_own() -> None:
    x = fw.tensor([1.0, 2.0], dtype=fw.float64, requires_grad=True)
    assert gradcheck(Cube.apply, (x,))
    assert gradgradcheck(Cube.apply, (x,))
    with fw.no_grad():
        assert not Cube.apply(x).requires_grad


def test_function_that_saves_its_output_leaves_no_cycle() -> None:
    class Exp(autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def, override]
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
            return grad * ctx.saved_tensors[0]

    x = leaf(0.0, 1.0)
    y = Exp.apply(x)
    y.sum().backward()
    assert np.allclose(x.grad.numpy(), np.exp([0, 1]))
    gc.collect()
    gc.disable()
    try:
        y = Exp.apply(x)
        ref = weakref.ref(y)
        del y
        assert ref() is None
    finally:
        gc.enable()


def test_function_with_wrong_number_of_gradients() -> None:
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def, override]
            return x * 2

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
            return grad, grad

    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        Wrong.apply(x).backward(fw.ones(1))
    assert x.grad is None


def test_where_gives_the_branch_not_taken_a_zero_times_its_derivative() -> None:
    x = leaf(-1.0, 4.0)
    fw.where(x > 0, x.sqrt(), x).sum().backward()
    assert np.isnan(x.grad.numpy()[0]) and x.grad.numpy()[1] == 0.25  # as in PyTorch; the docstring says what to do
    y = leaf(-1.0, 4.0)
    fw.where(y > 0, fw.where(y > 0, y, 1.0).sqrt(), y).sum().backward()
    assert y.grad.numpy().tolist() == [1.0, 0.25]


def test_requires_grad_needs_a_floating_dtype() -> None:
    with pytest.raises(RuntimeError, match="floating point"):
        fw.tensor([1]).requires_grad_(True)
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="leaf variables"):
        (x * 2).requires_grad_(False)


def test_assigned_grad_is_checked() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="different size"):
        x.grad = fw.ones(3)
    with pytest.raises(RuntimeError, match="different type"):
        x.grad = fw.ones(2, dtype=fw.float64)
    with pytest.raises(TypeError):
        x.grad = 1.0


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
def test_anomaly_mode_names_the_forward_line() -> None:
    class Fails(autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def, override]
            return x * 2

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
            raise ValueError("no gradient today")

    with autograd.detect_anomaly(check_nan=False):
        y = Fails.apply(leaf(1.0))  # the line that must be named
        with pytest.raises(ValueError, match="the line that must be named"):
            y.backward(fw.ones(1))


CASES = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a.abs() ** b,
    "maximum": fw.maximum,
    "minimum": fw.minimum,
    "remainder": lambda a, b: fw.remainder(a, b),
    "where": lambda a, b: fw.where(a > b, a, b),
    "matmul": lambda a, b: a @ b.reshape(3, 2),
    "rsub": lambda a, b: 2.0 - a * b,
    "linear": lambda a, b: fw.nn.functional.linear(a, b.reshape(2, 3)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 3), (1, 3)), ((2, 1), (3,))], ids=str)
def test_binary_gradients(name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    if name in ("matmul", "linear") and shapes[1] != (2, 3):
        pytest.skip("products have no broadcast of this kind")
    rng = np.random.default_rng(0)
    a, b = (fw.tensor(rng.uniform(0.5, 2.0, s), requires_grad=True) for s in shapes)
    assert gradcheck(CASES[name], (a, b))
    assert gradgradcheck(CASES[name], (a, b))


UNARY = [
    "abs", "acos", "asin", "atan", "asinh", "atanh", "cos", "cosh", "exp", "exp2", "expm1", "frac", "log", "log10",
    "log1p", "log2", "neg", "reciprocal", "rsqrt", "sigmoid", "sin", "sinh", "sqrt", "square", "tan", "tanh", "relu",
]  # fmt: skip


@pytest.mark.parametrize("name", [*UNARY, "acosh"])
def test_unary_gradients(name: str) -> None:
    low, high = (1.5, 3.0) if name == "acosh" else (0.1, 0.9)
    x = fw.tensor(np.random.default_rng(0).uniform(low, high, (2, 3)), requires_grad=True)
    assert gradcheck(getattr(fw, name), (x,))
    assert gradgradcheck(getattr(fw, name), (x,))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_gradients(name: str, dim: int) -> None:
    x = fw.tensor(np.random.default_rng(0).standard_normal((3, 4)), requires_grad=True)
    f = getattr(fw.nn.functional, name)
    assert gradcheck(lambda t: f(t, dim), (x,))
    assert gradgradcheck(lambda t: f(t, dim), (x,))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_gradients(reduction: str, smoothing: float, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    x = fw.tensor(rng.standard_normal((4, 3)), requires_grad=True)
    y = fw.tensor([0, 2, -100, 1])
    w = fw.tensor(rng.uniform(0.5, 2, 3)) if weighted else None

    def f(t: fw.Tensor) -> fw.Tensor:
        return fw.nn.functional.cross_entropy(t, y, w, reduction=reduction, label_smoothing=smoothing)

    assert gradcheck(f, (x,))
    assert gradgradcheck(f, (x,))


@pytest.mark.parametrize("activation", ["none", "relu", "sigmoid", "tanh"])
def test_linear_with_activation_gradients(activation: str) -> None:
    from fastnn.ops.linear import linear_activation

    rng = np.random.default_rng(0)
    x, w, b = (fw.tensor(rng.standard_normal(s), requires_grad=True) for s in ((2, 4, 3), (5, 3), (5,)))
    assert gradcheck(lambda *t: linear_activation(*t, activation), (x, w, b))
    assert gradgradcheck(lambda *t: linear_activation(*t, activation), (x, w, b))


def test_a_wrong_gradient_is_found() -> None:
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def, override]
            return x * 2

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
            return grad * 2.01

    x = fw.tensor([1.0], dtype=fw.float64, requires_grad=True)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        gradcheck(Wrong.apply, (x,))
    assert not gradcheck(Wrong.apply, (x,), raise_exception=False)
