# Recurrent layers: every array is checked here, then recurrent.h computes.

cdef extern from "recurrent.h" nogil:
    enum:
        CELL_LSTM
        CELL_GRU
        CELL_TANH
        CELL_RELU
    ctypedef struct recurrent_job:
        int mode, is_double, reverse, gate_count, backward
        Py_ssize_t steps, batch, hidden, width, row_step
        const cnp.int64_t *batch_sizes
        const void *weight_hh
        const void *weight_hr
        const void *bias_hn
        void *workspace
        void *gates
        void *out
        void *raw
        void *aside
        void *hn
        void *cn
        const void *grad_out
        const void *initial
        void *grad_gates
        void *grad_aside
        void *grad_state
    ctypedef struct cell_job:
        int mode, is_double, backward
        Py_ssize_t rows, hidden
        void *gates
        void *hidden_out
        void *cell
        const void *inner
        const void *previous
        const void *grad_hidden
        const void *grad_cell
        void *grad_gates
        void *grad_inner
        void *grad_previous
    void recurrent_run(const fastnn_pool_api *workers, recurrent_job *job)
    void cell_run(const fastnn_pool_api *workers, cell_job *job)

from libc.string cimport memcpy, memset

cdef enum:
    RECURRENT_PANEL = 32   # contract.recurrent.PANEL


cdef void *data_or_null(cnp.ndarray array):
    return NULL if array is None else cnp.PyArray_DATA(array)


cdef int expect_some(cnp.ndarray array, str name, int typenum, Py_ssize_t rows, Py_ssize_t columns,
                     bint written=False) except -1:
    """_expect_2d, where there is an array."""
    return 0 if array is None else _expect_2d(array, name, typenum, rows, columns, written)


cdef Py_ssize_t units_of(cnp.ndarray gates, str name, int gate_count) except -1:
    """H, from an array of gate_count * H columns."""
    floating(gates, name)
    if cnp.PyArray_NDIM(gates) != 2 or cnp.PyArray_DIM(gates, 1) % gate_count:
        raise ValueError(f"{name}: expected two dimensions, the second a multiple of {gate_count}, "
                         f"got shape {(<object>gates).shape}")
    return cnp.PyArray_DIM(gates, 1) // gate_count


cdef Py_ssize_t panels_of(Py_ssize_t extent) noexcept:
    return (extent + RECURRENT_PANEL - 1) // RECURRENT_PANEL * RECURRENT_PANEL


cdef int expect_layer(recurrent_job *job, cnp.ndarray gates, str name, cnp.ndarray weight_hh, cnp.ndarray weight_hr,
                      cnp.ndarray state, str state_name, cnp.ndarray batch_sizes, bint reverse, bint batch_first,
                      cnp.ndarray workspace) except -1:
    """Checks what all layers have in common, and starts the job; its mode and gate_count are set."""
    cdef Py_ssize_t hidden = units_of(gates, name, job.gate_count), rows = cnp.PyArray_DIM(gates, 0), width = hidden
    cdef int typenum = cnp.PyArray_TYPE(gates)
    if weight_hr is not None:
        if cnp.PyArray_NDIM(weight_hr) != 2:
            raise ValueError(f"weight_hr: expected two dimensions, got shape {(<object>weight_hr).shape}")
        width = cnp.PyArray_DIM(weight_hr, 0)
        _expect_2d(weight_hr, "weight_hr", typenum, width, hidden)
    _expect_2d(weight_hh, "weight_hh", typenum, job.gate_count * hidden, width)
    if cnp.PyArray_NDIM(state) != 2:
        raise ValueError(f"{state_name}: expected two dimensions, got shape {(<object>state).shape}")
    cdef Py_ssize_t batch = cnp.PyArray_DIM(state, 0), steps = cnp.PyArray_SIZE(batch_sizes), t
    _expect_2d(state, state_name, typenum, batch, width, True)
    _expect_1d(batch_sizes, "batch_sizes", cnp.NPY_INT64, steps)
    cdef const cnp.int64_t *sizes = <const cnp.int64_t *>cnp.PyArray_DATA(batch_sizes)
    cdef cnp.int64_t total = 0, last = batch
    cdef bint fits = not steps or sizes[0] == batch
    for t in range(steps):
        fits = fits and 0 <= sizes[t] <= last and not (batch_first and sizes[t] != batch)
        last = sizes[t]
        total += sizes[t]
        if not fits or total > rows:
            break
    if not fits or total != rows:
        raise ValueError(f"batch_sizes: expected sizes that never increase from {batch} and add up to {rows}"
                         f"{', all equal for batch_first' if batch_first else ''}, got {(<object>batch_sizes).tolist()[:8]}")
    _expect_1d(workspace, "workspace", typenum,
               (job.gate_count + 1) * panels_of(hidden) * panels_of(width) + 2 * RECURRENT_PANEL, True)
    job.is_double = typenum == cnp.NPY_DOUBLE
    job.reverse = reverse
    job.steps = steps
    job.batch = batch
    job.hidden = hidden
    job.width = width
    job.row_step = steps if batch_first else 1
    job.batch_sizes = sizes
    job.weight_hh = cnp.PyArray_DATA(weight_hh)
    job.weight_hr = data_or_null(weight_hr)
    job.workspace = cnp.PyArray_DATA(workspace)
    job.gates = cnp.PyArray_DATA(gates)
    return 0


cdef void begin(cnp.ndarray state, cnp.ndarray initial) noexcept:
    """state = initial, zero where None."""
    if initial is None:
        memset(cnp.PyArray_DATA(state), 0, cnp.PyArray_NBYTES(state))
    else:
        memcpy(cnp.PyArray_DATA(state), cnp.PyArray_DATA(initial), cnp.PyArray_NBYTES(state))


cdef void run_layer(recurrent_job *job) noexcept:
    if <double>job.batch * job.steps * job.gate_count * job.hidden * job.width < GEMM_PARALLEL:
        recurrent_run(pool, job)
    else:
        with nogil:
            recurrent_run(pool, job)


def lstm_forward(cnp.ndarray gates not None, cnp.ndarray weight_hh not None, cnp.ndarray weight_hr, cnp.ndarray h0,
                 cnp.ndarray c0, cnp.ndarray batch_sizes not None, bint reverse, bint batch_first,
                 cnp.ndarray workspace not None, cnp.ndarray out not None, cnp.ndarray raw, cnp.ndarray cells not None,
                 cnp.ndarray hn not None, cnp.ndarray cn not None):
    """See contract.lstm_forward."""
    cdef recurrent_job job
    memset(&job, 0, sizeof(job))
    job.mode = CELL_LSTM
    job.gate_count = 4
    if (raw is None) != (weight_hr is None):
        raise ValueError("raw: expected an array with weight_hr and None without")
    expect_layer(&job, gates, "gates", weight_hh, weight_hr, hn, "hn", batch_sizes, reverse, batch_first, workspace)
    cdef Py_ssize_t rows = cnp.PyArray_DIM(gates, 0)
    cdef int typenum = cnp.PyArray_TYPE(gates)
    _expect_2d(gates, "gates", typenum, rows, 4 * job.hidden, True)
    _expect_2d(out, "out", typenum, rows, job.width, True)
    expect_some(raw, "raw", typenum, rows, job.hidden, True)
    _expect_2d(cells, "cells", typenum, rows, job.hidden, True)
    expect_some(h0, "h0", typenum, job.batch, job.width)
    expect_some(c0, "c0", typenum, job.batch, job.hidden)
    _expect_2d(cn, "cn", typenum, job.batch, job.hidden, True)
    job.out = cnp.PyArray_DATA(out)
    job.raw = data_or_null(raw)
    job.aside = cnp.PyArray_DATA(cells)
    job.hn = cnp.PyArray_DATA(hn)
    job.cn = cnp.PyArray_DATA(cn)
    begin(hn, h0)
    begin(cn, c0)
    run_layer(&job)


def lstm_backward(cnp.ndarray grad_out, cnp.ndarray grad_hn, cnp.ndarray grad_cn, cnp.ndarray gates not None,
                  cnp.ndarray cells not None, cnp.ndarray weight_hh not None, cnp.ndarray weight_hr, cnp.ndarray c0,
                  cnp.ndarray batch_sizes not None, bint reverse, bint batch_first, cnp.ndarray workspace not None,
                  cnp.ndarray grad_gates not None, cnp.ndarray grad_state, cnp.ndarray grad_h0 not None,
                  cnp.ndarray grad_c0 not None):
    """See contract.lstm_backward."""
    cdef recurrent_job job
    memset(&job, 0, sizeof(job))
    job.mode = CELL_LSTM
    job.gate_count = 4
    job.backward = True
    if (grad_state is None) != (weight_hr is None):
        raise ValueError("grad_state: expected an array with weight_hr and None without")
    expect_layer(&job, gates, "gates", weight_hh, weight_hr, grad_h0, "grad_h0", batch_sizes, reverse, batch_first,
                 workspace)
    cdef Py_ssize_t rows = cnp.PyArray_DIM(gates, 0)
    cdef int typenum = cnp.PyArray_TYPE(gates)
    _expect_2d(gates, "gates", typenum, rows, 4 * job.hidden)
    _expect_2d(cells, "cells", typenum, rows, job.hidden)
    expect_some(grad_out, "grad_out", typenum, rows, job.width)
    expect_some(grad_hn, "grad_hn", typenum, job.batch, job.width)
    expect_some(grad_cn, "grad_cn", typenum, job.batch, job.hidden)
    expect_some(c0, "c0", typenum, job.batch, job.hidden)
    _expect_2d(grad_gates, "grad_gates", typenum, rows, 4 * job.hidden, True)
    expect_some(grad_state, "grad_state", typenum, rows, job.width, True)
    _expect_2d(grad_c0, "grad_c0", typenum, job.batch, job.hidden, True)
    job.grad_out = data_or_null(grad_out)
    job.aside = cnp.PyArray_DATA(cells)
    job.initial = data_or_null(c0)
    job.grad_gates = cnp.PyArray_DATA(grad_gates)
    job.grad_state = data_or_null(grad_state)
    job.hn = cnp.PyArray_DATA(grad_h0)
    job.cn = cnp.PyArray_DATA(grad_c0)
    begin(grad_h0, grad_hn)
    begin(grad_c0, grad_cn)
    run_layer(&job)


def gru_forward(cnp.ndarray gates not None, cnp.ndarray weight_hh not None, cnp.ndarray bias_hn, cnp.ndarray h0,
                cnp.ndarray batch_sizes not None, bint reverse, bint batch_first, cnp.ndarray workspace not None,
                cnp.ndarray out not None, cnp.ndarray inner not None, cnp.ndarray hn not None):
    """See contract.gru_forward."""
    cdef recurrent_job job
    memset(&job, 0, sizeof(job))
    job.mode = CELL_GRU
    job.gate_count = 3
    expect_layer(&job, gates, "gates", weight_hh, None, hn, "hn", batch_sizes, reverse, batch_first, workspace)
    cdef Py_ssize_t rows = cnp.PyArray_DIM(gates, 0)
    cdef int typenum = cnp.PyArray_TYPE(gates)
    _expect_2d(gates, "gates", typenum, rows, 3 * job.hidden, True)
    if bias_hn is not None:
        _expect_1d(bias_hn, "bias_hn", typenum, job.hidden)
    _expect_2d(out, "out", typenum, rows, job.hidden, True)
    _expect_2d(inner, "inner", typenum, rows, job.hidden, True)
    expect_some(h0, "h0", typenum, job.batch, job.hidden)
    job.bias_hn = data_or_null(bias_hn)
    job.out = cnp.PyArray_DATA(out)
    job.aside = cnp.PyArray_DATA(inner)
    job.hn = cnp.PyArray_DATA(hn)
    begin(hn, h0)
    run_layer(&job)


def gru_backward(cnp.ndarray grad_out, cnp.ndarray grad_hn, cnp.ndarray gates not None, cnp.ndarray inner not None,
                 cnp.ndarray out not None, cnp.ndarray weight_hh not None, cnp.ndarray h0,
                 cnp.ndarray batch_sizes not None, bint reverse, bint batch_first, cnp.ndarray workspace not None,
                 cnp.ndarray grad_gates not None, cnp.ndarray grad_inner not None, cnp.ndarray grad_h0 not None):
    """See contract.gru_backward."""
    cdef recurrent_job job
    memset(&job, 0, sizeof(job))
    job.mode = CELL_GRU
    job.gate_count = 3
    job.backward = True
    expect_layer(&job, gates, "gates", weight_hh, None, grad_h0, "grad_h0", batch_sizes, reverse, batch_first, workspace)
    cdef Py_ssize_t rows = cnp.PyArray_DIM(gates, 0)
    cdef int typenum = cnp.PyArray_TYPE(gates)
    _expect_2d(gates, "gates", typenum, rows, 3 * job.hidden)
    _expect_2d(inner, "inner", typenum, rows, job.hidden)
    _expect_2d(out, "out", typenum, rows, job.hidden)
    expect_some(grad_out, "grad_out", typenum, rows, job.hidden)
    expect_some(grad_hn, "grad_hn", typenum, job.batch, job.hidden)
    expect_some(h0, "h0", typenum, job.batch, job.hidden)
    _expect_2d(grad_gates, "grad_gates", typenum, rows, 3 * job.hidden, True)
    _expect_2d(grad_inner, "grad_inner", typenum, rows, 3 * job.hidden, True)
    job.grad_out = data_or_null(grad_out)
    job.aside = cnp.PyArray_DATA(inner)
    job.out = cnp.PyArray_DATA(out)
    job.initial = data_or_null(h0)
    job.grad_gates = cnp.PyArray_DATA(grad_gates)
    job.grad_aside = cnp.PyArray_DATA(grad_inner)
    job.hn = cnp.PyArray_DATA(grad_h0)
    begin(grad_h0, grad_hn)
    run_layer(&job)


cdef int rnn_mode(str activation) except -1:
    if activation == "tanh":
        return CELL_TANH
    if activation == "relu":
        return CELL_RELU
    raise ValueError(f"activation: expected 'tanh' or 'relu', got {activation!r}")


def rnn_forward(cnp.ndarray out not None, cnp.ndarray weight_hh not None, cnp.ndarray h0, cnp.ndarray batch_sizes not None,
                str activation not None, bint reverse, bint batch_first, cnp.ndarray workspace not None,
                cnp.ndarray hn not None):
    """See contract.rnn_forward."""
    cdef recurrent_job job
    memset(&job, 0, sizeof(job))
    job.mode = rnn_mode(activation)
    job.gate_count = 1
    expect_layer(&job, out, "out", weight_hh, None, hn, "hn", batch_sizes, reverse, batch_first, workspace)
    _expect_2d(out, "out", cnp.PyArray_TYPE(out), cnp.PyArray_DIM(out, 0), job.hidden, True)
    expect_some(h0, "h0", cnp.PyArray_TYPE(out), job.batch, job.hidden)
    job.out = job.gates
    job.hn = cnp.PyArray_DATA(hn)
    begin(hn, h0)
    run_layer(&job)


def rnn_backward(cnp.ndarray grad_out, cnp.ndarray grad_hn, cnp.ndarray out not None, cnp.ndarray weight_hh not None,
                 cnp.ndarray batch_sizes not None, str activation not None, bint reverse, bint batch_first,
                 cnp.ndarray workspace not None, cnp.ndarray grad_gates not None, cnp.ndarray grad_h0 not None):
    """See contract.rnn_backward."""
    cdef recurrent_job job
    memset(&job, 0, sizeof(job))
    job.mode = rnn_mode(activation)
    job.gate_count = 1
    job.backward = True
    expect_layer(&job, out, "out", weight_hh, None, grad_h0, "grad_h0", batch_sizes, reverse, batch_first, workspace)
    cdef Py_ssize_t rows = cnp.PyArray_DIM(out, 0)
    cdef int typenum = cnp.PyArray_TYPE(out)
    _expect_2d(out, "out", typenum, rows, job.hidden)
    expect_some(grad_out, "grad_out", typenum, rows, job.hidden)
    expect_some(grad_hn, "grad_hn", typenum, job.batch, job.hidden)
    _expect_2d(grad_gates, "grad_gates", typenum, rows, job.hidden, True)
    job.grad_out = data_or_null(grad_out)
    job.out = job.gates
    job.grad_gates = cnp.PyArray_DATA(grad_gates)
    job.hn = cnp.PyArray_DATA(grad_h0)
    begin(grad_h0, grad_hn)
    run_layer(&job)


cdef int run_cell(cell_job *job, cnp.ndarray gates, int mode, bint backward) except -1:
    job.mode = mode
    job.backward = backward
    job.is_double = cnp.PyArray_TYPE(gates) == cnp.NPY_DOUBLE
    job.rows = cnp.PyArray_DIM(gates, 0)
    job.gates = cnp.PyArray_DATA(gates)
    if job.rows * job.hidden < 4096:
        cell_run(pool, job)
    else:
        with nogil:
            cell_run(pool, job)
    return 0


def lstm_cell_forward(cnp.ndarray gates not None, cnp.ndarray previous_cell, cnp.ndarray hidden not None,
                      cnp.ndarray cell not None):
    """See contract.lstm_cell_forward."""
    cdef cell_job job
    memset(&job, 0, sizeof(job))
    job.hidden = units_of(gates, "gates", 4)
    cdef Py_ssize_t rows = cnp.PyArray_DIM(gates, 0)
    cdef int typenum = cnp.PyArray_TYPE(gates)
    _expect_2d(gates, "gates", typenum, rows, 4 * job.hidden, True)
    expect_some(previous_cell, "previous_cell", typenum, rows, job.hidden)
    _expect_2d(hidden, "hidden", typenum, rows, job.hidden, True)
    _expect_2d(cell, "cell", typenum, rows, job.hidden, True)
    job.previous = data_or_null(previous_cell)
    job.hidden_out = cnp.PyArray_DATA(hidden)
    job.cell = cnp.PyArray_DATA(cell)
    run_cell(&job, gates, CELL_LSTM, False)


def lstm_cell_backward(cnp.ndarray grad_hidden, cnp.ndarray grad_cell, cnp.ndarray gates not None,
                       cnp.ndarray previous_cell, cnp.ndarray cell not None, cnp.ndarray grad_gates not None,
                       cnp.ndarray grad_previous_cell not None):
    """See contract.lstm_cell_backward."""
    cdef cell_job job
    memset(&job, 0, sizeof(job))
    job.hidden = units_of(gates, "gates", 4)
    cdef Py_ssize_t rows = cnp.PyArray_DIM(gates, 0)
    cdef int typenum = cnp.PyArray_TYPE(gates)
    _expect_2d(gates, "gates", typenum, rows, 4 * job.hidden)
    expect_some(grad_hidden, "grad_hidden", typenum, rows, job.hidden)
    expect_some(grad_cell, "grad_cell", typenum, rows, job.hidden)
    expect_some(previous_cell, "previous_cell", typenum, rows, job.hidden)
    _expect_2d(cell, "cell", typenum, rows, job.hidden)
    _expect_2d(grad_gates, "grad_gates", typenum, rows, 4 * job.hidden, True)
    _expect_2d(grad_previous_cell, "grad_previous_cell", typenum, rows, job.hidden, True)
    job.grad_hidden = data_or_null(grad_hidden)
    job.grad_cell = data_or_null(grad_cell)
    job.previous = data_or_null(previous_cell)
    job.cell = cnp.PyArray_DATA(cell)
    job.grad_gates = cnp.PyArray_DATA(grad_gates)
    job.grad_previous = cnp.PyArray_DATA(grad_previous_cell)
    run_cell(&job, gates, CELL_LSTM, True)


def gru_cell_forward(cnp.ndarray gates not None, cnp.ndarray inner not None, cnp.ndarray previous_hidden,
                     cnp.ndarray hidden not None):
    """See contract.gru_cell_forward."""
    cdef cell_job job
    memset(&job, 0, sizeof(job))
    job.hidden = units_of(gates, "gates", 3)
    cdef Py_ssize_t rows = cnp.PyArray_DIM(gates, 0)
    cdef int typenum = cnp.PyArray_TYPE(gates)
    _expect_2d(gates, "gates", typenum, rows, 3 * job.hidden, True)
    _expect_2d(inner, "inner", typenum, rows, job.hidden)
    expect_some(previous_hidden, "previous_hidden", typenum, rows, job.hidden)
    _expect_2d(hidden, "hidden", typenum, rows, job.hidden, True)
    job.inner = cnp.PyArray_DATA(inner)
    job.previous = data_or_null(previous_hidden)
    job.hidden_out = cnp.PyArray_DATA(hidden)
    run_cell(&job, gates, CELL_GRU, False)


def gru_cell_backward(cnp.ndarray grad_hidden not None, cnp.ndarray gates not None, cnp.ndarray inner not None,
                      cnp.ndarray previous_hidden, cnp.ndarray grad_gates not None, cnp.ndarray grad_inner not None,
                      cnp.ndarray grad_previous_hidden not None):
    """See contract.gru_cell_backward."""
    cdef cell_job job
    memset(&job, 0, sizeof(job))
    job.hidden = units_of(gates, "gates", 3)
    cdef Py_ssize_t rows = cnp.PyArray_DIM(gates, 0)
    cdef int typenum = cnp.PyArray_TYPE(gates)
    _expect_2d(gates, "gates", typenum, rows, 3 * job.hidden)
    _expect_2d(grad_hidden, "grad_hidden", typenum, rows, job.hidden)
    _expect_2d(inner, "inner", typenum, rows, job.hidden)
    expect_some(previous_hidden, "previous_hidden", typenum, rows, job.hidden)
    _expect_2d(grad_gates, "grad_gates", typenum, rows, 3 * job.hidden, True)
    _expect_2d(grad_inner, "grad_inner", typenum, rows, 3 * job.hidden, True)
    _expect_2d(grad_previous_hidden, "grad_previous_hidden", typenum, rows, job.hidden, True)
    job.grad_hidden = cnp.PyArray_DATA(grad_hidden)
    job.inner = cnp.PyArray_DATA(inner)
    job.previous = data_or_null(previous_hidden)
    job.grad_gates = cnp.PyArray_DATA(grad_gates)
    job.grad_inner = cnp.PyArray_DATA(grad_inner)
    job.grad_previous = cnp.PyArray_DATA(grad_previous_hidden)
    run_cell(&job, gates, CELL_GRU, True)
