"""What iterates over a loader: in its own process, or with workers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fastnn.utils.data._fetch import Fetcher, make_fetcher
from fastnn.utils.data._worker import Exhausted, Failure, Job, Resume
from fastnn.utils.data._workers import Workers

if TYPE_CHECKING:
    from fastnn.utils.data.dataloader import DataLoader


def _draw_seed(generator: Any) -> int:
    """The one number that every iterator takes from the loader's (or the default) generator."""
    import fastnn

    return int(fastnn.empty((), dtype=fastnn.int64).random_(generator=generator).item())


class LoaderIterator(Iterator[Any]):
    """The part that both kinds share."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        if loader.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, "
                "then device pinned memory won't be used.",
                stacklevel=3,
            )
        self._indices: Iterator[Any] = iter(loader._index_sampler)
        self._base_seed = _draw_seed(loader.generator)
        self._yielded = 0
        self._announced = loader._announced

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._loader._index_sampler)  # type: ignore[arg-type]

    def __next__(self) -> Any:
        batch = self._next()
        self._yielded += 1
        if self._announced is not None and self._yielded > self._announced:
            self._warn_of_length(self._announced)
        return batch

    def _next(self) -> Any:
        raise NotImplementedError

    def _warn_of_length(self, announced: int) -> None:
        words = (
            f"Length of IterableDataset {self._loader.dataset} was reported to be {announced} (when accessing "
            f"len(dataloader)), but {self._yielded} samples have been fetched. "
        )
        if self._loader.num_workers > 0:
            words += (
                "For multiprocessing data-loading, this could be caused by not properly configuring the "
                "IterableDataset replica at each worker."
            )
        warnings.warn(words, stacklevel=3)

    def __reduce__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


class InThisProcess(LoaderIterator):
    """num_workers=0."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        if loader.timeout != 0:
            raise AssertionError(f"timeout={loader.timeout}: loading without worker processes requires timeout == 0")
        super().__init__(loader)
        self._fetch: Fetcher = make_fetcher(
            loader.dataset, loader.batch_sampler is not None, loader.collate_fn, loader.drop_last
        )

    def _next(self) -> Any:
        return self._fetch(next(self._indices))


class InWorkers(LoaderIterator):
    """num_workers > 0: batches are numbered, dealt out in turn, and given back in order of their numbers.

    Each worker is asked for prefetch_factor batches ahead. ``_owner``: of each number not given back yet, its worker.
    """

    _workers: Workers | None = None  # None too once they are stopped

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        self._count = loader.num_workers
        self._begin_epoch(0)
        self._workers = Workers(self._count, loader.multiprocessing_context, self._job_of(loader))
        self._fill()

    def _job_of(self, loader: DataLoader[Any]) -> Callable[[int], Job]:
        batched, seed, count = loader.batch_sampler is not None, self._base_seed, self._count
        return lambda i: Job(
            loader.dataset, batched, loader.collate_fn, loader.drop_last, seed, loader.worker_init_fn, i, count
        )

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._sent = self._wanted = 0
        self._owner: dict[int, int] = {}
        self._ready: dict[int, Any] = {}
        self._load = [0] * self._count  # of each worker, how many batches it is to send
        self._going = [True] * self._count
        self._turn = 0

    @property
    def is_running(self) -> bool:
        """Whether there are workers that can begin another epoch."""
        return self._workers is not None

    def resume(self) -> None:
        """Begins another epoch with the same workers, which lay down what is left of this one."""
        workers = self._workers
        assert workers is not None
        self._indices = iter(self._loader._index_sampler)
        self._yielded, self._announced = 0, self._loader._announced
        self._begin_epoch(self._epoch + 1)
        for i in range(self._count):
            workers.send(i, Resume(self._epoch), None)
        failures, waiting = [], self._count
        while waiting:
            for _, number, answer in self._receive(workers, None):
                if number == Resume(self._epoch):
                    waiting -= 1
                    failures += [answer] if isinstance(answer, Failure) else []
        for failure in failures:
            failure.reraise()
        self._fill()

    def _receive(self, workers: Workers, timeout: float | None) -> list[tuple[int, Any, Any]]:
        try:
            return workers.receive(timeout)
        except BaseException:
            self._stop()
            raise

    def _stop(self) -> None:
        workers, self._workers = self._workers, None
        if workers is not None:
            workers.finish()

    def __del__(self) -> None:
        self._stop()

    def _fill(self) -> None:
        for _ in range(max(1, self._prefetch) * self._count):
            self._ask()

    @property
    def _prefetch(self) -> int:
        return self._loader.prefetch_factor or 0

    def _ask(self) -> None:
        """Asks the next worker that is not exhausted for the next batch."""
        assert self._workers is not None
        going = [(self._turn + i) % self._count for i in range(self._count)]
        going = [worker for worker in going if self._going[worker]]
        if not self._loader.in_order:
            going = [worker for worker in going if self._load[worker] < max(1, self._prefetch)]
        if not going:
            return
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        worker = going[0]
        self._turn = worker + 1
        self._owner[self._sent] = worker
        self._load[worker] += 1
        self._sent += 1
        try:
            self._workers.send(worker, self._sent - 1, indices)
        except RuntimeError:
            self._stop()
            raise

    def _next(self) -> Any:
        while self._workers is not None:
            number = self._next_number()
            if number is None:
                break
            if number in self._ready:
                return self._give(number)
            timeout = self._loader.timeout or None
            answers = self._receive(self._workers, timeout)
            if not answers:
                self._stop()
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
            for worker, answered, answer in answers:
                self._load[worker] -= 1
                if isinstance(answer, Exhausted):
                    self._exhausted(worker, answered)
                else:
                    self._ready[answered] = answer
        if not self._loader.persistent_workers:
            self._stop()
        raise StopIteration

    def _next_number(self) -> int | None:
        """The number of the batch to give next; None where all were given."""
        if not self._loader.in_order:
            return next(iter(self._ready), next(iter(self._owner), None))
        while self._wanted < self._sent and self._wanted not in self._owner:
            self._wanted += 1
        return self._wanted if self._wanted < self._sent else None

    def _exhausted(self, worker: int, number: int) -> None:
        self._owner.pop(number)
        if self._going[worker]:
            self._going[worker] = False
            self._ask()

    def _give(self, number: int) -> Any:
        del self._owner[number]
        answer = self._ready.pop(number)
        self._ask()
        if isinstance(answer, Failure):
            answer.reraise()
        return answer
