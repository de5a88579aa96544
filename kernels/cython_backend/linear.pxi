# Products: matmul and linear. All of it is checked here, then gemm.h computes.

cdef extern from "gemm.h" nogil:
    enum:
        GEMM_ADD
        GEMM_BIAS
        GEMM_RELU
        GEMM_SIGMOID
        GEMM_TANH
        GEMM_PARALLEL
    ctypedef struct gemm_problem:
        const void *a
        const void *b
        const void *bias
        void *c
        Py_ssize_t rows, columns, depth, batch, a_step, b_step
        int transpose_a, transpose_b, flags, is_double
    ctypedef struct gemm_gradient:
        const void *grad
        const void *out
        void *g
        Py_ssize_t rows, columns
        int flags
    int gemm_run(const fastnn_pool_api *workers, gemm_problem *problems, int count)
    int gemm_backward(const fastnn_pool_api *workers, gemm_gradient *gradient, void *grad_bias, gemm_problem *problems,
                      int count, int is_double)


cdef int _activation_flag(str activation) except -1:
    if activation == "none":
        return 0
    if activation == "relu":
        return GEMM_RELU
    if activation == "sigmoid":
        return GEMM_SIGMOID
    if activation == "tanh":
        return GEMM_TANH
    raise ValueError(f"activation: expected one of 'none', 'relu', 'sigmoid', 'tanh', got {activation!r}")


cdef int _expect_2d(cnp.ndarray array, str name, int typenum, Py_ssize_t rows, Py_ssize_t columns,
                    bint written=False) except -1:
    if cnp.PyArray_NDIM(array) != 2 or cnp.PyArray_DIM(array, 0) != rows or cnp.PyArray_DIM(array, 1) != columns:
        raise ValueError(f"{name}: expected shape ({rows}, {columns}), got {(<object>array).shape}")
    return expect(array, name, typenum, rows * columns, written)


cdef int _expect_1d(cnp.ndarray array, str name, int typenum, Py_ssize_t size, bint written=False) except -1:
    if cnp.PyArray_NDIM(array) != 1:
        raise ValueError(f"{name}: expected shape ({size},), got {(<object>array).shape}")
    return expect(array, name, typenum, size, written)


cdef int _run(gemm_problem *problem) except -1:
    cdef int failed
    if <double>problem.rows * problem.columns * problem.depth * problem.batch < GEMM_PARALLEL:
        failed = gemm_run(pool, problem, 1)  # so short that giving up the GIL would cost more
    else:
        with nogil:
            failed = gemm_run(pool, problem, 1)
    if failed:
        raise MemoryError("no memory for packing the operands of a product")
    return 0


cdef gemm_problem _problem(cnp.ndarray a, cnp.ndarray b, cnp.ndarray c, bint transpose_a, bint transpose_b,
                           Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t depth):
    """One product without bias or activation."""
    cdef gemm_problem problem
    problem.a = cnp.PyArray_DATA(a)
    problem.b = cnp.PyArray_DATA(b)
    problem.c = cnp.PyArray_DATA(c)
    problem.bias = NULL
    problem.rows = rows
    problem.columns = columns
    problem.depth = depth
    problem.batch = 1
    problem.a_step = 0
    problem.b_step = 0
    problem.transpose_a = transpose_a
    problem.transpose_b = transpose_b
    problem.flags = 0
    problem.is_double = cnp.PyArray_TYPE(c) == cnp.NPY_DOUBLE
    return problem


def matmul(cnp.ndarray a not None, cnp.ndarray b not None, bint transpose_a, bint transpose_b, cnp.ndarray bias,
           str activation not None, bint accumulate, cnp.ndarray out not None):
    """See contract.matmul."""
    cdef int typenum = floating(out, "out"), flags = _activation_flag(activation)
    if cnp.PyArray_NDIM(a) != 3 or cnp.PyArray_NDIM(b) != 3 or cnp.PyArray_NDIM(out) != 3:
        raise ValueError(f"a, b, out: expected three dimensions each, got shapes {(<object>a).shape}, "
                         f"{(<object>b).shape}, {(<object>out).shape}")
    cdef Py_ssize_t batch = cnp.PyArray_DIM(out, 0), rows = cnp.PyArray_DIM(out, 1), columns = cnp.PyArray_DIM(out, 2)
    cdef Py_ssize_t depth = cnp.PyArray_DIM(a, 1 if transpose_a else 2)
    cdef Py_ssize_t a_batch = cnp.PyArray_DIM(a, 0), b_batch = cnp.PyArray_DIM(b, 0)
    if cnp.PyArray_DIM(a, 2 if transpose_a else 1) != rows or (a_batch != 1 and a_batch != batch):
        raise ValueError(f"a: expected a batch of 1 or {batch} matrices of {rows} rows (transpose_a={bool(transpose_a)}), "
                         f"got shape {(<object>a).shape}")
    if (cnp.PyArray_DIM(b, 1 if transpose_b else 2) != columns or cnp.PyArray_DIM(b, 2 if transpose_b else 1) != depth
            or (b_batch != 1 and b_batch != batch)):
        raise ValueError(f"b: expected a batch of 1 or {batch} matrices of {depth} x {columns} "
                         f"(transpose_b={bool(transpose_b)}), got shape {(<object>b).shape}")
    expect(a, "a", typenum, a_batch * rows * depth)
    expect(b, "b", typenum, b_batch * depth * columns)
    expect(out, "out", typenum, batch * rows * columns, True)
    cdef gemm_problem problem = _problem(a, b, out, transpose_a, transpose_b, rows, columns, depth)
    if bias is not None:
        _expect_1d(bias, "bias", typenum, columns)
        problem.bias = cnp.PyArray_DATA(bias)
        flags |= GEMM_BIAS
    problem.flags = flags | (GEMM_ADD if accumulate else 0)
    if b_batch == 1 and a_batch == batch and not transpose_a:  # one tall product
        problem.rows = batch * rows
    else:
        problem.batch = batch
        problem.a_step = rows * depth if a_batch > 1 else 0
        problem.b_step = depth * columns if b_batch > 1 else 0
    _run(&problem)


def linear_forward(cnp.ndarray x not None, cnp.ndarray weight not None, cnp.ndarray bias, str activation not None,
                   cnp.ndarray out not None):
    """See contract.linear_forward."""
    cdef int typenum = floating(x, "x"), flags = _activation_flag(activation)
    if cnp.PyArray_NDIM(x) != 2 or cnp.PyArray_NDIM(weight) != 2:
        raise ValueError(f"x, weight: expected two dimensions each, got shapes {(<object>x).shape}, {(<object>weight).shape}")
    cdef Py_ssize_t rows = cnp.PyArray_DIM(x, 0), depth = cnp.PyArray_DIM(x, 1), columns = cnp.PyArray_DIM(weight, 0)
    expect(x, "x", typenum, rows * depth)
    _expect_2d(weight, "weight", typenum, columns, depth)
    _expect_2d(out, "out", typenum, rows, columns, True)
    cdef gemm_problem problem = _problem(x, weight, out, False, True, rows, columns, depth)
    if bias is not None:
        _expect_1d(bias, "bias", typenum, columns)
        problem.bias = cnp.PyArray_DATA(bias)
        flags |= GEMM_BIAS
    problem.flags = flags
    _run(&problem)


def linear_backward(cnp.ndarray grad not None, cnp.ndarray x not None, cnp.ndarray weight not None, cnp.ndarray out,
                    str activation not None, cnp.ndarray workspace, cnp.ndarray grad_x, cnp.ndarray grad_weight,
                    cnp.ndarray grad_bias):
    """See contract.linear_backward."""
    cdef int typenum = floating(grad, "grad"), flags = _activation_flag(activation), count = 0, failed
    cdef gemm_problem problems[2]
    cdef gemm_gradient gradient
    if cnp.PyArray_NDIM(x) != 2 or cnp.PyArray_NDIM(weight) != 2:
        raise ValueError(f"x, weight: expected two dimensions each, got shapes {(<object>x).shape}, {(<object>weight).shape}")
    cdef Py_ssize_t rows = cnp.PyArray_DIM(x, 0), depth = cnp.PyArray_DIM(x, 1), columns = cnp.PyArray_DIM(weight, 0)
    expect(x, "x", typenum, rows * depth)
    _expect_2d(grad, "grad", typenum, rows, columns)
    _expect_2d(weight, "weight", typenum, columns, depth)
    cdef cnp.ndarray g = grad
    gradient.grad = gradient.out = cnp.PyArray_DATA(grad)
    gradient.g = NULL
    if flags:
        if out is None or workspace is None:
            raise ValueError(f"out, workspace: expected arrays for activation {activation!r}, got None")
        _expect_2d(out, "out", typenum, rows, columns)
        _expect_2d(workspace, "workspace", typenum, rows, columns, True)
        g = workspace
        gradient.out = cnp.PyArray_DATA(out)
        gradient.g = cnp.PyArray_DATA(workspace)
    gradient.rows = rows
    gradient.columns = columns
    gradient.flags = flags
    if grad_x is not None:
        _expect_2d(grad_x, "grad_x", typenum, rows, depth, True)
        problems[count] = _problem(g, weight, grad_x, False, False, rows, depth, columns)
        count += 1
    if grad_weight is not None:
        _expect_2d(grad_weight, "grad_weight", typenum, columns, depth, True)
        problems[count] = _problem(g, x, grad_weight, True, False, columns, depth, rows)
        count += 1
    cdef void *sums = NULL
    if grad_bias is not None:
        _expect_1d(grad_bias, "grad_bias", typenum, columns, True)
        sums = cnp.PyArray_DATA(grad_bias)
    if <double>rows * columns * depth < GEMM_PARALLEL:
        failed = gemm_backward(pool, &gradient, sums, problems, count, typenum == cnp.NPY_DOUBLE)
    else:
        with nogil:
            failed = gemm_backward(pool, &gradient, sums, problems, count, typenum == cnp.NPY_DOUBLE)
    if failed:
        raise MemoryError("no memory for packing the operands of a product")
