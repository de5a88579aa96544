"""Convolutional nets on real images: [Conv-BN-ReLU-Pool] x N with dropout and a linear layer, and a small ResNet, both
with augmentation. Digits by default; Fashion-MNIST's 60,000 images as well in the full settings (--images).
"""

from __future__ import annotations

import argparse
from typing import Any

from common import NOT_NUMBA, Example, loaders, percent, standardized, training_step

import fastnn as torch
from fastnn import nn
from fastnn.optim.lr_scheduler import OneCycleLR
from fastnn.training import ConfusionMatrix, plot_confusion_matrix, plot_history, summary
from fastnn.transforms import Compose, RandomAffine, RandomCrop, RandomHorizontalFlip
from fastnn.utils.data import TensorDataset


def conv_bn_relu(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def plain_cnn(size: int, channels: list[int], classes: int, hidden: int = 0) -> nn.Sequential:
    """[Conv-BN-ReLU-Pool] x N, flatten, a hidden layer where asked for, dropout, linear, for square grey images."""
    layers: list[nn.Module] = []
    inputs = 1
    for outputs in channels:
        layers += [*conv_bn_relu(inputs, outputs), nn.MaxPool2d(2)]
        inputs, size = outputs, size // 2
    layers.append(nn.Flatten())
    features = inputs * size * size
    if hidden:
        layers += [nn.Linear(features, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
        features = hidden
    return nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(features, classes))


class Block(nn.Module):
    """relu(x + f(x)), f two convolutions with batch norm (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_bn_relu(inputs, outputs, stride), *conv_bn_relu(outputs, outputs)[:2])
        self.skip: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Any) -> Any:
        return torch.relu(self.body(x) + self.skip(x))


def small_resnet(width: int, classes: int, pool: bool = False) -> nn.Sequential:
    """A first convolution, three stages of one block each, halving the image, and the mean of what is left.

    pool: halve large images before the blocks, so that twice the width costs as much as before.
    """
    return nn.Sequential(
        *conv_bn_relu(1, width),
        nn.MaxPool2d(2) if pool else nn.Identity(),
        Block(width, width, 1),
        Block(width, 2 * width, 2),
        Block(2 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )


def run(
    example: Example,
    name: str,
    train: TensorDataset,
    test: TensorDataset,
    classes: list[str],
    nets: dict[str, tuple[Any, int]],
    augment: Any,
    batch_size: int,
    rate: float,
    smoothing: float = 0.0,
) -> dict[str, tuple[float, float]]:
    """Train each net, given as a function that makes it and its epochs: its test accuracy and its speed-up.

    smoothing: of the labels in the loss that is trained on (Szegedy et al. 2016).
    """
    found = {}
    train, test = standardized(train, test)
    train_loader, test_loader = loaders(train, test, batch_size)
    criterion = nn.CrossEntropyLoss(label_smoothing=smoothing)
    for kind, (make, epochs) in nets.items():
        run_name = f"{name}-{kind}".replace(" ", "-")
        torch.manual_seed(example.args.seed)
        model = make()
        example.say(str(summary(model, train.tensors[0][:1])).splitlines()[-3])
        optimizer = torch.optim.SGD(model.parameters(), rate / 25, momentum=0.9, nesterov=True, weight_decay=5e-4)
        matrix = ConfusionMatrix(len(classes))
        trainer = example.fit(
            run_name,
            model,
            optimizer,
            train_loader,
            test_loader,
            criterion=criterion,
            epochs=epochs,
            metrics={"accuracy": matrix},
            scheduler=OneCycleLR(optimizer, rate, epochs=epochs, steps_per_epoch=len(train_loader)),
            schedule="step",
            augment=augment,
        )
        reached = trainer.evaluate(test_loader)["accuracy"]  # of the last epoch: the test set chooses nothing
        plot_history(trainer.history, example.out / f"{run_name}.png")
        plot_confusion_matrix(matrix.matrix, example.out / f"{run_name}-confusion.png", classes)
        faster = example.speed_up(training_step(model, criterion, train_loader))
        found[kind] = reached, faster
    return found


def on_digits(example: Example, splits: int) -> None:
    """Both nets, over several random splits: a fifth of 1,797 images is few, and one of them is 0.28 %."""
    goal, epochs = (0.975, example.epochs) if example.quick else (0.99, 4 * example.epochs)
    nets: dict[str, tuple[Any, int]] = {
        "plain CNN": (lambda: plain_cnn(8, [32, 64, 128], 10), epochs),
        "small ResNet": (lambda: small_resnet(16, 10), epochs),
    }
    augment = RandomAffine(10, (0.1, 0.1), (0.9, 1.1))
    found = []
    for split in range(splits):
        name, train, test, classes = example.digits(split)
        found.append(run(example, f"{name}-{split}", train, test, classes, nets, augment, 32, 0.1))
    for kind in nets:
        reached = [accuracies[kind][0] for accuracies in found]
        mean = sum(reached) / splits
        shown = percent(mean) + (f" ({', '.join(map(percent, reached))})" if splits > 1 else "")
        data = f"digits, {splits} splits" if splits > 1 else "digits"
        example.result(kind, data, percent(goal), shown, mean >= goal, found[0][kind][1])


def on_fashion(example: Example) -> None:
    """Both nets on Fashion-MNIST, where it is; --quick takes 6,000 of its images."""
    name, train, test, classes = example.images(6000 if example.quick else None)
    if name != "Fashion-MNIST":
        return
    epochs = min(example.epochs, 2) if example.quick else example.epochs
    goals = (0.75, 0.75) if example.quick else (0.925, 0.94)
    nets: dict[str, tuple[Any, int]] = {
        "plain CNN": (lambda: plain_cnn(28, [32, 64], 10, hidden=256), epochs),
        "small ResNet": (lambda: small_resnet(64, 10, pool=True), epochs * 5 // 3),
    }
    augment = Compose([RandomCrop(28, padding=1), RandomHorizontalFlip()])
    found = run(example, name, train, test, classes, nets, augment, 128, 0.15, 0.1)
    for goal, (kind, (reached, faster)) in zip(goals, found.items(), strict=True):
        example.result(kind, name, percent(goal), percent(reached), reached >= goal, faster)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--splits", type=int, metavar="N", help="of the digits, to average over (3; 1 with --quick)")
    parser.add_argument("--images", choices=["digits", "fashion", "both"], help="(both; digits with --quick)")


def main() -> None:
    example = Example("cnn", __doc__ or "", 12, 30, options, backends=NOT_NUMBA)
    chosen = example.args.images or ("digits" if example.quick else "both")
    if chosen in ("digits", "both"):
        on_digits(example, example.args.splits or (1 if example.quick else 3))
    if chosen in ("fashion", "both"):
        on_fashion(example)
    example.finish()


if __name__ == "__main__":
    main()
