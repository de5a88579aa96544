"""Datasets, samplers, collation and the loader."""

from __future__ import annotations

from collections import Counter, OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.utils import data

Point = namedtuple("Point", ["x", "y"])


class Squares(data.Dataset[int]):
    def __getitem__(self, index: int) -> int:
        return index * index

    def __len__(self) -> int:
        return 10


class Count(data.IterableDataset[int]):
    def __iter__(self) -> Any:
        return iter(range(5))

    def __len__(self) -> int:
        return 5


def _plain(value: Any) -> Any:
    """Nested tensors as lists with their dtypes, in types that both libraries share."""
    if hasattr(value, "detach"):
        return value.tolist(), str(value.dtype).split(".")[-1]
    if isinstance(value, dict):
        return type(value).__name__, {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [_plain(item) for item in value]
    return value


def _batches(torch: Any) -> list[Any]:
    return [
        [torch.ones(2), torch.zeros(2)],
        [np.ones(2, np.float32), np.zeros(2, np.float32)],
        [np.float32(1), np.float32(2)],
        [np.int64(1), np.int64(2)],
        [1, 2],
        [True, False],
        [1.5, 2.5],
        ["a", "b"],
        [{"a": 1, "b": [1.0, 2.0]}, {"a": 2, "b": [3.0, 4.0]}],
        [OrderedDict(a=1), OrderedDict(a=2)],
        [Point(1, torch.ones(1)), Point(2, torch.ones(1))],
        [(1, "x"), (2, "y")],
        [[1, 2.0], [3, 4.0]],
        [np.array(3), np.array(4)],
    ]


@pytest.mark.peer
def test_collation_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for ours, theirs in zip(_batches(fastnn), _batches(torch), strict=True):
        assert _plain(data.default_collate(ours)) == _plain(torch.utils.data.default_collate(theirs))
        assert _plain(data.default_convert(ours)) == _plain(torch.utils.data.default_convert(theirs))


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        (
            [object()],
            TypeError,
            "batch must contain tensors, numpy arrays, numbers, dicts or lists; found <class 'object'>",
        ),
        ([np.array(["a"])], TypeError, "found <U1"),
        ([[1, 2], [3]], RuntimeError, "each element in list of batch should be of equal size"),
        ([fastnn.ones(2), fastnn.ones(3)], RuntimeError, "size"),
    ],
)
def test_what_cannot_be_collated(batch: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        data.default_collate(batch)


@pytest.mark.parametrize("subset", [False, True])
def test_the_quick_way_through_tensors_gives_what_the_long_way_gives(subset: bool) -> None:
    whole: Any = data.TensorDataset(fastnn.randn(11, 3), fastnn.arange(11))
    dataset = data.Subset(whole, [9, 0, 4, 4, 7, 1, 2]) if subset else whole
    quick = list(data.DataLoader(dataset, batch_size=3))
    slow = list(data.DataLoader(dataset, batch_size=3, collate_fn=lambda batch: data.default_collate(batch)))
    assert _plain(quick) == _plain(slow) and type(quick[0]) is list
    quick[0][0].zero_()
    assert whole.tensors[0].numpy().all()
    with pytest.raises(IndexError):
        next(iter(data.DataLoader(dataset, batch_sampler=[[99]])))


def test_further_types_can_be_collated() -> None:
    from fastnn.utils.data._utils.collate import collate, default_collate_fn_map

    class Interval:
        def __init__(self, low: float, high: float) -> None:
            self.low, self.high = low, high

    def stacked(batch: Any, *, collate_fn_map: Any = None) -> Any:
        assert collate_fn_map is not None
        return fastnn.tensor([[item.low, item.high] for item in batch])

    batch = [{"a": Interval(0, 1), "b": 2}, {"a": Interval(2, 3), "b": 3}]
    with pytest.raises(TypeError, match=r"found <class .*Interval"):
        data.default_collate(batch)
    made = collate(batch, collate_fn_map={Interval: stacked, **default_collate_fn_map})
    assert made["a"].tolist() == [[0, 1], [2, 3]] and made["b"].tolist() == [2, 3]
    default_collate_fn_map[Interval] = stacked
    try:
        assert data.default_collate(batch)["a"].tolist() == [[0, 1], [2, 3]]
    finally:
        del default_collate_fn_map[Interval]


def test_tensors_on_the_tape_stay_on_it() -> None:
    x = fastnn.ones(4, 2, requires_grad=True)
    (batch,) = next(iter(data.DataLoader(data.TensorDataset(x), 2)))
    batch.sum().backward()
    assert x.grad.tolist() == [[1, 1], [1, 1], [0, 0], [0, 0]]


def test_order_and_sizes() -> None:
    assert [b.tolist() for b in data.DataLoader(Squares(), 4)] == [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]]
    loader = data.DataLoader(Squares(), 4, drop_last=True)
    assert len(loader) == 2 == len(list(loader)) and len(data.DataLoader(Squares(), 4)) == 3
    assert list(data.DataLoader(Squares(), None)) == [i * i for i in range(10)]
    assert [b.tolist() for b in data.DataLoader(Squares(), batch_sampler=[[1], [2, 3]])] == [[1], [4, 9]]
    assert [b.tolist() for b in data.DataLoader(Squares(), 2, sampler=[3, 2, 1])] == [[9, 4], [1]]
    assert [b.tolist() for b in data.DataLoader(Count(), 2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in data.DataLoader(Count(), 2, drop_last=True)] == [[0, 1], [2, 3]]
    assert len(data.DataLoader(Count(), 2)) == 3 and list(data.DataLoader(Count(), None)) == list(range(5))


def test_shuffling_is_a_permutation_that_the_seed_decides() -> None:
    def epoch(seed: int | None) -> list[int]:
        generator = None if seed is None else fastnn.Generator().manual_seed(seed)
        return [int(b) for b in data.DataLoader(Squares(), shuffle=True, generator=generator)]

    assert sorted(epoch(1)) == [i * i for i in range(10)] and epoch(1) == epoch(1) and epoch(1) != epoch(2)
    fastnn.manual_seed(5)
    first = [epoch(None), epoch(None)]
    fastnn.manual_seed(5)
    assert [epoch(None), epoch(None)] == first and first[0] != first[1]


def test_samplers() -> None:
    counts = Counter(data.RandomSampler(range(5), num_samples=12))
    assert set(counts) == set(range(5)) and set(counts.values()) <= {2, 3}
    drawn = list(data.RandomSampler(range(5), replacement=True, num_samples=100))
    assert len(drawn) == 100 and set(drawn) == set(range(5))
    assert sorted(data.SubsetRandomSampler([7, 8, 9])) == [7, 8, 9]
    weighted = list(data.WeightedRandomSampler([0, 1, 3], 4000))
    assert 0 not in weighted and abs(weighted.count(2) / 4000 - 0.75) < 0.05
    assert sorted(data.WeightedRandomSampler([1.0, 1.0, 1.0], 3, replacement=False)) == [0, 1, 2]
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert len(data.BatchSampler(data.SequentialSampler(range(5)), 2, True)) == 2


def test_datasets() -> None:
    joined = Squares() + Squares()
    assert len(joined) == 20 and joined[10] == 0 and joined[-1] == 81 and joined[19] == 81
    with pytest.raises(ValueError, match="should not exceed"):
        joined[-21]
    with pytest.raises(IndexError, match="out of range"):
        joined[20]
    with pytest.raises(AssertionError, match="empty iterable"):
        data.ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        data.ConcatDataset([Count()])
    with pytest.raises(AssertionError, match="Size mismatch"):
        data.TensorDataset(fastnn.ones(2), fastnn.ones(3))
    with pytest.raises(NotImplementedError, match="__getitem__"):
        data.Dataset()[0]


def test_datasets_side_by_side_and_one_after_another() -> None:
    both = data.StackDataset(Squares(), range(10, 20))  # type: ignore[arg-type]
    assert len(both) == 10 and both[3] == (9, 13) and both.__getitems__([0, 9]) == [(0, 10), (81, 19)]
    named = data.StackDataset(a=Squares(), b=data.Subset(Squares(), list(range(9, -1, -1))))
    assert named[2] == {"a": 4, "b": 49} and named.__getitems__([2]) == [{"a": 4, "b": 49}]
    batch = next(iter(data.DataLoader(named, 2)))
    assert batch["a"].tolist() == [0, 1] and batch["b"].tolist() == [81, 64]
    for bad in (data.StackDataset, lambda: data.StackDataset(Squares(), a=Squares())):
        with pytest.raises(ValueError, match=r"At least one dataset|both types are given"):
            bad()
    with pytest.raises(ValueError, match=r"Size mismatch between datasets: lengths \[10, 2\]"):
        data.StackDataset(Squares(), data.Subset(Squares(), [1, 2]))
    chained = Count() + Count()
    assert isinstance(chained, data.ChainDataset) and len(chained) == 10
    assert list(chained) == [0, 1, 2, 3, 4] * 2
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(data.ChainDataset([Squares()]))


@pytest.mark.parametrize("drop_last", [False, True])
def test_distributed_sampler_shares_out(drop_last: bool) -> None:
    def share(rank: int, epoch: int, replicas: int = 3) -> list[int]:
        sampler = data.DistributedSampler(Squares(), replicas, rank, seed=4, drop_last=drop_last)
        sampler.set_epoch(epoch)
        assert len(sampler) == len(list(sampler))
        return list(sampler)

    shares = [share(rank, 1) for rank in range(3)]
    assert {len(one) for one in shares} == {3 if drop_last else 4}
    drawn = Counter(i for one in shares for i in one)
    assert len(drawn) == (9 if drop_last else 10) and share(0, 1) == shares[0] != share(0, 2)
    with pytest.raises(ValueError, match=r"Invalid rank 3, rank should be in the interval \[0, 2\]"):
        share(3, 0)
    with pytest.raises(RuntimeError, match="num_replicas=None"):
        data.DistributedSampler(Squares())


@pytest.mark.peer
def test_distributed_sampler_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for length in (1, 2, 7, 12):
        for replicas in (1, 2, 5):
            for drop_last in (False, True):
                for rank in range(replicas):
                    args = (range(length), replicas, rank, False, 0, drop_last)
                    ours, theirs = data.DistributedSampler(*args), torch.utils.data.DistributedSampler(*args)
                    assert list(ours) == list(theirs) and len(ours) == len(theirs)


def test_random_split() -> None:
    generator = fastnn.Generator().manual_seed(1)
    a, b, c = data.random_split(Squares(), [0.5, 0.25, 0.25], generator)
    assert [len(a), len(b), len(c)] == [6, 2, 2]
    assert sorted([*a.indices, *b.indices, *c.indices]) == list(range(10))
    with pytest.raises(ValueError, match="Sum of input lengths"):
        data.random_split(Squares(), [3, 3])
    with pytest.raises(ValueError, match="Fraction at index 0"):
        data.random_split(Squares(), [1.5, -0.5])
    with pytest.warns(UserWarning, match="Length of split at index 0 is 0"):
        data.random_split(Squares(), [0.0, 1.0])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"num_workers": -1}, ValueError, "num_workers option should be non-negative"),
        ({"timeout": -1}, ValueError, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, ValueError, "prefetch_factor option could only"),
        ({"persistent_workers": True}, ValueError, "persistent_workers option needs"),
        ({"multiprocessing_context": "fork"}, ValueError, "multiprocessing_context can only"),
        ({"shuffle": True, "sampler": [1]}, ValueError, "mutually exclusive with shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 2}, ValueError, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, ValueError, "batch_size=None option disables"),
        ({"batch_size": 0}, ValueError, "batch_size should be a positive integer value, but got batch_size=0"),
        ({"batch_size": True}, ValueError, "batch_size=True"),
        ({"drop_last": 1}, ValueError, "drop_last should be a boolean"),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        data.DataLoader(Squares(), **options)


def test_more_bad_options() -> None:
    with pytest.raises(ValueError, match="expected unspecified shuffle option, but got shuffle=True"):
        data.DataLoader(Count(), shuffle=True)
    loader = data.DataLoader(Squares())
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 3
    with pytest.raises(AssertionError, match="timeout"):
        iter(data.DataLoader(Squares(), timeout=1))
    with pytest.raises(TypeError, match="replacement should be a boolean"):
        data.RandomSampler(range(3), replacement=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_samples=0"):
        data.RandomSampler(range(3), num_samples=0)
    with pytest.raises(ValueError, match="weights should be a 1d sequence"):
        data.WeightedRandomSampler([[1.0]], 1)
    with pytest.warns(UserWarning, match="pin_memory"):
        iter(data.DataLoader(Squares(), pin_memory=True))
