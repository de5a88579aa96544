"""The workers: right answers under nesting, concurrent callers and fork; their number; denormals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from fastnn.kernels import K
from fastnn.kernels.cython_backend import _runtime
from fastnn.kernels.cython_backend._runtime import get_num_threads, parallel_for, set_num_threads

SUBNORMAL = np.float32(1e-40)
FLUSHES = _runtime.set_flush_denormal(True)


def product(size: int = 384) -> None:
    """One large enough product to be shared by all threads, compared with NumPy."""
    random = np.random.default_rng(size)
    x, w = random.standard_normal((2, size, size), dtype=np.float32)
    out = np.empty_like(x)
    K.linear_forward(x, w, None, "none", out)
    np.testing.assert_allclose(out, x @ w.T, rtol=1e-4, atol=1e-3)


def run(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "FASTNN_ISA")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**inherited, **environment}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ------------------------------------------------------------------------------------- how many


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_set_and_get(threads: int) -> None:
    set_num_threads(threads)
    assert get_num_threads() == threads
    product()


@pytest.mark.parametrize("threads", [0, -1, 1025])
def test_set_refuses(threads: int) -> None:
    before = get_num_threads()
    with pytest.raises(RuntimeError, match=rf"threads, got {threads}$"):
        set_num_threads(threads)
    assert get_num_threads() == before


def test_set_refuses_what_is_no_integer() -> None:
    with pytest.raises(TypeError):
        set_num_threads("two")  # type: ignore[arg-type]


SIZES = "from fastnn.kernels.cython_backend._runtime import get_num_threads; print(get_num_threads())"


@pytest.mark.parametrize("asked", ["1", "1,4", " 1 "])
def test_omp_num_threads(asked: str) -> None:
    assert run(SIZES, OMP_NUM_THREADS=asked) == "1"


@pytest.mark.parametrize("asked", ["", "0", "-3", "many", "²"])
def test_omp_num_threads_that_means_nothing(asked: str) -> None:
    assert run(SIZES, OMP_NUM_THREADS=asked) == run(SIZES)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_affinity_of_one_core() -> None:
    core = min(os.sched_getaffinity(0))
    assert run(f"import os; os.sched_setaffinity(0, [{core}])\n{SIZES}") == "1"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
@pytest.mark.parametrize(("threads", "extra"), [(1, 0), (2, 1), (4, 3)])
def test_no_more_threads_than_asked_for(threads: int, extra: int) -> None:
    code = f"""
import os
from fastnn.kernels.cython_backend import _runtime
before = len(os.listdir("/proc/self/task"))
_runtime.set_num_threads(7)
_runtime.parallel_for(abs, 100)
_runtime.set_num_threads({threads})
_runtime.parallel_for(abs, 100)
_runtime.parallel_for(abs, 100)
print(len(os.listdir("/proc/self/task")) - before)
"""
    # One thread never touches the pool, whose six idle workers then stay until there is a job for several.
    assert run(code) == str(extra if threads > 1 else 6)


# ------------------------------------------------------------------------------------- parallel_for


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
def test_every_index_once(threads: int, count: int) -> None:
    set_num_threads(threads)
    seen: list[int] = []
    parallel_for(seen.append, count)
    assert sorted(seen) == list(range(count))


def test_workers_take_part() -> None:
    set_num_threads(2)
    meeting = threading.Barrier(2, timeout=30)  # breaks unless two threads are in a call at once
    parallel_for(lambda _: meeting.wait(), 2)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_workers_keep_their_processors_and_their_niceness() -> None:
    # Where every processor is wanted by somebody else, a worker moves and sleeps more: it must come back from that.
    code = """
import os, subprocess, sys, time
os.nice(5)
import numpy as np
from fastnn.kernels import K
from fastnn.kernels.cython_backend import _runtime
busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in os.sched_getaffinity(0)]
try:
    _runtime.set_num_threads(3)
    x = np.ones((256, 512), np.float32)
    out = np.empty((256, 256), np.float32)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        K.linear_forward(x, x, None, "none", out)
        assert (out == 512).all()
        time.sleep(0.0002)
    threads = [int(name) for name in os.listdir("/proc/self/task")]
    assert len(threads) >= 3
    for thread in threads:
        assert os.sched_getaffinity(thread) == os.sched_getaffinity(0), thread
        assert os.sched_getscheduler(thread) == os.SCHED_OTHER
        assert os.getpriority(os.PRIO_PROCESS, thread) == os.getpriority(os.PRIO_PROCESS, 0)
finally:
    for other in busy:
        other.kill()
print("kept")
"""
    assert run(code) == "kept"


def test_nested_calls_stay_on_their_thread() -> None:
    set_num_threads(4)
    seen: list[tuple[int, int]] = []

    def outer(i: int) -> None:
        me = threading.get_ident()

        def inner(j: int) -> None:
            assert threading.get_ident() == me
            seen.append((i, j))

        parallel_for(inner, 5)
        product(192)

    parallel_for(outer, 6)
    assert sorted(seen) == [(i, j) for i in range(6) for j in range(5)]


def test_an_exception_reaches_the_caller() -> None:
    set_num_threads(3)

    def fail(i: int) -> None:
        if i == 37:
            raise KeyError(i)

    with pytest.raises(KeyError, match="37"):
        parallel_for(fail, 100)
    product()


def test_the_number_can_change_inside_a_task() -> None:
    set_num_threads(2)
    parallel_for(lambda i: set_num_threads(3), 4)
    assert get_num_threads() == 3
    product()


# ------------------------------------------------------------------------------------- callers and processes


def test_four_callers_at_once() -> None:
    set_num_threads(4)
    errors: list[BaseException] = []

    def caller() -> None:
        try:
            for _ in range(20):
                product()
        except BaseException as error:
            errors.append(error)

    callers = [threading.Thread(target=caller, daemon=True) for _ in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in callers), "a caller hangs"
    assert errors == []


def child_ends_well(work: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    end = time.monotonic() + 30
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert status == 0, "the forked child failed"
            return
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            pytest.fail("the forked child hangs")
        time.sleep(0.01)


fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
# Python 3.12 and later warn of a fork with threads about; the pool's own are what is tested here.
quiet = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@fork
@quiet
def test_fork_after_the_pool_has_started() -> None:
    set_num_threads(3)
    product()

    def child() -> None:
        product()
        meeting = threading.Barrier(3, timeout=20)  # the child has its own workers
        parallel_for(lambda _: meeting.wait(), 3)

    child_ends_well(child)
    product()


@fork
@quiet
def test_grandchild() -> None:
    set_num_threads(2)
    product()
    child_ends_well(lambda: (product(), child_ends_well(product))[0])
    product()


@fork
@quiet
def test_fork_while_another_thread_is_in_a_kernel() -> None:
    set_num_threads(2)
    inside, leave = threading.Event(), threading.Event()

    def task(_: int) -> None:
        inside.set()
        leave.wait(60)

    other = threading.Thread(target=parallel_for, args=(task, 2), daemon=True)
    other.start()
    assert inside.wait(30)
    try:
        child_ends_well(product)
    finally:
        leave.set()
    other.join(30)
    assert not other.is_alive()
    product()


# ------------------------------------------------------------------------------------- denormals


def times_one(flush: bool) -> np.ndarray:
    """Subnormal numbers times one, by a kernel, in an array large enough for all threads."""
    _runtime.set_flush_denormal(flush)
    x = np.full((1, 1, 1 << 20), SUBNORMAL)
    out = np.empty_like(x)
    K.mul(x, np.ones((1, 1, 1 << 20), np.float32), out)
    return out


@pytest.mark.parametrize("threads", [1, 2])
def test_subnormals_are_kept_where_asked(threads: int) -> None:
    set_num_threads(threads)
    assert _runtime.set_flush_denormal(False) is FLUSHES
    assert _runtime.get_flush_denormal() is False
    assert np.all(times_one(flush=False) == SUBNORMAL)


@pytest.mark.skipif(not FLUSHES, reason="this processor does not flush denormals")
@pytest.mark.parametrize("threads", [1, 2])
def test_subnormals_are_flushed_on_every_thread(threads: int) -> None:
    set_num_threads(threads)
    assert np.all(times_one(flush=True) == 0)


@pytest.mark.parametrize("flush", [True, False])
def test_the_callers_own_arithmetic_keeps_subnormals(flush: bool) -> None:
    times_one(flush)
    assert SUBNORMAL * np.float32(1) == SUBNORMAL
    assert np.all(np.full(64, SUBNORMAL) * np.float32(1) == SUBNORMAL)
    assert 1e-310 * 1.0 > 0


def test_importing_keeps_subnormals() -> None:
    code = "import fastnn, numpy as np; a = np.full(64, 1e-40, 'f4') * np.float32(1); print((a > 0).all(), 1e-310 > 0)"
    assert run(code) == "True True"
