# Sums along one axis, (A, R, C) -> (A, C), by blocks of R: a few numbers at a time in their own type, these sums in double.
#
# Where the blocks end depends on R alone and their totals are added in order, whoever computed them: so the bits
# are the same for any number of threads, whether the blocks of one sum are spread over them or not.

cdef enum:
    SLAB = 512           # columns at a time: two such rows of doubles stay in the first-level cache
    MOST_BLOCKS = 32     # of R
    FEWEST_ROWS = 512    # in a block, unless R has fewer
    ENOUGH_SLABS = 8     # so many independent sums are spread over the threads as they are

ctypedef struct SumJob:
    const void *x
    void *out
    double *partials     # (A, blocks, C), or NULL where one task adds all the blocks of its columns
    Py_ssize_t A, R, C, slabs, blocks, block_rows, units, chunk
    int typenum


cdef void add_rows(const real *x, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t width, double *sums) noexcept nogil:
    """sums[c] += the column sums of a (rows, width) corner of a matrix with rows of step numbers."""
    cdef Py_ssize_t r = 0, c
    cdef const real *y
    while r + 8 <= rows:
        y = x + 4 * step
        for c in range(width):
            sums[c] += ((x[c] + x[c + step]) + (x[c + 2 * step] + x[c + 3 * step])) + (
                (y[c] + y[c + step]) + (y[c + 2 * step] + y[c + 3 * step]))
        x += 8 * step
        r += 8
    while r < rows:
        for c in range(width):
            sums[c] += x[c]
        x += step
        r += 1


cdef void sum_block(const real *x, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t width, double *sums) noexcept nogil:
    """sums[c] = the column sums of a (rows, width) corner, width <= SLAB, of a matrix with rows of step numbers."""
    cdef Py_ssize_t fold, c, k
    if step == 1:
        sums[0] = row_total_f32(x, rows) if real is float else row_total_f64(x, rows)
        return
    memset(sums, 0, width * sizeof(double))
    if step > 64:
        add_rows(x, step, rows, width, sums)
        return
    # Narrow rows: several side by side make one row worth a vector loop; their sums are added at the end.
    fold = min(SLAB // step, max(1, rows // 4))
    memset(sums, 0, fold * step * sizeof(double))
    add_rows(x, fold * step, rows // fold, fold * step, sums)
    for k in range(1, fold):
        for c in range(step):
            sums[c] += sums[k * step + c]
    add_rows(x + (rows - rows % fold) * step, step, rows % fold, step, sums)


cdef void sum_chunk(SumJob *job, Py_ssize_t index, real *typed) noexcept nogil:
    """typed only carries the type."""
    cdef double sums[SLAB]
    cdef double totals[SLAB]
    cdef Py_ssize_t unit, block, first, last, slab, a, width, c, rows
    cdef const real *x
    cdef real *out
    for unit in range(index * job.chunk, min(job.units, (index + 1) * job.chunk)):
        first, last = 0, job.blocks
        slab = unit
        if job.partials != NULL:
            first = unit % job.blocks
            last = first + 1
            slab = unit // job.blocks
        a = slab // job.slabs
        slab = (slab - a * job.slabs) * SLAB
        width = min(SLAB, job.C - slab)
        memset(totals, 0, width * sizeof(double))
        for block in range(first, last):
            x = <const real *>job.x + (a * job.R + block * job.block_rows) * job.C + slab
            rows = min(job.block_rows, job.R - block * job.block_rows)
            if real is float:
                sum_block(x, job.C, rows, width, sums)
            else:
                sum_block(x, job.C, rows, width, sums)
            if job.partials != NULL:
                memcpy(job.partials + (a * job.blocks + block) * job.C + slab, sums, width * sizeof(double))
            else:
                for c in range(width):
                    totals[c] += sums[c]
        if job.partials == NULL:
            out = <real *>job.out + a * job.C + slab
            for c in range(width):
                out[c] = <real>totals[c]


cdef void sum_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef SumJob *job = <SumJob *>context
    if job.typenum == cnp.NPY_FLOAT:
        sum_chunk(job, index, <float *>NULL)
    else:
        sum_chunk(job, index, <double *>NULL)


cdef void add_partials(SumJob *job, real *out) noexcept nogil:
    cdef Py_ssize_t a, block, c
    cdef double total
    for a in range(job.A):
        for c in range(job.C):
            total = 0
            for block in range(job.blocks):
                total += job.partials[(a * job.blocks + block) * job.C + c]
            out[a * job.C + c] = <real>total


def sum_forward(cnp.ndarray x not None, cnp.ndarray out not None):
    """out[a, c] = sum of x[a, :, c]; x: (A, R, C), out: (A, C)."""
    cdef SumJob job
    cdef Py_ssize_t size = cnp.PyArray_SIZE(x), unit_size
    job.typenum = floating(x, "x")
    if cnp.PyArray_NDIM(x) != 3:
        raise ValueError(f"x: expected three dimensions, got shape {(<object>x).shape}")
    job.A, job.R, job.C = cnp.PyArray_DIM(x, 0), cnp.PyArray_DIM(x, 1), cnp.PyArray_DIM(x, 2)
    expect(x, "x", job.typenum, size)
    expect(out, "out", job.typenum, job.A * job.C, True)
    if job.A == 0 or job.C == 0:
        return
    job.x = cnp.PyArray_DATA(x)
    job.out = cnp.PyArray_DATA(out)
    job.partials = NULL
    job.slabs = chunks_of(job.C, SLAB)
    job.block_rows = max(FEWEST_ROWS, chunks_of(job.R, MOST_BLOCKS))
    job.blocks = chunks_of(job.R, job.block_rows)
    job.units = job.A * job.slabs
    unit_size = job.R * min(SLAB, job.C)
    if job.units < ENOUGH_SLABS and job.blocks > 1 and size > STREAM_CHUNK:
        job.partials = <double *>pool.scratch(job.A * job.blocks * job.C * sizeof(double))
        if job.partials != NULL:
            job.units *= job.blocks
            unit_size = job.block_rows * min(SLAB, job.C)
    job.chunk = max(1, STREAM_CHUNK // max(1, unit_size))
    launch(sum_task, &job, chunks_of(job.units, job.chunk))
    if job.partials != NULL:
        if job.typenum == cnp.NPY_FLOAT:
            add_partials(&job, <float *>job.out)
        else:
            add_partials(&job, <double *>job.out)
