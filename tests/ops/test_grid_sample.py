"""grid_sample and affine_grid: every mode and padding against PyTorch; gradients; places far outside."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck, gradgradcheck

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
CASES = [
    (axes, *rest)
    for axes in (2, 3)
    for rest in itertools.product(MODES, PADDINGS, (False, True))
    if axes == 2 or rest[0] != "bicubic"
]
SHAPES = {2: ((2, 3, 5, 4), (2, 6, 7, 2)), 3: ((2, 2, 3, 4, 5), (2, 2, 3, 4, 3))}


@pytest.mark.peer
@pytest.mark.parametrize(("axes", "mode", "padding", "align"), CASES)
def test_as_pytorch(axes: int, mode: str, padding: str, align: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    image, grid = (rng.standard_normal(shape) for shape in SHAPES[axes])
    grid = grid * 1.7  # far outside too
    grid.reshape(-1)[:4] = [3.1, -4.7, 0, -1]
    found = []
    for fw in (fastnn, torch):
        x, g = fw.tensor(image).requires_grad_(), fw.tensor(grid).requires_grad_()
        out = fw.nn.functional.grid_sample(x, g, mode, padding, align)
        out.backward(fw.tensor(np.random.default_rng(1).standard_normal(tuple(out.shape))))
        g_grad = np.zeros_like(grid) if g.grad is None else g.grad.numpy()
        found.append((out.detach().numpy(), x.grad.numpy(), g_grad))
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-9)


@pytest.mark.parametrize(("axes", "mode", "padding", "align"), [case for case in CASES if case[1] != "nearest"])
def test_gradients(axes: int, mode: str, padding: str, align: bool) -> None:
    rng = np.random.default_rng(3)
    x = fastnn.tensor(rng.standard_normal((1, 1, *(3,) * axes))).requires_grad_()
    g = fastnn.tensor(rng.uniform(-1.4, 1.4, (1, *(1,) * (axes - 1), 3, axes))).requires_grad_()
    run = lambda x, g: F.grid_sample(x, g, mode, padding, align)  # noqa: E731
    assert gradcheck(run, (x, g), eps=1e-7, atol=1e-4)
    if mode == "bilinear":
        assert gradgradcheck(run, (x, g), atol=1e-4)


def test_the_identity_gives_the_image_back() -> None:
    image = fastnn.tensor(np.random.default_rng(0).standard_normal((2, 3, 5, 4)))
    theta = fastnn.tensor([[[1.0, 0, 0], [0, 1, 0]]] * 2, dtype=fastnn.float64)
    for align in (False, True):
        grid = F.affine_grid(theta, image.shape, align)
        np.testing.assert_allclose(F.grid_sample(image, grid, align_corners=align).numpy(), image.numpy(), atol=1e-12)


def test_places_that_no_image_has() -> None:
    image = fastnn.ones(1, 1, 2, 2)
    grid = fastnn.tensor([[[[float("nan"), 0.0], [float("inf"), 0.0], [1e30, 0.0], [0.0, 0.0]]]])
    out = F.grid_sample(image, grid, align_corners=False).numpy().reshape(-1)
    assert out.tolist() == [0, 0, 0, 1]


def test_a_nan_in_a_corner_is_not_read_elsewhere() -> None:
    image = fastnn.ones(1, 1, 3, 3)
    image[0, 0, 0, 0] = float("nan")
    grid = fastnn.tensor([[[[5.0, 5.0], [0.5, 0.5]]]])
    assert F.grid_sample(image, grid, align_corners=True).numpy().reshape(-1).tolist() == [0, 1]


@pytest.mark.peer
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 3, 4, 5), (2, 3, 1, 4)])
@pytest.mark.parametrize("align", [False, True])
def test_affine_grid_as_pytorch(size: tuple[int, ...], align: bool) -> None:
    torch = pytest.importorskip("torch")
    axes = len(size) - 2
    matrix = np.random.default_rng(0).standard_normal((2, axes, axes + 1))
    found = []
    for fw in (fastnn, torch):
        theta = fw.tensor(matrix).requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of extents of 1
            grid = fw.nn.functional.affine_grid(theta, size, align)
        (grid**2).sum().backward()
        found.append((grid.detach().numpy(), theta.grad.numpy()))
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-10, 1e-12)


def _image() -> Any:
    return fastnn.ones(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("grid", "options", "error"),
    [
        ((2, 4, 5, 2), {"mode": "cubic"}, ValueError),
        ((2, 4, 5, 2), {"padding_mode": "wrap"}, ValueError),
        ((3, 4, 5, 2), {}, RuntimeError),
        ((2, 4, 5, 3), {}, RuntimeError),
        ((2, 4, 5, 2, 2), {}, RuntimeError),
    ],
)
def test_what_grid_sample_refuses(grid: tuple[int, ...], options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        F.grid_sample(_image(), fastnn.zeros(*grid), align_corners=False, **options)


def test_what_else_is_refused() -> None:
    with pytest.raises(RuntimeError, match="same dtype"):
        F.grid_sample(_image(), fastnn.zeros(2, 4, 5, 2, dtype=fastnn.float64), align_corners=False)
    with pytest.raises(RuntimeError, match="bicubic"):
        F.grid_sample(fastnn.ones(1, 1, 2, 2, 2), fastnn.zeros(1, 1, 1, 1, 3), "bicubic", align_corners=False)
    with pytest.raises(ValueError, match="2D affine matrices"):
        F.affine_grid(fastnn.ones(1, 3, 3), (1, 1, 2, 2), False)
    with pytest.raises(NotImplementedError, match="4D and 5D"):
        F.affine_grid(fastnn.ones(1, 2, 3), (1, 1, 2), False)
    with pytest.raises(ValueError, match="floating point"):
        F.affine_grid(fastnn.ones(1, 2, 3, dtype=fastnn.int64), (1, 1, 2, 2), False)
    with pytest.warns(UserWarning, match="align_corners"):
        F.affine_grid(fastnn.ones(1, 2, 3), (1, 1, 2, 2))
