"""A variational autoencoder of handwritten digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from .common import digits, fill


def train(torch: Any, steps: int = 24) -> list[float]:
    nn, F = torch.nn, torch.nn.functional
    rng = np.random.default_rng(1)

    class VAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(64, 40)
            self.fc21 = nn.Linear(40, 6)
            self.fc22 = nn.Linear(40, 6)
            self.fc3 = nn.Linear(6, 40)
            self.fc4 = nn.Linear(40, 64)

        def encode(self, x: Any) -> Any:
            h1 = F.relu(self.fc1(x))
            return self.fc21(h1), self.fc22(h1)

        def reparameterize(self, mu: Any, logvar: Any) -> Any:
            std = torch.exp(0.5 * logvar)
            eps = torch.from_numpy(rng.standard_normal(tuple(std.shape)).astype(np.float32))
            return mu + eps * std

        def decode(self, z: Any) -> Any:
            return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

        def forward(self, x: Any) -> Any:
            mu, logvar = self.encode(x.view(-1, 64))
            z = self.reparameterize(mu, logvar)
            return self.decode(z), mu, logvar

    def loss_function(recon_x: Any, x: Any, mu: Any, logvar: Any) -> Any:
        BCE = F.binary_cross_entropy(recon_x, x.view(-1, 64), reduction="sum")
        KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        return BCE + KLD

    images, _ = digits(torch)
    model = VAE()
    fill(torch, model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    model.train()
    for i in range(steps):
        data = images[i * 64 : (i + 1) * 64]
        optimizer.zero_grad()
        loss = loss_function(*_with_input(model(data), data))
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / len(data))
    assert losses[-1] < losses[0]
    return losses


def _with_input(outputs: Any, data: Any) -> Any:
    recon, mu, logvar = outputs
    return recon, data, mu, logvar
