"""A loader's worker process: what runs in it."""

from __future__ import annotations

import os
import pickle
import queue
import random
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from fastnn.utils.data._fetch import Fetcher, make_fetcher
from fastnn.utils.data._info import WorkerInfo, set_worker_info
from fastnn.utils.data._transfer import Sender
from fastnn.utils.data.dataset import IterableDataset

CHECK_INTERVAL = 5.0  # seconds between looks at whether the parent is alive, and the grace given to a worker at the end


class Job(NamedTuple):
    """All that a worker is given at its start."""

    dataset: Any
    batched: bool
    collate: Callable[[Any], Any]
    drop_last: bool
    base_seed: int
    init: Callable[[int], None] | None
    id: int
    num_workers: int


class Failure:
    """An exception on its way to the loader, with its traceback as text."""

    def __init__(self, where: str) -> None:
        cls, error, _ = sys.exc_info()
        assert cls is not None
        self.type: type[BaseException] | None = cls
        self.text = f"Caught {cls.__name__} {where}.\nOriginal {''.join(traceback.format_exception(error))}"

    def reraise(self) -> None:
        """Raises the same kind of exception, whose message holds the traceback; RuntimeError where it takes no text."""
        cls: Any = self.type
        if cls is None or issubclass(cls, StopIteration):  # which would end the loop that asks for batches
            raise RuntimeError(self.text)
        if cls is KeyError:
            raise KeyError(_Verbatim(self.text))
        try:
            error = cls(message=self.text) if getattr(cls, "message", None) else cls(self.text)
        except Exception:
            raise RuntimeError(self.text) from None
        raise error


class _Verbatim(str):
    """A KeyError shows its argument's repr: this one's has line breaks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Exhausted(NamedTuple):
    """Sent in place of a batch: this worker's iteration is over."""


EXHAUSTED = Exhausted()


class Resume(NamedTuple):
    """Sent to a worker to begin another epoch, and back once it has."""

    epoch: int


def _seed(base_seed: int, worker: int) -> int:
    """Seeds Python's, NumPy's and fastnn's generators, each worker's in its own way; returns the seed."""
    import numpy as np

    import fastnn

    seed = base_seed + worker
    random.seed(seed)
    fastnn.manual_seed(seed)
    words = np.random.SeedSequence([worker, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]).generate_state(4)
    np.random.seed(words)  # noqa: NPY002 - the one that datasets draw from by np.random.rand and the like
    return seed


class _Inbox:
    """What the loader sends, read by a thread of its own, so that the loader never waits for a busy worker."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.parent = os.getppid()
        self.tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.closed = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                if self.connection.poll(CHECK_INTERVAL):
                    self.tasks.put(self.connection.recv())
                elif os.getppid() != self.parent:
                    break
        except (EOFError, OSError):
            pass
        self.closed = True
        self.tasks.put(None)


def work(connection: Connection, job: Job) -> None:
    """A worker's life: answers each (number, indices) with that batch, or with the exception that came instead."""
    try:
        from fastnn.threads import set_num_threads
        from fastnn.utils.data import _workers

        _workers.close_inherited()
        set_num_threads(1)
        set_worker_info(WorkerInfo(job.id, job.num_workers, _seed(job.base_seed, job.id), job.dataset))
        _answer(connection, job, f"in DataLoader worker process {job.id}")
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        pass  # the loader, or whoever stopped everything, knows


def _answer(connection: Connection, job: Job, where: str) -> None:
    inbox, sender = _Inbox(connection), Sender(connection)
    is_stream = isinstance(job.dataset, IterableDataset)
    fetch: Fetcher | None = None
    broken: Failure | None = None  # then every answer
    try:
        if job.init is not None:
            job.init(job.id)
        fetch = make_fetcher(job.dataset, job.batched, job.collate, job.drop_last)
    except Exception:
        broken = Failure(where)
    while True:
        task = inbox.tasks.get()
        if inbox.closed:
            return
        number, indices, released = task
        sender.release(*released)
        answer: Any = None
        try:
            if broken is not None:
                answer = broken
            elif isinstance(number, Resume):
                fetch = make_fetcher(job.dataset, job.batched, job.collate, job.drop_last)
            else:
                answer = EXHAUSTED if fetch is None else fetch(indices)
        except Exception as error:
            if is_stream and isinstance(error, StopIteration):
                answer, fetch = EXHAUSTED, None
            else:
                answer = Failure(where)
        _send(sender, number, answer, where)
        del answer, task


def _send(sender: Sender, number: Any, answer: Any, where: str) -> None:
    try:
        sender.send(number, answer)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception:  # what can't be pickled
        failure = answer if isinstance(answer, Failure) else Failure(where)
        try:
            sender.send(number, failure)
        except (pickle.PicklingError, TypeError, AttributeError):
            failure.type = None  # a class that can't be pickled: RuntimeError in its place
            sender.send(number, failure)
