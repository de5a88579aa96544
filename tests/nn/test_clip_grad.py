"""Clipping by kernel: many tensors, every kind of array that it can and cannot take, and what it leaves alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.nn.utils import clip_grad_norm_, clip_grad_value_


def parameters(kind: str) -> list[Any]:
    rng = np.random.default_rng(0)
    made = []
    for i, shape in enumerate([(3, 4), (), (0,), (700, 3), (5,)] * 4):
        parameter = fastnn.zeros(shape, requires_grad=True)
        gradient = fastnn.from_numpy(np.array(rng.standard_normal(shape), np.float32))
        if kind == "mixed" and i % 2:
            parameter, gradient = parameter.detach().double().requires_grad_(True), gradient.double()
        elif kind == "half":
            parameter, gradient = parameter.detach().half().requires_grad_(True), gradient.half()
        elif kind == "strided" and gradient.dim() == 2:
            gradient = fastnn.from_numpy(np.asfortranarray(gradient.numpy()))
        parameter.grad = gradient
        made.append(parameter)
    return made


@pytest.mark.parametrize("kind", ["plain", "mixed", "half", "strided"])
@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, math.inf])
def test_norm(kind: str, order: float) -> None:
    given = parameters(kind)
    before = [p.grad.numpy().astype(np.float64) for p in given]
    versions = [p.grad._version for p in given]
    want = np.linalg.norm(np.concatenate([b.ravel() for b in before]), order)
    norm = clip_grad_norm_(given, 0.5, order)
    assert norm.item() == pytest.approx(want, rel=1e-5 if kind != "half" else 1e-2)
    factor = min(1.0, 0.5 / (want + 1e-6))
    tolerance = 1e-5 if kind != "half" else 5e-3
    for p, b in zip(given, before, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), b * factor, rtol=tolerance, atol=1e-6)
    assert all(p.grad._version > version for p, version in zip(given, versions, strict=True))


@pytest.mark.parametrize("kind", ["plain", "mixed", "half", "strided"])
def test_value(kind: str) -> None:
    given = parameters(kind)
    before = [p.grad.numpy().astype(np.float64) for p in given]
    clip_grad_value_(given, 0.25)
    for p, b in zip(given, before, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), np.clip(b, -0.25, 0.25))


def test_infinite_and_nan_norms() -> None:
    for bad, want in ((math.inf, [0.0, math.nan]), (math.nan, [math.nan, math.nan])):
        parameter = fastnn.zeros(2, requires_grad=True)
        parameter.grad = fastnn.tensor([1.0, bad])
        clip_grad_norm_(parameter, 1.0)
        np.testing.assert_array_equal(parameter.grad.numpy(), want)
