"""Predicting sine waves: two LSTM cells, double precision, LBFGS with a closure, and a forecast into the future."""

from __future__ import annotations

from typing import Any

import numpy as np

from .common import fill


def train(torch: Any, steps: int = 6) -> list[float]:
    nn = torch.nn

    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm1 = nn.LSTMCell(1, 12)
            self.lstm2 = nn.LSTMCell(12, 12)
            self.linear = nn.Linear(12, 1)

        def forward(self, input: Any, future: int = 0) -> Any:
            outputs = []
            h_t, c_t, h_t2, c_t2 = (torch.zeros(input.size(0), 12, dtype=torch.double) for _ in range(4))
            for input_t in input.split(1, dim=1):
                h_t, c_t = self.lstm1(input_t, (h_t, c_t))
                h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
                output = self.linear(h_t2)
                outputs += [output]
            for _ in range(future):
                h_t, c_t = self.lstm1(output, (h_t, c_t))
                h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
                output = self.linear(h_t2)
                outputs += [output]
            return torch.cat(outputs, dim=1)

    shifts = np.random.default_rng(5).integers(-20, 20, 6)
    waves = np.sin((np.arange(26) + shifts[:, None]) / 4.0)
    input, target = torch.from_numpy(waves[1:, :-1]), torch.from_numpy(waves[1:, 1:])
    test_input, test_target = torch.from_numpy(waves[:1, :-1]), torch.from_numpy(waves[:1, 1:])
    seq = Sequence().double()
    fill(torch, seq)
    criterion = nn.MSELoss()
    optimizer = torch.optim.LBFGS(seq.parameters(), lr=0.8, max_iter=5)
    losses: list[float] = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = criterion(seq(input), target)
        losses.append(loss.item())
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
        with torch.no_grad():
            future = 5
            pred = seq(test_input, future=future)
            losses.append(criterion(pred[:, :-future], test_target).item())
    return losses
