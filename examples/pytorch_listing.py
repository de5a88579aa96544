"""The article's PyTorch listing, with its three imports changed and nothing else but the number of epochs, on 28 x 28
images: Fashion-MNIST where it is, else digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import Example, percent, training_step
from tqdm import tqdm

import fastnn as torch
import fastnn.nn as nn
import fastnn.optim as optim
from fastnn.training import plot_curves
from fastnn.utils.data import DataLoader, TensorDataset


# --- the listing, first half -----------------------------------------------------------------------
class Net(nn.Module):
    def __init__(self):  # type: ignore[no-untyped-def]
        super(Net, self).__init__()  # noqa: UP008
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):  # type: ignore[no-untyped-def]
        x = x.view(-1, 784)
        x = torch.relu(self.fc1(x))
        x = self.dropout(x)
        x = torch.relu(self.fc2(x))
        x = self.dropout(x)
        x = self.fc3(x)
        return x  # noqa: RET504


# ---------------------------------------------------------------------------------------------------


def large(data: TensorDataset) -> TensorDataset:
    """Images in [-1, 1] as the article's Normalize((0.5,), (0.5,)) gives; digits made 28 x 28, each pixel 3 x 3."""
    images, labels = data.tensors
    array = images.numpy()
    if array.shape[2] == 8:
        array = np.pad(np.kron(array, np.ones((3, 3), np.float32)), ((0, 0), (0, 0), (2, 2), (2, 2)))
    return TensorDataset(torch.from_numpy((array - 0.5) / 0.5), labels)


def main() -> None:
    example = Example("pytorch_listing", __doc__ or "", 10, 3)
    name, train, test, _ = example.images()
    train_loader = DataLoader(large(train), batch_size=64, shuffle=True)
    test_loader = DataLoader(large(test), batch_size=1000)
    place = example.out / "last.safetensors"
    losses: list[float] = []
    begin = 0

    # --- the listing, second half
    model = Net()  # type: ignore[no-untyped-call]
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.001)

    if example.args.resume and place.exists():  # ours
        saved: dict[str, Any] = torch.load(place)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"])
        begin, losses = saved["epoch"], saved["losses"]

    for epoch in range(begin, example.epochs):  # the listing: range(10)
        for data, target in tqdm(train_loader, leave=False, disable=None):  # the listing: in train_loader
            optimizer.zero_grad()
            output = model(data)
            loss = criterion(output, target)
            loss.backward()
            optimizer.step()

        print(f"Epoch {epoch + 1}, Loss: {loss.item()}")
        # --- the end of the listing
        losses.append(loss.item())
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "random": torch.get_rng_state()}
        torch.save({**state, "epoch": epoch + 1, "losses": losses}, place)

    model.eval()
    with torch.no_grad():
        right = sum(int((model(data).argmax(1) == target).sum()) for data, target in test_loader)
    reached = right / len(test)
    goal = {"Fashion-MNIST": 0.82 if example.quick else 0.87, "digits": 0.9 if example.quick else 0.95}[name]
    plot_curves({"loss": losses}, example.out / "losses.png", "last batch's loss", "epoch", "loss")
    faster = example.speed_up(training_step(model, criterion, train_loader))
    example.result("PyTorch listing", name, percent(goal), percent(reached), reached >= goal, faster)
    example.finish()


if __name__ == "__main__":
    main()
