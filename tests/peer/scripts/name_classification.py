"""Character by character: a recurrent network that says which language a name is of. The names are made up."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from .common import fill

SYLLABLES = {
    "Nordic": ["sven", "lind", "berg", "gren", "dahl", "ström", "holm", "kvist"],
    "Southern": ["ro", "ssi", "bian", "chi", "mar", "ti", "ni", "gio"],
    "Eastern": ["iv", "an", "ov", "pet", "rov", "sky", "vas", "ilev"],
}


def _names() -> list[tuple[str, str]]:
    rng = np.random.default_rng(4)
    made = [
        (category, "".join(rng.choice(parts, rng.integers(2, 4))).capitalize())
        for category, parts in SYLLABLES.items()
        for _ in range(30)
    ]
    return [made[i] for i in rng.permutation(len(made))]


def train(torch: Any, steps: int = 60) -> list[float]:
    nn = torch.nn
    letters = string.ascii_letters + "ö"
    categories = list(SYLLABLES)

    class RNN(nn.Module):
        def __init__(self, input_size: int, hidden_size: int, output_size: int) -> None:
            super().__init__()
            self.hidden_size = hidden_size
            self.i2h = nn.Linear(input_size, hidden_size)
            self.h2h = nn.Linear(hidden_size, hidden_size)
            self.h2o = nn.Linear(hidden_size, output_size)
            self.softmax = nn.LogSoftmax(dim=1)

        def forward(self, input: Any, hidden: Any) -> Any:
            hidden = torch.tanh(self.i2h(input) + self.h2h(hidden))
            return self.softmax(self.h2o(hidden)), hidden

        def initHidden(self) -> Any:
            return torch.zeros(1, self.hidden_size)

    def line_to_tensor(line: str) -> Any:
        tensor = torch.zeros(len(line), 1, len(letters))
        for i, letter in enumerate(line):
            tensor[i][0][letters.find(letter)] = 1
        return tensor

    rnn = RNN(len(letters), 24, len(categories))
    fill(torch, rnn)
    criterion, losses = nn.NLLLoss(), []
    for category, line in _names()[:steps]:
        target = torch.tensor([categories.index(category)], dtype=torch.long)
        steps_of_line, hidden = line_to_tensor(line), rnn.initHidden()
        rnn.zero_grad()
        for i in range(steps_of_line.size(0)):
            output, hidden = rnn(steps_of_line[i], hidden)
        loss = criterion(output, target)
        loss.backward()
        for p in rnn.parameters():
            p.data.add_(p.grad.data, alpha=-0.05)
        losses.append(loss.item())
    return losses
