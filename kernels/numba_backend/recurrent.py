"""Recurrent layers: the steps' products by NumPy's BLAS, the gates in compiled loops."""

from __future__ import annotations

from typing import Any

from ..contract import Array, Labels
from ..numpy_backend import recurrent as plain
from ..numpy_backend import recurrent_checks as checks
from . import _math
from ._jit import CONTRACT, jit
from ._loop import chunked, flat, rows_per_chunk

# An array that is None reaches a loop as one without elements.


def _given(array: Array | None, like: Array) -> Array:
    return flat(like[:0] if array is None else array)


@jit(CONTRACT)
def _sigmoid(x: Any, one: Any) -> Any:
    return one / (one + _math.exp(-x))


@jit(CONTRACT)
def _lstm_rows(gates: Array, previous: Array, hidden: Array, cell: Array, units: int, first: int, last: int) -> None:
    one = gates.dtype.type(1)
    for m in range(first, last):
        row = gates[4 * m * units : 4 * (m + 1) * units]
        i, f, g, o = row[:units], row[units : 2 * units], row[2 * units : 3 * units], row[3 * units :]
        c, h = cell[m * units : (m + 1) * units], hidden[m * units : (m + 1) * units]
        for j in range(units):
            i[j] = _sigmoid(i[j], one)
        for j in range(units):
            f[j] = _sigmoid(f[j], one)
        for j in range(units):
            o[j] = _sigmoid(o[j], one)
        for j in range(units):
            g[j] = _math.tanh(g[j])
        if len(previous):
            before = previous[m * units : (m + 1) * units]
            for j in range(units):
                c[j] = f[j] * before[j] + i[j] * g[j]
        else:
            for j in range(units):
                c[j] = i[j] * g[j]
        for j in range(units):
            h[j] = o[j] * _math.tanh(c[j])


def lstm_cell_forward(gates: Array, previous_cell: Array | None, hidden: Array, cell: Array) -> None:
    checks.lstm_cell(
        gates, True, (), (("previous_cell", previous_cell, False), ("hidden", hidden, True), ("cell", cell, True))
    )
    _lstm_cell_forward(gates, previous_cell, hidden, cell)


def _lstm_cell_forward(gates: Array, previous_cell: Array | None, hidden: Array, cell: Array) -> None:
    rows, units = cell.shape
    if cell.size:
        arrays = gates.reshape(-1), _given(previous_cell, cell), hidden.reshape(-1), cell.reshape(-1)
        chunked(_lstm_rows, rows, rows_per_chunk(4 * units), *arrays, units)


@jit(CONTRACT)
def _lstm_rows_backward(
    grad_hidden: Array,
    grad_cell: Array,
    gates: Array,
    previous: Array,
    cell: Array,
    grad_gates: Array,
    grad_previous: Array,
    units: int,
    first: int,
    last: int,
) -> None:
    zero, one = gates.dtype.type(0), gates.dtype.type(1)
    for m in range(first, last):
        row, to = gates[4 * m * units : 4 * (m + 1) * units], grad_gates[4 * m * units : 4 * (m + 1) * units]
        i, f, g, o = row[:units], row[units : 2 * units], row[2 * units : 3 * units], row[3 * units :]
        di, df, dg, do = to[:units], to[units : 2 * units], to[2 * units : 3 * units], to[3 * units :]
        c, dc = cell[m * units : (m + 1) * units], grad_previous[m * units : (m + 1) * units]
        for j in range(units):  # o's place keeps tanh(c) meanwhile, dc's the cell's whole gradient
            do[j] = _math.tanh(c[j])
        if len(grad_cell):
            dc[:] = grad_cell[m * units : (m + 1) * units]
        else:
            dc[:] = zero
        if len(grad_hidden):
            dh = grad_hidden[m * units : (m + 1) * units]
            for j in range(units):
                t = do[j]
                dc[j] += dh[j] * o[j] * (one - t * t)
                do[j] = dh[j] * t * o[j] * (one - o[j])
        else:
            do[:] = zero
        if len(previous):
            before = previous[m * units : (m + 1) * units]
            for j in range(units):
                df[j] = dc[j] * before[j] * f[j] * (one - f[j])
        else:
            for j in range(units):
                df[j] = dc[j] * zero
        for j in range(units):
            di[j] = dc[j] * g[j] * i[j] * (one - i[j])
            dg[j] = dc[j] * i[j] * (one - g[j] * g[j])
            dc[j] = dc[j] * f[j]


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


def _lstm_cell_backward(
    grad_hidden: Array | None,
    grad_cell: Array | None,
    gates: Array,
    previous_cell: Array | None,
    cell: Array,
    grad_gates: Array,
    grad_previous_cell: Array,
) -> None:
    rows, units = cell.shape
    if cell.size:
        inputs = (
            _given(grad_hidden, cell),
            _given(grad_cell, cell),
            flat(gates),
            _given(previous_cell, cell),
            flat(cell),
        )
        written = grad_gates.reshape(-1), grad_previous_cell.reshape(-1)
        chunked(_lstm_rows_backward, rows, rows_per_chunk(4 * units), *inputs, *written, units)


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
    plain.lstm_forward_loop(
        _lstm_cell_forward, gates, weight_hh, weight_hr, h0, c0, batch_sizes, reverse, batch_first, workspace, out, raw,
        cells, hn, cn,
    )  # fmt: skip


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
    plain.lstm_backward_loop(
        _lstm_cell_backward, grad_out, grad_hn, grad_cn, gates, cells, weight_hh, weight_hr, c0, batch_sizes, reverse,
        batch_first, workspace, grad_gates, grad_state, grad_h0, grad_c0,
    )  # fmt: skip


@jit(CONTRACT)
def _gru_rows(gates: Array, inner: Array, previous: Array, hidden: Array, units: int, first: int, last: int) -> None:
    one = gates.dtype.type(1)
    for m in range(first, last):
        row = gates[3 * m * units : 3 * (m + 1) * units]
        r, z, n = row[:units], row[units : 2 * units], row[2 * units :]
        part, h = inner[m * units : (m + 1) * units], hidden[m * units : (m + 1) * units]
        for j in range(units):
            r[j] = _sigmoid(r[j], one)
        for j in range(units):
            z[j] = _sigmoid(z[j], one)
        for j in range(units):
            n[j] = _math.tanh(n[j] + r[j] * part[j])
        if len(previous):
            before = previous[m * units : (m + 1) * units]
            for j in range(units):
                h[j] = (one - z[j]) * n[j] + z[j] * before[j]
        else:
            for j in range(units):
                h[j] = (one - z[j]) * n[j]


def gru_cell_forward(gates: Array, inner: Array, previous_hidden: Array | None, hidden: Array) -> None:
    units = (("inner", inner, False), ("previous_hidden", previous_hidden, False), ("hidden", hidden, True))
    checks.gru_cell(gates, True, (), units)
    _gru_cell_forward(gates, inner, previous_hidden, hidden)


def _gru_cell_forward(gates: Array, inner: Array, previous_hidden: Array | None, hidden: Array) -> None:
    rows, units = hidden.shape
    if hidden.size:
        arrays = gates.reshape(-1), flat(inner), _given(previous_hidden, hidden), hidden.reshape(-1)
        chunked(_gru_rows, rows, rows_per_chunk(3 * units), *arrays, units)


@jit(CONTRACT)
def _gru_rows_backward(
    grad_hidden: Array,
    gates: Array,
    inner: Array,
    previous: Array,
    grad_gates: Array,
    grad_inner: Array,
    grad_previous: Array,
    units: int,
    first: int,
    last: int,
) -> None:
    zero, one = gates.dtype.type(0), gates.dtype.type(1)
    for m in range(first, last):
        row, to = gates[3 * m * units : 3 * (m + 1) * units], grad_gates[3 * m * units : 3 * (m + 1) * units]
        hid = grad_inner[3 * m * units : 3 * (m + 1) * units]
        r, z, n = row[:units], row[units : 2 * units], row[2 * units :]
        dr, dz, dn = to[:units], to[units : 2 * units], to[2 * units :]
        dh, part = grad_hidden[m * units : (m + 1) * units], inner[m * units : (m + 1) * units]
        before, dp = dz, grad_previous[m * units : (m + 1) * units]
        if len(previous):
            before[:] = previous[m * units : (m + 1) * units]
        else:
            before[:] = zero
        for j in range(units):
            dn[j] = dh[j] * (one - z[j]) * (one - n[j] * n[j])
            dz[j] = dh[j] * (before[j] - n[j]) * z[j] * (one - z[j])
            dr[j] = dn[j] * part[j] * r[j] * (one - r[j])
        hid[: 2 * units] = to[: 2 * units]
        last_part = hid[2 * units :]
        for j in range(units):
            last_part[j] = dn[j] * r[j]
            dp[j] = dh[j] * z[j]


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


def _gru_cell_backward(
    grad_hidden: Array,
    gates: Array,
    inner: Array,
    previous_hidden: Array | None,
    grad_gates: Array,
    grad_inner: Array,
    grad_previous_hidden: Array,
) -> None:
    rows, units = inner.shape
    if inner.size:
        inputs = flat(grad_hidden), flat(gates), flat(inner), _given(previous_hidden, inner)
        written = grad_gates.reshape(-1), grad_inner.reshape(-1), grad_previous_hidden.reshape(-1)
        chunked(_gru_rows_backward, rows, rows_per_chunk(3 * units), *inputs, *written, units)


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
    plain.gru_forward_loop(
        _gru_cell_forward, gates, weight_hh, bias_hn, h0, batch_sizes, reverse, batch_first, workspace, out, inner, hn
    )


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
    plain.gru_backward_loop(
        _gru_cell_backward, grad_out, grad_hn, gates, inner, out, weight_hh, h0, batch_sizes, reverse, batch_first,
        workspace, grad_gates, grad_inner, grad_h0,
    )  # fmt: skip


# A plain RNN's step is a product and one pass, both of which NumPy has.
rnn_forward = plain.rnn_forward
rnn_backward = plain.rnn_backward
