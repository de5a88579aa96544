"""torch.lstm, gru, rnn_* and the cells as functions: both argument lists of PyTorch, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.ops import recurrent, recurrent_cells

COUNT = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def _parts(kind: str, fw: Any, projection: int = 0, layers: int = 2) -> tuple[Any, list[Any]]:
    """hx and params of `layers` layers in both directions, I = 3, H = 4, B = 2."""
    rng, width = np.random.default_rng(0), projection or 4
    params = []
    for place in range(2 * layers):
        inputs = 3 if place < 2 else 2 * width
        shapes = [(COUNT[kind] * 4, inputs), (COUNT[kind] * 4, width), (COUNT[kind] * 4,), (COUNT[kind] * 4,)]
        params += [rng.standard_normal(shape) for shape in [*shapes, *([(width, 4)] if projection else [])]]
    h0, c0 = rng.standard_normal((2 * layers, 2, width)), rng.standard_normal((2 * layers, 2, 4))
    hx = (fw.tensor(h0), fw.tensor(c0)) if kind == "lstm" else fw.tensor(h0)
    return hx, [fw.tensor(param) for param in params]


@pytest.mark.peer
@pytest.mark.parametrize(("kind", "projection"), [*((kind, 0) for kind in COUNT), ("lstm", 2)])
@pytest.mark.parametrize("packed", [False, True])
def test_functions_equal_pytorchs(kind: str, projection: int, packed: bool) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).standard_normal((5, 3) if packed else (2, 3, 3))
    found = []
    for fw, module in ((fastnn, recurrent), (torch, torch)):
        hx, params = _parts(kind, fw, projection)
        rest = (hx, params, True, 2, 0.0, False, True)
        call = getattr(module, kind)
        outs = call(fw.tensor(x), fw.tensor([2, 2, 1]), *rest) if packed else call(fw.tensor(x), *rest, True)
        found.append([out.numpy() for out in outs])
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-10, atol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize("kind", COUNT)
@pytest.mark.parametrize("biases", [False, True])
def test_cells_equal_pytorchs(kind: str, biases: bool) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for fw, module in ((fastnn, recurrent_cells), (torch, torch)):
        hx, params = _parts(kind, fw)
        states = [state[0] for state in hx] if kind == "lstm" else hx[0]
        out = getattr(module, f"{kind}_cell")(fw.ones(2, 3, dtype=fw.float64), states, *params[: 4 if biases else 2])
        found.append([each.numpy() for each in (out if kind == "lstm" else [out])])
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-10, atol=1e-12)


def test_what_does_not_fit_is_refused() -> None:
    x = fastnn.zeros(2, 2, 3, dtype=fastnn.float64)
    (h0, c0), params = _parts("lstm", fastnn)
    rest = (True, 2, 0.0, False, True, False)
    with pytest.raises(TypeError, match="expected the arguments input, hx, params"):
        recurrent.lstm(x, (h0, c0), params)
    with pytest.raises(RuntimeError, match="params: expected 4 tensors for each of 4"):
        recurrent.lstm(x, (h0, c0), params[:-1], *rest)
    with pytest.raises(RuntimeError, match=r"bias_hh has shape \[15\], expected \[16\]"):
        recurrent.lstm(x, (h0, c0), [*params[:3], params[3][:-1], *params[4:]], *rest)
    with pytest.raises(RuntimeError, match="weight_ih has dtype"):
        recurrent.lstm(x, (h0, c0), [params[0].float(), *params[1:]], *rest)
    with pytest.raises(RuntimeError, match=r"hx: expected shape \[4, batch, width\]"):
        recurrent.lstm(x, (h0[0], c0), params, *rest)
    with pytest.raises(RuntimeError, match="must have 3 dimensions"):
        recurrent.lstm(x[0], (h0, c0), params, *rest)
    with pytest.raises(RuntimeError, match=r"not implemented for \w+\.int64"):
        recurrent.lstm(x.long(), (h0, c0), params, *rest)
    packed = (True, 2, 0.0, False, True)
    data = fastnn.zeros(4, 3, dtype=fastnn.float64)
    for sizes in ([1, 3], [2, 1], [4, 0], [-1, 5]):
        with pytest.raises(RuntimeError, match="batch_sizes: expected positive sizes"):
            recurrent.lstm(data, fastnn.tensor(sizes), (h0, c0), params, *packed)
    with pytest.raises(RuntimeError, match="1-D int64"):
        recurrent.lstm(data, fastnn.tensor([2.0, 2.0]), (h0, c0), params, *packed)
    with pytest.raises(RuntimeError, match=r"w_hh has shape \[15, 4\], expected \[16, 4\]"):
        recurrent_cells.lstm_cell(data, (h0[0, :1].expand(4, 4), c0[0, :1].expand(4, 4)), params[0], params[1][:15])
