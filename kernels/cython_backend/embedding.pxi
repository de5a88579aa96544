# Rows of a table. Forward copies chunks of rows; backward gives each task a range of the table, whose rows it alone
# fills and adds to, in the order of index: so rows that come twice are right, and in the same order for any number of
# tasks.
from libc.string cimport memcpy, memset

ctypedef struct EmbeddingJob:
    const void *source    # forward: the table; backward: grad
    void *target          # forward: out; backward: the table's gradient
    const cnp.int64_t *index
    Py_ssize_t count, rows, width, chunk, padding
    int typenum, zeroed


cdef int _embedding(EmbeddingJob *job, cnp.ndarray table, str table_name, cnp.ndarray index, cnp.ndarray rows, str rows_name,
                    bint backward) except -1:
    """Everything that is checked; the sizes."""
    cdef Py_ssize_t i
    cdef cnp.int64_t lowest = 0, highest = -1
    job.typenum = floating(table, table_name)
    if cnp.PyArray_NDIM(table) != 2:
        raise ValueError(f"{table_name}: expected two dimensions, got shape {(<object>table).shape}")
    if cnp.PyArray_NDIM(index) != 1:
        raise ValueError(f"index: expected one dimension, got shape {(<object>index).shape}")
    job.count = cnp.PyArray_DIM(index, 0)
    job.rows = cnp.PyArray_DIM(table, 0)
    job.width = cnp.PyArray_DIM(table, 1)
    expect(table, table_name, job.typenum, job.rows * job.width, backward)
    expect(index, "index", cnp.NPY_INT64, job.count)
    _expect_2d(rows, rows_name, job.typenum, job.count, job.width, not backward)
    job.index = <const cnp.int64_t *>cnp.PyArray_DATA(index)
    for i in range(job.count):
        lowest = min(lowest, job.index[i])
        highest = max(highest, job.index[i])
    if lowest < 0 or highest >= job.rows:
        raise IndexError(f"index out of range in self: {lowest if lowest < 0 else highest} of a table of {job.rows} rows")
    return 0


cdef void embedding_copy(void *context, Py_ssize_t task) noexcept nogil:
    cdef EmbeddingJob *job = <EmbeddingJob *>context
    cdef Py_ssize_t i, stop = min(job.count, (task + 1) * job.chunk)
    cdef Py_ssize_t bytes = job.width * (8 if job.typenum == cnp.NPY_DOUBLE else 4)
    for i in range(task * job.chunk, stop):
        memcpy(<char *>job.target + i * bytes, <const char *>job.source + job.index[i] * bytes, bytes)


cdef inline void add_row(real *to, const real *row, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(width):
        to[k] += row[k]


cdef void embedding_add(void *context, Py_ssize_t task) noexcept nogil:
    cdef EmbeddingJob *job = <EmbeddingJob *>context
    cdef Py_ssize_t i, first = task * job.chunk, last = min(job.rows, first + job.chunk), row
    cdef Py_ssize_t bytes = job.width * (8 if job.typenum == cnp.NPY_DOUBLE else 4)
    if not job.zeroed:
        memset(<char *>job.target + first * bytes, 0, (last - first) * bytes)
    for i in range(job.count):
        row = job.index[i]
        if row < first or row >= last or row == job.padding:
            continue
        if job.typenum == cnp.NPY_FLOAT:
            add_row(<float *>job.target + row * job.width, <const float *>job.source + i * job.width, job.width)
        else:
            add_row(<double *>job.target + row * job.width, <const double *>job.source + i * job.width, job.width)


def embedding_forward(cnp.ndarray weight not None, cnp.ndarray index not None, cnp.ndarray out not None):
    """See contract.embedding_forward."""
    cdef EmbeddingJob job
    _embedding(&job, weight, "weight", index, out, "out", False)
    if job.count == 0 or job.width == 0:
        return
    job.source = cnp.PyArray_DATA(weight)
    job.target = cnp.PyArray_DATA(out)
    job.chunk = max(1, 2 * EXP_CHUNK // job.width)
    launch(embedding_copy, &job, chunks_of(job.count, job.chunk))


def embedding_backward(cnp.ndarray grad not None, cnp.ndarray index not None, Py_ssize_t padding_index, bint zeroed,
                       cnp.ndarray grad_weight not None):
    """See contract.embedding_backward."""
    cdef EmbeddingJob job
    _embedding(&job, grad_weight, "grad_weight", index, grad, "grad", True)
    if job.rows == 0 or job.width == 0 or (zeroed and job.count == 0):
        return
    job.source = cnp.PyArray_DATA(grad)
    job.target = cnp.PyArray_DATA(grad_weight)
    job.padding = padding_index
    job.zeroed = zeroed
    # Every task reads all of index: as many as keep the threads busy where some rows come more often than others.
    job.chunk = job.rows
    if max(job.count, 0 if zeroed else job.rows) * job.width > 2 * EXP_CHUNK and pool.threads() > 1:
        job.chunk = chunks_of(job.rows, 4 * pool.threads())
    launch(embedding_add, &job, chunks_of(job.rows, job.chunk))
