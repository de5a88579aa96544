"""Gradients that vanish in a deep sigmoid net, and the article's four remedies; gradients that explode in a recurrent
net, and clipping, initial weights and a schedule against them. Measured as the gradients' norms, layer by layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from common import NOT_NUMBA, Example, loaders, percent, standardized, training_step

import fastnn as torch
from fastnn import nn
from fastnn.optim.lr_scheduler import LinearLR
from fastnn.training import Callback, NonFiniteLossError, Trainer, plot_curves, plot_history
from fastnn.utils.data import TensorDataset

DEPTH, WIDTH = 12, 64


class Residual(nn.Module):
    """x + f(x): the gradient has a way around the layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        return x + torch.sigmoid(self.layer(x)) - 0.5


class Gated(nn.Module):
    """A highway layer (Srivastava et al. 2015): gate * f(x) + (1 - gate) * x, the gate nearly shut at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, -2.0)  # type: ignore[arg-type]

    def forward(self, x: Any) -> Any:
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.sigmoid(self.layer(x)) + (1 - gate) * x


def he(layer: nn.Linear) -> nn.Linear:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def deep(block: Callable[[], list[nn.Module]], inputs: int, classes: int) -> nn.Sequential:
    """Flatten, a first layer, DEPTH blocks, a last layer."""
    blocks = [nn.Sequential(*block()) for _ in range(DEPTH)]
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, WIDTH), *blocks, nn.Linear(WIDTH, classes))


NETS: dict[str, Callable[[], list[nn.Module]]] = {
    "sigmoid": lambda: [nn.Linear(WIDTH, WIDTH), nn.Sigmoid()],
    "ReLU + He": lambda: [he(nn.Linear(WIDTH, WIDTH)), nn.ReLU()],
    "residual": lambda: [Residual(WIDTH)],
    "gated": lambda: [Gated(WIDTH)],
    "batch norm": lambda: [nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.Sigmoid()],
}


def layer_norms(model: nn.Module) -> list[float]:
    """The norm of the gradient of the weights of each block, from the first layer to the last."""
    norms = []
    for part in list(model.children())[1:]:
        grads = [p.grad.numpy() for p in part.parameters() if p.ndim == 2 and p.grad is not None]
        norms.append(math.sqrt(sum(float((grad**2).sum()) for grad in grads)))
    return norms


def vanishing(example: Example) -> None:
    """The sigmoid net and the four remedies."""
    name, train, test, classes = example.digits()
    train, test = standardized(train, test)
    train_loader, test_loader = loaders(train, test, 32)
    inputs = train.tensors[0][0].numel()
    goal = 0.8 if example.quick else 0.93
    curves, accuracy, ratios, faster = {}, {}, {}, {}
    for kind, block in NETS.items():
        torch.manual_seed(example.args.seed)
        model = deep(block, inputs, len(classes))
        nn.CrossEntropyLoss()(model(train.tensors[0][:256]), train.tensors[1][:256]).backward()
        curves[kind] = layer_norms(model)
        ratios[kind] = curves[kind][0] / curves[kind][-1]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        trainer = example.fit(kind.replace(" ", ""), model, optimizer, train_loader, test_loader)
        accuracy[kind] = trainer.evaluate(test_loader)["accuracy"]
        faster[kind] = example.speed_up(training_step(model, nn.CrossEntropyLoss(), train_loader))
        example.say(
            f"{kind}: the first layer's gradient is {ratios[kind]:.1e} of the last's, {percent(accuracy[kind])}"
        )
    plot_curves(curves, example.out / "norms.png", "gradient norms before training", "layer", "norm", log=True)
    ill = accuracy["sigmoid"] < 0.3 and ratios["sigmoid"] < 1e-4
    example.result(
        "deep sigmoid net fails",
        name,
        "ratio < 1e-4, accuracy < 30 %",
        f"ratio {ratios['sigmoid']:.1e}, {percent(accuracy['sigmoid'])}",
        ill,
        faster["sigmoid"],
    )
    for kind in list(NETS)[1:]:
        ok = accuracy[kind] >= goal and ratios[kind] > 1e-2
        reached = f"ratio {ratios[kind]:.2g}, {percent(accuracy[kind])}"
        example.result(f"cured by {kind}", name, f"ratio > 0.01, accuracy {percent(goal)}", reached, ok, faster[kind])


# ------------------------------------------------------------------------------------ explosion


class PixelRNN(nn.Module):
    """Reads an image pixel by pixel, 64 steps, and names its class from the last state."""

    def __init__(self, classes: int, spectral_radius: float) -> None:
        super().__init__()
        self.rnn = nn.RNN(1, 64, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(64, classes)
        with torch.no_grad():
            nn.init.orthogonal_(self.rnn.weight_hh_l0, spectral_radius)
            nn.init.normal_(self.rnn.weight_ih_l0, 0.0, 0.3)
            nn.init.zeros_(self.rnn.bias_hh_l0)
            nn.init.zeros_(self.rnn.bias_ih_l0)

    def forward(self, x: Any) -> Any:
        return self.head(self.rnn(x)[0][:, -1])


class LargestNorm(Callback):
    """The largest norm of a step's gradient, as the optimizer saw it."""

    def __init__(self) -> None:
        self.largest = 0.0

    def on_step_end(self, trainer: Trainer) -> None:
        grads = [p.grad.numpy() for p in trainer.model.parameters() if p.grad is not None]
        with np.errstate(over="ignore"):
            squares = [float((grad.astype(np.float64) ** 2).sum()) for grad in grads]
        self.largest = max(self.largest, math.sqrt(sum(squares)))

    def state_dict(self) -> dict[str, Any]:
        return {"largest": self.largest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.largest = state["largest"]


def exploding(example: Example) -> None:
    """A recurrent net whose weights double a signal at each step; then clipping, right weights, and a schedule."""
    name, train, test, classes = example.digits()
    pixels = [TensorDataset(d.tensors[0].flatten(1).unsqueeze(2) - 0.3, d.tensors[1]) for d in (train, test)]
    train_loader, test_loader = loaders(pixels[0], pixels[1], 32)
    epochs = math.ceil(example.epochs / 2) if example.quick else 2 * example.epochs
    goal = 0.3 if example.quick else 0.8
    settings = {
        "bare": (2.0, None, False),
        "clipping alone": (2.0, 1.0, False),
        "clipping, init": (1.0, 1.0, False),
        "clipping, init, schedule": (1.0, 1.0, True),
    }
    reached, largest, histories = {}, {}, {}
    for kind, (radius, limit, scheduled) in settings.items():
        torch.manual_seed(example.args.seed)
        model = PixelRNN(len(classes), radius)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
        norms = LargestNorm()
        steps = epochs * len(train_loader)
        warm = LinearLR(optimizer, 1.0, 0.05, steps) if scheduled else None
        try:
            trainer = example.fit(
                "rnn-" + kind.replace(", ", "-").replace(" ", "-"),
                model,
                optimizer,
                train_loader,
                test_loader,
                epochs=epochs,
                clip_grad_norm=limit,
                scheduler=warm,
                schedule="step",
                callbacks=[norms],
            )
            reached[kind] = trainer.evaluate(test_loader)["accuracy"]
            histories[kind] = trainer.history["loss"]
            plot_history(trainer.history, example.out / "rnn.png")
        except NonFiniteLossError as error:
            example.say(f"{kind}: {error}")
            reached[kind] = 0.0
        largest[kind] = norms.largest
        example.say(f"{kind}: largest gradient {largest[kind]:.1e}, {percent(reached[kind])}")
    plot_curves(histories, example.out / "rnn_losses.png", "recurrent net", "epoch", "loss", log=True)
    example.result(
        "recurrent net explodes",
        name,
        "gradient > 1e6, accuracy < 25 %",
        f"gradient {largest['bare']:.1e}, {percent(reached['bare'])}",
        largest["bare"] > 1e6 and reached["bare"] < 0.25,
    )
    best = "clipping, init, schedule"
    faster = example.speed_up(training_step(PixelRNN(len(classes), 1.0), nn.CrossEntropyLoss(), train_loader))
    ok = reached[best] >= goal and largest[best] < 1.01
    example.result(f"cured by {best}", name, percent(goal), percent(reached[best]), ok, faster)


def main() -> None:
    example = Example("vanishing_gradients", __doc__ or "", 20, 8, backends=NOT_NUMBA)
    vanishing(example)
    exploding(example)
    example.finish()


if __name__ == "__main__":
    main()
