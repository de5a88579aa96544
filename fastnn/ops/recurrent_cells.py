"""Recurrent cells: one step of an LSTM, a GRU or an Elman network, as one node of the tape each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument
from fastnn.ops.linear import linear
from fastnn.ops.recurrent_steps import Weights, differentiate, gru_step, lstm_step, rnn_step, zeros_like_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Array = NDArray[Any]

__all__ = ["gru_cell", "lstm_cell", "rnn_relu_cell", "rnn_tanh_cell"]

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of a long short-term memory (Hochreiter and Schmidhuber 1997): the next hidden state and cell.

    input: (B, I); hx: (hidden, cell), each (B, H); w_ih: (4H, I), w_hh: (4H, H), b_ih, b_hh: (4H,) or None, gates in
    the order i, f, g, o. Raises RuntimeError for shapes or dtypes that do not fit.
    """
    hidden, cell = hx
    hidden, cell = cell_step("lstm", input, hidden, cell, w_ih, w_hh, b_ih, b_hh)
    return hidden, cell


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of gated recurrent units (Cho et al. 2014): the next hidden state. hx: (B, H), gates: r, z, n."""
    return cell_step("gru", input, hx, None, w_ih, w_hh, b_ih, b_hh)[0]


def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh). input: (B, I), hx: (B, H)."""
    return cell_step("tanh", input, hx, None, w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """relu(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh). input: (B, I), hx: (B, H)."""
    return cell_step("relu", input, hx, None, w_ih, w_hh, b_ih, b_hh)[0]


def _check(
    mode: str,
    input: Tensor,
    states: Sequence[Tensor | None],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
) -> None:
    """Raises RuntimeError unless all fit together."""
    shape, wide = input._array.shape, w_ih._array.shape
    if input._array.dtype not in KERNEL_DTYPES:
        raise RuntimeError(f'"{mode}_cell" not implemented for {input.dtype}: expected a floating dtype')
    if len(shape) != 2 or len(wide) != 2 or w_hh._array.ndim != 2:
        raise RuntimeError(
            f"{mode}_cell(): input, w_ih and w_hh must have 2 dimensions, got {len(shape)}, {len(wide)} and "
            f"{w_hh._array.ndim}"
        )
    units = w_hh._array.shape[1]
    if shape[1] != wide[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {shape[1]} expected {wide[1]}")
    for i, state in enumerate(states):
        if state is None:
            continue
        have = state._array.shape
        if len(have) != 2 or have[0] != shape[0]:
            raise RuntimeError(
                f"Input batch size {shape[0]} doesn't match hidden{i} batch size {have[0] if have else 0}"
            )
        if have[1] != units:
            raise RuntimeError(f"hidden{i} has inconsistent hidden_size: got {have[1]}, expected {units}")
    rows = GATES[mode] * units
    for name, tensor, expected in (
        ("w_ih", w_ih, (rows, wide[1])),
        ("w_hh", w_hh, (rows, units)),
        ("b_ih", b_ih, (rows,)),
        ("b_hh", b_hh, (rows,)),
    ):
        if tensor is not None and tensor._array.shape != expected:
            raise RuntimeError(f"{name} has shape {list(tensor._array.shape)}, expected {list(expected)}")
    for tensor in (*states, w_ih, w_hh, b_ih, b_hh):
        if tensor is not None and tensor._array.dtype != input._array.dtype:
            raise RuntimeError(
                f"mat1 and mat2 must have the same dtype, but got {input.dtype} (input) and {tensor.dtype} (another)"
            )


def cell_step(
    mode: str,
    input: Tensor,
    hidden: Tensor | None,
    cell: Tensor | None,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
) -> tuple[Tensor, ...]:
    """One step of mode "lstm", "gru", "tanh" or "relu": the new hidden state (and cell). States may be None: zero."""
    tensor_argument(input, f"{mode}_cell")
    given = (input, hidden, cell, w_ih, w_hh, b_ih, b_hh)
    if input._array.dtype == np.float16:
        single = np.dtype(np.float32)
        wide: list[Any] = [None if tensor is None else cast(tensor, single) for tensor in given]
        return tuple([cast(out, input._array.dtype) for out in cell_step(mode, *wide)])
    _check(mode, input, (hidden, cell), w_ih, w_hh, b_ih, b_hh)
    x, weight, before = dense(input), dense(w_hh), None if hidden is None else dense(hidden)
    (rows, units), dtype = (weight.shape[0], weight.shape[1]), x.dtype
    batch = x.shape[0]
    bias_ih, bias_hh = (None if bias is None else dense(bias) for bias in (b_ih, b_hh))
    kept: tuple[Array | None, ...] = ()
    gates = np.empty((batch, rows), dtype)
    out: tuple[Array, ...]
    if mode == "gru":
        K.linear_forward(x, dense(w_ih), bias_ih, "none", gates)
        product = _hidden_product(before, weight, bias_hh, batch)
        gates[:, : 2 * units] += product[:, : 2 * units]
        inner = np.ascontiguousarray(np.broadcast_to(product[:, 2 * units :], (batch, units)))
        out = (np.empty((batch, units), dtype),)
        K.gru_cell_forward(gates, inner, before, out[0])
        kept = (gates, inner)
    else:
        biases = [bias for bias in (bias_ih, bias_hh) if bias is not None]
        if before is None:
            biases.append(_hidden_product(None, weight, None, batch)[0])
        activation = "none" if mode == "lstm" else mode
        first = activation if before is None else "none"
        K.linear_forward(x, dense(w_ih), sum(biases[1:], biases[0]) if biases else None, first, gates)
        if before is not None:
            K.matmul(before[None], weight[None], False, True, None, activation, True, gates[None])
        out = (gates,)
        if mode == "lstm":
            out = (np.empty((batch, units), dtype), np.empty((batch, units), dtype))
            K.lstm_cell_forward(gates, None if cell is None else dense(cell), *out)
            kept = (gates,)
    places = [i for i, tensor in enumerate(given) if tensor is not None]
    present = tuple([tensor for tensor in given if tensor is not None])
    saved = (*given, len(out) - 1, *(None if array is None else _core.wrap(array) for array in kept))
    name = {"lstm": "LstmCellBackward0", "gru": "GruCellBackward0"}.get(mode, "RnnCellBackward0")
    made = _core.record(name, _cell_backward, present, out, saved, extra=(mode, places))
    return tuple(made)


def _hidden_product(before: Array | None, weight: Array, bias: Array | None, batch: int) -> Array:
    """before @ weight.T + bias; of states that are all zero one row, which differs from bias where weights are inf."""
    if before is None:
        before, batch = np.zeros((1, weight.shape[1]), weight.dtype), 1
    out = np.empty((batch, weight.shape[0]), weight.dtype)
    K.linear_forward(before, weight, bias, "none", out)
    return out


def _cell_backward(ctx: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    mode, places = ctx.extra
    if _core.is_grad_enabled():
        return _recorded(ctx, grads)
    arrays: list[Any] = [None if array is None else np.ascontiguousarray(array) for array in ctx.arrays]
    x, before, cell, w_ih, w_hh, _, _, last, *kept = arrays
    wanted: list[Any] = [False] * 7
    for place, need in zip(places, ctx.needs, strict=True):
        wanted[place] = need
    batch, (rows, units), dtype = x.shape[0], w_hh.shape, x.dtype
    given: list[Any] = [None if grad is None else dense(grad) for grad in grads]
    outer = hidden = np.empty((batch, rows), dtype)
    grad_before, grad_cell = np.empty((batch, units), dtype), None
    through: Array | None = None
    if mode == "lstm":
        grad_cell = np.empty((batch, units), dtype)
        K.lstm_cell_backward(given[0], given[1], kept[0], cell, last, outer, grad_cell)
    elif mode == "gru":
        hidden, through = np.empty((batch, rows), dtype), np.empty((batch, units), dtype)
        K.gru_cell_backward(given[0], kept[0], kept[1], before, outer, hidden, through)
    elif mode == "tanh":
        K.tanh_backward(given[0], last, outer)
    else:
        K.relu_backward(given[0], last, outer)
    grad_x, grad_ih, grad_hh = (
        np.empty_like(array) if wanted[place] else None for place, array in ((0, x), (3, w_ih), (4, w_hh))
    )
    shared = mode != "gru"  # both biases have one gradient
    grad_bias = np.empty(rows, dtype) if wanted[5] or (shared and wanted[6]) else None
    grad_bias_hh = np.empty(rows, dtype) if wanted[6] and not shared else None
    K.linear_backward(outer, x, w_ih, None, "none", None, grad_x, grad_ih, grad_bias)
    states = np.zeros((batch, units), dtype) if before is None else before
    K.linear_backward(
        hidden, states, w_hh, None, "none", None, grad_before if wanted[1] else None, grad_hh, grad_bias_hh
    )
    if through is not None and wanted[1]:
        grad_before += through
    if shared and wanted[6] and grad_bias is not None:
        grad_bias_hh = grad_bias.copy() if wanted[5] else grad_bias
    found = (grad_x, grad_before, grad_cell, grad_ih, grad_hh, grad_bias, grad_bias_hh)
    return tuple([_core.wrap(found[place]) if wanted[place] else None for place in places])


def _recorded(ctx: Node, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    mode, places = ctx.extra

    def compute(x: Any, hidden: Any, cell: Any, *weights: Any) -> tuple[Tensor, ...]:
        w = Weights(*weights)
        batch, units = x._array.shape[0], w.hh._array.shape[1]
        hidden = zeros_like_state(x, batch, units) if hidden is None else hidden
        gates = linear(x, w.ih, w.bias_ih)
        if mode == "lstm":
            return lstm_step(gates, hidden, zeros_like_state(x, batch, units) if cell is None else cell, w)
        if mode == "gru":
            return (gru_step(gates, hidden, w),)
        return (rnn_step(gates, hidden, w, mode),)

    return differentiate(ctx, ctx.saved[:7], places, grads, compute)
