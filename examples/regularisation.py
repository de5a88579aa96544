"""Regularisation: none, L2, dropout, augmentation, early stopping, and all together, on few images so that there is
something to overfit. The gap between training and validation, measured over seeds.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
from common import Example, percent, standardized, training_step

import fastnn as torch
from fastnn import nn
from fastnn.training import Callback, EarlyStopping, plot_curves
from fastnn.training.history import table
from fastnn.transforms import RandomAffine
from fastnn.utils.data import DataLoader, TensorDataset

FEW = 200
KINDS = ["none", "L2", "dropout", "augmentation", "early stopping", "all"]


def net(classes: int, dropout: float) -> nn.Sequential:
    """Far more weights than images."""
    layers: list[nn.Module] = [nn.Flatten(), nn.Dropout(0.4 * dropout)]  # of inputs fewer (Srivastava et al. 2014)
    for inputs in (64, 256):
        layers += [nn.Linear(inputs, 256), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(256, classes))


def train_one(example: Example, kind: str, seed: int, data: tuple[Any, Any], classes: int) -> dict[str, float]:
    """Losses and accuracies on training and validation images at the end of one run."""
    torch.manual_seed(seed)
    train, validation = data
    everything = kind == "all"
    model = net(classes, {"dropout": 0.5, "all": 0.25}.get(kind, 0.0))  # of all together each takes less
    decay = {"L2": 1e-2, "all": 1e-3}.get(kind, 0.0)
    callbacks: list[Callback] = []
    if kind == "early stopping" or everything:
        callbacks.append(EarlyStopping("val_loss", patience=8))
    trainer = example.fit(
        f"{kind.replace(' ', '-')}-{seed}",
        model,
        torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=decay),
        DataLoader(train, 20, shuffle=True),
        DataLoader(validation, 500),
        callbacks=callbacks,
        augment=RandomAffine(12, (0.12, 0.12), (0.9, 1.1)) if kind == "augmentation" or everything else None,
    )
    on_train, on_validation = (trainer.evaluate(DataLoader(d, 500)) for d in (train, validation))
    return {
        "train": on_train["loss"],
        "validation": on_validation["loss"],
        "gap": on_validation["loss"] - on_train["loss"],
        "accuracy": on_validation["accuracy"],
        "curve": trainer.history["val_loss"],  # type: ignore[dict-item]
    }


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, metavar="N", help="runs of each kind (5; 2 with --quick)")


def main() -> None:
    example = Example("regularisation", __doc__ or "", 80, 30, options)
    seeds = example.args.seeds or (2 if example.quick else 5)
    _, train, test, classes = example.digits()
    train, test = standardized(train, test)
    rows, gaps, losses, curves = [], {}, {}, {}
    for kind in KINDS:
        runs = []
        for number in range(seeds):
            seed = example.args.seed + number
            chosen = np.random.default_rng(seed).permutation(len(train))[:FEW]
            few = TensorDataset(*(tensor[torch.from_numpy(chosen)] for tensor in train.tensors))
            runs.append(train_one(example, kind, seed, (few, test), len(classes)))
        mean = {key: float(np.mean([run[key] for run in runs])) for key in ("train", "validation", "gap", "accuracy")}
        spread = float(np.std([run["gap"] for run in runs])) / math.sqrt(seeds)
        gaps[kind], losses[kind] = mean["gap"], mean["validation"]
        curves[kind] = runs[0]["curve"]
        rows.append(
            [kind, f"{mean['train']:.4f}", f"{mean['validation']:.4f}", f"{mean['gap']:.4f} ± {spread:.4f}",
             percent(mean["accuracy"])]
        )  # fmt: skip
    example.say(table(["regularisation", "training loss", "validation loss", "gap", "accuracy"], rows, left=1))
    plot_curves(curves, example.out / "validation.png", "validation loss", "epoch", "loss", log=True)
    faster = example.speed_up(training_step(net(len(classes), 0.5), nn.CrossEntropyLoss(), DataLoader(train, 64)))
    smaller = [kind for kind in KINDS[1:] if gaps[kind] < gaps["none"]]
    example.result(
        "regularisation",
        f"{FEW} digits, {seeds} seeds",
        "each kind has a smaller gap than none",
        f"{len(smaller)} of {len(KINDS) - 1}; gap {gaps['none']:.3f} to {gaps['all']:.3f}",
        len(smaller) == len(KINDS) - 1,
        faster,
    )
    best = losses["none"] / losses["all"]
    example.result(
        "all together", f"{FEW} digits, {seeds} seeds", "validation loss lower than with none",
        f"{losses['none']:.3f} to {losses['all']:.3f}", best > 1,
    )  # fmt: skip
    example.finish()


if __name__ == "__main__":
    main()
