"""Pooling: every option against PyTorch, gradients, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck, gradgradcheck

SIZES = {1: (13,), 2: (9, 20), 3: (5, 7, 6)}


def _numbers(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Any:
    return np.random.default_rng((seed, *shape)).standard_normal(shape).round(1).astype(dtype)


def _same(function: str, x: Any, *options: Any, **named: Any) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for fw in (fastnn, torch):
        tensor = fw.tensor(x)
        tensor.requires_grad_(True)
        out = getattr(fw.nn.functional, function)(tensor, *options, **named)
        values, places = out if isinstance(out, tuple) else (out, None)
        seed = fw.tensor(np.random.default_rng(5).standard_normal(tuple(values.shape)).astype(x.dtype))
        values.backward(seed)
        found = [values.detach().numpy(), tensor.grad.numpy()]
        results.append(found if places is None else [*found, places.numpy()])
    for have, want in zip(*results, strict=True):
        assert have.dtype == want.dtype
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


@pytest.mark.peer
@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2, "stride": 3},
        {"kernel_size": 3, "stride": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_pooling_as_pytorch(axes: int, options: dict[str, int], ceil_mode: bool, batch: tuple[int, ...]) -> None:
    x = _numbers(*batch, 4, *SIZES[axes])
    _same(f"max_pool{axes}d", x, **options, ceil_mode=ceil_mode)
    _same(f"max_pool{axes}d", x, **options, ceil_mode=ceil_mode, return_indices=True)
    _same(f"max_pool{axes}d_with_indices", x, **options, ceil_mode=ceil_mode)
    for include in (True, False):
        _same(f"avg_pool{axes}d", x, **options, ceil_mode=ceil_mode, count_include_pad=include)
    if axes > 1:
        _same(f"avg_pool{axes}d", x, **options, ceil_mode=ceil_mode, divisor_override=3)


@pytest.mark.peer
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_dilated_maxima_as_pytorch(axes: int) -> None:
    x = _numbers(2, 3, *SIZES[axes])
    for dilation, padding in ((2, 0), (2, 1), ((2,) * axes, 1)):
        _same(f"max_pool{axes}d", x, 2, 1, padding, dilation, return_indices=True)


@pytest.mark.peer
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_adaptive_as_pytorch(axes: int) -> None:
    x = _numbers(2, 3, *SIZES[axes])
    sizes: list[Any] = [1, 2, 5, (3,) * axes]
    if axes > 1:
        sizes += [(None, *(2,) * (axes - 1)), (11,) * axes]
    for size in sizes:
        _same(f"adaptive_avg_pool{axes}d", x, size)
        _same(f"adaptive_max_pool{axes}d", x, size)
        _same(f"adaptive_max_pool{axes}d_with_indices", x, size)
    _same(f"adaptive_avg_pool{axes}d", x[0], 2)


@pytest.mark.peer
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_drawn_poolings(data: st.DataObject) -> None:
    axes = data.draw(st.integers(1, 3))
    kernel = tuple(data.draw(st.integers(1, 4)) for _ in range(axes))
    stride = tuple(data.draw(st.integers(1, 4)) for _ in range(axes))
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    size = tuple(k + data.draw(st.integers(0, 20 if axes < 3 else 5)) for k in kernel)
    ceil_mode = data.draw(st.booleans())
    x = _numbers(2, 2, *size)
    _same(f"max_pool{axes}d", x, kernel, stride, padding, 1, ceil_mode, True)
    _same(f"avg_pool{axes}d", x, kernel, stride, padding, ceil_mode, data.draw(st.booleans()))


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", range(4, 23, 3))
@pytest.mark.parametrize("stride", [1, 2])
def test_rows_shorter_than_a_vector_or_two(stride: int, width: int, dtype: Any) -> None:
    x = _numbers(2, 3, 4, width, dtype=dtype)
    _same("max_pool2d", x, 2, stride, return_indices=True)
    _same("avg_pool2d", x, 2, stride)


@pytest.mark.peer
def test_nan_and_infinity_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    x = _numbers(2, 3, 12, 40)
    x.reshape(-1)[::17], x.reshape(-1)[5::23], x.reshape(-1)[3::29] = np.nan, np.inf, -np.inf
    x[0, 0, :6] = -np.inf
    for options in ((2,), (3, 2, 1), (3, 1)):
        have = F.max_pool2d(fastnn.tensor(x), *options, return_indices=True)
        want = torch.nn.functional.max_pool2d(torch.tensor(x), *options, return_indices=True)
        np.testing.assert_array_equal(have[0].numpy(), want[0].numpy())
        np.testing.assert_array_equal(have[1].numpy(), want[1].numpy())
        mean = F.avg_pool2d(fastnn.tensor(x), *options).numpy()
        expected = torch.nn.functional.avg_pool2d(torch.tensor(x), *options).numpy()
        np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
        lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    ],
)
def test_gradients_of_two_orders(run: Any) -> None:
    x = fastnn.tensor(np.random.default_rng(1).permutation(2 * 3 * 5 * 7).reshape(2, 3, 5, 7) * 0.1)
    x.requires_grad_(True)
    assert gradcheck(run, (x,))
    assert gradgradcheck(run, (x,))


def test_half_precision_and_empty_batches() -> None:
    x = fastnn.ones(1, 2, 4, 4, dtype=fastnn.float16)
    for out in (F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.adaptive_avg_pool2d(x, 2), F.adaptive_max_pool2d(x, 2)):
        assert out.dtype == fastnn.float16
        assert (out.numpy() == 1).all()
    assert F.max_pool2d(fastnn.ones(0, 2, 4, 4), 2).shape == (0, 2, 2, 2)
    assert F.avg_pool2d(fastnn.ones(0, 2, 4, 4), 2).shape == (0, 2, 2, 2)


WRONG: list[tuple[str, tuple[Any, ...], str]] = [
    ("max_pool2d", (0,), "kernel size should be greater than zero"),
    ("max_pool2d", (2, 0), "stride should"),
    ("max_pool2d", (2, 2, 2), "pad should be at most half of effective kernel size"),
    ("max_pool2d", (2, 2, -1), "pad must be non-negative"),
    ("max_pool2d", (2, 2, 0, 0), "dilation should be greater than zero"),
    ("max_pool2d", (9,), "Output size is too small"),
    ("max_pool2d", ((2, 2, 2),), "argument 'kernel_size'"),
    ("avg_pool2d", (9,), "Output size is too small"),
    ("avg_pool2d", (2, 2, 2), "pad should be at most half"),
    ("avg_pool2d", (2, None, 0, False, True, 0), "divisor must be not zero"),
    ("adaptive_avg_pool2d", (-1,), "greater than or equal to 0"),
    ("adaptive_avg_pool2d", ((1, 2, 3),), "output_size"),
    ("adaptive_max_pool2d", ((1, 2, 3),), "output_size"),
]


@pytest.mark.parametrize(("function", "options", "message"), WRONG)
def test_what_pooling_refuses(function: str, options: tuple[Any, ...], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        getattr(F, function)(fastnn.ones(1, 2, 8, 8), *options)


@pytest.mark.peer
@pytest.mark.parametrize(("function", "options", "message"), WRONG)
def test_pytorch_refuses_it_too(function: str, options: tuple[Any, ...], message: str) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError):
        getattr(torch.nn.functional, function)(torch.ones(1, 2, 8, 8), *options)


def test_wrong_inputs() -> None:
    with pytest.raises(RuntimeError, match="Expected 3D or 4D"):
        F.max_pool2d(fastnn.ones(8, 8), 2)
    with pytest.raises(RuntimeError, match="Expected 3D or 4D"):
        F.avg_pool2d(fastnn.ones(1, 2, 0, 8), 2)
    with pytest.raises(NotImplementedError, match="not implemented for"):
        F.max_pool2d(fastnn.ones(1, 1, 4, 4).bool(), 2)
    with pytest.raises(TypeError, match="argument 'input' must be Tensor"):
        F.max_pool2d(np.ones((1, 1, 4, 4)), 2)
