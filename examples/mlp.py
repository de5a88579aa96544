"""The article's MLP and MLPTrainer on NumPy arrays, and the same network as nn.Module: they agree, and they learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from common import Example, loaders, percent, training_step
from tqdm import tqdm

import fastnn as torch
from fastnn import arrays, nn
from fastnn.optim.lr_scheduler import LambdaLR
from fastnn.training import ConfusionMatrix, plot_confusion_matrix, plot_history
from fastnn.utils.data import TensorDataset

RATE = 0.1
BATCH = 64


def as_module(mlp: arrays.MLP) -> nn.Sequential:
    """The same network, with the same weights, as PyTorch spells it: weights lie (outputs, inputs)."""
    layers: list[nn.Module] = []
    for index, (weight, bias) in enumerate(zip(mlp.weights, mlp.biases, strict=True)):
        layer = nn.Linear(*weight.shape).to(torch.from_numpy(weight).dtype)
        layer.load_state_dict({"weight": torch.tensor(weight.T), "bias": torch.tensor(bias[0])})
        layers += [layer] if index == 0 else [nn.ReLU(), layer]
    return nn.Sequential(*layers)


def one_hot(labels: Any, classes: int, dtype: Any) -> Any:
    return np.eye(classes, dtype=dtype)[labels]


def largest_difference(images: Any, labels: Any, sizes: list[int], steps: int) -> float:
    """How far the weights of the two are apart after steps on the same batches in float64."""
    mlp = arrays.MLP(sizes)
    module = as_module(mlp)
    trainer = arrays.MLPTrainer(mlp, RATE)
    optimizer, criterion = torch.optim.SGD(module.parameters(), RATE), nn.CrossEntropyLoss()
    for step in range(steps):
        rows = slice(step * BATCH % (len(images) - BATCH), None)
        x, y = images[rows][:BATCH].astype(np.float64), labels[rows][:BATCH]
        trainer.train_step(x, one_hot(y, sizes[-1], np.float64))
        optimizer.zero_grad()
        criterion(module(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    pairs = zip(mlp.weights, list(module.parameters())[::2], strict=True)
    return max(float(np.abs(weight - parameter.detach().numpy().T).max()) for weight, parameter in pairs)


def main() -> None:
    example = Example("mlp", __doc__ or "", 25, 4)
    name, train, test, classes = example.images()
    goal = {"Fashion-MNIST": 0.85 if example.quick else 0.885, "digits": 0.9 if example.quick else 0.96}[name]
    flat = [TensorDataset(d.tensors[0].flatten(1), d.tensors[1]) for d in (train, test)]
    (images, labels), (test_images, test_labels) = ([t.numpy() for t in d.tensors] for d in flat)
    sizes = [images.shape[1], 256, 128, 100, len(classes)]  # the yardstick of Fashion-MNIST's own table: 88.33 %

    apart = largest_difference(images, labels, sizes, 100)
    example.result("MLPTrainer = nn.Module", name, "1e-9 apart after 100 steps", f"{apart:.1e} apart", apart < 1e-9)

    mlp = arrays.MLP(sizes, dtype=np.float32)
    trainer = arrays.MLPTrainer(mlp, RATE)
    place, begin = example.out / "arrays.safetensors", 0
    if example.args.resume and place.exists():
        saved = torch.load(place)
        begin = int(saved["epoch"])
        for index in range(len(mlp.weights)):
            mlp.weights[index][...], mlp.biases[index][...] = (
                saved[f"weight{index}"].numpy(),
                saved[f"bias{index}"].numpy(),
            )
    encoded = one_hot(labels, len(classes), np.float32)
    for epoch in range(begin, example.epochs):
        trainer.learning_rate = RATE * (1 - epoch / example.epochs)
        order = np.random.default_rng([example.args.seed, epoch]).permutation(len(images))
        batches = tqdm(range(0, len(order) - BATCH + 1, BATCH), f"arrays: epoch {epoch + 1}", leave=False, disable=None)
        losses = [trainer.train_step(images[order[i : i + BATCH]], encoded[order[i : i + BATCH]]) for i in batches]
        right = float((mlp.forward(test_images).argmax(1) == test_labels).mean())
        example.say(f"arrays: epoch {epoch + 1}  loss {np.mean(losses):.4f}  test accuracy {right:.4f}")
        state = {f"weight{i}": torch.from_numpy(w) for i, w in enumerate(mlp.weights)}
        state |= {f"bias{i}": torch.from_numpy(b) for i, b in enumerate(mlp.biases)}
        torch.save({**state, "epoch": torch.tensor(epoch + 1)}, place)
    right = float((mlp.forward(test_images).argmax(1) == test_labels).mean())
    x, y = images[:BATCH], encoded[:BATCH]
    faster = example.speed_up(lambda: arrays.MLPTrainer(mlp, 1e-6).train_step(x, y))
    example.result("MLPTrainer (arrays)", name, percent(goal), percent(right), right >= goal, faster)

    model = as_module(arrays.MLP(sizes, dtype=np.float32))
    matrix = ConfusionMatrix(len(classes))
    train_loader, test_loader = loaders(flat[0], flat[1], BATCH)
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    fitted = example.fit(
        "module",
        model,
        optimizer,
        train_loader,
        test_loader,
        metrics={"accuracy": matrix},
        scheduler=LambdaLR(optimizer, lambda epoch: 1 - epoch / example.epochs),
    )
    right = fitted.evaluate(test_loader)["accuracy"]
    plot_history(fitted.history, example.out / "history.png")
    plot_confusion_matrix(matrix.matrix, example.out / "confusion.png", classes)
    faster = example.speed_up(training_step(model, nn.CrossEntropyLoss(), train_loader))
    example.result("nn.Module", name, percent(goal), percent(right), right >= goal, faster)
    example.finish()


if __name__ == "__main__":
    main()
