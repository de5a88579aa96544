"""Many small parameters are one large one, cut up: the same values, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn

KINDS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"momentum": 0.9}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("RMSprop", {"centered": True}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("Adadelta", {}),
    ("Adamax", {}),
    ("NAdam", {}),
    ("RAdam", {}),
    ("Lion", {}),
    ("ASGD", {}),
    ("Rprop", {}),
]


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_cut_up(kind: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    start = rng.standard_normal(64 * 100).astype(np.float32)
    whole = fastnn.tensor(start, requires_grad=True)
    parts = [fastnn.tensor(piece, requires_grad=True) for piece in np.split(start, 64)]
    one, many = (getattr(fastnn.optim, kind)(params, lr=0.01, **options) for params in ([whole], parts))
    for _ in range(7):  # the last steps of RAdam are adaptive
        grad = rng.standard_normal(len(start)).astype(np.float32)
        whole.grad = fastnn.tensor(grad)
        for part, piece in zip(parts, np.split(grad, 64), strict=True):
            part.grad = fastnn.tensor(piece)
        one.step()
        many.step()
    np.testing.assert_array_equal(np.concatenate([part.detach().numpy() for part in parts]), whole.detach().numpy())


def test_parameters_that_began_at_different_steps() -> None:
    early, late, alone = (fastnn.zeros(3, requires_grad=True) for _ in range(3))
    both, single = fastnn.optim.NAdam([early, late]), fastnn.optim.NAdam([alone])
    for step in range(5):
        early.grad = fastnn.ones(3)
        if step >= 3:
            late.grad = fastnn.ones(3)
            alone.grad = fastnn.ones(3)
            single.step()
        both.step()
    assert late.tolist() == alone.tolist() != early.tolist()
    assert [both.state[p]["step"].item() for p in (early, late)] == [5, 2]
