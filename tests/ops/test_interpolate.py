"""interpolate: every mode against PyTorch and against its own definition; gradients; what it refuses."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck, gradgradcheck

Options = dict[str, Any]

SIZES: list[tuple[tuple[int, ...], Options]] = [
    ((2, 3, 7), {"size": 4, "mode": "nearest"}),
    ((2, 3, 7), {"scale_factor": 2.7, "mode": "nearest"}),
    ((2, 3, 7), {"size": 11, "mode": "nearest-exact"}),
    ((2, 3, 5, 7), {"scale_factor": (0.5, 2), "mode": "nearest-exact"}),
    ((2, 3, 2, 5, 7), {"size": (3, 4, 9), "mode": "nearest"}),
    ((2, 3, 7), {"size": 4, "mode": "area"}),
    ((2, 3, 5, 7), {"scale_factor": 0.7, "mode": "area"}),
    ((2, 3, 7), {"size": 12, "mode": "linear"}),
    ((2, 3, 7), {"size": 1, "mode": "linear", "align_corners": True}),
    ((2, 3, 2, 5, 3), {"size": (4, 3, 6), "mode": "trilinear"}),
    ((2, 3, 2, 5, 3), {"scale_factor": (2, 0.6, 1.5), "mode": "trilinear", "align_corners": True}),
]
SIZES += [
    ((2, 3, 6, 7), {"mode": mode, "align_corners": corners, **how})
    for mode in ("bilinear", "bicubic")
    for corners in (False, True)
    for how in (
        {"size": (9, 4)},
        {"scale_factor": 1.7},
        {"scale_factor": 1.7, "recompute_scale_factor": True},
        {"size": (3, 14), "antialias": True},
        {"size": (2, 2), "antialias": True},
        {"scale_factor": 0.4, "antialias": True},
    )
]
SIZES.append(((2, 3, 6, 7), {"mode": "lanczos", "size": (4, 9), "antialias": True}))


def both(shape: tuple[int, ...], dtype: str, options: Options) -> list[tuple[Any, Any]]:
    """(value, gradient) of this library and of PyTorch."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype)
    found = []
    for fw in (fastnn, torch):
        tensor = fw.tensor(x).requires_grad_()
        out = fw.nn.functional.interpolate(tensor, **options)
        seed = np.random.default_rng(1).standard_normal(tuple(out.shape)).astype(dtype)
        out.backward(fw.tensor(seed))
        found.append((out.detach().numpy(), tensor.grad.numpy()))
    return found


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "options"), SIZES)
def test_as_pytorch(shape: tuple[int, ...], options: Options, dtype: str) -> None:
    ours, theirs = both(shape, dtype, options)
    tolerance = 2e-5 if dtype == "float32" else 1e-11
    for have, want in zip(ours, theirs, strict=True):
        assert have.dtype == want.dtype
        np.testing.assert_allclose(have, want, tolerance, tolerance)


@pytest.mark.peer
def test_nearest_places_are_pytorchs_for_many_sizes() -> None:
    torch = pytest.importorskip("torch")
    for mode in ("nearest", "nearest-exact"):
        for before in range(1, 20):
            x = np.arange(before, dtype=np.float32).reshape(1, 1, -1)
            for after in (*range(1, 40), 100):
                want = torch.nn.functional.interpolate(torch.tensor(x), size=after, mode=mode).numpy()
                np.testing.assert_array_equal(F.interpolate(fastnn.tensor(x), size=after, mode=mode).numpy(), want)


@pytest.mark.parametrize(
    "options",
    [
        {"size": (4, 7), "mode": "bilinear"},
        {"size": (2, 9), "mode": "bicubic", "align_corners": True},
        {"scale_factor": 0.5, "mode": "bilinear", "antialias": True},
        {"size": (1, 30), "mode": "nearest"},
        {"size": (2, 2), "mode": "area"},
    ],
)
def test_gradients_of_two_orders(options: Options) -> None:
    x = fastnn.tensor(np.random.default_rng(0).standard_normal((1, 2, 5, 4))).requires_grad_()
    run = lambda x: F.interpolate(x, **options) ** 2  # noqa: E731
    assert gradcheck(run, (x,))
    assert gradgradcheck(run, (x,))


def test_a_constant_stays_and_a_line_stays_a_line() -> None:
    ones = fastnn.ones(1, 1, 6, 5)
    for mode in ("bilinear", "bicubic"):
        for antialias in (False, True):
            out = F.interpolate(ones, size=(4, 11), mode=mode, antialias=antialias)
            np.testing.assert_allclose(out.numpy(), 1, atol=1e-6)
    line = fastnn.arange(5.0).reshape(1, 1, 5)
    out = F.interpolate(line, size=9, mode="linear", align_corners=True)
    np.testing.assert_allclose(out.numpy().reshape(-1), np.linspace(0, 4, 9), atol=1e-6)


def test_a_nan_stays_where_it_is_read() -> None:
    x = fastnn.ones(1, 1, 6)
    x[0, 0, 0] = float("nan")
    out = F.interpolate(x, size=12, mode="linear").numpy()[0, 0]
    assert np.isnan(out[:2]).all() and not np.isnan(out[4:]).any()
    x = fastnn.ones(1, 1, 6).requires_grad_()
    seed = np.zeros((1, 1, 12), np.float32)
    seed[0, 0, 0] = np.nan
    F.interpolate(x, size=12, mode="linear").backward(fastnn.tensor(seed))
    assert not np.isnan(x.grad.numpy()[0, 0, 2:]).any()


def test_integers_and_half_precision() -> None:
    out = F.interpolate(fastnn.tensor([[[1, 2, 3]]]), size=6)
    assert out.tolist() == [[[1, 1, 2, 2, 3, 3]]]
    half = F.interpolate(fastnn.tensor(np.array([[[0, 1]]], np.float16)), size=4, mode="linear")
    assert half.dtype == fastnn.float16 and half.tolist() == [[[0.0, 0.25, 0.75, 1.0]]]


@pytest.mark.peer
@pytest.mark.parametrize("options", [{"mode": "bilinear"}, {"mode": "bicubic", "antialias": True}, {"mode": "nearest"}])
def test_images_of_bytes(options: Options) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 256, (1, 3, 9, 8)).astype(np.uint8)
    have = F.interpolate(fastnn.tensor(x), size=(5, 13), **options)
    want = torch.nn.functional.interpolate(torch.tensor(x), size=(5, 13), **options)
    assert have.dtype == fastnn.uint8
    apart = np.abs(have.numpy().astype(int) - want.numpy())  # PyTorch rounds and cuts off after each axis
    assert apart.max() <= (8 if options["mode"] == "bicubic" else 1) and apart.mean() < 0.4
    exact = F.interpolate(fastnn.tensor(x.astype(np.float64)), size=(5, 13), **options).numpy()
    np.testing.assert_allclose(have.numpy(), exact.clip(0, 255), atol=0.5001)


@pytest.mark.peer
def test_the_older_names_warn_and_agree() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((1, 2, 3, 4)).astype(np.float32)
    for name, options in (
        ("upsample", {"scale_factor": 2}),
        ("upsample_nearest", {"size": (5, 6)}),
        ("upsample_bilinear", {"scale_factor": 2}),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            have = getattr(F, name)(fastnn.tensor(x), **options)
        assert any("deprecated" in str(one.message) for one in caught)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want = getattr(torch.nn.functional, name)(torch.tensor(x), **options)
        np.testing.assert_allclose(have.numpy(), want.numpy(), atol=1e-6)


REFUSED: list[tuple[tuple[int, ...], Options, type[Exception]]] = [
    ((1, 1, 4), {}, ValueError),
    ((1, 1, 4), {"size": 3, "scale_factor": 2}, ValueError),
    ((1, 1, 4), {"size": (3, 3)}, ValueError),
    ((1, 1, 4), {"size": (2.5,)}, TypeError),
    ((1, 1, 4), {"scale_factor": (2, 2)}, ValueError),
    ((1, 1, 4), {"size": 3, "align_corners": True}, ValueError),
    ((1, 1, 4), {"size": 3, "recompute_scale_factor": True}, ValueError),
    ((1, 1, 4), {"size": 3, "mode": "linear", "antialias": True}, ValueError),
    ((1, 1, 4), {"size": 3, "mode": "bilinear"}, NotImplementedError),
    ((1, 1, 4, 4), {"size": 3, "mode": "trilinear"}, NotImplementedError),
    ((1, 1, 4), {"size": 3, "mode": "sharp"}, NotImplementedError),
    ((1, 4), {"size": ()}, NotImplementedError),
    ((1, 1, 4), {"size": 0}, RuntimeError),
    ((1, 1, 4, 4), {"size": 3, "mode": "lanczos"}, ValueError),
    ((1, 1, 4, 4), {"size": 3, "mode": "lanczos", "antialias": True, "align_corners": True}, ValueError),
]


@pytest.mark.parametrize(("shape", "options", "error"), REFUSED)
def test_what_it_refuses(shape: tuple[int, ...], options: Options, error: type[Exception]) -> None:
    with pytest.raises(error):
        F.interpolate(fastnn.ones(*shape), **options)
