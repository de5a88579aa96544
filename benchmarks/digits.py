"""Trains the article's network on scikit-learn's digits (1,797 images of 8x8 pixels), in one backend after another.

Every run starts from the same weights and sees the same batches and dropout masks, so that the backends differ by
the rounding of their kernels alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits  # scikit-learn needs it, so it is here
from tqdm import tqdm

import fastnn
from benchmarks.results import REFERENCE, Training
from fastnn import nn, optim
from fastnn.utils.data import DataLoader, TensorDataset

SEED = 0
BATCH = 64
LEARNING_RATE = 0.001


class Split(NamedTuple):
    """Images (M, 64) float32, scaled to [-1, 1] as in the article, and their labels (M,) int64."""

    train_images: NDArray[np.float32]
    test_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_labels: NDArray[np.int64]


class Net(nn.Module):
    """The article's network, for images of 8x8 instead of 28x28 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: fastnn.Tensor) -> fastnn.Tensor:
        x = self.dropout(fastnn.relu(self.fc1(x)))
        x = self.dropout(fastnn.relu(self.fc2(x)))
        logits: fastnn.Tensor = self.fc3(x)
        return logits


def split() -> Split:
    """The data, a quarter of it held out: the same quarter in every run, with each digit's share kept."""
    images, labels = load_digits(return_X_y=True)
    scaled = ((images / 16 - 0.5) / 0.5).astype(np.float32)
    parts = train_test_split(scaled, labels.astype(np.int64), test_size=0.25, random_state=SEED, stratify=labels)
    return Split(*parts)


def train(backends: Sequence[str], epochs: int) -> list[Training]:
    """Trains in the reference and in each backend named, and compares each with the reference.

    They take turns, an epoch each, so that a busy machine slows all of them alike. In every other epoch NumPy's BLAS
    has one thread: then its threads cannot wait for each other, as they do for long where other work runs.
    """
    data = split()
    runs = [_Run(name, data) for name in (REFERENCE, *(name for name in backends if name != REFERENCE))]
    with tqdm(total=epochs * len(runs), desc="training", unit="epoch", mininterval=0.5) as bar:
        for epoch in range(epochs):
            for run in runs:
                loss = run.epoch(blas_threads=1 if epoch % 2 else None)
                bar.set_postfix(backend=run.backend, loss=f"{loss:.4f}", refresh=False)
                bar.update()
    logits = [run.logits(data.test_images) for run in runs]
    return [_compared(run, runs[0], own, logits[0], data) for run, own in zip(runs, logits, strict=True)]


class _Run:
    """One backend's training, with random numbers of its own."""

    def __init__(self, backend: str, data: Split) -> None:
        self.backend = backend
        self.times: list[float] = []
        self.losses: list[float] = []
        with fastnn.use_backend(backend):
            fastnn.manual_seed(SEED)
            self.model = Net()
            self.criterion = nn.CrossEntropyLoss()
            self.optimizer = optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
            dataset = TensorDataset(fastnn.from_numpy(data.train_images), fastnn.from_numpy(data.train_labels))
            self.loader = DataLoader(dataset, batch_size=BATCH, shuffle=True)
            self.random = fastnn.get_rng_state()

    def epoch(self, blas_threads: int | None) -> float:
        """One epoch with at most so many threads for NumPy's BLAS (None: as many as it likes); the mean loss.

        Times each step from zero_grad to the update, the batch being there already.
        """
        with fastnn.use_backend(self.backend), threadpool_limits(blas_threads, user_api="blas"):
            fastnn.set_rng_state(self.random)
            for images, labels in self.loader:
                start = time.perf_counter()
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(images), labels)
                loss.backward()
                self.optimizer.step()
                self.times.append(time.perf_counter() - start)
                self.losses.append(loss.item())
            self.random = fastnn.get_rng_state()
        return float(np.mean(self.losses[-len(self.loader) :]))

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The trained network's outputs, (M, 10)."""
        with fastnn.use_backend(self.backend), fastnn.no_grad():
            self.model.eval()
            logits: NDArray[np.float32] = self.model(fastnn.from_numpy(images)).numpy()
        return logits


def _compared(
    run: _Run, reference: _Run, logits: NDArray[np.float32], reference_logits: NDArray[np.float32], data: Split
) -> Training:
    steps = len(run.loader)
    difference = np.abs(np.subtract(run.losses, reference.losses))
    return Training(
        backend=run.backend,
        accuracy=float(np.mean(logits.argmax(1) == data.test_labels)),
        step_times=run.times,
        step_losses=run.losses,
        steps_per_epoch=steps,
        first_epoch_difference=float(difference[:steps].max()),
        loss_difference=abs(float(np.mean(run.losses[-steps:]) - np.mean(reference.losses[-steps:]))),
        logits_difference=float(np.abs(logits - reference_logits).max()),
    )
