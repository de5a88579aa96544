# Dropout: random words, the mask and the scaled numbers in one pass.

cdef extern from "philox.h" nogil:
    void philox_fill(cnp.uint64_t seed, cnp.uint64_t first, cnp.uint32_t *words, Py_ssize_t blocks)

cdef enum:
    WORDS = 1024         # random words at a time: 4 KB in the first-level cache

ctypedef struct DropoutJob:
    const void *x
    void *out
    cnp.uint8_t *mask
    Py_ssize_t size, chunk
    cnp.uint64_t seed, offset
    cnp.uint32_t threshold
    double keep          # 1 - p
    int typenum
    bint backward


cdef void dropout_chunk(DropoutJob *job, Py_ssize_t index, real *typed) noexcept nogil:
    """typed only carries the type."""
    cdef cnp.uint32_t words[WORDS]
    cdef Py_ssize_t start = index * job.chunk, stop = min(job.size, start + job.chunk), n, i
    cdef const real *x
    cdef real *out
    cdef cnp.uint8_t *mask
    cdef cnp.uint32_t threshold = job.threshold
    cdef real keep = <real>job.keep
    while start < stop:
        n = min(WORDS, stop - start)
        x = <const real *>job.x + start
        out = <real *>job.out + start
        mask = job.mask + start
        if not job.backward:
            philox_fill(job.seed, job.offset + <cnp.uint64_t>(start // 4), words, (n + 3) // 4)
            for i in range(n):
                mask[i] = words[i] >= threshold
            for i in range(n):
                out[i] = x[i] / keep if words[i] >= threshold else 0
        else:
            for i in range(n):
                out[i] = x[i] / keep if mask[i] else 0
        start += n


cdef void dropout_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef DropoutJob *job = <DropoutJob *>context
    if job.typenum == cnp.NPY_FLOAT:
        dropout_chunk(job, index, <float *>NULL)
    else:
        dropout_chunk(job, index, <double *>NULL)


cdef int dropout(
    cnp.ndarray x, str x_name, double p, cnp.uint64_t seed, cnp.uint64_t offset, cnp.ndarray out, str out_name,
    cnp.ndarray mask, bint backward,
) except -1:
    cdef DropoutJob job
    job.typenum = floating(x, x_name)
    job.size = cnp.PyArray_SIZE(x)
    if not 0 <= p < 1:
        raise ValueError(f"p: expected 0 <= p < 1, got {p}")
    expect(x, x_name, job.typenum, job.size)
    expect(mask, "mask", cnp.NPY_UINT8, job.size, not backward)
    expect(out, out_name, job.typenum, job.size, True)
    job.x = cnp.PyArray_DATA(x)
    job.out = cnp.PyArray_DATA(out)
    job.mask = <cnp.uint8_t *>cnp.PyArray_DATA(mask)
    job.chunk = EXP_CHUNK                        # a random word costs about what an exponential does
    job.seed = seed
    job.offset = offset
    job.threshold = <cnp.uint32_t>(p * 4294967296.0)
    job.keep = 1 - p
    job.backward = backward
    launch(dropout_task, &job, chunks_of(job.size, job.chunk))
    return 0


def dropout_forward(
    cnp.ndarray x not None, double p, cnp.uint64_t seed, cnp.uint64_t offset, cnp.ndarray out not None,
    cnp.ndarray mask not None,
):
    """mask = (word >= floor(p * 2**32)), out = x / (1 - p) where mask else 0; out may be x. Words: Philox-4x32-7."""
    dropout(x, "x", p, seed, offset, out, "out", mask, False)


def dropout_backward(cnp.ndarray grad not None, cnp.ndarray mask not None, double p, cnp.ndarray grad_x not None):
    """grad_x = grad / (1 - p) where mask else 0; grad_x may be grad."""
    dropout(grad, "grad", p, 0, 0, grad_x, "grad_x", mask, True)
