"""The process-wide workers, the flushing of denormals, and what this processor can do.

Compiled for the baseline of the architecture: it runs before a variant of the kernels is chosen.
"""
from cpython.pycapsule cimport PyCapsule_New

import os

cdef extern from "pool_api.h" nogil:
    ctypedef void (*fastnn_task)(void *context, Py_ssize_t index) noexcept nogil
    const char *FASTNN_POOL_CAPSULE

cdef extern from "pool.h" nogil:
    const int POOL_MAX_THREADS
    const unsigned POOL_FLUSH_BITS
    struct pool_fields "":
        int wanted
        int flush
    pool_fields pool_state
    const void *pool_api_address "&pool_api"
    void pool_run(fastnn_task task, void *context, Py_ssize_t count)
    int pool_init(int threads)

cdef extern from "cpu.h" nogil:
    int x86_64_level()


cdef extern from *:
    """
    #ifdef __GLIBC__
    #include <malloc.h>
    /* The largest threshold that glibc takes, and enough to hold what a training step frees and asks for again. */
    static void keep_freed_memory(void) {
        mallopt(M_MMAP_THRESHOLD, 32 << 20);
        mallopt(M_TRIM_THRESHOLD, 256 << 20);
    }
    #else
    static void keep_freed_memory(void) {}
    #endif
    """
    void keep_freed_memory()


# glibc gives large blocks back to the system as soon as they are free, and the next one is paid for again page by page:
# adding two 4 MB arrays with gradients took 4.0 ms that way, and 0.36 ms with up to 256 MB of freed memory kept. Whoever
# has set malloc's own variables has decided for himself.
if not any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")):
    keep_freed_memory()


def _read(path):
    """The words of a small file of the system; none where it cannot be read."""
    try:
        with open(path) as file:
            return file.read().split()
    except (OSError, UnicodeDecodeError):
        return []


def _cgroup_limit():
    """The processors that this process's control groups (version 1 or 2) pay for, rounded up; None without a limit."""
    limits = []
    for line in _read("/proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            root = "/sys/fs/cgroup"
        elif "cpu" in controllers.split(","):
            root = "/sys/fs/cgroup/cpu"
        else:
            continue
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts) + 1):  # a parent's limit holds for its children
            folder = "/".join([root, *parts[:depth]])
            words = _read(f"{folder}/cpu.max") or _read(f"{folder}/cpu.cfs_quota_us") + _read(f"{folder}/cpu.cfs_period_us")
            if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[0]) and int(words[1]):
                limits.append(-(-int(words[0]) // int(words[1])))
    return min(limits, default=None)


def _default_threads():
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, POOL_MAX_THREADS]
    cgroup = _cgroup_limit()
    if cgroup is not None:
        limits.append(cgroup)
    omp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # "4,2" asks for 4 at the outer level
    if omp.isascii() and omp.isdigit() and int(omp) > 0:
        limits.append(int(omp))
    return min(limits)


if pool_init(_default_threads()):
    raise ImportError("fastnn: the system refused a thread-local key or a fork handler")

_pool_api = PyCapsule_New(<void *>pool_api_address, FASTNN_POOL_CAPSULE, NULL)


def set_num_threads(n):
    """Kernels use n threads from the next call on, the calling one included; n may exceed the number of processors.

    Raises RuntimeError unless 1 <= n <= 1024.
    """
    if n < 1:
        raise RuntimeError(f"set_num_threads: expected positive number of threads, got {n}")
    if n > POOL_MAX_THREADS:
        raise RuntimeError(f"set_num_threads: expected at most {POOL_MAX_THREADS} threads, got {n}")
    pool_state.wanted = n


def get_num_threads():
    """How many threads kernels use, the calling one included."""
    return pool_state.wanted


def set_flush_denormal(mode):
    """Whether kernels flush denormal numbers to zero while they run (they do by default); the caller's own
    floating-point state is never changed. Returns whether this processor can flush them, as PyTorch does.
    """
    pool_state.flush = bool(mode)
    return POOL_FLUSH_BITS != 0


def get_flush_denormal():
    """Whether kernels flush denormal numbers to zero while they run."""
    return POOL_FLUSH_BITS != 0 and bool(pool_state.flush)


def cpu_level():
    """"v1" to "v4", the level of x86-64 that processor and operating system support, or "portable" elsewhere."""
    cdef int level = x86_64_level()
    return f"v{level}" if level else "portable"


cdef class _Loop:
    cdef object fn
    cdef object error


cdef void _call(void *context, Py_ssize_t index) noexcept with gil:
    cdef _Loop loop = <_Loop>context
    if loop.error is None:
        try:
            loop.fn(index)
        except BaseException as error:
            loop.error = error


def parallel_for(fn, Py_ssize_t count):
    """fn(0), ..., fn(count - 1), on the workers and the calling thread, in no certain order.

    fn is called with the GIL held and should soon give it up, as compiled ``nogil`` functions do. The first exception
    is raised here when all calls under way have returned; calls not yet begun are then left out.
    """
    cdef _Loop loop = _Loop()
    loop.fn = fn
    # The workers need the GIL to call fn, so that waiting for them with the GIL held would never end.
    with nogil:
        pool_run(<fastnn_task>_call, <void *>loop, count)
    if loop.error is not None:
        raise loop.error
