# Cross-entropy of class labels: a row's maximum, exponentials, loss and gradient in one visit.

from libc.string cimport memset

cdef extern from "rows.h" nogil:
    double row_shifted_f32(const float *p, const float *q, float c, Py_ssize_t n)
    double row_shifted_f64(const double *p, const double *q, double c, Py_ssize_t n)
    double row_weighted_shifted_f32(const float *p, const float *q, float c, Py_ssize_t n)
    double row_weighted_shifted_f64(const double *p, const double *q, double c, Py_ssize_t n)
    void row_scale_subtract_f32(const float *p, const float *q, float c, float d, float *out, Py_ssize_t n)
    void row_scale_subtract_f64(const double *p, const double *q, double c, double d, double *out, Py_ssize_t n)
    void row_scale_subtract_weighted_f32(const float *p, const float *q, float c, float d, float *out, Py_ssize_t n)
    void row_scale_subtract_weighted_f64(const double *p, const double *q, double c, double d, double *out, Py_ssize_t n)

ctypedef struct LossJob:
    const void *logits
    const void *weight
    const cnp.int64_t *target
    void *losses
    void *grad
    Py_ssize_t rows, columns, chunk
    cnp.int64_t ignore_index
    double smoothing, weight_sum, scale     # scale: the derivative of the reduced loss with respect to a row's loss
    int typenum


cdef void cross_entropy_rows(LossJob *job, Py_ssize_t index, real *typed) noexcept nogil:
    """With p = softmax(row): loss = (1 - s) w_t (logsum - x_t) + s/N sum_c w_c (logsum - x_c), x shifted by the row's maximum;
    its gradient is p_j ((1 - s) w_t + s/N sum_c w_c) - (1 - s) w_t [j = t] - s/N w_j. typed only carries the type."""
    cdef Py_ssize_t n = job.columns, m, start = index * job.chunk, stop = min(job.rows, start + job.chunk)
    cdef const real *x
    cdef const real *weight = <const real *>job.weight
    cdef real *grad
    cdef real shift
    cdef cnp.int64_t t
    cdef double total, logsum, at_target, spread = job.smoothing / n if n else 0, shifted_sum, loss
    cdef real factor, subtract
    for m in range(start, stop):
        x = <const real *>job.logits + m * n
        grad = <real *>job.grad + m * n if job.grad != NULL else NULL
        t = job.target[m]
        if t == job.ignore_index:
            (<real *>job.losses)[m] = 0
            if grad != NULL:
                memset(grad, 0, n * sizeof(real))
            continue
        if real is float:
            shift = row_max_f32(x, n)
            total = row_exp_sum_f32(x, shift, grad, n)
        else:
            shift = row_max_f64(x, n)
            total = row_exp_sum_f64(x, shift, grad, n)
        logsum = log(total)
        at_target = (1 - job.smoothing) * (weight[t] if weight != NULL else 1)
        loss = at_target * (logsum - (<double>x[t] - shift))
        if spread != 0:
            if real is float:
                if weight != NULL:
                    shifted_sum = row_weighted_shifted_f32(weight, x, shift, n)
                else:
                    shifted_sum = row_shifted_f32(x, x, shift, n)
            else:
                if weight != NULL:
                    shifted_sum = row_weighted_shifted_f64(weight, x, shift, n)
                else:
                    shifted_sum = row_shifted_f64(x, x, shift, n)
            loss += spread * (job.weight_sum * logsum - shifted_sum)
        (<real *>job.losses)[m] = <real>loss
        if grad != NULL:
            factor = <real>((at_target + spread * job.weight_sum) * job.scale / total)
            if spread == 0:
                if real is float:
                    row_scale_f32(grad, grad, factor, 0, grad, n)
                else:
                    row_scale_f64(grad, grad, factor, 0, grad, n)
            else:
                subtract = <real>(spread * job.scale)
                if real is float:
                    if weight != NULL:
                        row_scale_subtract_weighted_f32(grad, weight, factor, subtract, grad, n)
                    else:
                        row_scale_subtract_f32(grad, grad, factor, subtract, grad, n)
                else:
                    if weight != NULL:
                        row_scale_subtract_weighted_f64(grad, weight, factor, subtract, grad, n)
                    else:
                        row_scale_subtract_f64(grad, grad, factor, subtract, grad, n)
            grad[t] -= <real>(at_target * job.scale)


cdef void cross_entropy_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef LossJob *job = <LossJob *>context
    if job.typenum == cnp.NPY_FLOAT:
        cross_entropy_rows(job, index, <float *>NULL)
    else:
        cross_entropy_rows(job, index, <double *>NULL)


cdef double target_weight(LossJob *job, real *typed, Py_ssize_t *bad) noexcept nogil:
    """The weights of all targets not ignored, summed in order; bad[0] is set to the first row whose target is out of bounds."""
    cdef const real *weight = <const real *>job.weight
    cdef cnp.int64_t t
    cdef Py_ssize_t m
    cdef double total = 0
    for m in range(job.rows):
        t = job.target[m]
        if t == job.ignore_index:
            continue
        if t < 0 or t >= job.columns:
            bad[0] = m
            return 0
        total += weight[t] if weight != NULL else 1
    return total


cdef double total_of(const real *values, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(n):
        total += values[i]
    return total


def cross_entropy_forward(
    cnp.ndarray logits not None,
    cnp.ndarray target not None,
    cnp.ndarray weight,
    cnp.int64_t ignore_index,
    double label_smoothing,
    str reduction not None,
    cnp.ndarray losses not None,
    cnp.ndarray grad,
):
    """Cross-entropy of class labels with its gradient; returns the reduced loss (contract/loss.py has the formulas)."""
    cdef int typenum = floating(logits, "logits")
    cdef Py_ssize_t size = cnp.PyArray_SIZE(logits), bad = -1
    cdef bint mean = reduction == "mean"
    cdef double target_total, loss
    cdef LossJob job
    if cnp.PyArray_NDIM(logits) != 2:
        raise ValueError(f"logits: expected two dimensions, got shape {(<object>logits).shape}")
    if not mean and reduction != "sum" and reduction != "none":
        raise ValueError(f"reduction: expected 'none', 'sum' or 'mean', got {reduction!r}")
    job.rows = cnp.PyArray_DIM(logits, 0)
    job.columns = cnp.PyArray_DIM(logits, 1)
    expect(logits, "logits", typenum, size)
    # int64 has two type numbers where long and long long are both 64 bits
    expect(target, "target", cnp.NPY_LONGLONG if cnp.PyArray_TYPE(target) == cnp.NPY_LONGLONG else cnp.NPY_INT64, job.rows)
    if weight is not None:
        expect(weight, "weight", typenum, job.columns)
    expect(losses, "losses", typenum, job.rows, True)
    if grad is not None:
        expect(grad, "grad", typenum, size, True)
    job.logits = cnp.PyArray_DATA(logits)
    job.target = <const cnp.int64_t *>cnp.PyArray_DATA(target)
    job.weight = cnp.PyArray_DATA(weight) if weight is not None else NULL
    job.losses = cnp.PyArray_DATA(losses)
    job.grad = cnp.PyArray_DATA(grad) if grad is not None else NULL
    job.chunk = max(1, EXP_CHUNK // max(1, job.columns))
    job.ignore_index = ignore_index
    job.smoothing = label_smoothing
    job.typenum = typenum
    if typenum == cnp.NPY_FLOAT:
        target_total = target_weight(&job, <float *>NULL, &bad)
        job.weight_sum = total_of(<const float *>job.weight, job.columns) if weight is not None else job.columns
    else:
        target_total = target_weight(&job, <double *>NULL, &bad)
        job.weight_sum = total_of(<const double *>job.weight, job.columns) if weight is not None else job.columns
    if bad >= 0:
        raise IndexError(f"Target {job.target[bad]} is out of bounds.")
    job.scale = 1 / target_total if mean else 1
    launch(cross_entropy_task, &job, chunks_of(job.rows, job.chunk))
    if reduction == "none":
        return 0.0
    loss = total_of(<const float *>job.losses, job.rows) if typenum == cnp.NPY_FLOAT else total_of(
        <const double *>job.losses, job.rows)
    return loss / target_total if mean else loss
