"""IDX files: what MNIST's format says, gzipped or not, and everything that can be wrong with one."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn.datasets import MNIST, FashionMNIST, read_idx

Array = np.ndarray[Any, np.dtype[Any]]
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array: Array) -> bytes:
    """The bytes of an IDX file, written down from the format's description."""
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("zipped", [False, True])
def test_reads_what_was_written(tmp_path: Path, code: str, zipped: bool) -> None:
    array = (np.arange(24).reshape(2, 3, 4) * 5).astype(code)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    got = read_idx(path)
    assert got.dtype == array.dtype and got.dtype.isnative
    np.testing.assert_array_equal(got, array)


def test_says_what_is_wrong(tmp_path: Path) -> None:
    good = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))
    path = tmp_path / "file"
    for content, words in [
        (b"", "begins with nothing"),
        (b"\x89PNG....", "not an IDX file"),
        (b"\0\0\x07\x01" + good[4:], "not an IDX file"),
        (good[:9], "header of 12 bytes"),
        (good[:-1], "has 17 bytes, where shape \\(2, 3\\) of uint8 asks for 18"),
        (good + b"x", "has 19 bytes"),
        (gzip.compress(good)[:-9], "damaged gzip"),
        (idx(np.zeros((1, 1), np.uint8))[:4] + b"\xff" * 8, "asks for"),  # an absurd size is not allocated
    ]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words):
            read_idx(path)


def folder_of(path: Path, images: Array, labels: Array) -> Path:
    for split in ("train", "t10k"):
        (path / f"{split}-images-idx3-ubyte").write_bytes(idx(images))
        (path / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return path


def test_mnist_from_a_folder(tmp_path: Path) -> None:
    images = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    data = MNIST(folder_of(tmp_path, images, np.array([7, 0, 9], np.uint8)), transform=lambda x: x * 2)
    image, label = data[2]
    np.testing.assert_allclose(image.numpy(), images[None, 2] / 255 * 2, rtol=1e-6)
    assert label == 9 and len(data) == 3 and data.targets.tolist() == [7, 0, 9]
    every, labels = data.tensors()
    assert every.shape == (3, 1, 4, 5) and str(every.dtype) == "fastnn.float32" and labels.shape == (3,)


@pytest.mark.parametrize(
    ("labels", "words"), [([1, 2], "3 images need as many labels"), ([1, 2, 10], "labels must be in 0 ... 9, got 10")]
)
def test_labels_that_do_not_fit(tmp_path: Path, labels: list[int], words: str) -> None:
    folder_of(tmp_path, np.zeros((3, 2, 2), np.uint8), np.array(labels, np.uint8))
    with pytest.raises(ValueError, match=words):
        MNIST(tmp_path)


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="download=True"):
        FashionMNIST(tmp_path)
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    monkeypatch.setattr("fastnn.datasets.folders.SYSTEM", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="dataset-fashion-mnist"):
        FashionMNIST()
    place = tmp_path / "fashion-mnist"
    place.mkdir()
    folder_of(place, np.zeros((3, 2, 2), np.uint8), np.array([1, 2, 3], np.uint8))
    assert FashionMNIST(train=False).source == place


def test_the_real_fashion_mnist() -> None:
    try:
        data = FashionMNIST()
    except FileNotFoundError:
        pytest.skip("Fashion-MNIST is not on this machine")
    images, labels = data.tensors()
    assert images.shape == (60000, 1, 28, 28)
    assert np.bincount(labels.numpy()).tolist() == [6000] * 10
    assert images.numpy().mean() == pytest.approx(0.28604, abs=1e-5)
    assert images.numpy().std() == pytest.approx(0.35302, abs=1e-5)
