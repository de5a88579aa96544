"""Activations and their derivatives, drawn from the kernels, and checked against differences of the functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from common import Example
from tqdm import tqdm

import fastnn as torch
from fastnn import nn
from fastnn.training import plot_curves

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": nn.LeakyReLU(0.1),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "gelu": nn.GELU(),
    "gelu (tanh)": nn.GELU("tanh"),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "softplus": nn.Softplus(),
    "softsign": nn.Softsign(),
    "hardtanh": nn.Hardtanh(),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardswish": nn.Hardswish(),
    "relu6": nn.ReLU6(),
}
LIMIT = 1e-7


def with_derivative(function: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    """The function's values and, from autograd, its derivative, as arrays."""
    points = torch.tensor(x, requires_grad=True)
    values = function(points)
    values.sum().backward()
    assert points.grad is not None
    return values.detach().numpy(), points.grad.numpy()


def main() -> None:
    example = Example("activations", __doc__ or "", 1, 1)
    example.say("data: 4,001 points from -6 to 6, float64 (nothing is trained: --epochs changes nothing)")
    x = np.linspace(-6, 6, 4001) + 1e-4  # no point on a kink
    step = 1e-5
    worst, worst_name = 0.0, ""
    values, derivatives = {}, {}
    for name, function in tqdm(ACTIVATIONS.items(), "activations", disable=None):
        y, slope = with_derivative(function, x)
        above, below = (function(torch.tensor(x + d)).numpy() for d in (step, -step))
        error = float(np.abs((above - below) / (2 * step) - slope).max())
        if error > worst:
            worst, worst_name = error, name
        values[name], derivatives[name] = y, slope
        picture = example.out / f"{name.replace(' ', '_').strip('()')}.png"
        if not (example.args.resume and picture.exists()):
            plot_curves({name: y, "derivative": slope}, picture, name, "x", x=x)
    plot_curves(values, example.out / "all.png", "activations", "x", x=x)
    plot_curves(derivatives, example.out / "all_derivatives.png", "derivatives", "x", x=x)

    # what the article says of deep nets: the sigmoid's slope is at most 1/4, so ten layers leave 1e-6 of a gradient
    peaks = {name: float(slope.max()) for name, slope in derivatives.items()}
    shown = {name: peaks[name] for name in ("sigmoid", "tanh", "relu")}
    example.say("largest slopes: " + ", ".join(f"{name} {peak:.4f}" for name, peak in shown.items()))
    many = torch.randn(1_000_000).requires_grad_()
    faster = example.speed_up(lambda: nn.functional.gelu(many).sum().backward())
    ok = worst < LIMIT and abs(peaks["sigmoid"] - 0.25) < 1e-6 and abs(peaks["tanh"] - 1) < 1e-6
    example.result(
        "activations",
        "points",
        f"derivatives right to {LIMIT:g}",
        f"largest error {worst:.1e} ({worst_name}) of {len(ACTIVATIONS)}",
        ok,
        faster,
    )
    example.finish()


if __name__ == "__main__":
    main()
