# Optimizers: one call updates every parameter of a group.
#
# The arrays' addresses are collected in a C table first, with every check, so that a bad argument changes nothing.
# Then the parameters' elements, laid end to end, are dealt out in chunks: a hundred small arrays cost what one
# large one does. A chunk is swept by blocks that stay in the first-level cache, one plain loop a step.
from libc.math cimport INFINITY, pow, sqrt, sqrtf
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc

from ..pinned import Pinned

cdef enum:
    UPDATE_BLOCK = 512   # elements swept at a time

# Elements in a chunk: 10 us or more of arithmetic and memory, several times what it costs to wake a worker.
cdef Py_ssize_t UPDATE_CHUNK = 16384

ctypedef struct Parameter:
    void *p
    const void *grad
    void *first          # SGD: the momentum buffer; Adam: exp_avg
    void *second         # Adam: exp_avg_sq
    void *largest        # AMSGrad: max_exp_avg_sq
    Py_ssize_t start, size
    double step_size     # Adam: lr / (1 - beta1**t)
    double correction    # Adam: 1 / sqrt(1 - beta2**t)
    bint initialized     # SGD: the buffer holds something

ctypedef struct UpdateJob:
    Parameter *parameters
    Py_ssize_t count, total, chunk
    double sign, decay, lr                       # sign: -1 to maximize
    double momentum, undamped                    # SGD: undamped = 1 - dampening
    double beta1, beta2, eps
    bint nesterov, decoupled, adam
    int typenum


cdef void sgd_block(UpdateJob *job, Parameter *parameter, Py_ssize_t at, Py_ssize_t n, real *d) noexcept nogil:
    """At most UPDATE_BLOCK elements; d is room for their direction."""
    cdef real *p = <real *>parameter.p + at
    cdef const real *grad = <const real *>parameter.grad + at
    cdef real *buf
    cdef real sign = <real>job.sign, decay = <real>job.decay, lr = <real>job.lr
    cdef real momentum = <real>job.momentum, undamped = <real>job.undamped
    cdef Py_ssize_t i
    if decay != 0:
        for i in range(n):
            d[i] = sign * grad[i] + decay * p[i]
    else:
        for i in range(n):
            d[i] = sign * grad[i]
    if parameter.first != NULL:
        buf = <real *>parameter.first + at
        if parameter.initialized:
            for i in range(n):
                buf[i] = momentum * buf[i] + undamped * d[i]
        else:
            for i in range(n):
                buf[i] = d[i]
        if job.nesterov:
            for i in range(n):
                d[i] += momentum * buf[i]
        else:
            d = buf
    for i in range(n):
        p[i] -= lr * d[i]


cdef void adam_block(UpdateJob *job, Parameter *parameter, Py_ssize_t at, Py_ssize_t n, real *g) noexcept nogil:
    """At most UPDATE_BLOCK elements; g is room for their gradient."""
    cdef real *p = <real *>parameter.p + at
    cdef const real *grad = <const real *>parameter.grad + at
    cdef real *m = <real *>parameter.first + at
    cdef real *v = <real *>parameter.second + at
    cdef real *largest
    cdef real sign = <real>job.sign, decay = <real>job.decay, shrink = <real>(1 - job.lr * job.decay)
    cdef real rate1 = <real>(1 - job.beta1), beta2 = <real>job.beta2, rate2 = <real>(1 - job.beta2)
    cdef real step_size = <real>parameter.step_size, correction = <real>parameter.correction, eps = <real>job.eps
    cdef Py_ssize_t i
    if decay != 0 and not job.decoupled:
        for i in range(n):
            g[i] = sign * grad[i] + decay * p[i]
    else:
        for i in range(n):
            g[i] = sign * grad[i]
        if decay != 0:
            for i in range(n):
                p[i] *= shrink
    for i in range(n):
        m[i] += rate1 * (g[i] - m[i])
        v[i] = beta2 * v[i] + rate2 * g[i] * g[i]
    if parameter.largest != NULL:
        largest = <real *>parameter.largest + at
        for i in range(n):                                      # a NaN in v stays
            largest[i] = largest[i] if largest[i] >= v[i] else v[i]
        v = largest
    for i in range(n):
        if real is float:
            p[i] -= step_size * m[i] / (sqrtf(v[i]) * correction + eps)
        else:
            p[i] -= step_size * m[i] / (sqrt(v[i]) * correction + eps)


cdef void update_span(UpdateJob *job, Parameter *parameter, Py_ssize_t at, Py_ssize_t stop, real *room) noexcept nogil:
    cdef Py_ssize_t n
    while at < stop:
        n = min(UPDATE_BLOCK, stop - at)
        if job.adam:
            adam_block(job, parameter, at, n, room)
        else:
            sgd_block(job, parameter, at, n, room)
        at += n


cdef void update_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef UpdateJob *job = <UpdateJob *>context
    cdef double room[UPDATE_BLOCK]
    cdef Py_ssize_t position = index * job.chunk, stop = min(job.total, position + job.chunk)
    cdef Py_ssize_t low = 0, high = job.count, middle, end
    cdef Parameter *parameter
    while high - low > 1:                                       # the last parameter that starts at or before position
        middle = (low + high) // 2
        if job.parameters[middle].start <= position:
            low = middle
        else:
            high = middle
    while position < stop:
        parameter = &job.parameters[low]
        end = min(stop, parameter.start + parameter.size)
        if job.typenum == cnp.NPY_FLOAT:
            update_span(job, parameter, position - parameter.start, end - parameter.start, <float *>room)
        else:
            update_span(job, parameter, position - parameter.start, end - parameter.start, room)
        position = end
        low += 1


cdef int equally_many(object sequence, str name, Py_ssize_t count) except -1:
    if len(sequence) != count:
        raise ValueError(f"{name}: expected {count} entries, one a parameter, got {len(sequence)}")
    return 0


cdef void *checked(object array, str name, int typenum, Py_ssize_t size, bint written) except NULL:
    """The address of a dense array of that type and size."""
    cdef Py_ssize_t have = 1
    cdef int axis, flags = DENSE | (cnp.NPY_ARRAY_WRITEABLE if written else 0)
    if not cnp.PyArray_Check(array):
        raise ValueError(f"{name}: expected arrays, got {type(array).__name__}")
    # Thousands of small arrays pass here at each step: what is right is seen without a call.
    for axis in range(cnp.PyArray_NDIM(<cnp.ndarray>array)):
        have *= cnp.PyArray_DIM(<cnp.ndarray>array, axis)
    if (have != size or cnp.PyArray_TYPE(<cnp.ndarray>array) != typenum
            or cnp.PyArray_FLAGS(<cnp.ndarray>array) & flags != flags
            or cnp.PyArray_ISBYTESWAPPED(<cnp.ndarray>array)):
        expect(<cnp.ndarray>array, name, typenum, size, written)
    return cnp.PyArray_DATA(<cnp.ndarray>array)


cdef object own_sequence(object arrays):
    """A list of our own, which keeps the arrays alive while the GIL is released; a Pinned is as good."""
    return arrays if arrays is None or type(arrays) is Pinned else list(arrays)


ctypedef struct Places:
    const uint64_t *addresses    # NULL where the arrays must be looked at
    const int64_t *sizes


cdef int find_places(object arrays, str name, int typenum, Places *places) except -1:
    """Of a Pinned its table, once its dtype is seen to be right."""
    cdef cnp.ndarray addresses, sizes
    places.addresses, places.sizes = NULL, NULL
    if type(arrays) is Pinned:
        if (<cnp.dtype>arrays.dtype).type_num != typenum:
            raise ValueError(f"{name}: expected arrays of one dtype, got {arrays.dtype}")
        addresses, sizes = arrays.addresses, arrays.sizes
        places.addresses = <const uint64_t *>cnp.PyArray_DATA(addresses)
        places.sizes = <const int64_t *>cnp.PyArray_DATA(sizes)
    return 0


cdef inline void *place(
    object arrays, Places *places, Py_ssize_t i, str name, int typenum, Py_ssize_t size, bint written
) except NULL:
    """The address of array i, of which it is known that it is dense, of that type and of that size."""
    if places.addresses == NULL:
        return checked(arrays[i], name, typenum, size, written)
    if places.sizes[i] != size:
        expect(<cnp.ndarray>arrays[i], name, typenum, size, written)
    return <void *><uintptr_t>places.addresses[i]


cdef int collect_parameters(UpdateJob *job, object params, list grads) except -1:
    """The rows of the table (already allocated): addresses of params and grads, and where each starts."""
    cdef Py_ssize_t i, size
    cdef Parameter *parameter
    cdef Places places
    if not cnp.PyArray_Check(params[0]):
        raise ValueError(f"params: expected arrays, got {type(params[0]).__name__}")
    job.typenum = floating(<cnp.ndarray>params[0], "params")
    job.total = 0
    find_places(params, "params", job.typenum, &places)
    for i in range(job.count):
        parameter = &job.parameters[i]
        if places.addresses != NULL:
            size = places.sizes[i]
        elif cnp.PyArray_Check(params[i]):
            size = cnp.PyArray_SIZE(<cnp.ndarray>params[i])
        else:
            raise ValueError(f"params: expected arrays, got {type(params[i]).__name__}")
        parameter.p = place(params, &places, i, "params", job.typenum, size, True)
        parameter.grad = checked(grads[i], "grads", job.typenum, size, False)
        parameter.first = parameter.second = parameter.largest = NULL
        parameter.start = job.total
        parameter.size = size
        job.total += size
    return 0


cdef int collect_sgd(UpdateJob *job, object params, list grads, object buffers, list initialized) except -1:
    cdef Py_ssize_t i
    cdef Parameter *parameter
    cdef Places places
    collect_parameters(job, params, grads)
    if buffers is not None:
        find_places(buffers, "momentum_buffers", job.typenum, &places)
        for i in range(job.count):
            parameter = &job.parameters[i]
            parameter.first = place(buffers, &places, i, "momentum_buffers", job.typenum, parameter.size, True)
            parameter.initialized = bool(initialized[i])
    return 0


cdef int collect_adam(
    UpdateJob *job, object params, list grads, object exp_avgs, object exp_avg_sqs, object largest, list steps
) except -1:
    cdef Py_ssize_t i
    cdef Parameter *parameter
    cdef double step, last_step = -1, step_size = 0, correction = 0
    cdef Places first, second, third
    collect_parameters(job, params, grads)
    find_places(exp_avgs, "exp_avgs", job.typenum, &first)
    find_places(exp_avg_sqs, "exp_avg_sqs", job.typenum, &second)
    find_places(largest, "max_exp_avg_sqs", job.typenum, &third)
    for i in range(job.count):
        parameter = &job.parameters[i]
        parameter.first = place(exp_avgs, &first, i, "exp_avgs", job.typenum, parameter.size, True)
        parameter.second = place(exp_avg_sqs, &second, i, "exp_avg_sqs", job.typenum, parameter.size, True)
        if largest is not None:
            parameter.largest = place(largest, &third, i, "max_exp_avg_sqs", job.typenum, parameter.size, True)
        step = steps[i]
        if step != last_step:                                   # nearly always all the same
            last_step = step
            step_size = job.lr / (1 - pow(job.beta1, step))
            correction = 1 / sqrt(1 - pow(job.beta2, step))
        parameter.step_size = step_size
        parameter.correction = correction
    return 0


cdef int update(UpdateJob *job) noexcept:
    job.chunk = UPDATE_CHUNK
    launch(update_task, job, chunks_of(job.total, job.chunk))
    return 0


cdef int new_table(UpdateJob *job, Py_ssize_t count) except -1:
    job.count = count
    job.parameters = <Parameter *>malloc(count * sizeof(Parameter))
    if job.parameters == NULL:
        raise MemoryError()
    return 0


def sgd_step(
    params, grads, momentum_buffers, initialized,
    double lr, double momentum, double dampening, double weight_decay, bint nesterov, bint maximize,
):
    """d = (-grad if maximize else grad) + weight_decay * p; buf = d at first, then momentum * buf + (1 - dampening) * d;
    d = d + momentum * buf if nesterov else buf; p -= lr * d."""
    cdef UpdateJob job
    cdef object own_params = own_sequence(params), own_buffers = own_sequence(momentum_buffers)
    cdef list own_grads = list(grads)
    cdef Py_ssize_t count = len(own_params)
    equally_many(grads, "grads", count)
    if momentum_buffers is not None:
        equally_many(momentum_buffers, "momentum_buffers", count)
        equally_many(initialized, "initialized", count)
    elif momentum != 0:
        raise ValueError(f"momentum_buffers: expected arrays where momentum is {momentum}, got None")
    if count == 0:
        return
    job.sign, job.decay, job.lr = -1 if maximize else 1, weight_decay, lr
    job.momentum, job.undamped, job.nesterov = momentum, 1 - dampening, nesterov
    job.adam = False
    new_table(&job, count)
    try:
        collect_sgd(&job, own_params, own_grads, own_buffers, list(initialized))
        update(&job)
    finally:
        free(job.parameters)


def adam_step(
    params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps,
    double lr, double beta1, double beta2, double eps, double weight_decay, bint decoupled, bint maximize,
):
    """Adam, AdamW where decoupled, AMSGrad where max_exp_avg_sqs is given; contract/optim.py has the formulas."""
    cdef UpdateJob job
    cdef object own_params = own_sequence(params), own_avgs = own_sequence(exp_avgs)
    cdef object own_sqs = own_sequence(exp_avg_sqs), own_largest = own_sequence(max_exp_avg_sqs)
    cdef list own_grads = list(grads)
    cdef Py_ssize_t count = len(own_params)
    equally_many(grads, "grads", count)
    equally_many(exp_avgs, "exp_avgs", count)
    equally_many(exp_avg_sqs, "exp_avg_sqs", count)
    equally_many(steps, "steps", count)
    if max_exp_avg_sqs is not None:
        equally_many(max_exp_avg_sqs, "max_exp_avg_sqs", count)
    if count == 0:
        return
    job.sign, job.decay, job.lr = -1 if maximize else 1, weight_decay, lr
    job.beta1, job.beta2, job.eps, job.decoupled = beta1, beta2, eps, decoupled
    job.adam = True
    new_table(&job, count)
    try:
        collect_adam(&job, own_params, own_grads, own_avgs, own_sqs, own_largest, list(steps))
        update(&job)
    finally:
        free(job.parameters)
