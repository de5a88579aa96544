# What arithmetic needs before and around its loops, in C: all of it for small arrays, the broadcast for others.
#
# A network of small layers spends its time in what surrounds its
# loops: promotion, broadcasting, allocation, recording. Here these take some 150 ns; through Python they take
# microseconds. Whatever is not the plain case (other dtypes, other broadcasts, larger arrays, subclasses of numbers)
# is left to fastnn.ops by returning None. The arithmetic is IEEE 754's, and so equal to the kernels'.
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact

cdef Py_ssize_t SMALL = 2048   # elements: above it a kernel's set-up no longer shows

ctypedef fused real:
    float
    double


cdef inline void loop(int op, const real *x, Py_ssize_t step_x, const real *y, Py_ssize_t step_y, real *out,
                      Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if op == 0:
        for i in range(n):
            out[i] = x[i * step_x] + y[i * step_y]
    elif op == 1:
        for i in range(n):
            out[i] = x[i * step_x] - y[i * step_y]
    elif op == 2:
        for i in range(n):
            out[i] = x[i * step_x] * y[i * step_y]
    else:
        for i in range(n):
            out[i] = x[i * step_x] / y[i * step_y]


cdef inline bint is_kernel_type(int typenum) noexcept:
    return typenum == cnp.NPY_FLOAT or typenum == cnp.NPY_DOUBLE


cdef TensorBase number(object value, int typenum):
    """A Python float or int as a 0-d tensor of a floating dtype; None for anything else."""
    cdef double x
    cdef cnp.ndarray array
    if PyFloat_CheckExact(value):
        x = PyFloat_AS_DOUBLE(value)
    elif PyLong_CheckExact(value) and -(1 << 53) <= value <= (1 << 53):
        x = value
    else:
        return None
    if typenum == cnp.NPY_FLOAT and not (-3.4028234663852886e38 <= x <= 3.4028234663852886e38) and x - x == 0:
        return None   # a finite number that float32 can't hold: fastnn.ops has the message
    array = cnp.PyArray_SimpleNew(0, NULL, typenum)
    if typenum == cnp.NPY_FLOAT:
        (<float *>cnp.PyArray_DATA(array))[0] = <float>x
    else:
        (<double *>cnp.PyArray_DATA(array))[0] = x
    return fresh(tensor_type, array)


def promoted(object input, object other):
    """Both as tensors of one dtype where that is plain (equal dtypes; a floating tensor and a number), else None."""
    return pair_of(input, other)


cdef tuple pair_of(object input, object other):
    cdef TensorBase a, b
    if isinstance(input, TensorBase):
        a = <TensorBase>input
        if isinstance(other, TensorBase):
            b = <TensorBase>other
            return (a, b) if cnp.PyArray_TYPE(a.array) == cnp.PyArray_TYPE(b.array) else None
        if is_kernel_type(cnp.PyArray_TYPE(a.array)):
            b = number(other, cnp.PyArray_TYPE(a.array))
            return (a, b) if b is not None else None
    elif isinstance(other, TensorBase):
        b = <TensorBase>other
        if is_kernel_type(cnp.PyArray_TYPE(b.array)):
            a = number(input, cnp.PyArray_TYPE(b.array))
            return (a, b) if a is not None else None
    return None


def small_arithmetic(int op, str name, object backward, object input, object other):
    """input op other, recorded, for small dense floating arrays of one shape, or of which one is a number.

    op: 0 add, 1 sub, 2 mul, 3 div. None where the case is another one.
    """
    cdef TensorBase a, b, longer
    cdef cnp.ndarray out
    cdef Py_ssize_t n, step_a = 1, step_b = 1
    cdef int typenum
    cdef object extra = None
    cdef tuple pair, saved = NOTHING
    pair = pair_of(input, other)
    if pair is None:
        return None
    a, b = <TensorBase>pair[0], <TensorBase>pair[1]
    current(a)
    current(b)
    typenum = cnp.PyArray_TYPE(a.array)
    if not is_kernel_type(typenum):
        return None
    longer = a
    if not cnp.PyArray_SAMESHAPE(a.array, b.array):
        if cnp.PyArray_NDIM(b.array) == 0:
            step_b = 0
        elif cnp.PyArray_NDIM(a.array) == 0:
            step_a = 0
            longer = b
        else:
            return None
        extra = (shape_of(a.array), shape_of(b.array))
    n = cnp.PyArray_SIZE(longer.array)
    if n > SMALL or not (plain(a.array) and plain(b.array)):
        return None
    out = cnp.PyArray_SimpleNew(cnp.PyArray_NDIM(longer.array), cnp.PyArray_DIMS(longer.array), typenum)
    if typenum == cnp.NPY_FLOAT:
        loop(op, <const float *>cnp.PyArray_DATA(a.array), step_a, <const float *>cnp.PyArray_DATA(b.array), step_b,
             <float *>cnp.PyArray_DATA(out), n)
    else:
        loop(op, <const double *>cnp.PyArray_DATA(a.array), step_a, <const double *>cnp.PyArray_DATA(b.array), step_b,
             <double *>cnp.PyArray_DATA(out), n)
    if op >= 2:   # a derivative of mul reads the other factor, div's also the divisor itself
        saved = (a if b.wants_grad or b.node is not None else None,
                 b if op == 3 or a.wants_grad or a.node is not None else None)
    return put(name, backward, pair, out, saved, False, extra, None)


cdef inline bint plain(cnp.ndarray array) noexcept:
    return cnp.PyArray_CHKFLAGS(array, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED) and cnp.PyArray_ISNOTSWAPPED(array)


def broadcast_views(TensorBase first not None, TensorBase second not None):
    """(result, a, b, out): the empty result of a broadcast, and both operands and the result as the kernels loop.

    Those have three axes each, an operand's extent the result's or 1; neighbouring axes that broadcast alike are
    merged. None where the shapes do not broadcast, or more than three kinds of axes alternate.
    """
    cdef cnp.ndarray x = dense(first)
    cdef cnp.ndarray y = dense(second)
    cdef int nx = cnp.PyArray_NDIM(x), ny = cnp.PyArray_NDIM(y)
    cdef int ndim = nx if nx > ny else ny
    cdef cnp.npy_intp shape[64]
    cdef cnp.npy_intp groups[3][3]   # operand and result, then axis
    cdef cnp.npy_intp m, n, extent
    cdef int axis, at = 3, kind, last = -1, which
    for which in range(3):
        for axis in range(3):
            groups[which][axis] = 1
    for axis in range(ndim - 1, -1, -1):
        m = cnp.PyArray_DIM(x, axis - (ndim - nx)) if axis >= ndim - nx else 1
        n = cnp.PyArray_DIM(y, axis - (ndim - ny)) if axis >= ndim - ny else 1
        if m != n and m != 1 and n != 1:
            return None
        extent = n if m == 1 else m
        shape[axis] = extent
        if extent == 1:
            continue
        kind = (m == 1) + 2 * (n == 1)
        if kind != last:
            at -= 1
            last = kind
            if at < 0:
                return None
        groups[0][at] *= m
        groups[1][at] *= n
        groups[2][at] *= extent
    cdef cnp.ndarray result = cnp.PyArray_SimpleNew(ndim, shape, cnp.PyArray_TYPE(x))
    return result, three_axes(x, groups[0]), three_axes(y, groups[1]), three_axes(result, groups[2])


cdef object three_axes(cnp.ndarray array, cnp.npy_intp *extents):
    cdef cnp.PyArray_Dims dims
    dims.ptr = extents
    dims.len = 3
    return cnp.PyArray_Newshape(array, &dims, cnp.NPY_CORDER)
