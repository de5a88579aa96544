"""Recurrent layers: cells, and whole sequences of one layer in one direction.

Rows of a sequence. Arrays (S, *) hold the steps of all sequences of a batch, in the packed layout: ``batch_sizes``,
int64 (T,), never increasing, says how many sequences reach step t; step t's rows follow those of step t - 1. A batch
of equal lengths is the case batch_sizes = B, B, ..., B; with ``batch_first`` (equal lengths alone) its rows lie as
(B, T, *) instead. S = sum of batch_sizes, B = batch_sizes[0], H hidden units, R the width of the output.
``reverse`` runs each sequence from its own end to its start. A sequence starts in its row of h0 (and c0), zero where
None; its last state goes to its row of hn (and cn).

The products of the inputs are made before, for all steps in one: ``gates`` holds them (bias included) on entry. The
gradients with respect to the recurrent weight are products over all steps, made behind: grad_gates.T @ the states
before each step. ``workspace``: (recurrent_workspace(...),), scratch memory without a meaning afterwards.
"""

from __future__ import annotations

from .types import Array, Labels

# Panels of packed weights are padded to a multiple of this.
PANEL = 32


def recurrent_workspace(gates: int, hidden: int, width: int) -> int:
    """Elements of the workspace of a layer of ``gates`` gates, H = hidden and R = width (H, unless projected)."""
    hidden, width = (-(-extent // PANEL) * PANEL for extent in (hidden, width))
    return (gates + 1) * hidden * width + 2 * PANEL


def lstm_cell_forward(gates: Array, previous_cell: Array | None, hidden: Array, cell: Array) -> None:
    """One step of an LSTM. gates: (B, 4H), rows i, f, g, o before activation on entry, after it on return.

    i, f, o = sigmoid, g = tanh; cell = f * previous_cell + i * g; hidden = o * tanh(cell): all (B, H).
    previous_cell is zero where None. (Hochreiter and Schmidhuber 1997; Gers et al. 2000.)
    """
    raise NotImplementedError


def lstm_cell_backward(
    grad_hidden: Array | None,
    grad_cell: Array | None,
    gates: Array,
    previous_cell: Array | None,
    cell: Array,
    grad_gates: Array,
    grad_previous_cell: Array,
) -> None:
    """The gradients of lstm_cell_forward: gates after activation, as it left them.

    grad_hidden, grad_cell: (B, H), zero where None; grad_gates: (B, 4H), before activation; grad_previous_cell: (B, H).
    """
    raise NotImplementedError


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
    """gates += h @ weight_hh.T, then lstm_cell_forward, step by step.

    gates: (S, 4H), after activation on return; weight_hh: (4H, R); weight_hr: (P, H) or None, with which the output
    is o * tanh(c) @ weight_hr.T and R = P (else R = H), and o * tanh(c) goes to raw: (S, H).
    h0, hn: (B, R); c0, cn: (B, H); out: (S, R); cells: (S, H), each step's c.
    """
    raise NotImplementedError


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
    """The gradients of lstm_forward; gates and cells are as it left them, a grad_* that is None is zero.

    grad_out: (S, R); grad_hn, grad_h0: (B, R); grad_cn, grad_c0: (B, H); grad_gates: (S, 4H), before activation.
    grad_state: (S, R), only with weight_hr: the gradient of each step's output, through later steps included.
    Then grad_weight_hh = grad_gates.T @ states before each step, grad_weight_hr = grad_state.T @ raw.
    """
    raise NotImplementedError


def gru_cell_forward(gates: Array, inner: Array, previous_hidden: Array | None, hidden: Array) -> None:
    """One step of a GRU. gates: (B, 3H), rows r, z, n; inner: (B, H), the hidden part of n, h @ W_hn.T + b_hn.

    On entry gates holds r and z before activation and the input part of n, on return all three after activation:
    r, z = sigmoid, n = tanh(n + r * inner); hidden = (1 - z) * n + z * previous_hidden, (B, H), zero where None.
    (Cho et al. 2014, with the reset gate behind the product, as in PyTorch.)
    """
    raise NotImplementedError


def gru_cell_backward(
    grad_hidden: Array,
    gates: Array,
    inner: Array,
    previous_hidden: Array | None,
    grad_gates: Array,
    grad_inner: Array,
    grad_previous_hidden: Array,
) -> None:
    """The gradients of gru_cell_forward; gates and inner are as it left them.

    grad_gates: (B, 3H), before activation; grad_inner: (B, 3H): the same for r and z, for n that of inner;
    grad_previous_hidden: (B, H), without what goes through the product.
    """
    raise NotImplementedError


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
    """gates[:, :2H] += h @ weight_hh[:2H].T, inner = h @ weight_hh[2H:].T + bias_hn, then gru_cell_forward, each step.

    gates: (S, 3H), after activation on return; weight_hh: (3H, H); bias_hn: (H,); out, inner: (S, H); h0, hn: (B, H).
    """
    raise NotImplementedError


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
    """The gradients of gru_forward; gates, inner and out are as it left them, a grad_* that is None is zero.

    grad_out: (S, H); grad_hn, grad_h0: (B, H); grad_gates, grad_inner: (S, 3H), as in gru_cell_backward.
    Then grad_weight_hh = grad_inner.T @ states before each step.
    """
    raise NotImplementedError


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
    """out = activation(out + h @ weight_hh.T), step by step; activation is "tanh" or "relu" (Elman 1990).

    out: (S, H), the inputs' products on entry; weight_hh: (H, H); h0, hn: (B, H).
    """
    raise NotImplementedError


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
    """The gradients of rnn_forward; a grad_* that is None is zero.

    grad_out: (S, H); grad_hn, grad_h0: (B, H); grad_gates: (S, H), before activation.
    Then grad_weight_hh = grad_gates.T @ states before each step.
    """
    raise NotImplementedError
