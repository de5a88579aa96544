"""pad: every mode against PyTorch, gradients, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck, gradgradcheck

CASES: list[tuple[tuple[int, ...], tuple[int, ...], str]] = [
    ((3, 4), (1, 2), "constant"),
    ((3, 4), (1, -2, -1, 3), "constant"),
    ((2, 3, 4, 5), (0, 1, 2, 0, 1, 1), "constant"),
    ((2, 3, 4), (), "constant"),
    ((5,), (-2, -3), "constant"),
    *(
        (shape, amounts, mode)
        for mode in ("reflect", "replicate", "circular")
        for shape, amounts in (
            ((3, 6), (2, 1)),
            ((2, 3, 6), (0, 3)),
            ((3, 4, 6), (1, 2, 3, 0)),
            ((2, 3, 4, 6), (5, 2, 3, 3)),
            ((2, 3, 4, 5, 6), (1, 2, 3, 1, 0, 2)),
        )
        if not (mode == "circular" and 5 in amounts and 6 not in shape)
    ),
]


@pytest.mark.peer
@pytest.mark.parametrize(("shape", "amounts", "mode"), CASES)
def test_pad_as_pytorch(shape: tuple[int, ...], amounts: tuple[int, ...], mode: str) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal(shape)
    results = []
    for fw in (fastnn, torch):
        tensor = fw.tensor(x)
        tensor.requires_grad_(True)
        out = fw.nn.functional.pad(tensor, amounts, mode, *([2.5] if mode == "constant" else []))
        (out * fw.tensor(np.random.default_rng(1).standard_normal(tuple(out.shape)))).sum().backward()
        results.append((out.detach().numpy(), tensor.grad.numpy()))
    for have, want in zip(*results, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_gradients_of_two_orders(mode: str) -> None:
    x = fastnn.tensor(np.random.default_rng(0).standard_normal((2, 4, 5)))
    x.requires_grad_(True)
    run = lambda x: F.pad(x, (2, 3), mode) ** 2  # noqa: E731
    assert gradcheck(run, (x,))
    assert gradgradcheck(run, (x,))


def test_integers_and_the_value() -> None:
    out = F.pad(fastnn.tensor([[1, 2]]), (1, 0), value=7)
    assert out.tolist() == [[7, 1, 2]]


@pytest.mark.parametrize(
    ("shape", "amounts", "mode", "value", "error"),
    [
        ((2, 3), (1,), "constant", None, RuntimeError),
        ((2, 3), (1, 1, 1, 1, 1, 1), "constant", None, RuntimeError),
        ((2, 3), (-2, -2), "constant", None, RuntimeError),
        ((1, 2, 3), (3, 0), "reflect", None, RuntimeError),
        ((1, 2, 3), (4, 0), "circular", None, RuntimeError),
        ((1, 2, 3), (1, 1), "mirror", None, NotImplementedError),
        ((3,), (1, 1), "reflect", None, NotImplementedError),
        ((2, 3, 4), (1, 1, 1, 1, 1, 1), "replicate", None, NotImplementedError),
        ((1, 2, 3), (1, 1), "reflect", 2.0, ValueError),
    ],
)
def test_what_pad_refuses(shape: tuple[int, ...], amounts: Any, mode: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        F.pad(fastnn.ones(*shape), amounts, mode, value)
    with pytest.raises(TypeError, match="argument 'pad' must be tuple of ints"):
        F.pad(fastnn.ones(*shape), 3)  # type: ignore[arg-type]
