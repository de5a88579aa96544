"""Convolutions, also transposed: every option against PyTorch, gradients of two orders, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck, gradgradcheck
from fastnn.ops.conv import conv_activation


def _numbers(*shape: int, seed: int = 0, dtype: Any = np.float64) -> Any:
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(dtype)


def _tensors(fw: Any, arrays: list[Any]) -> list[Any]:
    made = []
    for array in arrays:
        tensor = None if array is None else fw.tensor(array)
        if tensor is not None:
            tensor.requires_grad_(True)
        made.append(tensor)
    return made


def _same(function: str, arrays: list[Any], *options: Any, **named: Any) -> None:
    """Values and all gradients are PyTorch's."""
    torch = pytest.importorskip("torch")
    results = []
    for fw in (fastnn, torch):
        tensors = _tensors(fw, arrays)
        out = getattr(fw.nn.functional, function)(*tensors, *options, **named)
        seed = fw.tensor(np.random.default_rng(5).standard_normal(tuple(out.shape)).astype(arrays[0].dtype))
        out.backward(seed)
        results.append([out.detach().numpy(), *(t.grad.numpy() for t in tensors if t is not None)])
    limit = 1e-10 if arrays[0].dtype == np.float64 else 2e-4
    for have, want in zip(*results, strict=True):
        np.testing.assert_allclose(have, want, rtol=limit, atol=limit * max(1.0, float(np.abs(want).max(initial=0))))


SIZES = {1: (13,), 2: (9, 11), 3: (5, 7, 6)}
KERNELS = {1: (3,), 2: (3, 2), 3: (2, 3, 3)}


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2},
        {"padding": 1},
        {"padding": "same"},
        {"padding": "valid"},
        {"padding": "same", "dilation": 2},
        {"dilation": 2, "padding": 2},
        {"groups": 2},
        {"groups": 4, "stride": 2, "padding": 1},
        {"stride": 3, "padding": 2, "dilation": 2, "groups": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_conv_as_pytorch(axes: int, options: dict[str, Any], batch: tuple[int, ...], dtype: Any) -> None:
    x = _numbers(*batch, 4, *SIZES[axes], dtype=dtype)
    weight = _numbers(8, 4 // options.get("groups", 1), *KERNELS[axes], dtype=dtype)
    for bias in (None, _numbers(8, dtype=dtype)):
        _same(f"conv{axes}d", [x, weight, bias], **options)


@pytest.mark.peer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 7, 30])
@pytest.mark.parametrize(
    "options", [{"padding": 1}, {"padding": (1, 2), "dilation": (1, 2)}, {"padding": 2, "stride": (1, 2)}]
)
def test_depthwise_3x3_at_every_number_of_rows(options: dict[str, Any], height: int, dtype: Any) -> None:
    arrays = [_numbers(2, 3, height, 21, dtype=dtype), _numbers(6, 1, 3, 3, dtype=dtype), _numbers(6, dtype=dtype)]
    _same("conv2d", arrays, groups=3, **options)


@pytest.mark.peer
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2},
        {"padding": 1},
        {"stride": 2, "output_padding": 1},
        {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2},
        {"dilation": 3, "output_padding": 2},
        {"dilation": 2, "stride": 3, "groups": 4},
    ],
    ids=str,
)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_conv_transpose_as_pytorch(axes: int, options: dict[str, Any], batch: tuple[int, ...]) -> None:
    x, groups = _numbers(*batch, 4, *SIZES[axes]), options.get("groups", 1)
    weight = _numbers(4, 8 // groups, *KERNELS[axes])
    for bias in (None, _numbers(8)):
        _same(f"conv_transpose{axes}d", [x, weight, bias], **options)


@pytest.mark.peer
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_drawn_convolutions(data: st.DataObject) -> None:
    axes = data.draw(st.integers(1, 3))
    groups, inner, outer = (data.draw(st.integers(1, 3)) for _ in range(3))
    each = lambda low, high: tuple(data.draw(st.integers(low, high)) for _ in range(axes))  # noqa: E731
    kernel, stride, padding, dilation = each(1, 3), each(1, 3), each(0, 2), each(1, 2)
    size = tuple(
        max(1, d * (k - 1) + 1 - 2 * p) + data.draw(st.integers(0, 9))
        for k, p, d in zip(kernel, padding, dilation, strict=True)
    )
    x, weight = _numbers(2, groups * inner, *size), _numbers(groups * outer, inner, *kernel)
    _same(f"conv{axes}d", [x, weight, _numbers(groups * outer)], stride, padding, dilation, groups)


@pytest.mark.peer
@pytest.mark.parametrize(
    ("batch", "channels", "outputs", "size", "options"),
    [
        (2, 64, 64, (28, 28), {"padding": 1}),
        (1, 96, 40, (14, 15), {"padding": 1}),
        (2, 32, 64, (17, 33), {"padding": 0}),
        (2, 64, 64, (30, 30), {"padding": 1, "stride": 2}),
        (2, 64, 64, (30, 30), {"padding": 1, "groups": 64}),
    ],
)
def test_large_convolutions(
    batch: int, channels: int, outputs: int, size: tuple[int, ...], options: dict[str, int]
) -> None:
    scale = np.float32((9 * channels) ** -0.5)
    weight = _numbers(outputs, channels // options.get("groups", 1), 3, 3, dtype=np.float32) * scale
    _same("conv2d", [_numbers(batch, channels, *size, dtype=np.float32), weight, None], **options)


@pytest.mark.parametrize("function", ["conv2d", "conv_transpose2d"])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_two_orders(function: str, stride: int) -> None:
    x, weight, bias = (fastnn.tensor(_numbers(*shape)) for shape in ((2, 4, 5, 6), (4, 2, 3, 2), (4,)))
    for tensor in (x, weight, bias):
        tensor.requires_grad_(True)
    run = lambda *inputs: getattr(F, function)(*inputs, stride=stride, padding=1, groups=2)  # noqa: E731
    assert gradcheck(run, (x, weight, bias))
    assert gradgradcheck(run, (x, weight, bias))


def test_relu_in_the_same_call() -> None:
    x, weight, bias = (_numbers(*shape, seed=3) for shape in ((2, 3, 6, 6), (4, 3, 3, 3), (4,)))
    results = []
    for fused in (True, False):
        tensors = _tensors(fastnn, [x, weight, bias])
        out = conv_activation(*tensors, 1, 1, 1, 1, "relu") if fused else F.relu(F.conv2d(*tensors, padding=1))
        (out * out).sum().backward()
        results.append([out.detach().numpy(), *(t.grad.numpy() for t in tensors)])
    for have, want in zip(*results, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12, atol=1e-12)


def test_half_precision_and_empty_batches() -> None:
    x, weight = fastnn.ones(1, 2, 4, 4, dtype=fastnn.float16), fastnn.ones(3, 2, 3, 3, dtype=fastnn.float16)
    out = F.conv2d(x, weight)
    assert out.dtype == fastnn.float16
    assert (out.numpy() == 18).all()
    weight = fastnn.ones(3, 2, 3, 3, requires_grad=True)
    out = F.conv2d(fastnn.ones(0, 2, 4, 4), weight)
    assert out.shape == (0, 3, 2, 2)
    out.sum().backward()
    assert (weight.grad.numpy() == 0).all()


@pytest.mark.peer
def test_nan_and_infinity_stay_where_they_belong() -> None:
    torch = pytest.importorskip("torch")
    x, weight = _numbers(1, 24, 20, 20, dtype=np.float32), _numbers(32, 24, 3, 3, dtype=np.float32)
    x[0, 3, 4, 5], x[0, 7, 15, 2], x[0, 1, 19, 19], x[0, 2, 10, 10] = np.nan, np.inf, -np.inf, 1e38
    have = F.conv2d(fastnn.tensor(x), fastnn.tensor(weight), padding=1).numpy()
    want = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(weight), padding=1).numpy()
    np.testing.assert_array_equal(np.isnan(have), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(have), np.isinf(want))
    finite = np.isfinite(want)
    np.testing.assert_allclose(have[finite], want[finite], rtol=1e-3, atol=1e-3)


WRONG: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any], str]] = {
    "channels": ((1, 5, 8, 8), (4, 3, 3, 3), {}, "expected input.* to have 3 channels, but got 5 channels instead"),
    "large kernel": ((1, 3, 2, 2), (4, 3, 3, 3), {}, "Kernel size can't be greater than actual input size"),
    "groups": ((1, 4, 8, 8), (3, 2, 3, 3), {"groups": 2}, "divisible by 2"),
    "no groups": ((1, 4, 8, 8), (4, 4, 3, 3), {"groups": 0}, "non-positive groups is not supported"),
    "dimensions": ((8, 8), (4, 3, 3, 3), {}, r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d"),
    "weight": ((1, 3, 8, 8), (4, 3, 3), {}, "expected 4-dimensional weight"),
    "stride": ((1, 3, 8, 8), (4, 3, 3, 3), {"stride": 0}, "non-positive stride is not supported"),
    "padding": ((1, 3, 8, 8), (4, 3, 3, 3), {"padding": -1}, "negative padding is not supported"),
    "dilation": ((1, 3, 8, 8), (4, 3, 3, 3), {"dilation": 0}, "dilation should be greater than zero"),
    "same": ((1, 3, 8, 8), (4, 3, 3, 3), {"padding": "same", "stride": 2}, "not supported for strided convolutions"),
    "word": ((1, 3, 8, 8), (4, 3, 3, 3), {"padding": "full"}, "Invalid padding string"),
    "length": ((1, 3, 8, 8), (4, 3, 3, 3), {"stride": (1, 2, 3)}, "argument 'stride'"),
    "no pixels": ((1, 3, 0, 8), (4, 3, 1, 1), {}, "Kernel size can't be greater"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_conv_refuses(name: str) -> None:
    x, weight, options, message = WRONG[name]
    with pytest.raises(RuntimeError, match=message):
        F.conv2d(fastnn.ones(*x), fastnn.ones(*weight), **options)


@pytest.mark.peer
@pytest.mark.parametrize("name", [name for name in WRONG if name != "no pixels"])
def test_pytorch_refuses_it_too(name: str) -> None:
    torch = pytest.importorskip("torch")
    x, weight, options, _ = WRONG[name]
    with pytest.raises(RuntimeError):
        torch.nn.functional.conv2d(torch.ones(*x), torch.ones(*weight), **options)


def test_wrong_types() -> None:
    x, weight = fastnn.ones(1, 3, 8, 8), fastnn.ones(4, 3, 3, 3)
    with pytest.raises(RuntimeError, match="should be the same"):
        F.conv2d(x, weight.double())
    with pytest.raises(RuntimeError, match="expected bias to be 1-dimensional with 4 elements"):
        F.conv2d(x, weight, fastnn.ones(3))
    with pytest.raises(TypeError, match="argument 'input' must be Tensor"):
        F.conv2d(x.numpy(), weight)
    with pytest.raises(TypeError, match="argument 'stride' must be int"):
        F.conv2d(x, weight, stride=1.5)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="not implemented for"):
        F.conv2d(x.long(), weight.long())
    with pytest.raises(RuntimeError, match="output padding must be smaller than either stride or dilation"):
        F.conv_transpose2d(x, fastnn.ones(3, 4, 3, 3), output_padding=1)
    with pytest.raises(RuntimeError, match="to have 4 channels, but got 3 channels instead"):
        F.conv_transpose2d(x, weight)
    with pytest.raises(RuntimeError, match="Output size is too small"):
        F.conv_transpose2d(x, fastnn.ones(3, 4, 3, 3), padding=9)


def test_nothing_but_input_and_weight_is_kept() -> None:
    x, weight = fastnn.ones(1, 3, 8, 8, requires_grad=True), fastnn.ones(4, 3, 3, 3, requires_grad=True)
    node = F.conv2d(x, weight).grad_fn
    assert [array.shape for array in node.arrays] == [(1, 3, 8, 8), (4, 3, 3, 3)]
