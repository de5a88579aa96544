"""One layer of a recurrent network in one direction: one node of the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.kernels.contract.recurrent import recurrent_workspace
from fastnn.ops.gate import KERNEL_DTYPES
from fastnn.ops.recurrent_steps import Weights, differentiate, layer_by_steps, zeros_like_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Array = NDArray[Any]
    Sizes = NDArray[np.int64]

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}


def _check(mode: str, input: Tensor, w: Weights, h0: Tensor | None, c0: Tensor | None, batch: int) -> None:
    """Raises RuntimeError unless all fit together."""
    if input._array.dtype not in KERNEL_DTYPES:
        raise RuntimeError(f'"{mode}" not implemented for {input.dtype}: expected float32 or float64')
    if w.hh._array.ndim != 2 or w.ih._array.ndim != 2:
        raise RuntimeError("params: weight_ih and weight_hh must have 2 dimensions")
    rows, width = w.hh._array.shape
    units = rows // GATES[mode]
    if rows % GATES[mode] or (w.hr is None and units != width):
        raise RuntimeError(f"params: weight_hh has shape [{rows}, {width}], expected [{GATES[mode]} * H, H]")
    if w.hr is not None and mode != "lstm":
        raise RuntimeError("params: projections are for an LSTM alone")
    if c0 is None and h0 is not None and mode == "lstm":
        raise RuntimeError("hx: expected h0 and c0 of an LSTM")
    for name, tensor, shape in (
        ("weight_ih", w.ih, (rows, input._array.shape[-1])),
        ("bias_ih", w.bias_ih, (rows,)),
        ("bias_hh", w.bias_hh, (rows,)),
        ("weight_hr", w.hr, (width, units)),
        ("h0", h0, (batch, width)),
        ("c0", c0, (batch, units)),
        ("weight_hh", w.hh, (rows, width)),
    ):
        if tensor is None:
            continue
        if tensor._array.shape != shape:
            raise RuntimeError(f"{name} has shape {list(tensor._array.shape)}, expected {list(shape)}")
        if tensor._array.dtype != input._array.dtype:
            raise RuntimeError(f"{name} has dtype {tensor.dtype}, expected input's, {input.dtype}")


def recurrent_layer(
    mode: str,
    input: Tensor,
    w: Weights,
    h0: Tensor | None,
    c0: Tensor | None,
    sizes: Sizes,
    batch_first: bool,
    reverse: bool,
) -> tuple[Tensor, ...]:
    batch = int(sizes[0])
    _check(mode, input, w, h0, c0, batch)
    x, weight_ih, weight_hh = dense(input), dense(w.ih), dense(w.hh)
    lead, dtype = x.shape[:-1], x.dtype
    columns, width = weight_hh.shape
    units, rows = columns // GATES[mode], int(sizes.sum())
    bias_ih, bias_hh = (None if bias is None else dense(bias) for bias in (w.bias_ih, w.bias_hh))
    start, cell_start = (None if state is None else dense(state) for state in (h0, c0))
    way = (sizes, reverse, batch_first)
    space = np.empty(recurrent_workspace(GATES[mode], units, width), dtype)
    out, hn = np.empty((*lead, width), dtype), np.empty((batch, width), dtype)
    flat = out.reshape(rows, width)
    gates = np.empty((rows, columns), dtype) if mode in ("lstm", "gru") else flat
    bias = bias_ih
    if bias_hh is not None and bias_ih is not None:
        bias = bias_ih + bias_hh
        if mode == "gru":  # n's hidden part has its bias inside
            bias[2 * units :] = bias_ih[2 * units :]
    written: tuple[Array, ...] = (out, hn)
    kept: tuple[Array | None, ...]
    K.linear_forward(x.reshape(rows, x.shape[-1]), weight_ih, bias, "none", gates)
    if mode == "lstm":
        raw = np.empty((rows, units), dtype) if w.hr is not None else None
        cells, cn = np.empty((rows, units), dtype), np.empty((batch, units), dtype)
        weight_hr = None if w.hr is None else dense(w.hr)
        K.lstm_forward(gates, weight_hh, weight_hr, start, cell_start, *way, space, flat, raw, cells, hn, cn)
        written, kept = (out, hn, cn), (gates, cells, raw)
    elif mode == "gru":
        inner, bias_hn = np.empty((rows, units), dtype), None if bias_hh is None else bias_hh[2 * units :]
        K.gru_forward(gates, weight_hh, bias_hn, start, *way, space, flat, inner, hn)
        kept = (gates, inner)
    else:
        K.rnn_forward(flat, weight_hh, start, sizes, mode, reverse, batch_first, space, hn)
        kept = ()
    given = (input, *w, h0, c0)
    present = tuple([tensor for tensor in given if tensor is not None])
    saved = (*given, 0, *(None if array is None else _core.wrap(array) for array in kept))
    extra = (mode, sizes, reverse, batch_first, [i for i, tensor in enumerate(given) if tensor is not None])
    name = {"lstm": "LstmBackward0", "gru": "GruBackward0"}.get(mode, "RnnBackward0")
    return _core.record(name, _layer_backward, present, written, saved, extra=extra)


def _layer_backward(ctx: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    mode, sizes, reverse, batch_first, places = ctx.extra
    if _core.is_grad_enabled():
        return _recorded(ctx, grads)
    arrays: list[Any] = [None if array is None else np.ascontiguousarray(array) for array in ctx.arrays]
    x, weight_ih, weight_hh, _, _, weight_hr, h0, c0, out, *kept = arrays
    dtype, (columns, width), batch = x.dtype, weight_hh.shape, int(sizes[0])
    units, rows = columns // GATES[mode], int(sizes.sum())
    given: list[Any] = [None if grad is None else dense(grad) for grad in grads]
    grad_out, grad_hn, grad_cn = given if mode == "lstm" else (*given, None)
    if grad_out is not None:
        grad_out = grad_out.reshape(rows, width)
    states = out.reshape(rows, width)
    way = (sizes, reverse, batch_first)
    space = np.empty(recurrent_workspace(GATES[mode], units, width), dtype)
    outer, grad_h0, grad_c0 = np.empty((rows, columns), dtype), np.empty((batch, width), dtype), None
    hidden, grad_state = outer, None
    if mode == "lstm":
        gates, cells, raw = kept
        grad_c0 = np.empty((batch, units), dtype)
        grad_state = None if weight_hr is None else np.empty((rows, width), dtype)
        K.lstm_backward(
            grad_out,
            grad_hn,
            grad_cn,
            gates,
            cells,
            weight_hh,
            weight_hr,
            c0,
            *way,
            space,
            outer,
            grad_state,
            grad_h0,
            grad_c0,
        )
    elif mode == "gru":
        gates, inner = kept
        hidden = np.empty((rows, columns), dtype)
        K.gru_backward(grad_out, grad_hn, gates, inner, states, weight_hh, h0, *way, space, outer, hidden, grad_h0)
    else:
        K.rnn_backward(grad_out, grad_hn, states, weight_hh, sizes, mode, reverse, batch_first, space, outer, grad_h0)

    wanted: list[Any] = [False] * 8
    for place, need in zip(places, ctx.needs, strict=True):
        wanted[place] = need
    grad_x = np.empty(x.shape, dtype) if wanted[0] else None
    grad_ih = np.empty(weight_ih.shape, dtype) if wanted[1] else None
    grad_hh = np.empty(weight_hh.shape, dtype) if wanted[2] else None
    shared = mode != "gru"  # both biases have one gradient
    bias_wanted = wanted[3] or (shared and wanted[4])
    grad_bias = np.empty(columns, dtype) if bias_wanted else None
    grad_bias_hh = np.empty(columns, dtype) if wanted[4] and not shared else None
    grad_hr = None
    if grad_x is not None or grad_ih is not None or grad_bias is not None:
        flat_grad = None if grad_x is None else grad_x.reshape(rows, x.shape[-1])
        flat = x.reshape(rows, x.shape[-1])
        K.linear_backward(outer, flat, weight_ih, None, "none", None, flat_grad, grad_ih, grad_bias)
    if grad_bias_hh is not None or grad_hh is not None:
        _hidden_weight(hidden, states, weight_hh, h0, sizes, reverse, batch_first, grad_hh, grad_bias_hh)
    if grad_state is not None and wanted[5]:
        grad_hr = np.empty((width, units), dtype)
        K.linear_backward(grad_state, raw, weight_hr, None, "none", None, None, grad_hr, None)
    if shared and wanted[4] and grad_bias is not None:
        grad_bias_hh = grad_bias.copy() if wanted[3] else grad_bias
    found = (grad_x, grad_ih, grad_hh, grad_bias if wanted[3] else None, grad_bias_hh, grad_hr, grad_h0, grad_c0)
    return tuple([_core.wrap(found[place]) if wanted[place] else None for place in places])


def _hidden_weight(
    grads: Array,
    states: Array,
    weight: Array,
    h0: Array | None,
    sizes: Sizes,
    reverse: bool,
    batch_first: bool,
    grad_weight: Array | None,
    grad_bias: Array | None,
) -> None:
    """grad_weight = grads.T @ the states before each step, grad_bias = grads.sum(0)."""
    batch, steps = int(sizes[0]), sizes.size
    if (
        grad_weight is not None
        and h0 is None
        and grad_bias is None
        and not batch_first
        and sizes[-1] == batch
        and steps > 1
    ):
        # No states before the first step, and those before the others lie as they are needed.
        later, earlier = (grads[:-batch], states[batch:]) if reverse else (grads[batch:], states[:-batch])
        K.linear_backward(later, earlier, weight, None, "none", None, None, grad_weight, None)
        return
    before = _states_before(states, h0, sizes, reverse, batch_first) if grad_weight is not None else states
    K.linear_backward(grads, before, weight, None, "none", None, None, grad_weight, grad_bias)


def _states_before(states: Array, h0: Array | None, sizes: Sizes, reverse: bool, batch_first: bool) -> Array:
    batch, steps, width = int(sizes[0]), sizes.size, states.shape[1]
    before = np.empty_like(states)
    first: Any = 0 if h0 is None else h0
    if batch_first or sizes[-1] == batch:
        shape = (batch, steps, width) if batch_first else (steps, batch, width)
        to, source = before.reshape(shape), states.reshape(shape)
        if batch_first:
            to, source = to.swapaxes(0, 1), source.swapaxes(0, 1)
        if reverse:
            to[:-1], to[-1] = source[1:], first
        else:
            to[1:], to[0] = source[:-1], first
        return before
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    for t, n in enumerate(sizes.tolist()):
        to, earlier = before[starts[t] : starts[t + 1]], t + 1 if reverse else t - 1
        m = min(n, int(sizes[earlier])) if 0 <= earlier < steps else 0
        if m:
            to[:m] = states[starts[earlier] : starts[earlier] + m]
        to[m:] = first if h0 is None else h0[m:n]
    return before


def _recorded(ctx: Node, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    mode, sizes, reverse, batch_first, places = ctx.extra

    def compute(x: Any, *rest: Any) -> tuple[Tensor, ...]:
        w, h0, c0 = Weights(*rest[:5]), *rest[5:]
        batch, (rows, width) = int(sizes[0]), w.hh._array.shape
        h0 = zeros_like_state(x, batch, width) if h0 is None else h0
        if mode == "lstm" and c0 is None:
            c0 = zeros_like_state(x, batch, rows // 4)
        return layer_by_steps(mode, x, w, h0, c0, sizes, batch_first, reverse)

    return differentiate(ctx, ctx.saved[:8], places, grads, compute)
