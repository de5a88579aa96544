"""Pooling by norms, at random steps, and what undoes max pooling; local response norm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck, gradgradcheck


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def compare(name: str, inputs: tuple[Any, ...], *args: Any, **options: Any) -> None:
    """Value and gradient of a function of both libraries."""
    torch = pytest.importorskip("torch")
    found = []
    for fw in (fastnn, torch):
        given = [fw.tensor(x) for x in inputs]
        given[0].requires_grad_()
        out = getattr(fw.nn.functional, name)(*given, *args, **options)
        outs = out if isinstance(out, tuple) else (out,)
        outs[0].backward(fw.tensor(numbers(*outs[0].shape, seed=5)))
        found.append([*(o.detach().numpy() for o in outs), given[0].grad.numpy()])
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("p", "stride", "ceil_mode"), [(2.0, None, False), (3.0, 2, True), (1.5, 1, False)])
def test_lp_pool_as_pytorch(axes: int, p: float, stride: int | None, ceil_mode: bool) -> None:
    x = np.abs(numbers(2, 3, *(6, 5, 4)[:axes])) + 0.1
    compare(f"lp_pool{axes}d", (x,), p, 2, stride, ceil_mode)


def test_lp_pool_is_a_norm_of_windows() -> None:
    x = np.abs(numbers(1, 1, 6))
    got = F.lp_pool1d(fastnn.tensor(x), 3.0, 2).numpy()
    np.testing.assert_allclose(got.reshape(-1), np.linalg.norm(x.reshape(3, 2), 3, axis=1), 1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("batched", [True, False])
def test_unpooling_as_pytorch(axes: int, batched: bool) -> None:
    torch = pytest.importorskip("torch")
    x = numbers(*((2,) if batched else ()), 3, *(6, 5, 4)[:axes])
    found = []
    for fw in (fastnn, torch):
        leaf = fw.tensor(x).requires_grad_()
        values, places = getattr(fw.nn.functional, f"max_pool{axes}d")(leaf, 2, return_indices=True)
        back = getattr(fw.nn.functional, f"max_unpool{axes}d")(values, places, 2, output_size=x.shape[-axes:])
        plain = getattr(fw.nn.functional, f"max_unpool{axes}d")(values, places, 2) if axes == 1 else back
        (back**2).sum().backward()
        found.append((back.detach().numpy(), plain.detach().numpy(), leaf.grad.numpy()))
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-12)


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (lambda x, i: F.max_unpool1d(x, i, 2, output_size=(9,)), ValueError),
        (lambda x, i: F.max_unpool1d(x, i, 2, output_size=(3, 4)), ValueError),
        (lambda x, i: F.max_unpool1d(x, i + 9, 2), RuntimeError),
        (lambda x, i: F.max_unpool1d(x, i[:, :, :1], 2), RuntimeError),
        (lambda x, i: F.max_unpool1d(x, i.float(), 2), RuntimeError),
        (lambda x, i: F.max_unpool2d(x[0], i[0], 2), RuntimeError),
    ],
)
def test_what_unpooling_refuses(run: Any, error: type[Exception]) -> None:
    values, places = F.max_pool1d(fastnn.tensor(numbers(1, 2, 6)), 2, return_indices=True)
    with pytest.raises(error):
        run(values, places)


@pytest.mark.peer
@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("options", [{"output_size": 3}, {"output_ratio": 0.6}, {"output_size": 1}])
def test_fractional_pooling_as_pytorch(axes: int, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    x, samples = numbers(2, 3, *(9, 8, 7)[:axes]), np.random.default_rng(1).random((2, 3, axes))
    if "output_ratio" in options:
        options = {"output_ratio": (0.6,) * axes}
    found = []
    for fw in (fastnn, torch):
        leaf = fw.tensor(x).requires_grad_()
        values, places = getattr(fw.nn.functional, f"fractional_max_pool{axes}d")(
            leaf, 2, return_indices=True, _random_samples=fw.tensor(samples), **options
        )
        (values**2).sum().backward()
        found.append((values.detach().numpy(), places.numpy(), leaf.grad.numpy()))
    for have, want in zip(*found, strict=True):
        np.testing.assert_array_equal(have, want)


def test_fractional_pooling_draws_by_the_seed() -> None:
    x = fastnn.tensor(numbers(1, 2, 20, 20))
    fastnn.manual_seed(1)
    first, again = (F.fractional_max_pool2d(x, 2, 8).numpy() for _ in range(2))
    fastnn.manual_seed(1)
    np.testing.assert_array_equal(F.fractional_max_pool2d(x, 2, 8).numpy(), first)
    assert (first != again).any()
    with pytest.raises(ValueError, match="either an output_size or an output_ratio"):
        F.fractional_max_pool2d(x, 2)
    with pytest.raises(RuntimeError, match="too large relative to input size"):
        F.fractional_max_pool2d(x, 2, 20)
    with pytest.raises(RuntimeError, match="_random_samples"):
        F.fractional_max_pool2d(x, 2, 7, _random_samples=fastnn.zeros(1, 2, 3, dtype=fastnn.float64))


def test_gradients_of_two_orders() -> None:
    x = fastnn.tensor(np.abs(numbers(1, 2, 6, 6)) + 0.5).requires_grad_()
    samples = fastnn.tensor(np.random.default_rng(1).random((1, 2, 2)))
    for run in (
        lambda x: F.lp_pool2d(x, 3.0, 2),
        lambda x: F.fractional_max_pool2d(x, 2, 3, _random_samples=samples) ** 2,
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2) ** 2,
        lambda x: F.local_response_norm(x, 2, alpha=1.0),
        lambda x: F.avg_pool2d(x, 2, divisor_override=-3) ** 2,
    ):
        assert gradcheck(run, (x,))
        assert gradgradcheck(run, (x,))


@pytest.mark.peer
@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 5, 3, 2), (1, 2, 2, 2, 2), (0, 3, 4)])
@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_local_response_as_pytorch(shape: tuple[int, ...], size: int) -> None:
    compare("local_response_norm", (numbers(*shape),), size, alpha=0.7, beta=0.6, k=1.5)


def test_local_response_is_its_formula() -> None:
    x = numbers(1, 4, 2, 2)
    got = F.local_response_norm(fastnn.tensor(x), 3, alpha=0.3, beta=0.5, k=2.0).numpy()
    padded = np.pad(x**2, [(0, 0), (1, 1), (0, 0), (0, 0)])
    energy = sum(padded[:, i : i + 4] for i in range(3)) / 3
    np.testing.assert_allclose(got, x / (2 + 0.3 * energy) ** 0.5, 1e-12)
    with pytest.raises(ValueError, match="3D or higher"):
        F.local_response_norm(fastnn.ones(2, 2), 3)


@pytest.mark.peer
def test_a_negative_divisor_as_pytorch() -> None:
    compare("avg_pool2d", (numbers(2, 3, 6, 5),), 2, divisor_override=-2)
    assert math.isclose(float(F.avg_pool2d(fastnn.ones(1, 1, 2, 2), 2, divisor_override=-2)), -2)
