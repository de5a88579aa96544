# Pooling. All of it is checked here, then pooling.h computes.

from libc.string cimport memcpy

cdef extern from *:
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from "pooling.h" nogil:
    enum:
        POOL_MAX
        POOL_MAX_BACK
        POOL_CHECK
        POOL_AVG
        POOL_AVG_BACK
    ctypedef struct pool_axis:
        Py_ssize_t size, count
        Py_ssize_t *first
        Py_ssize_t *taps
        Py_ssize_t *counted
    ctypedef struct pool_problem:
        pool_axis axis[3]
        const void *x
        void *out
        cnp.int64_t *indices
        Py_ssize_t planes, plane, windows
        double divisor
        int is_double
    int pool_windows(pool_axis *a, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t padding, Py_ssize_t dilation)
    void pool_adaptive(pool_axis *a)
    Py_ssize_t pooling_run(const fastnn_pool_api *workers, pool_problem *problem, int kind)

cdef Py_ssize_t POOL_LIMIT = 1 << 31  # of any option, so that no product with an extent overflows


cdef int _pool_numbers(object values, str name, int axes, Py_ssize_t least, Py_ssize_t *to) except -1:
    cdef int i
    if len(values) != axes:
        raise ValueError(f"{name}: expected {axes} numbers, got {tuple(values)}")
    for i in range(3 - axes):
        to[i] = 0 if least == 0 else 1
    for i in range(axes):
        value = values[i]
        if not least <= value <= POOL_LIMIT:
            raise ValueError(f"{name}: expected {axes} numbers of at least {least}, got {tuple(values)}")
        to[3 - axes + i] = value
    return 0


cdef class _Windows:
    """A problem and the tables of its windows."""
    cdef pool_problem problem
    cdef Py_ssize_t *tables
    cdef int axes

    def __dealloc__(self):
        PyMem_Free(self.tables)

    def __cinit__(self, size, out_size):
        cdef Py_ssize_t sizes[3]
        cdef Py_ssize_t counts[3]
        cdef int i
        self.axes = len(size)
        if not 1 <= self.axes <= 3:
            raise ValueError(f"size: expected one to three extents, got {tuple(size)}")
        _pool_numbers(size, "size", self.axes, 1, sizes)
        _pool_numbers(out_size, "out_size", self.axes, 1, counts)
        memset(&self.problem, 0, sizeof(pool_problem))
        self.problem.plane = self.problem.windows = 1
        for i in range(3):
            self.problem.axis[i].size = sizes[i]
            self.problem.axis[i].count = counts[i]
            if sizes[i] > PY_SSIZE_T_MAX // self.problem.plane // 8 or counts[i] > PY_SSIZE_T_MAX // self.problem.windows // 8:
                raise ValueError(f"size, out_size: expected planes that fit into memory, got {tuple(size)}, {tuple(out_size)}")
            self.problem.plane *= sizes[i]
            self.problem.windows *= counts[i]


    cdef int build(self, object kernel, object stride, object padding, object dilation) except -1:
        """The tables: of a kernel's windows, or of adaptive ones where kernel is None. After the arrays were checked."""
        cdef Py_ssize_t numbers[4][3]
        cdef Py_ssize_t *table
        cdef Py_ssize_t total = 0
        cdef int i
        if kernel is not None:
            _pool_numbers(kernel, "kernel", self.axes, 1, numbers[0])
            _pool_numbers(stride, "stride", self.axes, 1, numbers[1])
            _pool_numbers(padding, "padding", self.axes, 0, numbers[2])
            _pool_numbers(dilation, "dilation", self.axes, 1, numbers[3])
        for i in range(3):
            total += 3 * self.problem.axis[i].count
        self.tables = table = <Py_ssize_t *>PyMem_Malloc(total * sizeof(Py_ssize_t))
        if not table:
            raise MemoryError("no memory for the windows of a pooling")
        for i in range(3):
            self.problem.axis[i].first = table
            self.problem.axis[i].taps = table + self.problem.axis[i].count
            self.problem.axis[i].counted = table + 2 * self.problem.axis[i].count
            table += 3 * self.problem.axis[i].count
            if kernel is None:
                pool_adaptive(&self.problem.axis[i])
            elif pool_windows(&self.problem.axis[i], numbers[0][i], numbers[1][i], numbers[2][i], numbers[3][i]):
                raise ValueError(f"out_size: expected windows that meet the plane, got {self.problem.axis[i].count} of "
                                 f"{numbers[0][i]} for an extent of {self.problem.axis[i].size}")
        return 0

    cdef int planes(self, cnp.ndarray x, str x_name, Py_ssize_t columns, cnp.ndarray out, str out_name,
                    Py_ssize_t out_columns) except -1:
        """x: (M, columns), read; out: (M, out_columns), written."""
        cdef int typenum = floating(x, x_name)
        if cnp.PyArray_NDIM(x) != 2:
            raise ValueError(f"{x_name}: expected two dimensions, got shape {(<object>x).shape}")
        self.problem.planes = cnp.PyArray_DIM(x, 0)
        _expect_2d(x, x_name, typenum, self.problem.planes, columns)
        _expect_2d(out, out_name, typenum, self.problem.planes, out_columns, True)
        self.problem.x = cnp.PyArray_DATA(x)
        self.problem.out = cnp.PyArray_DATA(out)
        self.problem.is_double = typenum == cnp.NPY_DOUBLE
        return 0

    cdef int places(self, cnp.ndarray indices, bint written) except -1:
        _expect_2d(indices, "indices", cnp.NPY_INT64, self.problem.planes, self.problem.windows, written)
        self.problem.indices = <cnp.int64_t *>cnp.PyArray_DATA(indices)
        return 0

    cdef int run(self, int kind) except -1:
        cdef Py_ssize_t failed
        with nogil:
            failed = pooling_run(pool, &self.problem, kind)
        if failed < 0:
            raise MemoryError("no memory for a row of a pooling")
        if failed > 0:
            raise IndexError(f"indices: expected places in [0, {self.problem.plane}), got {self.problem.indices[failed - 1]}")
        return 0


def max_pool_forward(cnp.ndarray x not None, size, kernel, stride, padding, dilation, out_size, cnp.ndarray out not None,
                     cnp.ndarray indices):
    """See contract.max_pool_forward."""
    cdef _Windows windows = _Windows(size, out_size)
    windows.planes(x, "x", windows.problem.plane, out, "out", windows.problem.windows)
    if indices is not None:
        windows.places(indices, True)
    windows.build(kernel, stride, padding, dilation)
    windows.run(POOL_MAX)


def adaptive_max_pool_forward(cnp.ndarray x not None, size, out_size, cnp.ndarray out not None, cnp.ndarray indices not None):
    """See contract.adaptive_max_pool_forward."""
    cdef _Windows windows = _Windows(size, out_size)
    windows.planes(x, "x", windows.problem.plane, out, "out", windows.problem.windows)
    windows.places(indices, True)
    windows.build(None, None, None, None)
    windows.run(POOL_MAX)


def max_pool_backward(cnp.ndarray grad not None, cnp.ndarray indices not None, size, cnp.ndarray grad_x not None):
    """See contract.max_pool_backward."""
    cdef _Windows windows = _Windows(size, size)
    windows.problem.windows = cnp.PyArray_DIM(grad, 1) if cnp.PyArray_NDIM(grad) == 2 else 0
    windows.planes(grad, "grad", windows.problem.windows, grad_x, "grad_x", windows.problem.plane)
    windows.places(indices, False)
    windows.run(POOL_CHECK)
    windows.run(POOL_MAX_BACK)


def avg_pool_forward(cnp.ndarray x not None, size, kernel, stride, padding, bint count_include_pad, Py_ssize_t divisor, out_size,
                     cnp.ndarray out not None):
    """See contract.avg_pool_forward."""
    _average(x, "x", size, kernel, stride, padding, count_include_pad, divisor, out_size, out, "out", POOL_AVG)


def avg_pool_backward(cnp.ndarray grad not None, size, kernel, stride, padding, bint count_include_pad, Py_ssize_t divisor,
                      out_size, cnp.ndarray grad_x not None):
    """See contract.avg_pool_backward."""
    _average(grad, "grad", size, kernel, stride, padding, count_include_pad, divisor, out_size, grad_x, "grad_x", POOL_AVG_BACK)


def adaptive_avg_pool_forward(cnp.ndarray x not None, size, out_size, cnp.ndarray out not None):
    """See contract.adaptive_avg_pool_forward."""
    _average(x, "x", size, None, None, None, False, 0, out_size, out, "out", POOL_AVG)


def adaptive_avg_pool_backward(cnp.ndarray grad not None, size, out_size, cnp.ndarray grad_x not None):
    """See contract.adaptive_avg_pool_backward."""
    _average(grad, "grad", size, None, None, None, False, 0, out_size, grad_x, "grad_x", POOL_AVG_BACK)


cdef int _average(cnp.ndarray x, str x_name, object size, object kernel, object stride, object padding, bint count_include_pad,
                  Py_ssize_t divisor, object out_size, cnp.ndarray out, str out_name, int kind) except -1:
    cdef _Windows windows = _Windows(size, out_size)
    cdef pool_axis *axis
    cdef int i
    cdef bint back = kind == POOL_AVG_BACK
    if divisor < 0:
        raise ValueError(f"divisor: expected a positive number, or 0 for the number of places, got {divisor}")
    windows.planes(x, x_name, windows.problem.windows if back else windows.problem.plane, out, out_name,
                   windows.problem.plane if back else windows.problem.windows)
    windows.build(kernel, stride, padding, None if kernel is None else (1,) * windows.axes)
    windows.problem.divisor = divisor
    for i in range(3):
        axis = &windows.problem.axis[i]
        if not count_include_pad:
            memcpy(axis.counted, axis.taps, axis.count * sizeof(Py_ssize_t))
    windows.run(kind)
    return 0
