"""The deep-learning article's PyTorch listing runs with its three imports changed and nothing else."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.kernels import BACKENDS
from fastnn.utils.data import DataLoader, TensorDataset

datasets = pytest.importorskip("sklearn.datasets")

LISTING = Path(__file__).with_name("article_listing.py")


@pytest.fixture(scope="module")
def digits() -> tuple[fastnn.Tensor, fastnn.Tensor]:
    """1,797 handwritten digits, (1797, 1, 28, 28) in [-1, 1] like the article's: each pixel of 8x8 is 3x3 of them,
    and a border of 2.
    """
    images, labels = datasets.load_digits(return_X_y=True)
    large = np.kron(images.reshape(-1, 1, 8, 8) / 16, np.ones((3, 3)))
    framed = np.pad(large, ((0, 0), (0, 0), (2, 2), (2, 2)))
    return fastnn.from_numpy(((framed - 0.5) / 0.5).astype(np.float32)), fastnn.from_numpy(labels.astype(np.int64))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_listing_learns(
    backend: str, digits: tuple[fastnn.Tensor, fastnn.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    if backend == "numba":
        pytest.importorskip("numba", reason="the numba backend needs numba")
    images, labels = digits
    with fastnn.use_backend(backend):
        fastnn.manual_seed(1)
        train_loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
        names: dict[str, Any] = runpy.run_path(str(LISTING), init_globals={"train_loader": train_loader})
        losses = [float(loss) for loss in re.findall(r"Epoch \d+, Loss: (\S+)", capsys.readouterr().out)]
        assert len(losses) == 10
        assert losses[-1] < losses[0] / 2

        model = names["model"]
        assert model.training
        model.eval()
        with fastnn.no_grad():
            predicted = model(images).numpy().argmax(1)
    assert (predicted == labels.numpy()).mean() > 0.95


def test_only_the_imports_differ_from_pytorchs() -> None:
    """Of the listing's lines, those that name the library are the three imports."""
    lines = LISTING.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "fastnn" in line] == lines[:3]
