# The processor's peak, for benchmarks/roofline.py.

cdef extern from "peak.h" nogil:
    const int PEAK_CHAINS
    double fma_loop_f32(Py_ssize_t rounds)
    double fma_loop_f64(Py_ssize_t rounds)

ctypedef struct PeakJob:
    Py_ssize_t rounds
    bint double_precision
    double results[64]   # kept, so that no compiler leaves the loops out


cdef void peak_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef PeakJob *job = <PeakJob *>context
    job.results[index] = fma_loop_f64(job.rounds) if job.double_precision else fma_loop_f32(job.rounds)


def fma_peak(bint double_precision, Py_ssize_t rounds):
    """Runs rounds of products and sums on every thread; returns how many operations."""
    cdef PeakJob job
    cdef int tasks = min(64, pool.threads())
    job.rounds, job.double_precision = rounds, double_precision
    with nogil:
        pool.run(peak_task, &job, tasks)
    return 2 * tasks * rounds * PEAK_CHAINS * (LANES_F64 if double_precision else LANES_F32)
