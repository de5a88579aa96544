"""A siamese network: do two images show the same digit? One trunk for both, a head on their features side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from .common import digits, fill


def train(torch: Any, steps: int = 22) -> list[float]:
    nn = torch.nn

    class SiameseNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(
                nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 32)
            )
            self.fc = nn.Sequential(nn.Linear(64, 32), nn.ReLU(inplace=True), nn.Linear(32, 1))
            self.sigmoid = nn.Sigmoid()

        def forward_once(self, x: Any) -> Any:
            return self.trunk(x).view(x.size()[0], -1)

        def forward(self, input1: Any, input2: Any) -> Any:
            output = torch.cat((self.forward_once(input1), self.forward_once(input2)), 1)
            return self.sigmoid(self.fc(output))

    class Matcher(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
        """Pairs, every second one of the same digit."""

        def __init__(self, count: int) -> None:
            self.images, labels = digits(torch)
            self.groups = [np.flatnonzero(labels.numpy() == digit) for digit in range(10)]
            self.count = count

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: int) -> Any:
            rng = np.random.default_rng(index)
            first = int(rng.integers(10))
            second = first if index % 2 == 0 else (first + int(rng.integers(1, 10))) % 10
            one, two = (self.images[int(rng.choice(self.groups[digit]))] for digit in (first, second))
            return one, two, torch.tensor(float(first == second))

    loader = torch.utils.data.DataLoader(Matcher(steps * 32), batch_size=32, num_workers=0)
    model = SiameseNetwork()
    fill(torch, model)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    criterion, losses = nn.BCELoss(), []
    model.train()
    for images_1, images_2, targets in loader:
        optimizer.zero_grad()
        outputs = model(images_1, images_2).squeeze()
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
