# Layer, RMS, batch and group normalisation: all of it is checked here, then norm.h computes.

cdef extern from "norm.h" nogil:
    ctypedef struct norm_problem:
        const void *grad
        const void *x
        const void *weight
        const void *bias
        const void *mean_in
        const void *rstd_in
        void *out
        void *mean
        void *var
        void *rstd
        void *grad_x
        void *grad_weight
        void *grad_bias
        double *sums
        Py_ssize_t rows, columns, batch, channels, size, groups
        double eps
        int centred, training, is_double
    void norm_rows_forward(const fastnn_pool_api *workers, norm_problem *problem)
    int norm_rows_backward(const fastnn_pool_api *workers, norm_problem *problem)
    void norm_batch(const fastnn_pool_api *workers, norm_problem *problem)
    void norm_group(const fastnn_pool_api *workers, norm_problem *problem)


cdef void *_vector(cnp.ndarray array, str name, int typenum, Py_ssize_t size, bint written=False) except? NULL:
    """The address of a dense (size,); NULL for None."""
    if array is None:
        return NULL
    _expect_1d(array, name, typenum, size, written)
    return cnp.PyArray_DATA(array)


cdef void *_same(cnp.ndarray array, str name, cnp.ndarray like, bint written=False) except? NULL:
    """The address of a dense array of like's shape and type; NULL for None."""
    cdef int axis
    if array is None:
        return NULL
    if cnp.PyArray_NDIM(array) != cnp.PyArray_NDIM(like):
        raise ValueError(f"{name}: expected shape {(<object>like).shape}, got {(<object>array).shape}")
    for axis in range(cnp.PyArray_NDIM(like)):
        if cnp.PyArray_DIM(array, axis) != cnp.PyArray_DIM(like, axis):
            raise ValueError(f"{name}: expected shape {(<object>like).shape}, got {(<object>array).shape}")
    expect(array, name, cnp.PyArray_TYPE(like), cnp.PyArray_SIZE(like), written)
    return cnp.PyArray_DATA(array)


cdef int _norm(norm_problem *p, cnp.ndarray x, int dimensions, cnp.ndarray weight, cnp.ndarray bias, double eps) except -1:
    """x, weight and bias; returns the type."""
    cdef int typenum = floating(x, "x")
    if cnp.PyArray_NDIM(x) != dimensions:
        raise ValueError(f"x: expected {dimensions} dimensions, got shape {(<object>x).shape}")
    expect(x, "x", typenum, cnp.PyArray_SIZE(x))
    p.grad = p.bias = p.mean_in = p.rstd_in = NULL
    p.out = p.mean = p.var = p.rstd = p.grad_x = p.grad_weight = p.grad_bias = NULL
    p.sums = NULL
    p.x = cnp.PyArray_DATA(x)
    p.rows = p.batch = cnp.PyArray_DIM(x, 0)
    p.columns = p.channels = cnp.PyArray_DIM(x, 1)
    p.size = cnp.PyArray_DIM(x, 2) if dimensions == 3 else 1
    p.weight = _vector(weight, "weight", typenum, p.channels)
    p.bias = _vector(bias, "bias", typenum, p.channels)
    p.eps = eps
    p.centred = p.training = 1
    p.is_double = typenum == cnp.NPY_DOUBLE
    return typenum


cdef void *_statistics(cnp.ndarray array, str name, int typenum, norm_problem *p, bint written) except? NULL:
    """The address of a dense (batch, groups); sets groups."""
    if cnp.PyArray_NDIM(array) != 2 or cnp.PyArray_DIM(array, 0) != p.batch:
        raise ValueError(f"{name}: expected shape ({p.batch}, groups), got {(<object>array).shape}")
    p.groups = cnp.PyArray_DIM(array, 1)
    if p.groups < 1 or p.channels % p.groups:
        raise ValueError(f"{name}: expected a number of groups that divides {p.channels} channels, got {p.groups}")
    expect(array, name, typenum, p.batch * p.groups, written)
    return cnp.PyArray_DATA(array)


def layer_norm_forward(cnp.ndarray x not None, cnp.ndarray weight, cnp.ndarray bias, double eps, cnp.ndarray out not None,
                       cnp.ndarray mean not None, cnp.ndarray rstd not None):
    """See contract.layer_norm_forward."""
    cdef norm_problem p
    cdef int typenum = _norm(&p, x, 2, weight, bias, eps)
    p.out = _same(out, "out", x, True)
    p.mean = _vector(mean, "mean", typenum, p.rows, True)
    p.rstd = _vector(rstd, "rstd", typenum, p.rows, True)
    with nogil:
        norm_rows_forward(pool, &p)


def layer_norm_backward(cnp.ndarray grad not None, cnp.ndarray x not None, cnp.ndarray weight, cnp.ndarray mean not None,
                        cnp.ndarray rstd not None, cnp.ndarray grad_x, cnp.ndarray grad_weight, cnp.ndarray grad_bias):
    """See contract.layer_norm_backward."""
    cdef norm_problem p
    cdef int failed, typenum = _norm(&p, x, 2, weight, None, 0)
    p.grad = _same(grad, "grad", x)
    p.mean_in = _vector(mean, "mean", typenum, p.rows)
    p.rstd_in = _vector(rstd, "rstd", typenum, p.rows)
    p.grad_x = _same(grad_x, "grad_x", x, True)
    p.grad_weight = _vector(grad_weight, "grad_weight", typenum, p.columns, True)
    p.grad_bias = _vector(grad_bias, "grad_bias", typenum, p.columns, True)
    with nogil:
        failed = norm_rows_backward(pool, &p)
    if failed:
        raise MemoryError("no memory for the sums of a normalisation's gradients")


def rms_norm_forward(cnp.ndarray x not None, cnp.ndarray weight, double eps, cnp.ndarray out not None,
                     cnp.ndarray rstd not None):
    """See contract.rms_norm_forward."""
    cdef norm_problem p
    cdef int typenum = _norm(&p, x, 2, weight, None, eps)
    p.centred = 0
    p.out = _same(out, "out", x, True)
    p.rstd = _vector(rstd, "rstd", typenum, p.rows, True)
    with nogil:
        norm_rows_forward(pool, &p)


def rms_norm_backward(cnp.ndarray grad not None, cnp.ndarray x not None, cnp.ndarray weight, cnp.ndarray rstd not None,
                      cnp.ndarray grad_x, cnp.ndarray grad_weight):
    """See contract.rms_norm_backward."""
    cdef norm_problem p
    cdef int failed, typenum = _norm(&p, x, 2, weight, None, 0)
    p.centred = 0
    p.grad = _same(grad, "grad", x)
    p.rstd_in = _vector(rstd, "rstd", typenum, p.rows)
    p.grad_x = _same(grad_x, "grad_x", x, True)
    p.grad_weight = _vector(grad_weight, "grad_weight", typenum, p.columns, True)
    with nogil:
        failed = norm_rows_backward(pool, &p)
    if failed:
        raise MemoryError("no memory for the sums of a normalisation's gradients")


def batch_norm_forward(cnp.ndarray x not None, cnp.ndarray weight, cnp.ndarray bias, double eps, cnp.ndarray out not None,
                       cnp.ndarray mean not None, cnp.ndarray var not None, cnp.ndarray rstd not None):
    """See contract.batch_norm_forward."""
    cdef norm_problem p
    cdef int typenum = _norm(&p, x, 3, weight, bias, eps)
    p.out = _same(out, "out", x, True)
    p.mean = _vector(mean, "mean", typenum, p.channels, True)
    p.var = _vector(var, "var", typenum, p.channels, True)
    p.rstd = _vector(rstd, "rstd", typenum, p.channels, True)
    with nogil:
        norm_batch(pool, &p)


def batch_norm_inference(cnp.ndarray x not None, cnp.ndarray weight, cnp.ndarray bias, cnp.ndarray mean not None,
                         cnp.ndarray rstd not None, cnp.ndarray out not None):
    """See contract.batch_norm_inference."""
    cdef norm_problem p
    cdef int typenum = _norm(&p, x, 3, weight, bias, 0)
    p.training = 0
    p.mean_in = _vector(mean, "mean", typenum, p.channels)
    p.rstd_in = _vector(rstd, "rstd", typenum, p.channels)
    p.out = _same(out, "out", x, True)
    with nogil:
        norm_batch(pool, &p)


def batch_norm_backward(cnp.ndarray grad not None, cnp.ndarray x not None, cnp.ndarray weight, cnp.ndarray mean not None,
                        cnp.ndarray rstd not None, bint training, cnp.ndarray grad_x, cnp.ndarray grad_weight,
                        cnp.ndarray grad_bias):
    """See contract.batch_norm_backward."""
    cdef norm_problem p
    cdef int typenum = _norm(&p, x, 3, weight, None, 0)
    p.training = training
    p.grad = _same(grad, "grad", x)
    p.mean_in = _vector(mean, "mean", typenum, p.channels)
    p.rstd_in = _vector(rstd, "rstd", typenum, p.channels)
    p.grad_x = _same(grad_x, "grad_x", x, True)
    p.grad_weight = _vector(grad_weight, "grad_weight", typenum, p.channels, True)
    p.grad_bias = _vector(grad_bias, "grad_bias", typenum, p.channels, True)
    with nogil:
        norm_batch(pool, &p)


def group_norm_forward(cnp.ndarray x not None, cnp.ndarray weight, cnp.ndarray bias, double eps, cnp.ndarray out not None,
                       cnp.ndarray mean not None, cnp.ndarray rstd not None):
    """See contract.group_norm_forward."""
    cdef norm_problem p
    cdef int typenum = _norm(&p, x, 3, weight, bias, eps)
    p.out = _same(out, "out", x, True)
    p.mean = _statistics(mean, "mean", typenum, &p, True)
    p.rstd = _same(rstd, "rstd", mean, True)
    with nogil:
        norm_group(pool, &p)


def group_norm_backward(cnp.ndarray grad not None, cnp.ndarray x not None, cnp.ndarray weight, cnp.ndarray mean not None,
                        cnp.ndarray rstd not None, cnp.ndarray sums not None, cnp.ndarray grad_x, cnp.ndarray grad_weight,
                        cnp.ndarray grad_bias):
    """See contract.group_norm_backward."""
    cdef norm_problem p
    cdef int typenum = _norm(&p, x, 3, weight, None, 0)
    p.grad = _same(grad, "grad", x)
    p.mean_in = _statistics(mean, "mean", typenum, &p, False)
    p.rstd_in = _same(rstd, "rstd", mean)
    if (cnp.PyArray_NDIM(sums) != 3 or cnp.PyArray_DIM(sums, 0) != 2 or cnp.PyArray_DIM(sums, 1) != p.batch
            or cnp.PyArray_DIM(sums, 2) != p.channels):
        raise ValueError(f"sums: expected shape (2, {p.batch}, {p.channels}), got {(<object>sums).shape}")
    expect(sums, "sums", cnp.NPY_DOUBLE, 2 * p.batch * p.channels, True)
    p.sums = <double *>cnp.PyArray_DATA(sums)
    p.grad_x = _same(grad_x, "grad_x", x, True)
    p.grad_weight = _vector(grad_weight, "grad_weight", typenum, p.channels, True)
    p.grad_bias = _vector(grad_bias, "grad_bias", typenum, p.channels, True)
    with nogil:
        norm_group(pool, &p)
