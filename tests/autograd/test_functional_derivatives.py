"""jacobian, hessian, vjp, jvp, vhp, hvp against PyTorch's, and gradcheck's options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn


def _one(x: Any) -> Any:
    return x.exp().sum(1)


def _two(x: Any, y: Any) -> Any:
    return x * y.sum(), (x * x).sum(0)


def _scalar(x: Any) -> Any:
    return (x.exp() * x.sin()).sum()


def _scalar_two(x: Any, y: Any) -> Any:
    return (x * x * y.sum() + x.sin()).sum()


def _unused(x: Any, y: Any) -> Any:
    return (x * x).sum()


CALLS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "jacobian": lambda f, torch, x, y: f.jacobian(_one, x),
    "jacobian of several": lambda f, torch, x, y: f.jacobian(_two, (x, y)),
    "jacobian, vectorized": lambda f, torch, x, y: f.jacobian(_two, (x, y), vectorize=True),
    "jacobian, in the graph": lambda f, torch, x, y: f.jacobian(_one, x * 2, create_graph=True).sum(),
    "jacobian of an unused input": lambda f, torch, x, y: f.jacobian(_unused, (x, y)),
    "hessian": lambda f, torch, x, y: f.hessian(_scalar, x),
    "hessian of several": lambda f, torch, x, y: f.hessian(_scalar_two, (x, y)),
    "hessian, in the graph": lambda f, torch, x, y: f.hessian(_scalar, x * 2, create_graph=True).sum(),
    "hessian of an unused input": lambda f, torch, x, y: f.hessian(_unused, (x, y)),
    "vjp": lambda f, torch, x, y: f.vjp(_one, x, torch.ones(2)),
    "vjp of several": lambda f, torch, x, y: f.vjp(_two, (x, y), (x, torch.ones(3))),
    "vjp of a scalar": lambda f, torch, x, y: f.vjp(_scalar, x),
    "vjp, in the graph": lambda f, torch, x, y: f.vjp(_one, x * 2, torch.ones(2), create_graph=True)[1].sum(),
    "jvp": lambda f, torch, x, y: f.jvp(_one, x, x),
    "jvp of several": lambda f, torch, x, y: f.jvp(_two, (x, y), (x, y)),
    "jvp, in the graph": lambda f, torch, x, y: f.jvp(_one, x * 2, torch.ones(2, 3), create_graph=True)[1].sum(),
    "vhp": lambda f, torch, x, y: f.vhp(_scalar, x, x),
    "vhp of several": lambda f, torch, x, y: f.vhp(_scalar_two, (x, y), (x, y)),
    "hvp": lambda f, torch, x, y: f.hvp(_scalar, x, x),
    "hvp of several": lambda f, torch, x, y: f.hvp(_scalar_two, (x, y), (x, y)),
    "hvp, in the graph": lambda f, torch, x, y: f.hvp(_scalar, x * 2, torch.ones(2, 3), create_graph=True)[1].sum(),
}


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, tuple) else (np.asarray(value.detach()), value.requires_grad)


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs[0], np.ndarray):
        return ours[0].shape == theirs[0].shape and np.allclose(ours[0], theirs[0], atol=1e-5) and ours[1] == theirs[1]
    return len(ours) == len(theirs) and all(map(_same, ours, theirs))


def _inputs(torch: Any) -> Any:
    rng = np.random.default_rng(0)
    x, y = (torch.from_numpy(rng.standard_normal(shape).astype(np.float32)) for shape in ((2, 3), (4,)))
    return x.requires_grad_(), y


@pytest.mark.peer
@pytest.mark.parametrize("name", CALLS)
def test_as_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for module in (fastnn, torch):
        x, y = _inputs(module)
        result = CALLS[name](module.autograd.functional, module, x, y)
        plain = _plain(result)
        if "in the graph" in name:
            result.backward()
            plain = (plain, (np.asarray(x.grad), False))
        else:
            assert x.grad is None
        results.append(plain)
    assert _same(*results)


BAD: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "no tensor": lambda f, torch, x, y: f.jacobian(_one, 3),
    "no tensor among them": lambda f, torch, x, y: f.jacobian(_two, (x, 3)),
    "output is no tensor": lambda f, torch, x, y: f.jacobian(lambda t: 3, x),
    "no scalar": lambda f, torch, x, y: f.hessian(_one, x),
    "vector needed": lambda f, torch, x, y: f.vjp(_one, x),
    "vector of another shape": lambda f, torch, x, y: f.vjp(_one, x, torch.ones(3)),
    "vectors missing": lambda f, torch, x, y: f.jvp(_two, (x, y), (x,)),
    "strict, unused": lambda f, torch, x, y: f.vjp(_unused, (x, y), strict=True),
    "strict, constant": lambda f, torch, x, y: f.jacobian(lambda t: t.detach(), x, strict=True),
    "strict, linear": lambda f, torch, x, y: f.hessian(lambda t: t.sum(), x, strict=True),
}


@pytest.mark.peer
@pytest.mark.parametrize("name", BAD)
def test_errors_as_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    kinds = []
    for module in (torch, fastnn):
        x, y = _inputs(module)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the type is compared below
            BAD[name](module.autograd.functional, module, x, y)
        kinds.append(type(caught.value))
    assert kinds[0] is kinds[1]


def test_the_jacobian_of_no_outputs_is_empty() -> None:
    assert fastnn.autograd.functional.jacobian(lambda t: t[:0], fastnn.ones(2, 3)).shape == (0, 3, 2, 3)


def test_what_is_not_offered() -> None:
    x = fastnn.ones(2, 3)
    with pytest.raises(NotImplementedError, match='strategy="forward-mode"'):
        fastnn.autograd.functional.jacobian(_one, x, strategy="forward-mode")
    with pytest.raises(NotImplementedError, match='outer_jacobian_strategy="forward-mode"'):
        fastnn.autograd.functional.hessian(_scalar, x, outer_jacobian_strategy="forward-mode")
    z = fastnn.ones(2, dtype=fastnn.float64, requires_grad=True)
    for option in ("check_forward_ad", "check_batched_grad", "check_batched_forward_grad"):
        with pytest.raises(NotImplementedError, match=f"{option}=True"):
            fastnn.autograd.gradcheck(fastnn.exp, (z,), **{option: True})  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="check_fwd_over_rev=True"):
        fastnn.autograd.gradgradcheck(fastnn.exp, (z,), check_fwd_over_rev=True)


def test_gradcheck_finds_a_gradient_that_changes_from_run_to_run() -> None:
    class Wavers(fastnn.autograd.Function):
        runs = 0

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            Wavers.runs += 1
            return grad * (2 + 1e-7 * (Wavers.runs % 2))

    x = fastnn.ones(2, dtype=fastnn.float64, requires_grad=True)
    assert not fastnn.autograd.gradcheck(Wavers.apply, (x,), raise_exception=False)
    assert fastnn.autograd.gradcheck(Wavers.apply, (x,), nondet_tol=1e-6)
    with pytest.raises(fastnn.autograd.GradcheckError, match="not reentrant"):
        fastnn.autograd.gradcheck(Wavers.apply, (x,))


def test_gradgradcheck_with_gradients_of_ones_own() -> None:
    x = fastnn.rand(2, 3, dtype=fastnn.float64).requires_grad_()
    seed = fastnn.ones(2, 3, dtype=fastnn.float64)
    assert fastnn.autograd.gradgradcheck(fastnn.sin, (x,), seed)
    assert fastnn.autograd.gradgradcheck(fastnn.sin, (x,), gen_non_contig_grad_outputs=True, fast_mode=True)
    assert not seed.requires_grad
