"""unfold, fold, and the shuffles of channels and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck, gradgradcheck

WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 3},
    {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 0)},
    {"kernel_size": 2, "dilation": 2, "padding": 2, "stride": 3},
    {"kernel_size": (1, 4), "dilation": (1, 2)},
]


@pytest.mark.parametrize("options", WINDOWS)
def test_unfold_is_what_its_name_says(options: dict[str, Any]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 9))
    got = F.unfold(fastnn.tensor(x), **options).numpy()
    pair = {
        name: (value, value) if isinstance(value, int) else value
        for name, value in {"dilation": 1, "padding": 0, "stride": 1, **options}.items()
    }
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = (pair[n] for n in ("kernel_size", "dilation", "padding", "stride"))
    padded = np.pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)])
    columns = [
        padded[:, :, i : i + dh * (kh - 1) + 1 : dh, j : j + dw * (kw - 1) + 1 : dw].reshape(2, -1)
        for i in range(0, padded.shape[2] - dh * (kh - 1), sh)
        for j in range(0, padded.shape[3] - dw * (kw - 1), sw)
    ]
    np.testing.assert_array_equal(got, np.stack(columns, -1))


@pytest.mark.peer
@pytest.mark.parametrize("options", WINDOWS)
@pytest.mark.parametrize("batched", [True, False])
def test_as_pytorch(options: dict[str, Any], batched: bool) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 9) if batched else (3, 8, 9))
    found = []
    for fw in (fastnn, torch):
        tensor = fw.tensor(x).requires_grad_()
        columns = fw.nn.functional.unfold(tensor, **options)
        image = fw.nn.functional.fold(columns * columns, (8, 9), **options)
        image.backward(fw.tensor(x))
        found.append((columns.detach().numpy(), image.detach().numpy(), tensor.grad.numpy()))
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-12, 1e-12)


def test_gradients_of_two_orders() -> None:
    x = fastnn.tensor(np.random.default_rng(0).standard_normal((1, 2, 4, 5))).requires_grad_()
    run = lambda x: F.fold(F.unfold(x, 2, 1, 1, 2) ** 2, (4, 5), 2, 1, 1, 2)  # noqa: E731
    assert gradcheck(run, (x,))
    assert gradgradcheck(run, (x,))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: F.unfold(fastnn.ones(2, 3), 1), "Expected 3D or 4D"),
        (lambda: F.unfold(fastnn.ones(1, 1, 3, 3), 4), "at least one"),
        (lambda: F.unfold(fastnn.ones(1, 1, 3, 3), 0), "kernel_size should be greater"),
        (lambda: F.unfold(fastnn.ones(1, 1, 3, 3), 2, padding=-1), "padding should be non-negative"),
        (lambda: F.fold(fastnn.ones(1, 5, 4), (3, 3), 2), "divisible by the product"),
        (lambda: F.fold(fastnn.ones(1, 4, 5), (3, 3), 2), "sliding blocks 2 \\* 2 = 4"),
        (lambda: F.fold(fastnn.ones(4), (3, 3), 2), "Expected 2D or 3D"),
        (lambda: F.pixel_shuffle(fastnn.ones(3, 2, 2), 2), "not divisible by 4"),
        (lambda: F.pixel_shuffle(fastnn.ones(2, 2), 2), "at least 3 dimensions"),
        (lambda: F.pixel_shuffle(fastnn.ones(4, 2, 2), 0), "positive upscale_factor"),
        (lambda: F.pixel_unshuffle(fastnn.ones(3, 3, 2), 2), "height"),
        (lambda: F.channel_shuffle(fastnn.ones(1, 3, 2), 2), "divisible by groups"),
        (lambda: F.channel_shuffle(fastnn.ones(3, 2), 2), "> 2 dims"),
    ],
)
def test_what_is_refused(run: Any, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        run()


@pytest.mark.peer
@pytest.mark.parametrize(
    ("name", "shape", "factor"),
    [
        ("pixel_shuffle", (2, 8, 3, 4), 2),
        ("pixel_shuffle", (9, 1, 2), 3),
        ("pixel_unshuffle", (2, 3, 4, 6), 2),
        ("channel_shuffle", (2, 6, 3, 2), 3),
        ("channel_shuffle", (2, 6, 3), 2),
    ],
)
def test_shuffles_as_pytorch(name: str, shape: tuple[int, ...], factor: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal(shape)
    found = []
    for fw in (fastnn, torch):
        tensor = fw.tensor(x).requires_grad_()
        out = getattr(fw.nn.functional, name)(tensor, factor)
        (out * out * fw.tensor(np.arange(x.size).reshape(tuple(out.shape)).astype(float))).sum().backward()
        found.append((out.detach().numpy(), tensor.grad.numpy()))
    for have, want in zip(*found, strict=True):
        np.testing.assert_array_equal(have, want)
