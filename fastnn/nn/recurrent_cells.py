"""One step of a recurrent network: RNNCell, LSTMCell and GRUCell."""

from __future__ import annotations

import math
from typing import Any

from fastnn.creation import empty
from fastnn.nn import init
from fastnn.nn.module import Module
from fastnn.nn.parameter import Parameter
from fastnn.ops.recurrent_cells import cell_step
from fastnn.tensor import Tensor


class RNNCellBase(Module):
    """``weight_ih``: (gates * hidden_size, input_size), ``weight_hh``: (gates * hidden_size, hidden_size), and biases.

    All are drawn uniformly from [-1/sqrt(hidden_size), 1/sqrt(hidden_size)].
    """

    input_size: int
    hidden_size: int
    bias: bool
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(empty((rows, hidden_size), device=device, dtype=dtype))
        if bias:
            self.bias_ih = Parameter(empty(rows, device=device, dtype=dtype))
            self.bias_hh = Parameter(empty(rows, device=device, dtype=dtype))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"

    def _check_dims(self, input: Tensor, states: dict[str, Tensor]) -> None:
        kind = type(self).__name__
        for name, tensor in (("input", input), *states.items()):
            if tensor.dim() not in (1, 2):
                raise ValueError(f"{kind}: Expected {name} to be 1D or 2D, got {tensor.dim()}D instead")

    def _step(self, mode: str, input: Tensor, hidden: Tensor | None, cell: Tensor | None) -> list[Tensor]:
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
            hidden, cell = (None if state is None else state.unsqueeze(0) for state in (hidden, cell))
        out = cell_step(mode, input, hidden, cell, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return [each if batched else each.squeeze(0) for each in out]


class RNNCell(RNNCellBase):
    """h' = tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh), or relu with ``nonlinearity="relu"``."""

    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next hidden state. input: (B, input_size) or (input_size,); hx: (B, hidden_size) or (hidden_size,)."""
        self._check_dims(input, {} if hx is None else {"hidden": hx})
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(self.nonlinearity, input, hx, None)[0]


class LSTMCell(RNNCellBase):
    """One step of an LSTM: see nn.LSTM for the formulas."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The next hidden state and cell. input: (B, input_size) or (input_size,); hx: two of (B, hidden_size)."""
        self._check_dims(input, {} if hx is None else {f"hx[{i}]": state for i, state in enumerate(hx)})
        hidden, cell = self._step("lstm", input, *((None, None) if hx is None else (hx[0], hx[1])))
        return hidden, cell


class GRUCell(RNNCellBase):
    """One step of a GRU: see nn.GRU for the formulas."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next hidden state. input: (B, input_size) or (input_size,); hx: (B, hidden_size) or (hidden_size,)."""
        self._check_dims(input, {} if hx is None else {"hidden": hx})
        return self._step("gru", input, hx, None)[0]
