"""Fitting a polynomial of the fourth degree by a linear layer on powers of x."""

from __future__ import annotations

from typing import Any

import numpy as np

from .common import fill


def train(torch: Any, steps: int = 40) -> list[float]:
    F = torch.nn.functional
    degree = 4
    rng = np.random.default_rng(3)
    W_target = torch.from_numpy((rng.standard_normal((degree, 1)) * 5).astype(np.float32))
    b_target = torch.from_numpy((rng.standard_normal(1) * 5).astype(np.float32))

    def make_features(x: Any) -> Any:
        x = x.unsqueeze(1)
        return torch.cat([x**i for i in range(1, degree + 1)], 1)

    def f(x: Any) -> Any:
        return x.mm(W_target) + b_target.item()

    def get_batch(size: int = 32) -> Any:
        x = make_features(torch.from_numpy(rng.standard_normal(size).astype(np.float32) * 0.7))
        return x, f(x)

    fc = torch.nn.Linear(W_target.size(0), 1)
    fill(torch, fc)
    losses = []
    for _ in range(steps):
        batch_x, batch_y = get_batch()
        fc.zero_grad()
        output = F.smooth_l1_loss(fc(batch_x), batch_y)
        output.backward()
        with torch.no_grad():
            for param in fc.parameters():
                param.add_(param.grad, alpha=-0.1)
        losses.append(output.item())
    return losses
