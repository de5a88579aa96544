"""``DistributedSampler``: each of several processes its own share of the samples."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any

from fastnn.utils.data.sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th index, from the ``rank``-th on, of an order that all replicas share.

    The order is shuffled anew for each epoch that ``set_epoch`` announces, or with ``shuffle=False`` the dataset's.
    Shares are of one length: the first indices come a second time, or with ``drop_last`` the last ones not at all.
    ValueError for a rank outside [0, num_replicas - 1]; RuntimeError where either is left out.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                f"DistributedSampler: num_replicas={num_replicas}, rank={rank}: give both, as there is no process "
                "group to take them from"
            )
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset: Sized = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        size = len(self.dataset)
        self.num_samples = size // num_replicas if drop_last else -(-size // num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        from fastnn.random import Generator, randperm

        order: list[int] = list(range(len(self.dataset)))
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            order = randperm(len(order), generator=generator).tolist()
        while len(order) < self.total_size:
            order += order[: self.total_size - len(order)]
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch comes next: its order is another one."""
        self.epoch = epoch
