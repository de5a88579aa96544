"""What a loader's worker process knows of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WorkerInfo:
    """What ``get_worker_info`` gives in a worker: its number, how many there are, its seed and its dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a loader's worker process its number, seed, dataset and how many there are; None elsewhere."""
    return _info


def set_worker_info(info: WorkerInfo) -> None:
    """For a worker's start."""
    global _info
    _info = info
