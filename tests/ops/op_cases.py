"""Cases of ops and the walks over them: values against NumPy, gradients against differences, both against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastnn
from fastnn.autograd import gradcheck, gradgradcheck

NAN, INF = float("nan"), float("inf")


@dataclass
class Case:
    """call(fw, *tensors), for fw fastnn or torch; the tensors are made of arrays. numpy(*arrays) is the right value."""

    name: str
    call: Callable[..., Any]
    arrays: tuple[Any, ...]
    numpy: Callable[..., Any] | None = None
    twice: bool = True  # is the second derivative compared too? (differences can't, where the first one jumps)


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape)


def ids(case: Case) -> str:
    return case.name


def outputs(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def check_value(case: Case) -> None:
    got = outputs(case.call(fastnn, *map(fastnn.tensor, case.arrays)))
    want = outputs(case.numpy(*case.arrays))
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert tuple(g.shape) == np.shape(w)
        np.testing.assert_allclose(g.numpy(), w, rtol=1e-6, atol=1e-7)


def leaves(case: Case) -> list[Any]:
    made = [fastnn.tensor(np.asarray(a)) for a in case.arrays]
    return [t.double().requires_grad_(True) if t.is_floating_point() else t for t in made]


def check_gradient(case: Case) -> None:
    given = leaves(case)
    assert gradcheck(lambda *args: case.call(fastnn, *args), given)
    if case.twice:
        assert gradgradcheck(lambda *args: case.call(fastnn, *args), given)


def run(fw: Any, case: Case, dtype: str) -> tuple[list[Any], list[Any]]:
    """The outputs, and the gradients of a weighted sum of the floating ones."""
    args = []
    for a in case.arrays:
        a = np.asarray(a)
        t = fw.tensor(a.tolist(), dtype=getattr(fw, str(a.dtype))).reshape(a.shape)
        args.append(t.to(getattr(fw, dtype)).requires_grad_(True) if t.is_floating_point() else t)
    got = outputs(case.call(fw, *args))
    total = None
    for i, out in enumerate(got):
        if out.requires_grad:
            weight = np.cos(np.arange(np.prod(out.shape, dtype=int)) + i).reshape(tuple(out.shape))
            term = (out * fw.tensor(weight.tolist(), dtype=out.dtype).reshape(tuple(out.shape))).sum()
            total = term if total is None else total + term
    if total is not None:
        total.backward()
    return got, [t.grad for t in args]


def check_peer(case: Case, torch: Any, dtype: str) -> None:
    mine, my_gradients = run(fastnn, case, dtype)
    theirs, their_gradients = run(torch, case, dtype)
    assert len(mine) == len(theirs)
    exact = dtype == "float64" and not any(str(out.dtype).endswith("float32") for out in mine)
    tolerance = 1e-12 if exact else 2e-6
    for a, b in zip(mine, theirs, strict=True):
        assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)
    for a, b in zip(my_gradients, their_gradients, strict=True):
        if b is None:
            assert a is None or not a.numpy().any()
        else:
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=10 * tolerance, atol=10 * tolerance)
