"""Recurrent cells and layers, step by step, of ops that record: what create_graph=True differentiates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.ops.activation import relu, sigmoid, tanh
from fastnn.ops.join import cat, stack
from fastnn.ops.linear import linear
from fastnn.ops.pieces import chunk, narrow, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Sizes = NDArray[np.int64]


class Weights(NamedTuple):
    """The parameters of one layer in one direction, as nn.LSTM, nn.GRU and nn.RNN name them."""

    ih: Tensor
    hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    hr: Tensor | None = None


def lstm_step(gates: Tensor, hidden: Tensor, cell: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
    """gates: the inputs' part, with its bias."""
    i, f, g, o = chunk(gates + linear(hidden, w.hh, w.bias_hh), 4, 1)
    cell = sigmoid(f) * cell + sigmoid(i) * tanh(g)
    hidden = sigmoid(o) * tanh(cell)
    return hidden if w.hr is None else linear(hidden, w.hr), cell


def gru_step(gates: Tensor, hidden: Tensor, w: Weights) -> Tensor:
    """gates: the inputs' part, with its bias."""
    (r, z, n), (hidden_r, hidden_z, hidden_n) = chunk(gates, 3, 1), chunk(linear(hidden, w.hh, w.bias_hh), 3, 1)
    z = sigmoid(z + hidden_z)
    return (1 - z) * tanh(n + sigmoid(r + hidden_r) * hidden_n) + z * hidden


def rnn_step(gates: Tensor, hidden: Tensor, w: Weights, activation: str) -> Tensor:
    """gates: the inputs' part, with its bias."""
    out = gates + linear(hidden, w.hh, w.bias_hh)
    return tanh(out) if activation == "tanh" else relu(out)


def _rows(gates: Tensor, sizes: Sizes, batch_first: bool) -> Iterator[Tensor]:
    """Each step's rows: of (T, B, *), of (B, T, *), or of a packed (S, *)."""
    at = 0
    for t, n in enumerate(sizes.tolist()):
        yield narrow(gates, 0, at, n) if gates._array.ndim == 2 else select(gates, 1 if batch_first else 0, t)
        at += n


def layer_by_steps(
    mode: str, x: Tensor, w: Weights, h0: Tensor, c0: Tensor | None, sizes: Sizes, batch_first: bool, reverse: bool
) -> tuple[Tensor, ...]:
    """The outputs of one layer in one direction, hn and, of an LSTM, cn: the same as of its kernel."""
    gates = list(_rows(linear(x, w.ih, w.bias_ih), sizes, batch_first))
    states = [h0] if c0 is None else [h0, c0]
    batch = h0._array.shape[0]
    outs: list[Tensor] = []
    for gate in reversed(gates) if reverse else gates:
        n = gate._array.shape[0]
        now = [narrow(state, 0, 0, n) for state in states]
        if mode == "lstm":
            now = list(lstm_step(gate, now[0], now[1], w))
        elif mode == "gru":
            now = [gru_step(gate, now[0], w)]
        else:
            now = [rnn_step(gate, now[0], w, mode)]
        outs.append(now[0])
        states = [
            new if n == batch else cat([new, narrow(state, 0, n, batch - n)])
            for new, state in zip(now, states, strict=True)
        ]
    if reverse:
        outs.reverse()
    out = cat(outs) if x._array.ndim == 2 else stack(outs, 1 if batch_first else 0)
    return out, *states


def zeros_like_state(x: Tensor, batch: int, width: int) -> Tensor:
    """The state before the first step where none was given."""
    return _core.wrap(np.zeros((batch, width), x._array.dtype))


def differentiate(
    ctx: Node,
    given: Sequence[Tensor | None],
    places: Sequence[int],
    grads: Sequence[Tensor | None],
    compute: Callable[..., tuple[Tensor, ...]],
) -> tuple[Tensor | None, ...]:
    """Recorded gradients of compute(*given), which must record, with respect to given[i] for i in places."""
    # Aliases, where the walk ends: a tensor given may depend on another one.
    own: list[Any] = [None if tensor is None else tensor.view(tensor.shape) for tensor in given]
    outs = compute(*own)
    pairs = [(out, grad) for out, grad in zip(outs, grads, strict=True) if grad is not None]
    asked = [place for place, need in zip(places, ctx.needs, strict=True) if need]
    roots, seeds = tuple([out for out, _ in pairs]), tuple([grad for _, grad in pairs])
    found = _core.run_backward(roots, seeds, True, True, tuple([own[place] for place in asked]), False)
    answers = dict(zip(asked, found or (), strict=True))
    return tuple([answers.get(place) for place in places])
