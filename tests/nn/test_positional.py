"""Positional encodings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.nn.positional import LearnedPositionalEncoding, SinusoidalPositionalEncoding


@pytest.mark.parametrize("width", [6, 7])
def test_sinusoids_by_the_formula(width: int) -> None:
    made = SinusoidalPositionalEncoding(50, width)
    got = made(fastnn.zeros(2, 40, width)).numpy()
    for place in (0, 1, 39):
        for i in range(width):
            angle = place / 10000 ** (2 * (i // 2) / width)
            assert got[1, place, i] == pytest.approx(math.cos(angle) if i % 2 else math.sin(angle), abs=1e-6)
    assert list(made.parameters()) == [] and list(made.state_dict()) == []


@pytest.mark.parametrize("kind", [SinusoidalPositionalEncoding, LearnedPositionalEncoding])
def test_both_layouts_and_bad_inputs(kind: Any) -> None:
    first, second = kind(9, 4), kind(9, 4, batch_first=False)
    second.weight = first.weight
    x = fastnn.randn(3, 5, 4)
    np.testing.assert_array_equal(first(x).detach().numpy(), second(x.transpose(0, 1)).transpose(0, 1).detach().numpy())
    for bad, words in ((fastnn.zeros(3, 10, 4), "longer than max_len=9"), (fastnn.zeros(3, 5, 3), "width 4")):
        with pytest.raises(ValueError, match=words):
            first(bad)
    with pytest.raises(ValueError, match="embedding_dim"):
        kind(3, 0)


def test_learned_gradient() -> None:
    made = LearnedPositionalEncoding(9, 4)
    made(fastnn.zeros(3, 5, 4)).sum().backward()
    assert made.weight.grad is not None
    np.testing.assert_array_equal(made.weight.grad.numpy(), np.repeat([[3.0]] * 5 + [[0.0]] * 4, 4, 1))
