"""A loader's worker processes: same batches, in order, each with seeds of its own; errors, deaths, and no hang."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.utils import data
from fastnn.utils.data import _transfer

Pair = namedtuple("Pair", ["x", "label"])
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker")
FORK_ONLY = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="the test's classes are local: they can't be pickled"
)


def _forked(dataset: Any, *args: Any, **options: Any) -> Any:
    """A loader whose workers inherit the dataset: it need not be picklable."""
    return data.DataLoader(dataset, *args, multiprocessing_context="fork", **options)


class Samples(data.Dataset[Any]):
    """Sample i of ``size`` floats, all of them i, as some kind of structure."""

    def __init__(self, length: int = 10, size: int = 3) -> None:
        self.length, self.size = length, size

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> Any:
        x = np.full(self.size, i, np.float32)
        return {"x": x, "pair": Pair(fastnn.tensor([i]), float(i)), "name": f"number {i}", "more": [i, (i, i > 3)]}


class Function(data.Dataset[Any]):
    """function(i) for i below length."""

    def __init__(self, function: Any, length: int = 8) -> None:
        self.function, self.length = function, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> Any:
        return self.function(i)


class Stream(data.IterableDataset[int]):
    """0 ... length - 1, every worker its own share."""

    def __init__(self, length: int, shared: bool = True) -> None:
        self.length, self.shared = length, shared

    def __iter__(self) -> Any:
        info = data.get_worker_info()
        if info is None or not self.shared:
            return iter(range(self.length))
        return iter(range(info.id, self.length, info.num_workers))

    def __len__(self) -> int:
        return self.length


def _plain(value: Any) -> Any:
    if isinstance(value, fastnn.Tensor):
        return value.tolist(), value.dtype, value._array.flags.writeable
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [_plain(item) for item in value]
    return value


def _gone(pids: list[int], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        alive = [pid for pid in pids if Path(f"/proc/{pid}").exists() and "Z" not in _status(pid)]
        if not alive:
            return True
        time.sleep(0.05)
    return False


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


# ------------------------------------------------------------------------------------------------ what comes out


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True, "prefetch_factor": 1},
        {"batch_size": None},
        {"batch_sampler": [[1, 2], [0], [9, 9, 9]]},
        {"sampler": [3, 1, 2], "prefetch_factor": 0},
        {"batch_size": 3, "collate_fn": len},
    ],
)
def test_the_same_batches_as_without_workers(workers: int, options: dict[str, Any]) -> None:
    here = list(data.DataLoader(Samples(), **{**options, "prefetch_factor": None}))
    there = list(data.DataLoader(Samples(), num_workers=workers, **options))
    assert _plain(here) == _plain(there) and len(here) > 1


def test_shuffling_gives_the_same_order_as_without_workers() -> None:
    def epoch(workers: int) -> list[int]:
        fastnn.manual_seed(7)
        loader = data.DataLoader(Function(int, 20), shuffle=True, num_workers=workers)
        return [int(batch) for batch in loader]

    assert epoch(0) == epoch(2) != sorted(epoch(2))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_iterator_takes_one_number_from_the_generator(workers: int) -> None:
    fastnn.manual_seed(3)
    list(data.DataLoader(Samples(), num_workers=workers))
    after = fastnn.get_rng_state()
    fastnn.manual_seed(3)
    fastnn.empty((), dtype=fastnn.int64).random_()
    assert fastnn.equal(after, fastnn.get_rng_state())
    own, before = fastnn.Generator().manual_seed(5), fastnn.get_rng_state()
    list(data.DataLoader(Samples(), num_workers=workers, generator=own, shuffle=True))
    assert fastnn.equal(before, fastnn.get_rng_state())


@FORK_ONLY
def test_a_slow_sample_holds_up_the_order_or_not() -> None:
    slow = Function(lambda i: time.sleep(0.3 * (i == 0)) or i, 6)
    assert [int(b) for b in _forked(slow, num_workers=2)] == list(range(6))
    unordered = [int(b) for b in _forked(slow, num_workers=2, in_order=False)]
    assert sorted(unordered) == list(range(6)) and unordered[0] != 0


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_every_start_method(method: str) -> None:
    loader = data.DataLoader(Samples(), 4, num_workers=2, multiprocessing_context=method)
    assert _plain(list(loader)) == _plain(list(data.DataLoader(Samples(), 4)))


def test_lengths_and_pickles_of_loaders() -> None:
    loader = data.DataLoader(Samples(), 4, num_workers=1, persistent_workers=True)
    iterator = iter(loader)
    assert len(loader) == len(iterator) == 3
    assert len(list(pickle.loads(pickle.dumps(loader)))) == 3
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        pickle.dumps(iterator)


def test_more_workers_than_processors_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="This DataLoader will create 1000 worker processes in total"):
        data.DataLoader(Samples(), num_workers=1000)


def test_bad_contexts() -> None:
    with pytest.raises(ValueError, match=r"valid start method in \[.*but got multiprocessing_context='thread'"):
        data.DataLoader(Samples(), num_workers=1, multiprocessing_context="thread")
    with pytest.raises(TypeError, match="valid context object or a string"):
        data.DataLoader(Samples(), num_workers=1, multiprocessing_context=3)


# ------------------------------------------------------------------------------------------------ what workers know


@FORK_ONLY
def test_workers_draw_different_numbers_each_epoch_and_the_seed_decides() -> None:
    def draw(i: int) -> list[float]:
        return [np.random.randint(1 << 30), random.randrange(1 << 30), int(fastnn.randint(1 << 30, ()))]  # noqa: NPY002

    def epochs() -> list[list[float]]:
        loader = _forked(Function(draw), batch_size=None, num_workers=2)
        return [*loader, *loader]

    fastnn.manual_seed(1)
    first = epochs()
    for kind in zip(*first, strict=True):
        assert len(set(kind)) == 16
    fastnn.manual_seed(1)
    assert epochs() == first != epochs()


@FORK_ONLY
def test_worker_info_and_worker_init_fn() -> None:
    seen: dict[str, int] = {}

    def look(i: int) -> dict[str, Any]:
        info = data.get_worker_info()
        assert info is not None
        return {"id": info.id, "of": info.num_workers, "seed": info.seed, "init": seen["id"], "pid": os.getpid(),
                "mine": info.dataset is dataset, "threads": fastnn.get_num_threads()}  # fmt: skip

    dataset = Function(look, 4)
    loader = _forked(dataset, batch_size=None, num_workers=2, worker_init_fn=lambda worker: seen.update(id=worker + 40))
    rows = list(loader)
    assert [(row["id"], row["of"], row["init"], row["threads"]) for row in rows] == [(0, 2, 40, 1), (1, 2, 41, 1)] * 2
    assert rows[1]["seed"] == rows[0]["seed"] + 1 and all(row["mine"] for row in rows)
    assert len({row["pid"] for row in rows} | {os.getpid()}) == 3
    assert not seen and data.get_worker_info() is None


def test_streams_are_shared_out() -> None:
    loader = data.DataLoader(Stream(11), batch_size=3, num_workers=2)
    assert [batch.tolist() for batch in loader] == [[0, 2, 4], [1, 3, 5], [6, 8, 10], [7, 9]]
    loader = data.DataLoader(Stream(11), batch_size=3, num_workers=2, drop_last=True)
    assert [batch.tolist() for batch in loader] == [[0, 2, 4], [1, 3, 5], [6, 8, 10]]
    assert list(data.DataLoader(Stream(3), batch_size=None, num_workers=2)) == [0, 1, 2]
    assert sorted(data.DataLoader(Stream(5), batch_size=None, num_workers=3, in_order=False)) == list(range(5))


def test_a_stream_longer_than_it_said_is_noticed() -> None:
    loader = data.DataLoader(Stream(4, shared=False), batch_size=None, num_workers=2)
    assert len(loader) == 4
    iterator = iter(loader)
    for _ in range(4):
        next(iterator)
    with pytest.warns(UserWarning, match="was reported to be 4.*but 5 samples have been fetched"):
        next(iterator)


@FORK_ONLY
def test_persistent_workers_go_on() -> None:
    class Counting(Stream):
        epochs = 0

        def __iter__(self) -> Any:
            self.epochs += 1
            return iter([(self.epochs, os.getpid(), i) for i in range(3)])

    loader = _forked(Counting(6), batch_size=None, num_workers=2, persistent_workers=True)
    first, second = list(loader), list(loader)
    assert [row[0] for row in second] == [2] * 6 and [row[1:] for row in first] == [row[1:] for row in second]
    next(iter(loader))  # and left there: the rest of this epoch does not show up in the next
    assert [row[0] for row in loader] == [4] * 6
    pids = sorted({row[1] for row in first})
    os.kill(pids[0], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="is killed by signal"):
        list(loader)
    assert [row[0] for row in loader] == [1] * 6  # by new workers


# ------------------------------------------------------------------------------------------------ memory


@FORK_ONLY
@pytest.mark.parametrize("size", [_transfer.IN_MESSAGE // 16, 50_000])
def test_batches_stay_as_they_came_however_many_are_kept(size: int) -> None:
    count = 2 * _transfer.MOST_ALIVE + 20
    dataset = Function(lambda i: np.full(size, i, np.float64), count)
    kept = []
    for i, batch in enumerate(_forked(dataset, num_workers=1)):
        assert batch._array.flags.writeable and batch._array.flags.aligned
        if i % 2:
            batch.add_(1000)
        kept.append(batch if i % 3 else batch[:, :5])  # a view keeps its memory too
    for i, batch in enumerate(kept):
        assert (batch.numpy() == i + 1000 * (i % 2)).all()


@FORK_ONLY
@pytest.mark.parametrize("nameless", [True, False])
def test_batches_of_all_sizes_and_layouts(nameless: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not nameless:  # as on systems without memfd_create
        monkeypatch.delattr(os, "memfd_create", raising=False)
    shapes = [(0, 3), (1,), (7, 300), (2, 0), (3, 40_000), (), (50, 50, 3)]

    def sample(i: int) -> Any:
        array = np.arange(int(np.prod(shapes[i])), dtype=np.float64).reshape(shapes[i])
        return array, array.copy(order="F"), fastnn.from_numpy(array).to(fastnn.int32), {"text": "x" * 20_000 * i}

    for i, (array, fortran, tensor, rest) in enumerate(_forked(Function(sample, 7), batch_size=None, num_workers=2)):
        want = np.arange(int(np.prod(shapes[i])), dtype=np.float64).reshape(shapes[i])
        for got in (array.numpy(), fortran.numpy(), tensor.numpy()):
            assert got.shape == want.shape and (got == want).all() and got.flags.writeable
        assert rest == {"text": "x" * 20_000 * i}


@FORK_ONLY
def test_memory_is_used_again_and_given_back() -> None:
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    iterator: Any = iter(_forked(Function(lambda i: np.zeros(50_000), 200), num_workers=1))
    places = {batch.data_ptr() for batch in iterator}
    assert len(places) <= 8
    assert iterator._workers is None
    del iterator
    gc.collect()
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) <= descriptors


@FORK_ONLY
def test_a_forked_child_keeps_its_batch() -> None:
    dataset = Function(lambda i: np.full(50_000, i + 1.0), 30)
    iterator: Any = iter(_forked(dataset, batch_size=None, num_workers=1))
    batch = next(iterator)
    ours, theirs = multiprocessing.Pipe()
    pid = os.fork()
    if pid == 0:
        ours.recv()
        os._exit(0 if float(batch.sum()) == 50_000.0 else 1)
    del batch
    assert float(sum(item.sum() for item in iterator)) == 50_000.0 * sum(range(2, 31))
    theirs.send("look")
    assert os.waitpid(pid, 0)[1] == 0


# ------------------------------------------------------------------------------------------------ what goes wrong


class TwoArguments(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(first, second)


def _raise(error: Exception) -> Any:
    raise error


@FORK_ONLY
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no such sample"), ValueError),
        (KeyError("no such sample"), KeyError),
        (IndexError("no such sample"), IndexError),
        (TwoArguments("no such sample", "!"), RuntimeError),
        (type("Local", (Exception,), {})("no such sample"), RuntimeError),
        (StopIteration("no such sample"), RuntimeError),
    ],
)
def test_errors_come_back_with_the_workers_traceback(error: Exception, kind: type[Exception]) -> None:
    iterator = iter(_forked(Function(lambda i: _raise(error) if i == 2 else i, 4), num_workers=2))
    assert [int(next(iterator)), int(next(iterator))] == [0, 1]
    with pytest.raises(kind) as caught:
        next(iterator)
    text = str(caught.value)
    assert f"Caught {type(error).__name__} in DataLoader worker process 0.\nOriginal Traceback" in text
    assert "in _raise\n    raise error\n" in text and "no such sample" in text
    assert int(next(iterator)) == 3 and next(iterator, None) is None


@FORK_ONLY
def test_what_cannot_be_sent_and_who_cannot_begin() -> None:
    with pytest.raises((AttributeError, pickle.PicklingError), match=r"Caught .*in DataLoader worker process 0"):
        next(iter(_forked(Function(lambda i: lambda: i), batch_size=None, num_workers=1)))
    loader = _forked(Samples(), num_workers=1, worker_init_fn=lambda worker: _raise(OSError("no disk")))
    iterator = iter(loader)
    for _ in range(2):
        with pytest.raises(OSError, match="no disk"):
            next(iterator)


@FORK_ONLY
@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"worker \(pid \d+\) is killed by signal: Killed"),
        (lambda: os._exit(7), r"worker \(pid \d+\) exited unexpectedly with exit code 7"),
        (lambda: sys.exit(3), r"worker \(pid \d+\) exited unexpectedly with exit code 3"),
    ],
)
def test_a_workers_death_is_noticed(end: Any, words: str) -> None:
    iterator: Any = iter(_forked(Function(lambda i: end() if i == 3 else i), num_workers=2))
    pids = [process.pid for process in iterator._workers.processes]
    with pytest.raises(RuntimeError, match=words):
        list(iterator)
    assert next(iterator, None) is None and _gone(pids)


@FORK_ONLY
def test_a_time_limit() -> None:
    iterator: Any = iter(_forked(Function(lambda i: time.sleep(60)), num_workers=1, timeout=0.2))
    pids = [process.pid for process in iterator._workers.processes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastnn.utils.data._workers.CHECK_INTERVAL", 0.1)
        with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0.2 seconds"):
            next(iterator)
    assert _gone(pids)


# ------------------------------------------------------------------------------------------------ how it ends


def test_leaving_early_ends_the_workers() -> None:
    loader = data.DataLoader(Samples(1000, 5000), 2, num_workers=2, prefetch_factor=8)
    iterator: Any = iter(loader)
    pids = [process.pid for process in iterator._workers.processes]
    assert next(iterator)["x"].shape == (2, 5000)
    other = iter(loader)  # whose workers inherit the first ones' connections
    next(other)
    del iterator
    assert _gone(pids)
    assert len(list(other)) == 499


@pytest.mark.parametrize("how", ["leave", "kill", "raise"])
def test_the_program_may_end_at_any_time(how: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        "import fastnn\n"
        "from fastnn.utils.data import DataLoader, TensorDataset\n"
        "if __name__ == '__main__':\n"
        "    loader = DataLoader(TensorDataset(fastnn.zeros(4000, 500)), 8, num_workers=2)\n"
        "    iterator = iter(loader)\n"
        "    next(iterator)\n"
        "    print(*[process.pid for process in iterator._workers.processes], flush=True)\n"
        "    if sys.argv[1] == 'kill': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    if sys.argv[1] == 'raise': raise ValueError('on purpose')\n"
    )
    run = subprocess.run([sys.executable, str(script), how], capture_output=True, text=True, timeout=60, check=False)
    pids = [int(word) for word in run.stdout.split()]
    assert len(pids) == 2 and _gone(pids)
    assert run.returncode == {"leave": 0, "kill": -signal.SIGKILL, "raise": 1}[how]
    assert run.stderr == "" or (how == "raise" and run.stderr.endswith("ValueError: on purpose\n"))
