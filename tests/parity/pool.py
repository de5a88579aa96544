"""Entries run in worker processes, so that a crash or a hang is one name's failure and not the end of the run."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from .outcome import Outcome

Entry = tuple[str, str]  # kind, name


def _work(pipe: Connection) -> None:
    import torch

    from . import modules, ops, optimizers

    torch.set_num_threads(1)
    pipe.send("ready")
    runners = {"modules": modules.run, "ops": ops.run, "optimizers": optimizers.run}
    while (entry := pipe.recv()) is not None:
        kind, name = entry
        start = time.perf_counter()
        try:
            outcome = runners[kind](name)
        except Exception:
            outcome = _lost(entry, traceback.format_exc(limit=-3))
        outcome.seconds = time.perf_counter() - start
        pipe.send(outcome)


class _Worker:
    def __init__(self) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=_work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.entry: Entry | None = None
        self.since = 0.0
        try:
            self.pipe.recv()
        except EOFError:
            raise RuntimeError("a worker could not start: its error stands above") from None

    def give(self, entry: Entry) -> None:
        self.entry, self.since = entry, time.perf_counter()
        self.pipe.send(entry)


def _lost(entry: Entry, reason: str) -> Outcome:
    outcome = Outcome(*entry, failed=1)
    outcome.fail(reason, "the whole entry")
    return outcome


def run_all(entries: Sequence[Entry], workers: int, limit: float) -> Iterator[Outcome]:
    """The outcomes as they come; an entry that takes longer than ``limit`` seconds is ended and counted as failed."""
    waiting = list(reversed(entries))
    crew = [_Worker() for _ in range(min(workers, len(entries)))]
    for worker in crew:
        worker.give(waiting.pop())
    while crew:
        ready: list[Any] = wait([worker.pipe for worker in crew], timeout=1.0)
        for worker in list(crew):
            assert worker.entry is not None
            late = time.perf_counter() - worker.since > limit
            if worker.pipe not in ready and not late:
                continue
            alive = worker
            try:
                if worker.pipe not in ready:
                    raise EOFError(f"took longer than {limit:.0f} s")
                yield worker.pipe.recv()
            except (EOFError, OSError) as error:  # OSError: a pipe cut in the middle of a word
                worker.process.kill()
                worker.process.join()
                yield _lost(worker.entry, str(error) if late else f"the process died ({worker.process.exitcode})")
                crew.remove(worker)
                if not waiting:
                    continue
                alive = _Worker()
                crew.append(alive)
            if waiting:
                alive.give(waiting.pop())
            else:
                alive.pipe.send(None)
                alive.process.join()
                crew.remove(alive)
