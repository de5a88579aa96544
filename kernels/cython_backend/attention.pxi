# Scaled dot-product attention. Shapes and strides are checked here, then attention.h computes.

cdef extern from "attention.h" nogil:
    enum:
        ATTENTION_NO_MASK
        ATTENTION_BOOLEAN
        ATTENTION_ADDED
    ctypedef struct attention_array:
        void *data
        Py_ssize_t batch, head, row
    ctypedef struct attention_problem:
        attention_array query, key, value, out, grad, grad_query, grad_key, grad_value, folded
        void *lse
        const void *mask
        Py_ssize_t mask_batch, mask_head, mask_query, mask_key
        Py_ssize_t batch, heads, key_heads, queries, keys, width, value_width, chunks, chunk_step
        double scale, keep
        cnp.uint64_t seed, offset
        cnp.uint32_t threshold
        int mask_kind, causal, is_double
    int attention_forward_run(const fastnn_pool_api *workers, attention_problem *problem)
    int attention_backward_run(const fastnn_pool_api *workers, attention_problem *problem)


cdef attention_array _heads(cnp.ndarray array, str name, int typenum, Py_ssize_t batch, Py_ssize_t heads, Py_ssize_t rows,
                            Py_ssize_t width, bint written=False) except *:
    """array's steps; ValueError unless it is (batch, heads, rows, width), of that type, its last axis contiguous."""
    cdef attention_array found
    cdef Py_ssize_t size = 8 if typenum == cnp.NPY_DOUBLE else 4
    if (cnp.PyArray_NDIM(array) != 4 or cnp.PyArray_TYPE(array) != typenum or cnp.PyArray_ISBYTESWAPPED(array)
            or cnp.PyArray_DIM(array, 0) != batch or cnp.PyArray_DIM(array, 1) != heads
            or cnp.PyArray_DIM(array, 2) != rows or cnp.PyArray_DIM(array, 3) != width):
        raise ValueError(f"{name}: expected shape ({batch}, {heads}, {rows}, {width}) of "
                         f"{cnp.PyArray_DescrFromType(typenum)}, got {(<object>array).shape} of {(<object>array).dtype}")
    cdef bint empty = cnp.PyArray_SIZE(array) == 0
    if not empty and (not cnp.PyArray_CHKFLAGS(array, cnp.NPY_ARRAY_ALIGNED)
                      or (width > 1 and cnp.PyArray_STRIDE(array, 3) != size)):
        raise ValueError(f"{name}: expected an aligned array whose last axis is contiguous, got strides "
                         f"{(<object>array).strides}")
    if written:
        if not cnp.PyArray_CHKFLAGS(array, cnp.NPY_ARRAY_WRITEABLE):
            raise ValueError(f"{name}: expected a writeable array, got a read-only one")
        for axis in range(3):
            if not empty and cnp.PyArray_DIM(array, axis) > 1 and cnp.PyArray_STRIDE(array, axis) == 0:
                raise ValueError(f"{name}: expected memory of its own for each element, got strides {(<object>array).strides}")
    found.data = cnp.PyArray_DATA(array)
    found.batch = cnp.PyArray_STRIDE(array, 0) // size
    found.head = cnp.PyArray_STRIDE(array, 1) // size
    found.row = cnp.PyArray_STRIDE(array, 2) // size
    return found


cdef int _attention(attention_problem *p, cnp.ndarray query, cnp.ndarray key, cnp.ndarray value, cnp.ndarray mask, bint causal,
                    double scale, double dropout, cnp.uint64_t seed, cnp.uint64_t offset, cnp.ndarray out,
                    cnp.ndarray lse, bint forward) except -1:
    """What both directions share; returns the type."""
    cdef int typenum = floating(query, "query"), axis
    if cnp.PyArray_NDIM(query) != 4 or cnp.PyArray_NDIM(key) != 4 or cnp.PyArray_NDIM(value) != 4:
        raise ValueError(f"query, key, value: expected four dimensions each, got shapes {(<object>query).shape}, "
                         f"{(<object>key).shape}, {(<object>value).shape}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout: expected 0 <= dropout < 1, got {dropout}")
    p.batch = cnp.PyArray_DIM(query, 0)
    p.heads = cnp.PyArray_DIM(query, 1)
    p.queries = cnp.PyArray_DIM(query, 2)
    p.width = cnp.PyArray_DIM(query, 3)
    p.key_heads = cnp.PyArray_DIM(key, 1)
    p.keys = cnp.PyArray_DIM(key, 2)
    p.value_width = cnp.PyArray_DIM(value, 3)
    if p.heads and (p.key_heads == 0 or p.heads % p.key_heads != 0) or (p.heads == 0 and p.key_heads != 0):
        raise ValueError(f"key: expected a number of heads that divides query's {p.heads}, got {p.key_heads}")
    p.query = _heads(query, "query", typenum, p.batch, p.heads, p.queries, p.width)
    p.key = _heads(key, "key", typenum, p.batch, p.key_heads, p.keys, p.width)
    p.value = _heads(value, "value", typenum, p.batch, p.key_heads, p.keys, p.value_width)
    p.out = _heads(out, "out", typenum, p.batch, p.heads, p.queries, p.value_width, forward)
    expect(lse, "lse", typenum, p.batch * p.heads * p.queries, forward)
    if cnp.PyArray_NDIM(lse) != 3 or cnp.PyArray_DIM(lse, 0) != p.batch or cnp.PyArray_DIM(lse, 1) != p.heads:
        raise ValueError(f"lse: expected shape ({p.batch}, {p.heads}, {p.queries}), got {(<object>lse).shape}")
    p.lse = cnp.PyArray_DATA(lse)
    cdef Py_ssize_t[4] extents = [p.batch, p.heads, p.queries, p.keys]
    cdef Py_ssize_t[4] steps
    cdef Py_ssize_t step = 1
    p.mask = NULL
    p.mask_kind = ATTENTION_NO_MASK
    if mask is not None:
        if cnp.PyArray_TYPE(mask) != cnp.NPY_UINT8 and cnp.PyArray_TYPE(mask) != typenum:
            raise ValueError(f"mask: expected uint8 or {(<object>query).dtype}, got {(<object>mask).dtype}")
        if cnp.PyArray_NDIM(mask) != 4:
            raise ValueError(f"mask: expected four dimensions, got shape {(<object>mask).shape}")
        for axis in range(3, -1, -1):
            steps[axis] = 0 if cnp.PyArray_DIM(mask, axis) == 1 else step
            step *= cnp.PyArray_DIM(mask, axis)
            if cnp.PyArray_DIM(mask, axis) != extents[axis] and cnp.PyArray_DIM(mask, axis) != 1:
                raise ValueError(f"mask: expected a shape that broadcasts to ({p.batch}, {p.heads}, {p.queries}, {p.keys}), "
                                 f"got {(<object>mask).shape}")
        expect(mask, "mask", cnp.PyArray_TYPE(mask), cnp.PyArray_SIZE(mask))
        p.mask = cnp.PyArray_DATA(mask)
        p.mask_kind = ATTENTION_BOOLEAN if cnp.PyArray_TYPE(mask) == cnp.NPY_UINT8 else ATTENTION_ADDED
        p.mask_batch = steps[0]
        p.mask_head = steps[1]
        p.mask_query = steps[2]
        p.mask_key = steps[3]
    p.scale = scale
    p.causal = causal
    p.keep = 1 - dropout
    p.threshold = <cnp.uint32_t>(dropout * 4294967296.0)
    p.seed = seed
    p.offset = offset
    p.chunks = 1
    p.chunk_step = 0
    p.is_double = typenum == cnp.NPY_DOUBLE
    return typenum


def attention_forward(cnp.ndarray query not None, cnp.ndarray key not None, cnp.ndarray value not None, cnp.ndarray mask,
                      bint causal, double scale, double dropout, cnp.uint64_t seed, cnp.uint64_t offset,
                      cnp.ndarray out not None, cnp.ndarray lse not None):
    """See contract.attention_forward."""
    cdef attention_problem problem
    cdef int failed
    _attention(&problem, query, key, value, mask, causal, scale, dropout, seed, offset, out, lse, True)
    with nogil:
        failed = attention_forward_run(pool, &problem)
    if failed:
        raise MemoryError("no memory for a tile of attention")


def attention_backward(cnp.ndarray grad not None, cnp.ndarray query not None, cnp.ndarray key not None,
                       cnp.ndarray value not None, cnp.ndarray mask, bint causal, double scale, double dropout,
                       cnp.uint64_t seed, cnp.uint64_t offset, cnp.ndarray out not None, cnp.ndarray lse not None,
                       cnp.ndarray partial, cnp.ndarray grad_query not None, cnp.ndarray grad_key not None,
                       cnp.ndarray grad_value not None):
    """See contract.attention_backward."""
    cdef attention_problem p
    cdef int failed
    cdef int typenum = _attention(&p, query, key, value, mask, causal, scale, dropout, seed, offset, out, lse, False)
    p.grad = _heads(grad, "grad", typenum, p.batch, p.heads, p.queries, p.value_width)
    p.grad_query = _heads(grad_query, "grad_query", typenum, p.batch, p.heads, p.queries, p.width, True)
    p.grad_key = _heads(grad_key, "grad_key", typenum, p.batch, p.key_heads, p.keys, p.width, True)
    p.grad_value = _heads(grad_value, "grad_value", typenum, p.batch, p.key_heads, p.keys, p.value_width, True)
    p.folded.data = NULL
    if partial is not None:
        if (cnp.PyArray_NDIM(partial) != 5 or cnp.PyArray_DIM(partial, 0) < 1 or cnp.PyArray_DIM(partial, 1) != p.batch
                or cnp.PyArray_DIM(partial, 2) != p.heads or cnp.PyArray_DIM(partial, 3) != p.queries
                or cnp.PyArray_DIM(partial, 4) != p.width):
            raise ValueError(f"partial: expected shape (chunks, {p.batch}, {p.heads}, {p.queries}, {p.width}), "
                             f"got {(<object>partial).shape}")
        p.chunk_step = p.batch * p.heads * p.queries * p.width
        expect(partial, "partial", typenum, cnp.PyArray_DIM(partial, 0) * p.chunk_step, True)
        p.chunks = cnp.PyArray_DIM(partial, 0)
        p.folded = p.grad_query
        p.grad_query.data = cnp.PyArray_DATA(partial)
        p.grad_query.row = p.width
        p.grad_query.head = p.queries * p.width
        p.grad_query.batch = p.heads * p.grad_query.head
    with nogil:
        failed = attention_backward_run(pool, &p)
    if failed:
        raise MemoryError("no memory for a tile of attention")
