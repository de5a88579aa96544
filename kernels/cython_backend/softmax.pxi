# Softmax and log-softmax over the last axis. Rows are dealt out in chunks whose size depends on N alone; a row is
# swept two or three times while it is in the first-level cache.
from libc.math cimport log

cdef extern from "rows.h" nogil:
    float row_max_f32(const float *x, Py_ssize_t n)
    double row_max_f64(const double *x, Py_ssize_t n)
    double row_exp_sum_f32(const float *x, float shift, float *out, Py_ssize_t n)
    double row_exp_sum_f64(const double *x, double shift, double *out, Py_ssize_t n)
    double row_total_f32(const float *x, Py_ssize_t n)
    double row_total_f64(const double *x, Py_ssize_t n)
    double row_dot_f32(const float *p, const float *q, float c, Py_ssize_t n)
    double row_dot_f64(const double *p, const double *q, double c, Py_ssize_t n)
    void row_scale_f32(const float *p, const float *q, float c, float d, float *out, Py_ssize_t n)
    void row_scale_f64(const double *p, const double *q, double c, double d, double *out, Py_ssize_t n)
    void row_shift_f32(const float *p, const float *q, float c, float d, float *out, Py_ssize_t n)
    void row_shift_f64(const double *p, const double *q, double c, double d, double *out, Py_ssize_t n)
    void row_softmax_backward_f32(const float *p, const float *q, float c, float d, float *out, Py_ssize_t n)
    void row_softmax_backward_f64(const double *p, const double *q, double c, double d, double *out, Py_ssize_t n)
    void row_log_softmax_backward_f32(const float *p, const float *q, float c, float d, float *out, Py_ssize_t n)
    void row_log_softmax_backward_f64(const double *p, const double *q, double c, double d, double *out, Py_ssize_t n)
    void row_softmax_short_f32(const float *x, float *out, Py_ssize_t n)
    void row_softmax_short_f64(const double *x, double *out, Py_ssize_t n)

# Numbers in a chunk of rows: about 10 us of exponentials, several times what it costs to wake a worker.
cdef Py_ssize_t EXP_CHUNK = 16384

cdef enum RowKernel:
    SOFTMAX_FORWARD
    SOFTMAX_BACKWARD
    LOG_SOFTMAX_FORWARD
    LOG_SOFTMAX_BACKWARD

ctypedef struct RowJob:
    const void *a        # forward: x; backward: grad
    const void *b        # backward: forward's out
    void *out
    Py_ssize_t rows, columns, chunk
    int typenum
    RowKernel kernel


cdef inline Py_ssize_t chunks_of(Py_ssize_t total, Py_ssize_t chunk) noexcept nogil:
    return (total + chunk - 1) // chunk


cdef inline void launch(fastnn_task task, void *job, Py_ssize_t chunks) noexcept:
    """Runs the chunks; a single one is too short for letting go of the GIL."""
    if chunks > 1:
        with nogil:
            pool.run(task, job, chunks)
    else:
        pool.run(task, job, chunks)


cdef void softmax_rows(const real *x, real *out, Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t m
    cdef real shift
    cdef double total
    for m in range(rows):
        if real is float:
            if n <= 2 * LANES_F32:
                row_softmax_short_f32(x, out, n)
            else:
                total = row_exp_sum_f32(x, row_max_f32(x, n), out, n)
                row_scale_f32(out, out, <float>(1 / total), 0, out, n)
        else:
            if n <= 2 * LANES_F64:
                row_softmax_short_f64(x, out, n)
            else:
                total = row_exp_sum_f64(x, row_max_f64(x, n), out, n)
                row_scale_f64(out, out, 1 / total, 0, out, n)
        x += n
        out += n


cdef void softmax_backward_rows(
    const real *grad, const real *out, real *grad_x, Py_ssize_t rows, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t m
    for m in range(rows):
        if real is float:
            row_softmax_backward_f32(out, grad, <float>row_dot_f32(grad, out, 0, n), 0, grad_x, n)
        else:
            row_softmax_backward_f64(out, grad, row_dot_f64(grad, out, 0, n), 0, grad_x, n)
        grad += n
        out += n
        grad_x += n


cdef void log_softmax_rows(const real *x, real *out, Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t m
    cdef real shift
    for m in range(rows):
        if real is float:
            shift = row_max_f32(x, n)
            row_shift_f32(x, x, shift, <float>log(row_exp_sum_f32(x, shift, NULL, n)), out, n)
        else:
            shift = row_max_f64(x, n)
            row_shift_f64(x, x, shift, log(row_exp_sum_f64(x, shift, NULL, n)), out, n)
        x += n
        out += n


cdef void log_softmax_backward_rows(
    const real *grad, const real *out, real *grad_x, Py_ssize_t rows, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t m
    for m in range(rows):
        if real is float:
            row_log_softmax_backward_f32(grad, out, <float>row_total_f32(grad, n), 0, grad_x, n)
        else:
            row_log_softmax_backward_f64(grad, out, row_total_f64(grad, n), 0, grad_x, n)
        grad += n
        out += n
        grad_x += n


cdef void run_rows(RowJob *job, Py_ssize_t index, real *typed) noexcept nogil:
    """One chunk of rows; typed only carries the type."""
    cdef Py_ssize_t start = index * job.chunk, n = job.columns
    cdef Py_ssize_t rows = min(job.chunk, job.rows - start)
    cdef const real *a = <const real *>job.a + start * n
    cdef const real *b = <const real *>job.b + (start * n if job.b != NULL else 0)
    cdef real *out = <real *>job.out + start * n
    if job.kernel == SOFTMAX_FORWARD:
        softmax_rows(a, out, rows, n)
    elif job.kernel == SOFTMAX_BACKWARD:
        softmax_backward_rows(a, b, out, rows, n)
    elif job.kernel == LOG_SOFTMAX_FORWARD:
        log_softmax_rows(a, out, rows, n)
    else:
        log_softmax_backward_rows(a, b, out, rows, n)


cdef void row_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef RowJob *job = <RowJob *>context
    if job.typenum == cnp.NPY_FLOAT:
        run_rows(job, index, <float *>NULL)
    else:
        run_rows(job, index, <double *>NULL)


cdef int over_rows(RowKernel kernel, cnp.ndarray a, str a_name, cnp.ndarray b, cnp.ndarray out, str out_name) except -1:
    cdef int typenum = floating(a, a_name)
    cdef Py_ssize_t size = cnp.PyArray_SIZE(a)
    cdef RowJob job
    if cnp.PyArray_NDIM(a) != 2:
        raise ValueError(f"{a_name}: expected two dimensions, got shape {(<object>a).shape}")
    expect(a, a_name, typenum, size)
    if b is not None:
        expect(b, "out", typenum, size)
    expect(out, out_name, typenum, size, True)
    if size == 0:
        return 0
    job.a = cnp.PyArray_DATA(a)
    job.b = cnp.PyArray_DATA(b) if b is not None else NULL
    job.out = cnp.PyArray_DATA(out)
    job.rows = cnp.PyArray_DIM(a, 0)
    job.columns = cnp.PyArray_DIM(a, 1)
    job.chunk = max(1, EXP_CHUNK // job.columns)
    job.typenum = typenum
    job.kernel = kernel
    launch(row_task, &job, chunks_of(job.rows, job.chunk))
    return 0


def softmax_forward(cnp.ndarray x not None, cnp.ndarray out not None):
    """out[m] = exp(x[m] - max x[m]) / sum; x, out: (M, N)."""
    over_rows(SOFTMAX_FORWARD, x, "x", None, out, "out")


def softmax_backward(cnp.ndarray grad not None, cnp.ndarray out not None, cnp.ndarray grad_x not None):
    """grad_x[m] = out[m] * (grad[m] - <grad[m], out[m]>); all (M, N)."""
    over_rows(SOFTMAX_BACKWARD, grad, "grad", out, grad_x, "grad_x")


def log_softmax_forward(cnp.ndarray x not None, cnp.ndarray out not None):
    """out[m] = x[m] - max - log(sum(exp(x[m] - max))); x, out: (M, N)."""
    over_rows(LOG_SOFTMAX_FORWARD, x, "x", None, out, "out")


def log_softmax_backward(cnp.ndarray grad not None, cnp.ndarray out not None, cnp.ndarray grad_x not None):
    """grad_x[m] = grad[m] - exp(out[m]) * sum(grad[m]); all (M, N)."""
    over_rows(LOG_SOFTMAX_BACKWARD, grad, "grad", out, grad_x, "grad_x")
