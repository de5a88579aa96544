# Losses element by element: values, their sum and the gradient in one pass (pointwise_loss_body.h has the formulas).

cdef extern from "pointwise_loss.h" nogil:
    double pointwise_loss_f32(
        int kind, const float *x, const float *t, const float *weight, const float *pos_weight, float a, float scale,
        float *losses, float *grad, Py_ssize_t n)
    double pointwise_loss_f64(
        int kind, const double *x, const double *t, const double *weight, const double *pos_weight, double a,
        double scale, double *losses, double *grad, Py_ssize_t n)

# The numbers of the LOOPs in pointwise_loss_body.h.
cdef dict LOSS_NUMBERS = {name: number for number, name in enumerate((
    "mse", "l1", "smooth_l1", "huber", "bce", "bce_with_logits", "kl", "kl_log"))}

cdef enum:
    MOST_PARTS = 256     # chunks of a loss, whose sums are added in order

ctypedef struct PointwiseJob:
    const void *x
    const void *target
    const void *weight   # or NULL, as the three below
    const void *pos_weight
    void *losses
    void *grad
    Py_ssize_t size, chunk
    double a, scale
    double parts[MOST_PARTS]
    int kind, typenum


cdef void pointwise_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef PointwiseJob *job = <PointwiseJob *>context
    cdef Py_ssize_t start = index * job.chunk, n = min(job.chunk, job.size - start)
    cdef Py_ssize_t first = start * (4 if job.typenum == cnp.NPY_FLOAT else 8)
    cdef const char *weight = <const char *>job.weight + first if job.weight != NULL else NULL
    cdef const char *pos_weight = <const char *>job.pos_weight + first if job.pos_weight != NULL else NULL
    cdef char *losses = <char *>job.losses + first if job.losses != NULL else NULL
    cdef char *grad = <char *>job.grad + first if job.grad != NULL else NULL
    if job.typenum == cnp.NPY_FLOAT:
        job.parts[index] = pointwise_loss_f32(
            job.kind, <const float *>job.x + start, <const float *>job.target + start, <const float *>weight,
            <const float *>pos_weight, <float>job.a, <float>job.scale, <float *>losses, <float *>grad, n)
    else:
        job.parts[index] = pointwise_loss_f64(
            job.kind, <const double *>job.x + start, <const double *>job.target + start, <const double *>weight,
            <const double *>pos_weight, job.a, job.scale, <double *>losses, <double *>grad, n)


cdef void *optional_data(cnp.ndarray array, str name, int typenum, Py_ssize_t size, bint written) except? NULL:
    """The address of a dense array of that type and size; NULL for None."""
    if array is None:
        return NULL
    expect(array, name, typenum, size, written)
    return cnp.PyArray_DATA(array)


def pointwise_loss(
    str kind not None,
    cnp.ndarray x not None,
    cnp.ndarray target not None,
    cnp.ndarray weight,
    cnp.ndarray pos_weight,
    double a,
    str reduction not None,
    cnp.ndarray losses,
    cnp.ndarray grad,
):
    """A loss element by element, reduced, with its gradient; contract/loss.py has the formulas."""
    cdef PointwiseJob job
    cdef bint mean = reduction == "mean"
    cdef double total = 0
    cdef Py_ssize_t i, chunks
    number = LOSS_NUMBERS.get(kind)
    if number is None:
        raise ValueError(f"kind: expected one of {', '.join(LOSS_NUMBERS)}, got {kind!r}")
    if not mean and reduction != "sum" and reduction != "none":
        raise ValueError(f"reduction: expected 'none', 'sum' or 'mean', got {reduction!r}")
    job.kind = number
    job.typenum = floating(x, "x")
    job.size = cnp.PyArray_SIZE(x)
    expect(x, "x", job.typenum, job.size)
    expect(target, "target", job.typenum, job.size)
    job.x = cnp.PyArray_DATA(x)
    job.target = cnp.PyArray_DATA(target)
    job.weight = optional_data(weight, "weight", job.typenum, job.size, False)
    job.pos_weight = optional_data(pos_weight, "pos_weight", job.typenum, job.size, False)
    job.losses = optional_data(losses, "losses", job.typenum, job.size, True)
    job.grad = optional_data(grad, "grad", job.typenum, job.size, True)
    job.a = a
    job.scale = 1 / <double>job.size if mean and job.size else 1
    job.chunk = max(EXP_CHUNK, chunks_of(job.size, MOST_PARTS))
    chunks = chunks_of(job.size, job.chunk)
    launch(pointwise_task, &job, chunks)
    if reduction == "none":
        return 0.0
    for i in range(chunks):
        total += job.parts[i]
    return total / <double>job.size if mean else total
