# The other optimizers, and clipping of gradients: lists of arrays swept as in optim.pxi, a rule a block.

cdef extern from "rules.h" nogil:
    double rule_block_f32(
        int rule, float *p, const float *g, float *a, float *b, float *c, const double *f, const double *o, double lr,
        double decay, double sign, float *d, Py_ssize_t n)
    double rule_block_f64(
        int rule, double *p, const double *g, double *a, double *b, double *c, const double *f, const double *o,
        double lr, double decay, double sign, double *d, Py_ssize_t n)

# The enumeration of rules.h; how many states each must have, and may have.
cdef dict RULE_NUMBERS = {
    "rmsprop": (0, 1, 3), "adagrad": (1, 1, 1), "adadelta": (2, 2, 2), "adamax": (3, 2, 2), "nadam": (4, 2, 2),
    "radam": (5, 2, 2), "lion": (6, 1, 1)}

cdef enum:
    NORM_1 = 7
    NORM_2 = 8
    NORM_MAX = 9
    SCALE = 10

ctypedef struct RuleParameter:
    char *p
    const char *grad
    char *states[3]      # NULL where the rule has none
    double factors[3]
    Py_ssize_t start, size

ctypedef struct RuleJob:
    RuleParameter *parameters
    double *parts        # what the blocks of each chunk return, or NULL
    Py_ssize_t count, total
    double lr, decay, sign
    double options[4]
    int rule, typenum


cdef inline char *moved(char *address, Py_ssize_t bytes) noexcept nogil:
    return address + bytes if address != NULL else NULL


cdef double rule_run(RuleJob *job, RuleParameter *q, Py_ssize_t at, Py_ssize_t n, double *room) noexcept nogil:
    cdef Py_ssize_t bytes = at * (4 if job.typenum == cnp.NPY_FLOAT else 8)
    cdef char *p = moved(q.p, bytes)
    cdef char *g = moved(<char *>q.grad, bytes)
    cdef char *a = moved(q.states[0], bytes)
    cdef char *b = moved(q.states[1], bytes)
    cdef char *c = moved(q.states[2], bytes)
    if job.typenum == cnp.NPY_FLOAT:
        return rule_block_f32(job.rule, <float *>p, <const float *>g, <float *>a, <float *>b, <float *>c, q.factors,
                              job.options, job.lr, job.decay, job.sign, <float *>room, n)
    return rule_block_f64(job.rule, <double *>p, <const double *>g, <double *>a, <double *>b, <double *>c, q.factors,
                          job.options, job.lr, job.decay, job.sign, room, n)


cdef void rule_task(void *context, Py_ssize_t index) noexcept nogil:
    cdef RuleJob *job = <RuleJob *>context
    cdef double room[UPDATE_BLOCK]
    cdef double total = 0, part
    cdef Py_ssize_t position = index * UPDATE_CHUNK, stop = min(job.total, position + UPDATE_CHUNK)
    cdef Py_ssize_t low = 0, high = job.count, middle, n
    while high - low > 1:                                       # the last parameter that starts at or before position
        middle = (low + high) // 2
        if job.parameters[middle].start <= position:
            low = middle
        else:
            high = middle
    while position < stop:
        n = min(stop, job.parameters[low].start + job.parameters[low].size) - position
        if n <= 0:
            low += 1
            continue
        n = min(n, UPDATE_BLOCK)
        part = rule_run(job, &job.parameters[low], position - job.parameters[low].start, n, room)
        if job.rule == NORM_MAX:
            total = part if part > total or part != part else total
        else:
            total += part
        position += n
    if job.parts != NULL:
        job.parts[index] = total


cdef int rule_table(RuleJob *job, object params, str name, bint written) except -1:
    """The rows of a new table: where each array lies and starts."""
    cdef Py_ssize_t i, size
    cdef RuleParameter *q
    cdef Places places
    job.count = len(params)
    job.total = 0
    job.parts = NULL
    if not cnp.PyArray_Check(params[0]):
        raise ValueError(f"{name}: expected arrays, got {type(params[0]).__name__}")
    job.typenum = floating(<cnp.ndarray>params[0], name)
    job.parameters = <RuleParameter *>malloc(job.count * sizeof(RuleParameter))
    if job.parameters == NULL:
        raise MemoryError()
    find_places(params, name, job.typenum, &places)
    for i in range(job.count):
        q = &job.parameters[i]
        if places.addresses != NULL:
            size = places.sizes[i]
        elif cnp.PyArray_Check(params[i]):
            size = cnp.PyArray_SIZE(<cnp.ndarray>params[i])
        else:
            raise ValueError(f"{name}: expected arrays, got {type(params[i]).__name__}")
        q.p = <char *>place(params, &places, i, name, job.typenum, size, written)
        q.grad = q.p
        q.states[0] = q.states[1] = q.states[2] = NULL
        q.factors[0] = q.factors[1] = q.factors[2] = 0
        q.start = job.total
        q.size = size
        job.total += size
    return 0


def rule_step(
    str rule not None, params, grads, first, second, third, cnp.ndarray factors not None,
    double lr, double weight_decay, options, bint maximize,
):
    """One step of every parameter by the rule; contract/optim_rules.py has the formulas."""
    cdef RuleJob job
    cdef Py_ssize_t i, k, count = len(params)
    cdef RuleParameter *q
    cdef object own_params = own_sequence(params)
    cdef list own_grads = list(grads), states = [own_sequence(state) for state in (first, second, third)]
    cdef Places places[3]
    cdef list names = ["first", "second", "third"]
    if rule not in RULE_NUMBERS:
        raise ValueError(f"rule: expected one of {', '.join(RULE_NUMBERS)}, got {rule!r}")
    number, least, most = RULE_NUMBERS[rule]
    job.rule = number
    equally_many(grads, "grads", count)
    for k in range(3):
        if states[k] is None:
            if k < least:
                raise ValueError(f"{names[k]}: expected arrays for {rule}, got None")
            continue
        if k >= most:
            raise ValueError(f"{names[k]}: expected None for {rule}, got arrays")
        equally_many(states[k], names[k], count)
    expect(factors, "factors", cnp.NPY_DOUBLE, 3 * count)
    if len(options) != 4:
        raise ValueError(f"options: expected 4 numbers, got {len(options)}")
    if count == 0:
        return
    job.lr, job.decay, job.sign = lr, weight_decay, -1 if maximize else 1
    for k in range(4):
        job.options[k] = options[k]
    job.parameters = NULL
    try:
        rule_table(&job, own_params, "params", True)
        for k in range(3):
            find_places(states[k], names[k], job.typenum, &places[k])
        for i in range(count):
            q = &job.parameters[i]
            q.grad = <const char *>checked(own_grads[i], "grads", job.typenum, q.size, False)
            for k in range(3):
                q.factors[k] = (<double *>cnp.PyArray_DATA(factors))[3 * i + k]
                if states[k] is not None:
                    q.states[k] = <char *>place(states[k], &places[k], i, names[k], job.typenum, q.size, True)
        launch(rule_task, &job, chunks_of(job.total, UPDATE_CHUNK))
    finally:
        free(job.parameters)


def gradient_norm(grads, double order):
    """The norm of all elements together: of order 1, 2 or infinity."""
    cdef RuleJob job
    cdef list own = list(grads)
    cdef Py_ssize_t i, chunks
    cdef double total = 0
    if order != 1 and order != 2 and order != INFINITY:
        raise ValueError(f"order: expected 1, 2 or inf, got {order}")
    if not own:
        return 0.0
    job.rule = NORM_1 if order == 1 else NORM_2 if order == 2 else NORM_MAX
    job.parameters = NULL
    job.parts = NULL
    try:
        rule_table(&job, own, "grads", False)
        chunks = chunks_of(job.total, UPDATE_CHUNK)
        job.parts = <double *>malloc(max(1, chunks) * sizeof(double))
        if job.parts == NULL:
            raise MemoryError()
        launch(rule_task, &job, chunks)
        for i in range(chunks):
            if order == INFINITY:
                total = job.parts[i] if job.parts[i] > total or job.parts[i] != job.parts[i] else total
            else:
                total += job.parts[i]
    finally:
        free(job.parameters)
        free(job.parts)
    return sqrt(total) if order == 2 else total


def scale_gradients(grads, double factor, double limit):
    """Each array times factor, then within [-limit, limit], in place; NaN is kept."""
    cdef RuleJob job
    cdef list own = list(grads)
    cdef Py_ssize_t i
    if not own:
        return
    job.rule = SCALE
    job.options[0] = limit
    job.parameters = NULL
    try:
        rule_table(&job, own, "grads", True)
        for i in range(job.count):
            job.parameters[i].factors[0] = factor
        launch(rule_task, &job, chunks_of(job.total, UPDATE_CHUNK))
    finally:
        free(job.parameters)
