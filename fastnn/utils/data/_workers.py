"""The loader's side of its worker processes: starting them, talking with them, noticing their death, ending them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
import weakref
from collections.abc import Callable
from multiprocessing import connection as mp_connection
from multiprocessing.connection import Connection
from typing import Any

from fastnn.utils.data._transfer import Receiver
from fastnn.utils.data._worker import CHECK_INTERVAL, Job, work

_open_ends: weakref.WeakSet[Connection] = weakref.WeakSet()


def close_inherited() -> None:
    """In a forked worker: lets go of the parent's ends of connections, which would not break with the parent."""
    for end in list(_open_ends):
        end.close()


class Workers:
    """``count`` processes, each with a two-way connection; ``job_of(i)`` is what worker i is given."""

    def __init__(self, count: int, context: Any, job_of: Callable[[int], Job]) -> None:
        context = multiprocessing.get_context(context) if context is None or isinstance(context, str) else context
        self.processes: list[Any] = []
        self.receivers: list[Receiver] = []
        self.finish = weakref.finalize(self, _end, self.processes, self.receivers, os.getpid())
        try:
            for i in range(count):
                ours, theirs = multiprocessing.Pipe()
                _open_ends.add(ours)
                self.receivers.append(Receiver(ours))
                process = context.Process(target=work, args=(theirs, job_of(i)), daemon=True)
                try:
                    process.start()
                finally:
                    theirs.close()
                self.processes.append(process)
        except BaseException:
            self.finish()
            raise

    def send(self, worker: int, number: Any, indices: Any) -> None:
        """Asks a worker for a batch. RuntimeError where it is dead."""
        receiver = self.receivers[worker]
        try:
            receiver.connection.send((number, indices, receiver.released()))
        except (BrokenPipeError, ConnectionResetError):
            raise self._death([worker]) from None

    def receive(self, timeout: float | None) -> list[tuple[int, Any, Any]]:
        """(worker, number, answer) of all workers that have one, waiting for the first; empty after the timeout.

        RuntimeError where a worker died.
        """
        connections = {receiver.connection: i for i, receiver in enumerate(self.receivers)}
        sentinels = {process.sentinel: i for i, process in enumerate(self.processes)}
        ready = mp_connection.wait([*connections, *sentinels], timeout)
        answers: list[tuple[int, Any, Any]] = []
        dead: list[int] = []
        for item in ready:
            if isinstance(item, Connection):
                worker = connections[item]
                try:
                    answers.append((worker, *self.receivers[worker].receive()))
                except (EOFError, ConnectionResetError):
                    dead.append(worker)
            elif not self.receivers[sentinels[item]].connection.poll():
                dead.append(sentinels[item])
        if dead:
            raise self._death(dead)
        return answers

    def _death(self, workers: list[int]) -> RuntimeError:
        processes = [self.processes[worker] for worker in dict.fromkeys(workers)]
        reasons = []
        for process in processes:
            process.join(CHECK_INTERVAL)
            code = process.exitcode
            if code is not None and code < 0:
                how = f"is killed by signal: {signal.strsignal(-code) or -code}"
                if -code in (signal.SIGKILL, signal.SIGBUS):
                    how += ". It may have run out of memory"
            else:
                how = "exited unexpectedly" + ("" if code is None else f" with exit code {code}")
            reasons.append(f"DataLoader worker (pid {process.pid}) {how}.")
        self.finish()
        return RuntimeError(" ".join(reasons))


def _end(processes: list[Any], receivers: list[Receiver], owner: int) -> None:
    """Closing the connections tells the workers to end; one that is busy for too long is ended."""
    if os.getpid() != owner:  # a forked child's copy
        return
    for receiver in receivers:
        with socket.socket(fileno=os.dup(receiver.connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)  # also where a process forked meanwhile holds a copy
        receiver.connection.close()
    deadline = time.monotonic() + CHECK_INTERVAL
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for how in ("terminate", "kill"):
        for process in processes:
            if process.is_alive():
                getattr(process, how)()
        for process in processes:
            process.join(1.0)
    processes.clear()
    receivers.clear()
