# Elements of one array or of another.

ctypedef struct WhereJob:
    const unsigned char *mask
    const void *a
    const void *b
    void *out
    Py_ssize_t size
    bint a_varies, b_varies, is_float


cdef void where_span(
    const unsigned char *mask, const real *a, bint a_varies, const real *b, bint b_varies, real *out, Py_ssize_t n
) noexcept nogil:
    # Both operands are read whatever the mask says: a choice between two registers vectorises, a conditional load does not.
    cdef Py_ssize_t i
    cdef real x = a[0], y = b[0]
    if a_varies and b_varies:
        for i in range(n):
            x = a[i]
            y = b[i]
            out[i] = x if mask[i] else y
    elif a_varies:
        for i in range(n):
            x = a[i]
            out[i] = x if mask[i] else y
    elif b_varies:
        for i in range(n):
            y = b[i]
            out[i] = x if mask[i] else y
    else:
        for i in range(n):
            out[i] = x if mask[i] else y


cdef void where_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef WhereJob *job = <WhereJob *>context
    cdef Py_ssize_t start = index * STREAM_CHUNK, n = min(STREAM_CHUNK, job.size - start)
    cdef Py_ssize_t a = start if job.a_varies else 0, b = start if job.b_varies else 0
    if job.is_float:
        where_span[float](job.mask + start, <const float *>job.a + a, job.a_varies, <const float *>job.b + b,
                          job.b_varies, <float *>job.out + start, n)
    else:
        where_span[double](job.mask + start, <const double *>job.a + a, job.a_varies, <const double *>job.b + b,
                           job.b_varies, <double *>job.out + start, n)


def where(cnp.ndarray mask not None, cnp.ndarray a not None, cnp.ndarray b not None, cnp.ndarray out not None):
    """out = a where mask is not 0, else b; a and b may be one number each."""
    cdef WhereJob job
    cdef int typenum = floating(out, "out")
    job.size = cnp.PyArray_SIZE(out)
    job.a_varies = cnp.PyArray_SIZE(a) != 1
    job.b_varies = cnp.PyArray_SIZE(b) != 1
    job.is_float = typenum == cnp.NPY_FLOAT
    expect(out, "out", typenum, job.size, True)
    expect(mask, "mask", cnp.NPY_UINT8, job.size)
    expect(a, "a", typenum, job.size if job.a_varies else 1)
    expect(b, "b", typenum, job.size if job.b_varies else 1)
    job.mask = <const unsigned char *>cnp.PyArray_DATA(mask)
    job.a = cnp.PyArray_DATA(a)
    job.b = cnp.PyArray_DATA(b)
    job.out = cnp.PyArray_DATA(out)
    launch(where_task, &job, chunks_of(job.size, STREAM_CHUNK))
