# Element by element: activations, their gradients, broadcast arithmetic, copy.
#
# Loops of arithmetic are plain, for the compiler to vectorise; exp, tanh and sigmoid come from vecmath.h.
from libc.string cimport memcpy

cdef extern from "vecmath.h" nogil:
    void vec_exp_f32(const float *x, float *out, Py_ssize_t n)
    void vec_exp_f64(const double *x, double *out, Py_ssize_t n)
    void vec_tanh_f32(const float *x, float *out, Py_ssize_t n)
    void vec_tanh_f64(const double *x, double *out, Py_ssize_t n)
    void vec_sigmoid_f32(const float *x, float *out, Py_ssize_t n)
    void vec_sigmoid_f64(const double *x, double *out, Py_ssize_t n)

# Elements in a chunk of plain arithmetic: two such arrays in and one out are 400 KB, which a core streams through its
# cache in about 10 us, several times what it costs to wake a worker.
cdef Py_ssize_t STREAM_CHUNK = 32768

cdef enum MapKernel:
    RELU
    RELU_BACKWARD
    LEAKY_RELU
    LEAKY_RELU_BACKWARD
    SIGMOID
    SIGMOID_BACKWARD
    TANH
    TANH_BACKWARD
    EXP
    COPY

ctypedef struct MapJob:
    const void *a        # x, or grad
    const void *b        # backward's second input, or a again
    void *out
    Py_ssize_t size, chunk
    double slope
    int typenum
    MapKernel kernel


cdef void map_span(
    MapKernel kernel, const real *a, const real *b, real slope, real *out, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    cdef real one = 1                                           # a literal would be a double
    if kernel == RELU:
        for i in range(n):
            out[i] = 0 if a[i] <= 0 else a[i]                   # NaN compares false and is kept
    elif kernel == RELU_BACKWARD:
        for i in range(n):
            out[i] = 0 if b[i] <= 0 else a[i]
    elif kernel == LEAKY_RELU:
        for i in range(n):
            out[i] = a[i] if a[i] > 0 else slope * a[i]
    elif kernel == LEAKY_RELU_BACKWARD:
        for i in range(n):
            out[i] = a[i] if b[i] > 0 else slope * a[i]
    elif kernel == SIGMOID:
        if real is float:
            vec_sigmoid_f32(a, out, n)
        else:
            vec_sigmoid_f64(a, out, n)
    elif kernel == SIGMOID_BACKWARD:
        for i in range(n):
            out[i] = a[i] * b[i] * (one - b[i])
    elif kernel == TANH:
        if real is float:
            vec_tanh_f32(a, out, n)
        else:
            vec_tanh_f64(a, out, n)
    elif kernel == TANH_BACKWARD:
        for i in range(n):
            out[i] = a[i] * ((one - b[i]) * (one + b[i]))      # 1 - b * b without its cancellation
    elif kernel == EXP:
        if real is float:
            vec_exp_f32(a, out, n)
        else:
            vec_exp_f64(a, out, n)
    else:
        memcpy(out, a, n * sizeof(real))


cdef void map_chunk(MapJob *job, Py_ssize_t index, real *typed) noexcept nogil:
    """typed only carries the type."""
    cdef Py_ssize_t start = index * job.chunk
    map_span(job.kernel, <const real *>job.a + start, <const real *>job.b + start, <real>job.slope,
             <real *>job.out + start, min(job.chunk, job.size - start))


cdef void map_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef MapJob *job = <MapJob *>context
    if job.typenum == cnp.NPY_FLOAT:
        map_chunk(job, index, <float *>NULL)
    else:
        map_chunk(job, index, <double *>NULL)


cdef int map_arrays(
    MapKernel kernel, cnp.ndarray a, str a_name, cnp.ndarray b, str b_name, double slope, cnp.ndarray out, str out_name,
    Py_ssize_t chunk,
) except -1:
    cdef MapJob job
    job.typenum = floating(a, a_name)
    job.size = cnp.PyArray_SIZE(a)
    expect(a, a_name, job.typenum, job.size)
    expect(b, b_name, job.typenum, job.size)
    expect(out, out_name, job.typenum, job.size, True)
    job.a = cnp.PyArray_DATA(a)
    job.b = cnp.PyArray_DATA(b)
    job.out = cnp.PyArray_DATA(out)
    job.chunk = chunk
    job.slope = slope
    job.kernel = kernel
    launch(map_task, &job, chunks_of(job.size, chunk))
    return 0


def relu_forward(cnp.ndarray x not None, cnp.ndarray out not None):
    """out = max(x, 0), NaN kept; out may be x."""
    map_arrays(RELU, x, "x", x, "x", 0, out, "out", STREAM_CHUNK)


def relu_backward(cnp.ndarray grad not None, cnp.ndarray out not None, cnp.ndarray grad_x not None):
    """grad_x = grad where out > 0 (or out is NaN), else 0; grad_x may be grad."""
    map_arrays(RELU_BACKWARD, grad, "grad", out, "out", 0, grad_x, "grad_x", STREAM_CHUNK)


def leaky_relu_forward(cnp.ndarray x not None, double slope, cnp.ndarray out not None):
    """out = x where x > 0 else slope * x; out may be x."""
    map_arrays(LEAKY_RELU, x, "x", x, "x", slope, out, "out", STREAM_CHUNK)


def leaky_relu_backward(cnp.ndarray grad not None, cnp.ndarray x not None, double slope, cnp.ndarray grad_x not None):
    """grad_x = grad where x > 0 else slope * grad; grad_x may be grad."""
    map_arrays(LEAKY_RELU_BACKWARD, grad, "grad", x, "x", slope, grad_x, "grad_x", STREAM_CHUNK)


def sigmoid_forward(cnp.ndarray x not None, cnp.ndarray out not None):
    """out = 1 / (1 + exp(-x)); out may be x."""
    map_arrays(SIGMOID, x, "x", x, "x", 0, out, "out", EXP_CHUNK)


def sigmoid_backward(cnp.ndarray grad not None, cnp.ndarray out not None, cnp.ndarray grad_x not None):
    """grad_x = grad * out * (1 - out); grad_x may be grad."""
    map_arrays(SIGMOID_BACKWARD, grad, "grad", out, "out", 0, grad_x, "grad_x", STREAM_CHUNK)


def tanh_forward(cnp.ndarray x not None, cnp.ndarray out not None):
    """out = tanh(x); out may be x."""
    map_arrays(TANH, x, "x", x, "x", 0, out, "out", EXP_CHUNK)


def tanh_backward(cnp.ndarray grad not None, cnp.ndarray out not None, cnp.ndarray grad_x not None):
    """grad_x = grad * (1 - out * out); grad_x may be grad."""
    map_arrays(TANH_BACKWARD, grad, "grad", out, "out", 0, grad_x, "grad_x", STREAM_CHUNK)


def exp_forward(cnp.ndarray x not None, cnp.ndarray out not None):
    """out = e ** x; out may be x."""
    map_arrays(EXP, x, "x", x, "x", 0, out, "out", EXP_CHUNK)


def copy(cnp.ndarray x not None, cnp.ndarray out not None):
    """out = x."""
    map_arrays(COPY, x, "x", x, "x", 0, out, "out", STREAM_CHUNK)


# ---- arithmetic with broadcasting ----

cdef enum:
    REPEATED = 512       # a broadcast row shorter than half of this is repeated up to this length, for long inner loops

cdef enum BinaryKernel:
    ADD
    SUB
    MUL
    DIV

ctypedef struct BinaryJob:
    const void *a
    const void *b
    void *out
    Py_ssize_t size, chunk
    Py_ssize_t middle, inner                     # extents after merging; the outer one follows from size
    Py_ssize_t a_outer, a_middle, a_inner        # steps in elements, 0 where broadcast; inner ones are 0 or 1
    Py_ssize_t b_outer, b_middle, b_inner
    int typenum
    BinaryKernel kernel
    double repeated[REPEATED]                    # room for a repeated row of either type


cdef inline void both_vary(BinaryKernel kernel, const real *a, const real *b, real *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if kernel == ADD:
        for i in range(n):
            out[i] = a[i] + b[i]
    elif kernel == SUB:
        for i in range(n):
            out[i] = a[i] - b[i]
    elif kernel == MUL:
        for i in range(n):
            out[i] = a[i] * b[i]
    else:
        for i in range(n):
            out[i] = a[i] / b[i]


cdef inline void a_varies(BinaryKernel kernel, const real *a, real b, real *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if kernel == ADD:
        for i in range(n):
            out[i] = a[i] + b
    elif kernel == SUB:
        for i in range(n):
            out[i] = a[i] - b
    elif kernel == MUL:
        for i in range(n):
            out[i] = a[i] * b
    else:
        for i in range(n):
            out[i] = a[i] / b


cdef inline void b_varies(BinaryKernel kernel, real a, const real *b, real *out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if kernel == ADD:
        for i in range(n):
            out[i] = a + b[i]
    elif kernel == SUB:
        for i in range(n):
            out[i] = a - b[i]
    elif kernel == MUL:
        for i in range(n):
            out[i] = a * b[i]
    else:
        for i in range(n):
            out[i] = a / b[i]


cdef void binary_chunk(BinaryJob *job, Py_ssize_t index, real *typed) noexcept nogil:
    """A span of the flat output, cut where an inner row ends; typed only carries the type."""
    cdef Py_ssize_t position = index * job.chunk, stop = min(job.size, position + job.chunk)
    cdef Py_ssize_t row = position // job.inner, column = position - row * job.inner
    cdef Py_ssize_t outer = row // job.middle, middle = row - outer * job.middle, n, i
    cdef const real *a
    cdef const real *b
    cdef real *out
    while position < stop:
        n = min(job.inner - column, stop - position)
        a = <const real *>job.a + outer * job.a_outer + middle * job.a_middle + column * job.a_inner
        b = <const real *>job.b + outer * job.b_outer + middle * job.b_middle + column * job.b_inner
        out = <real *>job.out + position
        if job.a_inner and job.b_inner:
            both_vary(job.kernel, a, b, out, n)
        elif job.a_inner:
            a_varies(job.kernel, a, b[0], out, n)
        elif job.b_inner:
            b_varies(job.kernel, a[0], b, out, n)
        else:
            both_vary(job.kernel, a, b, out, 1)
            for i in range(1, n):
                out[i] = out[0]
        position += n
        column = 0
        middle += 1
        if middle == job.middle:
            middle = 0
            outer += 1


cdef void binary_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef BinaryJob *job = <BinaryJob *>context
    if job.typenum == cnp.NPY_FLOAT:
        binary_chunk(job, index, <float *>NULL)
    else:
        binary_chunk(job, index, <double *>NULL)


cdef int steps_of(cnp.ndarray array, str name, cnp.ndarray out, Py_ssize_t *steps) except -1:
    """The dense array's step along each of out's three axes, 0 where it is broadcast."""
    cdef Py_ssize_t step = 1, extent
    cdef int axis
    if cnp.PyArray_NDIM(array) != 3:
        raise ValueError(f"{name}: expected three dimensions, got shape {(<object>array).shape}")
    for axis in range(2, -1, -1):
        extent = cnp.PyArray_DIM(array, axis)
        if extent != 1 and extent != cnp.PyArray_DIM(out, axis):
            raise ValueError(f"{name}: shape {(<object>array).shape} does not broadcast to {(<object>out).shape}")
        steps[axis] = step if extent != 1 else 0
        step *= extent
    return 0


cdef const void *repeat_row(BinaryJob *job, const void *row, Py_ssize_t row_bytes, Py_ssize_t repeats) noexcept:
    cdef Py_ssize_t i
    for i in range(repeats):
        memcpy(<char *>job.repeated + i * row_bytes, row, row_bytes)
    return job.repeated


cdef int binary(BinaryKernel kernel, cnp.ndarray a, cnp.ndarray b, cnp.ndarray out) except -1:
    cdef BinaryJob job
    cdef Py_ssize_t extents[3]
    cdef Py_ssize_t sa[3]
    cdef Py_ssize_t sb[3]
    cdef Py_ssize_t repeats, row_bytes
    cdef int axis, at = 2
    job.typenum = floating(out, "out")
    job.size = cnp.PyArray_SIZE(out)
    if cnp.PyArray_NDIM(out) != 3:
        raise ValueError(f"out: expected three dimensions, got shape {(<object>out).shape}")
    expect(out, "out", job.typenum, job.size, True)
    expect(a, "a", job.typenum, cnp.PyArray_SIZE(a))
    expect(b, "b", job.typenum, cnp.PyArray_SIZE(b))
    steps_of(a, "a", out, sa)
    steps_of(b, "b", out, sb)
    if job.size == 0:
        return 0
    # Merge axes from the right: an axis joins the one behind it where both operands step on evenly (or both stand still).
    extents[2] = cnp.PyArray_DIM(out, 2)
    for axis in range(1, -1, -1):
        if cnp.PyArray_DIM(out, axis) == 1:
            continue
        if extents[at] == 1 or (sa[axis] == sa[at] * extents[at] and sb[axis] == sb[at] * extents[at]):
            if extents[at] == 1:
                sa[at] = sa[axis]
                sb[at] = sb[axis]
            extents[at] *= cnp.PyArray_DIM(out, axis)
        else:
            at -= 1
            extents[at] = cnp.PyArray_DIM(out, axis)
            sa[at] = sa[axis]
            sb[at] = sb[axis]
    for axis in range(at - 1, -1, -1):
        extents[axis] = 1
        sa[axis] = sb[axis] = 0
    job.a = cnp.PyArray_DATA(a)
    job.b = cnp.PyArray_DATA(b)
    job.out = cnp.PyArray_DATA(out)
    job.chunk = STREAM_CHUNK
    job.kernel = kernel
    job.middle, job.inner = extents[1], extents[2]
    job.a_outer, job.a_middle, job.a_inner = sa[0], sa[1], sa[2]
    job.b_outer, job.b_middle, job.b_inner = sb[0], sb[1], sb[2]
    if (extents[0] == 1 and extents[1] > 1 and extents[2] <= REPEATED // 2 and sa[2] == 1 and sb[2] == 1
            and sa[1] + sb[1] == extents[2]):
        # the rows of one operand all meet the one short row of the other
        repeats = min(extents[1], REPEATED // extents[2])
        row_bytes = extents[2] * (4 if job.typenum == cnp.NPY_FLOAT else 8)
        if sb[1] == 0:
            job.b = repeat_row(&job, job.b, row_bytes, repeats)
        else:
            job.a = repeat_row(&job, job.a, row_bytes, repeats)
        job.inner = repeats * extents[2]
        job.a_middle *= repeats
        job.b_middle *= repeats
        job.middle = chunks_of(extents[1], repeats)
    launch(binary_task, &job, chunks_of(job.size, job.chunk))
    return 0


def add(cnp.ndarray a not None, cnp.ndarray b not None, cnp.ndarray out not None):
    """out = a + b; out: (A, R, C); a, b: (A|1, R|1, C|1)."""
    binary(ADD, a, b, out)


def sub(cnp.ndarray a not None, cnp.ndarray b not None, cnp.ndarray out not None):
    """out = a - b; shapes as in add."""
    binary(SUB, a, b, out)


def mul(cnp.ndarray a not None, cnp.ndarray b not None, cnp.ndarray out not None):
    """out = a * b; shapes as in add."""
    binary(MUL, a, b, out)


def div(cnp.ndarray a not None, cnp.ndarray b not None, cnp.ndarray out not None):
    """out = a / b; shapes as in add."""
    binary(DIV, a, b, out)
