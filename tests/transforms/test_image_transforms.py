"""Augmentations: what each does to an image, that images of a batch differ, and that a seed repeats it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import transforms as T

SHAPE = (6, 2, 7, 9)
MAKERS: dict[str, Callable[[Any], Any]] = {
    "crop": lambda g: T.RandomCrop((5, 6), padding=2, generator=g),
    "hflip": lambda g: T.RandomHorizontalFlip(generator=g),
    "vflip": lambda g: T.RandomVerticalFlip(generator=g),
    "rotation": lambda g: T.RandomRotation(30, generator=g),
    "affine": lambda g: T.RandomAffine(20, (0.2, 0.1), (0.8, 1.2), 10, generator=g),
    "erasing": lambda g: T.RandomErasing(0.9, value="random", generator=g),
    "noise": lambda g: T.GaussianNoise(generator=g),
    "composed": lambda g: T.Compose([T.RandomCrop(7, 1, generator=g), T.GaussianNoise(generator=g)]),
}


def images(dtype: Any = np.float32) -> fastnn.Tensor:
    return fastnn.from_numpy(np.random.default_rng(0).random(SHAPE).astype(dtype))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("own", [False, True])
def test_seeded_and_pure(name: str, own: bool) -> None:
    given = images()
    before = given.numpy().copy()

    def run(seed: int) -> Any:
        generator = fastnn.Generator().manual_seed(seed) if own else None
        if not own:
            fastnn.manual_seed(seed)
        return MAKERS[name](generator)(given).numpy()

    one, again, other = run(1), run(1), run(2)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(given.numpy(), before)
    assert one.dtype == np.float32 and one.shape[:2] == SHAPE[:2]


@pytest.mark.parametrize("name", MAKERS)
def test_leading_dimensions_and_dtype(name: str) -> None:
    for dtype in (np.float32, np.float64):
        given = images(dtype)
        flat = MAKERS[name](fastnn.Generator().manual_seed(3))(given)
        deep = MAKERS[name](fastnn.Generator().manual_seed(3))(given.reshape(2, 3, *SHAPE[1:]))
        np.testing.assert_array_equal(deep.numpy().reshape(flat.shape), flat.numpy())
        assert flat.dtype == given.dtype
        one = MAKERS[name](fastnn.Generator().manual_seed(3))(given[0])
        assert one.shape == flat.shape[1:]


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("crop", "composed")])
def test_nothing_is_given_back_as_nothing(name: str) -> None:
    for shape in [(0, 2, 9, 7), (3, 2, 0, 7), (3, 2, 0, 0)]:
        assert MAKERS[name](fastnn.Generator())(fastnn.zeros(shape)).shape == shape


def test_crop_is_a_window_of_the_padded_image() -> None:
    given = images()
    got = T.RandomCrop((5, 6), padding=(1, 2, 3, 0), fill=-1)(given).numpy()
    padded = np.pad(given.numpy(), ((0, 0), (0, 0), (2, 0), (1, 3)), constant_values=-1)
    places = set()
    for image, crop in zip(padded, got, strict=True):
        found = [(y, x) for y in range(5) for x in range(8) if np.array_equal(image[:, y : y + 5, x : x + 6], crop)]
        assert len(found) == 1
        places.update(found)
    assert len(places) > 1
    mirrored = T.RandomCrop((9, 11), padding=1, padding_mode="reflect")(given).numpy()
    np.testing.assert_array_equal(mirrored, np.pad(given.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect"))


def test_flips() -> None:
    given = images()
    np.testing.assert_array_equal(T.RandomHorizontalFlip(1.0)(given).numpy(), given.numpy()[..., ::-1])
    np.testing.assert_array_equal(T.RandomVerticalFlip(1.0)(given).numpy(), given.numpy()[..., ::-1, :])
    np.testing.assert_array_equal(T.RandomVerticalFlip(0.0)(given).numpy(), given.numpy())
    many = fastnn.from_numpy(np.tile(np.array([[[0.0, 1.0]]], np.float32), (4000, 1, 1, 1)))
    share = T.RandomHorizontalFlip(0.3, fastnn.Generator().manual_seed(0))(many).numpy()[:, 0, 0, 0].mean()
    assert share == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_right_angles_are_exact(mode: str) -> None:
    given = fastnn.from_numpy(np.random.default_rng(0).random((3, 2, 8, 8)))
    turned = T.RandomRotation((90, 90), mode)(given).numpy()
    np.testing.assert_allclose(turned, np.rot90(given.numpy(), 1, (2, 3)), atol=1e-12)  # counter-clockwise
    np.testing.assert_allclose(
        T.RandomAffine((90, 90), interpolation=mode)(given).numpy(), np.rot90(given.numpy(), -1, (2, 3)), atol=1e-12
    )
    np.testing.assert_allclose(T.RandomAffine(0, interpolation=mode)(given).numpy(), given.numpy(), atol=1e-12)


def test_affine_against_a_pixel_by_pixel_sum() -> None:
    """Bilinear interpolation of one image, with the map inverted by numpy.linalg."""
    image = np.random.default_rng(0).random((7, 9))
    angle, factor, shear = 25.0, 1.3, 12.0
    transform = T.RandomAffine((angle, angle), scale=(factor, factor), shear=(shear, shear), fill=0.25)
    got = transform(fastnn.from_numpy(image[None, None])).numpy()[0, 0]
    r, s = np.deg2rad(angle), np.deg2rad(shear)
    forward = factor * np.array([[np.cos(r), -np.sin(r)], [np.sin(r), np.cos(r)]]) @ np.array([[1, -np.tan(s)], [0, 1]])
    inverse = np.linalg.inv(forward)

    def pixel(y: int, x: int) -> float:
        return float(image[y, x]) if 0 <= y < 7 and 0 <= x < 9 else 0.25

    for y in range(7):
        for x in range(9):
            u, v = inverse @ np.array([x - 4.0, y - 3.0]) + [4.0, 3.0]
            left, top = int(np.floor(u)), int(np.floor(v))
            a, b = u - left, v - top
            expected = (1 - b) * ((1 - a) * pixel(top, left) + a * pixel(top, left + 1))
            expected += b * ((1 - a) * pixel(top + 1, left) + a * pixel(top + 1, left + 1))
            assert got[y, x] == pytest.approx(expected, abs=1e-9)


def test_translation_moves_by_whole_pixels() -> None:
    given = fastnn.zeros(200, 1, 9, 9)
    given[:, 0, 4, 4] = 1.0
    moved = T.RandomAffine(0, translate=(0.25, 0.0))(given).numpy()[:, 0]
    assert np.allclose(moved.sum((1, 2)), 1) and np.allclose(moved.max((1, 2)), 1)
    rows, columns = moved.max(2).argmax(1), moved.max(1).argmax(1)
    assert set(rows) == {4} and set(columns) == {2, 3, 4, 5, 6}


def test_erasing() -> None:
    given = fastnn.ones(500, 3, 20, 20)
    erased = T.RandomErasing(1.0, scale=(0.1, 0.2), ratio=(0.5, 2.0), value=-2.0)(given).numpy()
    share = (erased == -2).mean((1, 2, 3))
    assert share.min() > 0.07 and share.max() < 0.25
    for image in erased[:20]:  # a rectangle, the same in each channel
        inside = image == -2
        rows, columns = inside[0].any(1), inside[0].any(0)
        assert np.array_equal(inside, np.broadcast_to(np.outer(rows, columns), inside.shape))
        assert np.diff(np.flatnonzero(rows)).tolist() == [1] * (rows.sum() - 1)
    kept = T.RandomErasing(0.25)(given).numpy()
    assert (kept == 1).all((1, 2, 3)).mean() == pytest.approx(0.75, abs=0.08)


def test_noise_and_normalize() -> None:
    given = fastnn.full((4, 1, 100, 100), 0.5)
    noisy = T.GaussianNoise(0.1, 0.2, clip=False)(given).numpy()
    assert noisy.mean() == pytest.approx(0.6, abs=0.01) and noisy.std() == pytest.approx(0.2, abs=0.01)
    clipped = T.GaussianNoise(sigma=1.0)(given).numpy()
    assert clipped.min() == 0 and clipped.max() == 1
    given = images()
    got = T.Normalize([0.5, 0.2], [2.0, 4.0])(given).numpy()
    np.testing.assert_allclose(got[:, 1], (given.numpy()[:, 1] - 0.2) / 4, rtol=1e-6)
    np.testing.assert_allclose(got[:, 0], (given.numpy()[:, 0] - 0.5) / 2, rtol=1e-6)


@pytest.mark.parametrize("kind", [T.MixUp, T.CutMix])
def test_mixes(kind: Any) -> None:
    """Images that are constant, each by its own label: the mean of a mixed image says what its soft label must be."""
    labels = fastnn.tensor([0, 1, 2, 1])
    given = labels.float().reshape(4, 1, 1, 1) * fastnn.ones(4, 2, 16, 16)
    shares = []
    for seed in range(20):
        mixed, soft = kind(num_classes=3, generator=fastnn.Generator().manual_seed(seed))(given, labels)
        np.testing.assert_allclose(soft.numpy().sum(1), 1, rtol=1e-6)
        np.testing.assert_allclose(mixed.numpy().mean((1, 2, 3)), soft.numpy() @ [0, 1, 2], rtol=1e-5, atol=1e-6)
        shares.append(float(soft[0, 0]))
    assert len(set(shares)) > 10
    again, _ = kind(num_classes=3)(given, soft)  # soft labels once more
    assert again.shape == given.shape
    assert float(fastnn.nn.CrossEntropyLoss()(fastnn.zeros(4, 3), soft)) == pytest.approx(np.log(3), rel=1e-6)


def test_generators_of() -> None:
    one, two = fastnn.Generator(), fastnn.Generator()
    composed = T.Compose([T.RandomCrop(2, generator=one), T.Compose([T.GaussianNoise(generator=two)]), abs])
    assert list(T.generators_of(composed)) == [one, two]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: T.RandomCrop(0), ValueError, "size"),
        (lambda: T.RandomCrop(2, padding=(1, 2, 3)), ValueError, "padding"),
        (lambda: T.RandomCrop(2, padding_mode="wrap"), ValueError, "padding_mode"),
        (lambda: T.RandomCrop(30)(images()), ValueError, "larger than"),
        (lambda: T.RandomHorizontalFlip(1.5), ValueError, "'p'"),
        (lambda: T.RandomRotation(-3), ValueError, "degrees"),
        (lambda: T.RandomRotation((3, 1)), ValueError, "degrees"),
        (lambda: T.RandomAffine(3, translate=(2, 0)), ValueError, "translate"),
        (lambda: T.RandomAffine(3, scale=(0, 1)), ValueError, "scale"),
        (lambda: T.RandomAffine(3, interpolation="cubic"), ValueError, "interpolation"),
        (lambda: T.RandomErasing(scale=(0.1, 2)), ValueError, "scale"),
        (lambda: T.RandomErasing(value="noise"), ValueError, "value"),
        (lambda: T.GaussianNoise(sigma=-1), ValueError, "sigma"),
        (lambda: T.Normalize([0.0], [0.0]), ValueError, "std"),
        (lambda: T.Normalize([0.0] * 3, [1.0] * 3)(images()), ValueError, "2 channels"),
        (lambda: T.RandomHorizontalFlip()(np.zeros((1, 2, 3))), TypeError, "tensor"),
        (lambda: T.RandomHorizontalFlip()(fastnn.zeros(1, 2, 3, dtype=fastnn.int64)), TypeError, "floating"),
        (lambda: T.RandomHorizontalFlip()(fastnn.zeros(2, 3)), ValueError, "\\(\\.\\.\\., C, H, W\\)"),
        (lambda: T.RandomHorizontalFlip(generator=3), TypeError, "generator"),
        (lambda: T.MixUp(alpha=0, num_classes=3), ValueError, "alpha"),
        (lambda: T.MixUp(num_classes=2)(images(), fastnn.tensor([0, 1, 2, 0, 0, 0])), ValueError, "0 ... 1, got 2"),
        (lambda: T.CutMix(num_classes=2)(images(), fastnn.tensor([0, 1])), ValueError, "6 integer labels"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()
