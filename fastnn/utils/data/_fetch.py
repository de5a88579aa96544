"""From what a sampler gives to what a loader gives: one fetcher serves the loader's own process and its workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from fastnn.utils.data.collate import default_collate
from fastnn.utils.data.dataset import IterableDataset, Subset, TensorDataset

Fetcher = Callable[[Any], Any]


def make_fetcher(dataset: Any, batched: bool, collate: Callable[[Any], Any], drop_last: bool) -> Fetcher:
    """fetch(indices) -> batch, or fetch(index) -> sample where not ``batched``.

    Of an IterableDataset it begins a new iteration here, looks only at how many indices there are, and raises
    StopIteration at its end.
    """
    if isinstance(dataset, IterableDataset):
        samples = iter(dataset)
        if batched:
            return _of_samples(samples, collate, drop_last)
        return lambda index: collate(next(samples))
    if not batched:
        return lambda index: collate(dataset[index])
    gather = _gather_of(dataset) if collate is default_collate else None
    if gather is not None:
        return gather
    at_once = getattr(dataset, "__getitems__", None)
    if callable(at_once):
        return lambda indices: collate(at_once(indices))
    return lambda indices: collate([dataset[index] for index in indices])


def _of_samples(samples: Iterator[Any], collate: Callable[[Any], Any], drop_last: bool) -> Fetcher:
    def fetch(indices: Any) -> Any:
        batch = list(islice(samples, len(indices)))
        if not batch or (drop_last and len(batch) < len(indices)):
            raise StopIteration
        return collate(batch)

    return fetch


def _gather_of(dataset: Any) -> Fetcher | None:
    """For tensors off the tape: how a batch is taken out of them in one go each, with the values of the long way."""
    from fastnn import _core

    indices = None
    if type(dataset) is Subset:
        indices, dataset = np.asarray(dataset.indices, np.int64), dataset.dataset
    if type(dataset) is not TensorDataset or any(tensor.requires_grad for tensor in dataset.tensors):
        return None
    arrays = [tensor._array for tensor in dataset.tensors]

    def gather(batch: Any) -> list[Any]:
        places = np.asarray(batch, np.int64)
        if indices is not None:
            places = indices[places]
        return [_core.wrap(array.take(places, 0)) for array in arrays]

    return gather
