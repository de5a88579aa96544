# Activations by name, and their gradients: one pass each (activation_body.h has the formulas).

cdef extern from "vecspecial.h" nogil:
    void activation_forward_f32(int kind, const float *x, float a, float b, float *out, Py_ssize_t n)
    void activation_forward_f64(int kind, const double *x, double a, double b, double *out, Py_ssize_t n)
    void activation_backward_f32(
        int kind, const float *g, const float *x, float a, float b, float *out, Py_ssize_t n)
    void activation_backward_f64(
        int kind, const double *g, const double *x, double a, double b, double *out, Py_ssize_t n)

# The numbers of KINDS in activation_body.h.
cdef dict ACTIVATION_NUMBERS = {name: number for number, name in enumerate((
    "gelu", "gelu_tanh", "silu", "elu", "celu", "selu", "softplus", "logsigmoid", "mish", "tanhshrink", "softsign",
    "hardswish", "hardsigmoid", "hardtanh", "clamp", "softshrink", "hardshrink", "threshold", "log", "sqrt", "erf",
    "pow"))}

ctypedef struct ActivationJob:
    const void *x
    const void *grad     # NULL: forward
    void *out
    Py_ssize_t size
    double a, b
    int kind, typenum


cdef void activation_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef ActivationJob *job = <ActivationJob *>context
    cdef Py_ssize_t start = index * EXP_CHUNK, n = min(EXP_CHUNK, job.size - start)
    if job.typenum == cnp.NPY_FLOAT:
        if job.grad == NULL:
            activation_forward_f32(job.kind, <const float *>job.x + start, <float>job.a, <float>job.b,
                                   <float *>job.out + start, n)
        else:
            activation_backward_f32(job.kind, <const float *>job.grad + start, <const float *>job.x + start,
                                    <float>job.a, <float>job.b, <float *>job.out + start, n)
    elif job.grad == NULL:
        activation_forward_f64(job.kind, <const double *>job.x + start, job.a, job.b, <double *>job.out + start, n)
    else:
        activation_backward_f64(job.kind, <const double *>job.grad + start, <const double *>job.x + start,
                                job.a, job.b, <double *>job.out + start, n)


cdef int activation_kind(str kind) except -1:
    number = ACTIVATION_NUMBERS.get(kind)
    if number is None:
        raise ValueError(f"kind: expected one of {', '.join(ACTIVATION_NUMBERS)}, got {kind!r}")
    return number


def activation_forward(str kind not None, cnp.ndarray x not None, double a, double b, cnp.ndarray out not None):
    """out = kind(x); contract/activation.py has the formulas; out may be x."""
    cdef ActivationJob job
    job.kind = activation_kind(kind)
    job.typenum = floating(x, "x")
    job.size = cnp.PyArray_SIZE(x)
    expect(x, "x", job.typenum, job.size)
    expect(out, "out", job.typenum, job.size, True)
    job.x = cnp.PyArray_DATA(x)
    job.grad = NULL
    job.out = cnp.PyArray_DATA(out)
    job.a, job.b = a, b
    launch(activation_task, &job, chunks_of(job.size, EXP_CHUNK))


def activation_backward(
    str kind not None, cnp.ndarray grad not None, cnp.ndarray x not None, double a, double b, cnp.ndarray grad_x not None
):
    """grad_x = grad * kind'(x); grad_x may be grad."""
    cdef ActivationJob job
    job.kind = activation_kind(kind)
    job.typenum = floating(grad, "grad")
    job.size = cnp.PyArray_SIZE(grad)
    expect(grad, "grad", job.typenum, job.size)
    expect(x, "x", job.typenum, job.size)
    expect(grad_x, "grad_x", job.typenum, job.size, True)
    job.x = cnp.PyArray_DATA(x)
    job.grad = cnp.PyArray_DATA(grad)
    job.out = cnp.PyArray_DATA(grad_x)
    job.a, job.b = a, b
    launch(activation_task, &job, chunks_of(job.size, EXP_CHUNK))
