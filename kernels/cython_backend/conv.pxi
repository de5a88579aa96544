# Convolutions. All of it is checked here, then conv.h computes.

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memset

cdef extern from "conv.h" nogil:
    ctypedef struct conv_axis:
        Py_ssize_t extent, count, taps, in_base, in_tap, in_step
        Py_ssize_t out_extent, out_start, out_step, kernel, tap_start, tap_step
    ctypedef struct conv_problem:
        conv_axis axis[3]
        const void *x
        const void *w
        const void *bias
        const void *grad
        void *out
        Py_ssize_t images, groups, channels, rows, w_group, w_row, w_channel
        int flags, is_double
    int conv_run(const fastnn_pool_api *workers, conv_problem *problems, int count)
    int conv_weight(const fastnn_pool_api *workers, conv_problem *problem)
    enum:
        GEMM_ROW_BIAS

cdef Py_ssize_t CONV_LIMIT = 1 << 31  # of any option, so that no product with an extent overflows


ctypedef struct conv_options:
    Py_ssize_t stride[3]
    Py_ssize_t before[3]
    Py_ssize_t after[3]
    Py_ssize_t dilation[3]


cdef int _conv_numbers(object values, str name, int axes, Py_ssize_t least, Py_ssize_t *to) except -1:
    if len(values) != axes:
        raise ValueError(f"{name}: expected one entry for each of {axes} axes, got {len(values)}")
    cdef int i
    for i in range(axes):
        value = values[i]
        if not least <= value <= CONV_LIMIT:
            raise ValueError(f"{name}: expected numbers from {least} to {CONV_LIMIT}, got {tuple(values)}")
        to[3 - axes + i] = value
    return 0


cdef int _conv_check(cnp.ndarray x, str x_name, cnp.ndarray weight, str weight_name, cnp.ndarray grad, str grad_name,
                     cnp.ndarray bias, object stride, object padding, object dilation, Py_ssize_t groups,
                     str written, conv_problem *p, conv_options *options) except -1:
    """The shapes of a convolution of x; fills in sizes and pointers of the forward problem."""
    cdef int typenum = floating(x, x_name), axes = cnp.PyArray_NDIM(x) - 2, i, at
    cdef Py_ssize_t room, span
    if axes < 1 or axes > 3:
        raise ValueError(f"{x_name}: expected 3 to 5 dimensions, got shape {(<object>x).shape}")
    if cnp.PyArray_NDIM(weight) != axes + 2 or cnp.PyArray_NDIM(grad) != axes + 2:
        raise ValueError(f"{weight_name}, {grad_name}: expected {axes + 2} dimensions each, got shapes "
                         f"{(<object>weight).shape}, {(<object>grad).shape}")
    cdef Py_ssize_t channels = cnp.PyArray_DIM(x, 1), outputs = cnp.PyArray_DIM(weight, 0)
    if groups < 1 or channels % groups or outputs % groups or cnp.PyArray_DIM(weight, 1) != channels // groups:
        raise ValueError(f"{weight_name}: expected shape (O, {channels} / groups, ...) with O divisible by groups={groups}, "
                         f"got {(<object>weight).shape}")
    if cnp.PyArray_DIM(grad, 0) != cnp.PyArray_DIM(x, 0) or cnp.PyArray_DIM(grad, 1) != outputs:
        raise ValueError(f"{grad_name}: expected shape ({cnp.PyArray_DIM(x, 0)}, {outputs}, ...), got {(<object>grad).shape}")
    for i in range(3):
        options.stride[i] = options.dilation[i] = 1
        options.before[i] = options.after[i] = 0
    _conv_numbers(stride, "stride", axes, 1, options.stride)
    _conv_numbers(dilation, "dilation", axes, 1, options.dilation)
    _conv_numbers([pair[0] for pair in padding], "padding", axes, -CONV_LIMIT, options.before)
    _conv_numbers([pair[1] for pair in padding], "padding", axes, -CONV_LIMIT, options.after)
    memset(p, 0, sizeof(conv_problem))
    for i in range(3):
        at = i - (3 - axes)
        p.axis[i].extent = cnp.PyArray_DIM(x, 2 + at) if at >= 0 else 1
        p.axis[i].kernel = cnp.PyArray_DIM(weight, 2 + at) if at >= 0 else 1
        p.axis[i].count = cnp.PyArray_DIM(grad, 2 + at) if at >= 0 else 1
        if p.axis[i].kernel < 1:
            raise ValueError(f"{weight_name}: expected kernel extents of at least 1, got shape {(<object>weight).shape}")
        if p.axis[i].kernel > CONV_LIMIT // options.dilation[i]:
            raise ValueError(f"dilation: expected a smaller one, got {tuple(dilation)}")
        span = options.dilation[i] * (p.axis[i].kernel - 1) + 1
        room = p.axis[i].extent + options.before[i] + options.after[i] - span
        if room < 0 or p.axis[i].extent < 1:
            raise ValueError(f"{weight_name}: expected a kernel that fits into {x_name}, got {p.axis[i].kernel} taps "
                             f"{options.dilation[i]} apart for an extent of {p.axis[i].extent} with padding "
                             f"{(options.before[i], options.after[i])}")
        if p.axis[i].count != room // options.stride[i] + 1:
            raise ValueError(f"{grad_name}: expected an extent of {room // options.stride[i] + 1} along axis {2 + at}, "
                             f"got shape {(<object>grad).shape}")
    expect(x, x_name, typenum, cnp.PyArray_SIZE(x), written == x_name)
    expect(weight, weight_name, typenum, cnp.PyArray_SIZE(weight), written == weight_name)
    expect(grad, grad_name, typenum, cnp.PyArray_SIZE(grad), written == grad_name)
    if bias is not None:
        _expect_1d(bias, "bias", typenum, outputs if written == grad_name else channels)
        p.bias = cnp.PyArray_DATA(bias)
        p.flags = GEMM_ROW_BIAS
    p.is_double = typenum == cnp.NPY_DOUBLE
    p.images = cnp.PyArray_DIM(x, 0)
    p.groups = groups
    p.channels = channels // groups
    p.rows = outputs // groups
    p.x = cnp.PyArray_DATA(x)
    p.w = cnp.PyArray_DATA(weight)
    for i in range(3):
        p.axis[i].taps = p.axis[i].kernel
        p.axis[i].in_base = -options.before[i]
        p.axis[i].in_tap = options.dilation[i]
        p.axis[i].in_step = options.stride[i]
        p.axis[i].out_extent = p.axis[i].count
        p.axis[i].out_start = 0
        p.axis[i].out_step = p.axis[i].tap_step = 1
    p.w_channel = p.axis[0].kernel * p.axis[1].kernel * p.axis[2].kernel
    p.w_row = p.channels * p.w_channel
    p.w_group = p.rows * p.w_row
    return 0


def conv_forward(cnp.ndarray x not None, cnp.ndarray weight not None, cnp.ndarray bias, stride, padding, dilation,
                 Py_ssize_t groups, str activation not None, cnp.ndarray out not None):
    """See contract.conv_forward."""
    cdef conv_problem problem
    cdef conv_options options
    cdef int failed
    if activation != "none" and activation != "relu":
        raise ValueError(f"activation: expected 'none' or 'relu', got {activation!r}")
    _conv_check(x, "x", weight, "weight", out, "out", bias, stride, padding, dilation, groups, "out", &problem, &options)
    problem.out = cnp.PyArray_DATA(out)
    if activation == "relu":
        problem.flags |= GEMM_RELU
    with nogil:
        failed = conv_run(pool, &problem, 1)
    if failed:
        raise MemoryError("no memory for the patches of a convolution")


cdef bint _conv_residue(conv_axis *a, conv_axis *forward, Py_ssize_t stride, Py_ssize_t dilation, Py_ssize_t before,
                        Py_ssize_t residue) noexcept:
    """The part of one axis of an input's gradient whose places are residue, residue + stride, ...; False: no tap is theirs.

    Place i gets grad[p] * weight[k] where p * stride = i + before - k * dilation.
    """
    cdef Py_ssize_t first, k, step
    a.extent = forward.count
    a.kernel = forward.kernel
    a.out_extent = forward.extent
    a.out_start = residue
    a.out_step = stride
    a.count = (forward.extent - residue + stride - 1) // stride
    a.in_step = 1
    a.taps = 0
    a.tap_start = a.in_base = a.in_tap = 0
    a.tap_step = 1
    first = -1
    for k in range(forward.kernel):
        if (residue + before - k * dilation) % stride:
            continue
        if first < 0:
            first = k
            a.tap_start = k
            # Exact, so that it does not matter how a negative quotient would be rounded.
            a.in_base = (residue + before - k * dilation) // stride
        elif a.taps == 1:
            a.tap_step = k - first
            a.in_tap = -(a.tap_step * dilation // stride)
        a.taps += 1
    return a.taps > 0


def conv_grad_input(cnp.ndarray grad not None, cnp.ndarray weight not None, cnp.ndarray bias, stride, padding, dilation,
                    Py_ssize_t groups, cnp.ndarray grad_x not None):
    """See contract.conv_grad_input."""
    cdef conv_problem forward, problem
    cdef conv_problem *problems
    cdef conv_options options
    cdef Py_ssize_t d, h, w, parts = 1
    cdef Py_ssize_t residues[3]
    cdef bint whole = True
    cdef int failed = 0, i, count = 0
    _conv_check(grad_x, "grad_x", weight, "weight", grad, "grad", bias, stride, padding, dilation, groups, "grad_x",
                &forward, &options)
    problem = forward
    problem.x = cnp.PyArray_DATA(grad)
    problem.out = cnp.PyArray_DATA(grad_x)
    problem.channels, problem.rows = forward.rows, forward.channels
    problem.w_row, problem.w_channel = forward.w_channel, forward.w_row
    for i in range(3):  # residues beyond the extent have no places, and no more of them have taps than there are taps
        residues[i] = min(options.stride[i], forward.axis[i].extent)
        parts *= min(residues[i], forward.axis[i].kernel)
    problems = <conv_problem *>PyMem_Malloc(parts * sizeof(conv_problem))
    if not problems:
        raise MemoryError("no memory for the parts of a convolution's gradient")
    for d in range(residues[0]):
        if not _conv_residue(&problem.axis[0], &forward.axis[0], options.stride[0], options.dilation[0], options.before[0], d):
            whole = False
            continue
        for h in range(residues[1]):
            if not _conv_residue(&problem.axis[1], &forward.axis[1], options.stride[1], options.dilation[1], options.before[1], h):
                whole = False
                continue
            for w in range(residues[2]):
                if _conv_residue(&problem.axis[2], &forward.axis[2], options.stride[2], options.dilation[2], options.before[2], w):
                    problems[count] = problem
                    count += 1
                else:
                    whole = False
    with nogil:
        if not whole:  # places that no tap reaches
            for i in range(3):
                problem.axis[i] = forward.axis[i]
                problem.axis[i].count = problem.axis[i].out_extent = forward.axis[i].extent
                problem.axis[i].taps = 0
            failed = conv_run(pool, &problem, 1)
        if not failed:
            failed = conv_run(pool, problems, count)
    PyMem_Free(problems)
    if failed:
        raise MemoryError("no memory for the patches of a convolution")


def conv_grad_weight(cnp.ndarray grad not None, cnp.ndarray x not None, stride, padding, dilation, Py_ssize_t groups,
                     cnp.ndarray grad_weight not None):
    """See contract.conv_grad_weight."""
    cdef conv_problem problem
    cdef conv_options options
    cdef int failed
    _conv_check(x, "x", grad_weight, "grad_weight", grad, "grad", None, stride, padding, dilation, groups, "grad_weight",
                &problem, &options)
    problem.grad = cnp.PyArray_DATA(grad)
    problem.out = cnp.PyArray_DATA(grad_weight)
    with nogil:
        failed = conv_weight(pool, &problem)
    if failed:
        raise MemoryError("no memory for the patches of a convolution's gradient")
