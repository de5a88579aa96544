"""Recurrent layers: the cells, and loops over the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..contract import Array, Labels
from . import recurrent_checks as checks
from .elementwise import quiet, relu_backward, relu_forward, sigmoid_forward, tanh_backward, tanh_forward

Cell = Callable[..., None]


def steps(batch_sizes: Labels, reverse: bool, batch_first: bool) -> Iterator[tuple[slice, int]]:
    """For each step, in the order in which they are done: the rows of all arrays (S, *), and how many they are."""
    sizes = batch_sizes.tolist()
    count = len(sizes)
    starts = range(count) if batch_first else np.concatenate([[0], np.cumsum(batch_sizes)[:-1]]).tolist()
    stride = max(count, 1) if batch_first else 1
    order = range(count - 1, -1, -1) if reverse else range(count)
    for t in order:
        yield slice(starts[t], starts[t] + sizes[t] * stride, stride), sizes[t]


def start(state: Array, initial: Array | None) -> None:
    """state = initial, zero where None."""
    state[...] = 0 if initial is None else initial


# --------------------------------------------------------------------------------------------------------- LSTM


def lstm_cell_forward(gates: Array, previous_cell: Array | None, hidden: Array, cell: Array) -> None:
    checks.lstm_cell(
        gates, True, (), (("previous_cell", previous_cell, False), ("hidden", hidden, True), ("cell", cell, True))
    )
    _lstm_cell_forward(gates, previous_cell, hidden, cell)


@quiet
def _lstm_cell_forward(gates: Array, previous_cell: Array | None, hidden: Array, cell: Array) -> None:
    i, f, g, o = np.split(gates, 4, axis=1)  # views
    for gate in (i, f, o):
        gate[...] = _sigmoid(gate)
    g[...] = np.tanh(g)
    cell[...] = i * g if previous_cell is None else f * previous_cell + i * g
    hidden[...] = o * np.tanh(cell)


def _sigmoid(x: Array) -> Array:
    x = np.ascontiguousarray(x)
    out = np.empty_like(x)
    sigmoid_forward(x, out)
    return out


def lstm_cell_backward(
    grad_hidden: Array | None,
    grad_cell: Array | None,
    gates: Array,
    previous_cell: Array | None,
    cell: Array,
    grad_gates: Array,
    grad_previous_cell: Array,
) -> None:
    units = (
        ("grad_hidden", grad_hidden, False),
        ("grad_cell", grad_cell, False),
        ("previous_cell", previous_cell, False),
        ("cell", cell, False),
        ("grad_previous_cell", grad_previous_cell, True),
    )
    checks.lstm_cell(gates, False, (("grad_gates", grad_gates, True),), units)
    _lstm_cell_backward(grad_hidden, grad_cell, gates, previous_cell, cell, grad_gates, grad_previous_cell)


@quiet
def _lstm_cell_backward(
    grad_hidden: Array | None,
    grad_cell: Array | None,
    gates: Array,
    previous_cell: Array | None,
    cell: Array,
    grad_gates: Array,
    grad_previous_cell: Array,
) -> None:
    zero = np.zeros_like(cell)
    dh = zero if grad_hidden is None else grad_hidden
    before = zero if previous_cell is None else previous_cell
    i, f, g, o = np.split(gates, 4, axis=1)
    tanh_cell = np.tanh(cell)
    dc = (zero if grad_cell is None else grad_cell) + dh * o * (1 - tanh_cell * tanh_cell)
    grads = (dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g * g), dh * tanh_cell * o * (1 - o))
    for target, grad in zip(np.split(grad_gates, 4, axis=1), grads, strict=True):
        target[...] = grad
    grad_previous_cell[...] = dc * f


def lstm_forward(
    gates: Array,
    weight_hh: Array,
    weight_hr: Array | None,
    h0: Array | None,
    c0: Array | None,
    batch_sizes: Labels,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    out: Array,
    raw: Array | None,
    cells: Array,
    hn: Array,
    cn: Array,
) -> None:
    lstm_forward_loop(
        _lstm_cell_forward, gates, weight_hh, weight_hr, h0, c0, batch_sizes, reverse, batch_first, workspace, out, raw,
        cells, hn, cn,
    )  # fmt: skip


@quiet
def lstm_forward_loop(
    cell: Cell,
    gates: Array,
    weight_hh: Array,
    weight_hr: Array | None,
    h0: Array | None,
    c0: Array | None,
    batch_sizes: Labels,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    out: Array,
    raw: Array | None,
    cells: Array,
    hn: Array,
    cn: Array,
) -> None:
    """lstm_forward with the backend's cell."""
    if (raw is None) != (weight_hr is None):
        raise ValueError("raw: expected an array with weight_hr and None without")
    checks.lstm(
        gates, weight_hh, weight_hr, batch_sizes, batch_first, workspace, hn,
        (("gates", gates, True),),
        ((("out", out, True),), (("raw", raw, True), ("cells", cells, True))),
        ((("h0", h0, False), ("hn", hn, True)), (("c0", c0, False), ("cn", cn, True))),
    )  # fmt: skip
    start(hn, h0)
    start(cn, c0)
    for rows, n in steps(batch_sizes, reverse, batch_first):
        gate = gates[rows] + hn[:n] @ weight_hh.T
        hidden = np.empty_like(cn[:n])
        cell(gate, cn[:n].copy(), hidden, cn[:n])
        gates[rows], cells[rows] = gate, cn[:n]
        if weight_hr is not None and raw is not None:
            raw[rows] = hidden
            hidden = hidden @ weight_hr.T
        out[rows] = hn[:n] = hidden


def lstm_backward(
    grad_out: Array | None,
    grad_hn: Array | None,
    grad_cn: Array | None,
    gates: Array,
    cells: Array,
    weight_hh: Array,
    weight_hr: Array | None,
    c0: Array | None,
    batch_sizes: Labels,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    grad_gates: Array,
    grad_state: Array | None,
    grad_h0: Array,
    grad_c0: Array,
) -> None:
    lstm_backward_loop(
        _lstm_cell_backward, grad_out, grad_hn, grad_cn, gates, cells, weight_hh, weight_hr, c0, batch_sizes, reverse,
        batch_first, workspace, grad_gates, grad_state, grad_h0, grad_c0,
    )  # fmt: skip


@quiet
def lstm_backward_loop(
    cell: Cell,
    grad_out: Array | None,
    grad_hn: Array | None,
    grad_cn: Array | None,
    gates: Array,
    cells: Array,
    weight_hh: Array,
    weight_hr: Array | None,
    c0: Array | None,
    batch_sizes: Labels,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    grad_gates: Array,
    grad_state: Array | None,
    grad_h0: Array,
    grad_c0: Array,
) -> None:
    """lstm_backward with the backend's cell."""
    if (grad_state is None) != (weight_hr is None):
        raise ValueError("grad_state: expected an array with weight_hr and None without")
    checks.lstm(
        gates, weight_hh, weight_hr, batch_sizes, batch_first, workspace, grad_h0,
        (("gates", gates, False), ("grad_gates", grad_gates, True)),
        ((("grad_out", grad_out, False), ("grad_state", grad_state, True)), (("cells", cells, False),)),
        (
            (("grad_hn", grad_hn, False), ("grad_h0", grad_h0, True)),
            (("grad_cn", grad_cn, False), ("c0", c0, False), ("grad_c0", grad_c0, True)),
        ),
    )  # fmt: skip
    start(grad_h0, grad_hn)  # the gradients of the states behind the step at hand
    start(grad_c0, grad_cn)
    for rows, n, before in _backwards(batch_sizes, reverse, batch_first, cells, c0):
        dh, dc = grad_h0[:n], grad_c0[:n].copy()
        if grad_out is not None:
            dh = dh + grad_out[rows]
        if weight_hr is not None and grad_state is not None:
            grad_state[rows] = dh
            dh = dh @ weight_hr
        grad = np.empty((n, gates.shape[1]), gates.dtype)
        cell(dh, dc, np.ascontiguousarray(gates[rows]), before, np.ascontiguousarray(cells[rows]), grad, grad_c0[:n])
        grad_gates[rows] = grad
        grad_h0[:n] = grad @ weight_hh


def _backwards(
    batch_sizes: Labels, reverse: bool, batch_first: bool, states: Array, initial: Array | None
) -> Iterator[tuple[slice, int, Array]]:
    """The steps, the last first: their rows, how many they are, and the states before them, a copy."""
    order = list(steps(batch_sizes, reverse, batch_first))
    while order:
        rows, n = order.pop()
        before = np.zeros((n, states.shape[1]), states.dtype) if initial is None else initial[:n].copy()
        if order:
            earlier, m = order[-1]
            both = min(m, n)
            before[:both] = states[earlier][:both]
        yield rows, n, before


# ---------------------------------------------------------------------------------------------------------- GRU


def gru_cell_forward(gates: Array, inner: Array, previous_hidden: Array | None, hidden: Array) -> None:
    units = (("inner", inner, False), ("previous_hidden", previous_hidden, False), ("hidden", hidden, True))
    checks.gru_cell(gates, True, (), units)
    _gru_cell_forward(gates, inner, previous_hidden, hidden)


@quiet
def _gru_cell_forward(gates: Array, inner: Array, previous_hidden: Array | None, hidden: Array) -> None:
    r, z, n = np.split(gates, 3, axis=1)
    r[...] = _sigmoid(r)
    z[...] = _sigmoid(z)
    n[...] = np.tanh(n + r * inner)
    hidden[...] = (1 - z) * n + z * (0 if previous_hidden is None else previous_hidden)


def gru_cell_backward(
    grad_hidden: Array,
    gates: Array,
    inner: Array,
    previous_hidden: Array | None,
    grad_gates: Array,
    grad_inner: Array,
    grad_previous_hidden: Array,
) -> None:
    units = (
        ("grad_hidden", grad_hidden, False),
        ("inner", inner, False),
        ("previous_hidden", previous_hidden, False),
        ("grad_previous_hidden", grad_previous_hidden, True),
    )
    checks.gru_cell(gates, False, (("grad_gates", grad_gates, True), ("grad_inner", grad_inner, True)), units)
    _gru_cell_backward(grad_hidden, gates, inner, previous_hidden, grad_gates, grad_inner, grad_previous_hidden)


@quiet
def _gru_cell_backward(
    grad_hidden: Array,
    gates: Array,
    inner: Array,
    previous_hidden: Array | None,
    grad_gates: Array,
    grad_inner: Array,
    grad_previous_hidden: Array,
) -> None:
    r, z, n = np.split(gates, 3, axis=1)
    before = np.zeros_like(inner) if previous_hidden is None else previous_hidden
    dn = grad_hidden * (1 - z) * (1 - n * n)
    dz = grad_hidden * (before - n) * z * (1 - z)
    dr = dn * inner * r * (1 - r)
    for target, last in ((grad_gates, dn), (grad_inner, dn * r)):
        for part, grad in zip(np.split(target, 3, axis=1), (dr, dz, last), strict=True):
            part[...] = grad
    grad_previous_hidden[...] = grad_hidden * z


def gru_forward(
    gates: Array,
    weight_hh: Array,
    bias_hn: Array | None,
    h0: Array | None,
    batch_sizes: Labels,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    out: Array,
    inner: Array,
    hn: Array,
) -> None:
    gru_forward_loop(
        _gru_cell_forward, gates, weight_hh, bias_hn, h0, batch_sizes, reverse, batch_first, workspace, out, inner, hn
    )


@quiet
def gru_forward_loop(
    cell: Cell,
    gates: Array,
    weight_hh: Array,
    bias_hn: Array | None,
    h0: Array | None,
    batch_sizes: Labels,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    out: Array,
    inner: Array,
    hn: Array,
) -> None:
    """gru_forward with the backend's cell."""
    checks.gated(
        3, gates, weight_hh, batch_sizes, batch_first, workspace, hn,
        (("gates", gates, True),),
        (("out", out, True), ("inner", inner, True)),
        (("h0", h0, False), ("hn", hn, True)),
        bias_hn,
    )  # fmt: skip
    units = inner.shape[1]
    start(hn, h0)
    for rows, n in steps(batch_sizes, reverse, batch_first):
        product = hn[:n] @ weight_hh.T
        gate, part = gates[rows].copy(), np.ascontiguousarray(product[:, 2 * units :])
        gate[:, : 2 * units] += product[:, : 2 * units]
        if bias_hn is not None:
            part += bias_hn
        cell(gate, part, hn[:n].copy(), hn[:n])
        gates[rows], inner[rows], out[rows] = gate, part, hn[:n]


def gru_backward(
    grad_out: Array | None,
    grad_hn: Array | None,
    gates: Array,
    inner: Array,
    out: Array,
    weight_hh: Array,
    h0: Array | None,
    batch_sizes: Labels,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    grad_gates: Array,
    grad_inner: Array,
    grad_h0: Array,
) -> None:
    gru_backward_loop(
        _gru_cell_backward, grad_out, grad_hn, gates, inner, out, weight_hh, h0, batch_sizes, reverse, batch_first,
        workspace, grad_gates, grad_inner, grad_h0,
    )  # fmt: skip


@quiet
def gru_backward_loop(
    cell: Cell,
    grad_out: Array | None,
    grad_hn: Array | None,
    gates: Array,
    inner: Array,
    out: Array,
    weight_hh: Array,
    h0: Array | None,
    batch_sizes: Labels,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    grad_gates: Array,
    grad_inner: Array,
    grad_h0: Array,
) -> None:
    """gru_backward with the backend's cell."""
    checks.gated(
        3, gates, weight_hh, batch_sizes, batch_first, workspace, grad_h0,
        (("gates", gates, False), ("grad_gates", grad_gates, True), ("grad_inner", grad_inner, True)),
        (("grad_out", grad_out, False), ("inner", inner, False), ("out", out, False)),
        (("grad_hn", grad_hn, False), ("h0", h0, False), ("grad_h0", grad_h0, True)),
    )  # fmt: skip
    start(grad_h0, grad_hn)
    for rows, n, before in _backwards(batch_sizes, reverse, batch_first, out, h0):
        dh = grad_h0[:n].copy() if grad_out is None else grad_h0[:n] + grad_out[rows]
        outer, hidden = np.empty((2, n, gates.shape[1]), gates.dtype)
        given = np.ascontiguousarray(gates[rows]), np.ascontiguousarray(inner[rows]), before
        cell(dh, *given, outer, hidden, grad_h0[:n])
        grad_gates[rows], grad_inner[rows] = outer, hidden
        grad_h0[:n] += hidden @ weight_hh


# ---------------------------------------------------------------------------------------------------------- RNN

_ACTIVATE: dict[str, tuple[Cell, Cell]] = {
    "tanh": (tanh_forward, tanh_backward),
    "relu": (relu_forward, relu_backward),
}


@quiet
def rnn_forward(
    out: Array,
    weight_hh: Array,
    h0: Array | None,
    batch_sizes: Labels,
    activation: str,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    hn: Array,
) -> None:
    checks.activation_name(activation)
    checks.gated(
        1, out, weight_hh, batch_sizes, batch_first, workspace, hn,
        (("out", out, True),), (), (("h0", h0, False), ("hn", hn, True)),
    )  # fmt: skip
    start(hn, h0)
    for rows, n in steps(batch_sizes, reverse, batch_first):
        hidden = out[rows] + hn[:n] @ weight_hh.T
        _ACTIVATE[activation][0](hidden, hidden)
        out[rows] = hn[:n] = hidden


@quiet
def rnn_backward(
    grad_out: Array | None,
    grad_hn: Array | None,
    out: Array,
    weight_hh: Array,
    batch_sizes: Labels,
    activation: str,
    reverse: bool,
    batch_first: bool,
    workspace: Array,
    grad_gates: Array,
    grad_h0: Array,
) -> None:
    checks.activation_name(activation)
    checks.gated(
        1, out, weight_hh, batch_sizes, batch_first, workspace, grad_h0,
        (("grad_gates", grad_gates, True),),
        (("grad_out", grad_out, False), ("out", out, False)),
        (("grad_hn", grad_hn, False), ("grad_h0", grad_h0, True)),
    )  # fmt: skip
    start(grad_h0, grad_hn)
    for rows, n in reversed(list(steps(batch_sizes, reverse, batch_first))):
        grad = grad_h0[:n].copy() if grad_out is None else grad_h0[:n] + grad_out[rows]
        _ACTIVATE[activation][1](grad, np.ascontiguousarray(out[rows]), grad)
        grad_gates[rows] = grad
        grad_h0[:n] = grad @ weight_hh
