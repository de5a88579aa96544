"""Recurrent networks: layers in both directions over sequences of equal or of several lengths.

A layer in one direction is one node of the tape: the inputs' product, then a kernel that runs all steps, each way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.dropout import dropout as dropout_
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.join import cat, stack
from fastnn.ops.pieces import unbind
from fastnn.ops.recurrent_layer import recurrent_layer
from fastnn.ops.recurrent_steps import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.tensor import Tensor

    Sizes = NDArray[np.int64]

__all__ = ["gru", "lstm", "recurrent", "rnn_relu", "rnn_tanh"]


# ------------------------------------------------------------------------------------------- the public functions


def lstm(input: Tensor, *args: Any, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
    """A long short-term memory of several layers (Hochreiter and Schmidhuber 1997): output, hn, cn.

    lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first), input: (T, B, I), or
    (B, T, I) with batch_first; lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
    bidirectional), data: (S, I), packed. hx: (h0, c0), (layers * directions, B, R) and (layers * directions, B, H);
    params: for each layer and direction weight_ih (4H, I), weight_hh (4H, R), with biases bias_ih and bias_hh (4H,),
    and with projections weight_hr (R, H). Raises RuntimeError for shapes and dtypes that do not fit, and for no steps.
    """
    input, sizes, hx, rest = _arguments(
        "lstm", input, args, options, lambda second: isinstance(second, _core.TensorBase)
    )
    h0, c0 = hx
    out, hn, cn = recurrent("lstm", input, sizes, h0, c0, *rest)
    assert cn is not None
    return out, hn, cn


def gru(input: Tensor, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """Gated recurrent units of several layers (Cho et al. 2014): output, hn. Arguments as of lstm, with hx = h0."""
    return _of_one_state("gru", "gru", input, args, options)


def rnn_tanh(input: Tensor, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """An Elman network with tanh of several layers: output, hn. Arguments as of lstm, with hx = h0."""
    return _of_one_state("rnn_tanh", "tanh", input, args, options)


def rnn_relu(input: Tensor, *args: Any, **options: Any) -> tuple[Tensor, Tensor]:
    """An Elman network with ReLU of several layers: output, hn. Arguments as of lstm, with hx = h0."""
    return _of_one_state("rnn_relu", "relu", input, args, options)


def _of_one_state(
    function: str, mode: str, input: Tensor, args: tuple[Any, ...], options: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    packed = "batch_sizes" in options or (len(args) > 1 and isinstance(args[1], _core.TensorBase))
    input, sizes, h0, rest = _arguments(function, input, args, options, lambda second: packed)
    out, hn, _ = recurrent(mode, input, sizes, h0, None, *rest)
    return out, hn


def _arguments(
    function: str, input: Tensor, args: tuple[Any, ...], options: dict[str, Any], is_packed: Any
) -> tuple[Tensor, Tensor | None, Any, list[Any]]:
    """input or data, batch_sizes or None, hx, and the other arguments of recurrent in its order."""
    names = ["hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional"]
    packed = "batch_sizes" in options or bool(args and is_packed(args[0]))
    names = ["batch_sizes", *names] if packed else [*names, "batch_first"]
    given = dict(zip(names, args, strict=False))
    if len(args) > len(names) or set(given) & set(options) or set(given) | set(options) != set(names):
        raise TypeError(f"{function}(): expected the arguments input, {', '.join(names)}")
    given.update(options)
    rest = [given[name] for name in names if name not in ("hx", "batch_sizes")]
    return (
        tensor_argument(input, function),
        given.get("batch_sizes"),
        given["hx"],
        [*rest, *([False] if packed else [])],
    )


# ----------------------------------------------------------------------------------------------- layers of layers


def recurrent(
    mode: str,
    input: Tensor,
    batch_sizes: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """output, hn and (of an LSTM) cn of a network of mode "lstm", "gru", "tanh" or "relu"; see lstm.

    h0 and c0 may be None: zeros. dropout: of what passes from one layer to the next, in training.
    """
    if input._array.dtype == np.float16:
        return _in_single(
            mode, input, batch_sizes, h0, c0, params, has_biases, num_layers, dropout, train, bidirectional, batch_first
        )
    directions = 2 if bidirectional else 1
    batch_first = batch_first and batch_sizes is None
    weights = _weights(params, has_biases, num_layers * directions)
    sizes = _sizes(input, batch_sizes, batch_first)
    starts = [_states(state, num_layers * directions) for state in (h0, c0)]
    hidden: list[Tensor] = []
    cells: list[Tensor] = []
    for layer in range(num_layers):
        outs = []
        for direction in range(directions):
            place = layer * directions + direction
            out, hn, *cn = recurrent_layer(
                mode, input, weights[place], starts[0][place], starts[1][place], sizes, batch_first, direction == 1
            )
            outs.append(out)
            hidden.append(hn)
            cells += cn
        input = outs[0] if directions == 1 else cat(outs, -1)
        if train and dropout > 0 and layer < num_layers - 1:
            input = dropout_(input, dropout)
    return input, _stacked(hidden), _stacked(cells) if cells else None


def _in_single(
    mode: str,
    input: Tensor,
    batch_sizes: Tensor | None,
    h0: Tensor | None,
    c0: Tensor | None,
    params: Sequence[Tensor],
    *rest: Any,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """float16 by way of float32."""
    single = np.dtype(np.float32)
    h0, c0 = (None if state is None else cast(state, single) for state in (h0, c0))
    wide = [cast(param, single) for param in params]
    out, hn, cn = recurrent(mode, cast(input, single), batch_sizes, h0, c0, wide, *rest)
    half = np.dtype(np.float16)
    return cast(out, half), cast(hn, half), None if cn is None else cast(cn, half)


def _weights(params: Sequence[Tensor], has_biases: bool, count: int) -> list[Weights]:
    each, plain = len(params) // count if count else 0, 4 if has_biases else 2
    if count < 1 or each * count != len(params) or each not in (plain, plain + 1):
        raise RuntimeError(
            f"params: expected {plain} tensors for each of {count} layers and directions (one more with projections), "
            f"got {len(params)}"
        )
    found = []
    for start in range(0, len(params), each):
        own = [tensor_argument(param, "recurrent", "params") for param in params[start : start + each]]
        bias_ih, bias_hh = (own[2], own[3]) if has_biases else (None, None)
        found.append(Weights(own[0], own[1], bias_ih, bias_hh, own[-1] if each > plain else None))
    return found


def _sizes(input: Tensor, batch_sizes: Tensor | None, batch_first: bool) -> Sizes:
    """How many sequences reach each step."""
    shape = input._array.shape
    if batch_sizes is None:
        if len(shape) != 3:
            raise RuntimeError(f"input must have 3 dimensions, got {len(shape)}")
        batch, steps = shape[:2] if batch_first else (shape[1], shape[0])
        if steps == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        return np.full(steps, batch, np.int64)
    sizes = batch_sizes._array
    if len(shape) != 2:
        raise RuntimeError(f"input must have 2 dimensions, got {len(shape)}")
    if sizes.ndim != 1 or sizes.dtype != np.int64 or sizes.size == 0:
        raise RuntimeError(
            f"batch_sizes: expected a 1-D int64 tensor of at least one size, got {batch_sizes.dtype} of shape "
            f"{list(sizes.shape)}"
        )
    if int(sizes.sum()) != shape[0] or sizes[-1] < 1 or (np.diff(sizes) > 0).any():
        raise RuntimeError(
            f"batch_sizes: expected positive sizes that never increase and add up to data's {shape[0]} rows, got "
            f"{sizes.tolist()}"
        )
    return np.ascontiguousarray(sizes)


def _states(state: Tensor | None, count: int) -> Sequence[Tensor | None]:
    """The first states of each layer and direction."""
    if state is None:
        return [None] * count
    shape = state._array.shape
    if len(shape) != 3 or shape[0] != count:
        raise RuntimeError(f"hx: expected shape [{count}, batch, width], got {list(shape)}")
    return [state.reshape(shape[1:])] if count == 1 else unbind(state, 0)


def _stacked(states: list[Tensor]) -> Tensor:
    if len(states) == 1:
        return states[0].reshape((1, *states[0]._array.shape))
    return stack(states, 0)
