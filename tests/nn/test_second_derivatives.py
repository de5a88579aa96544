"""create_graph=True: the gradient of every kind of layer is differentiable itself, in all that it depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn as fw
from fastnn import nn
from fastnn.autograd import gradgradcheck

F = nn.functional

# a layer and the shape of its input
LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(3, 2), (4, 3)),
    "linear-relu": (lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU()), (4, 3)),
    "linear-tanh": (lambda: nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2), nn.Sigmoid()), (4, 3)),
    "bilinear": (lambda: Twice(nn.Bilinear(3, 3, 2)), (4, 3)),
    "conv1d": (lambda: nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2), (2, 2, 6)),
    "conv2d": (lambda: nn.Conv2d(2, 3, (3, 2), padding=(1, 0), dilation=(1, 2)), (1, 2, 4, 5)),
    "conv2d-same": (lambda: nn.Conv2d(2, 2, 3, padding="same", padding_mode="reflect", bias=False), (2, 3, 4)),
    "conv2d-relu": (lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU()), (1, 2, 3, 4)),
    "conv3d": (lambda: nn.Conv3d(2, 2, 2, stride=(1, 2, 1)), (1, 2, 2, 4, 3)),
    "transposed1d": (lambda: nn.ConvTranspose1d(2, 2, 3, stride=2, output_padding=1), (1, 2, 3)),
    "transposed2d": (lambda: nn.ConvTranspose2d(2, 4, 2, stride=2, groups=2), (1, 2, 2, 3)),
    "transposed3d": (lambda: nn.ConvTranspose3d(2, 1, 2), (1, 2, 2, 2, 2)),
    "softmax": (lambda: nn.Softmax(1), (2, 3, 2)),
    "log_softmax": (lambda: nn.LogSoftmax(-1), (2, 3)),
    "softmin": (lambda: nn.Softmin(0), (3, 2)),
    "softmax2d": (lambda: nn.Softmax2d(), (2, 3, 2, 1)),
    "batch_norm": (lambda: nn.BatchNorm2d(2), (3, 2, 2, 2)),
    "batch_norm-evaluation": (lambda: nn.BatchNorm1d(2).eval(), (3, 2)),
    "layer_norm": (lambda: nn.LayerNorm((2, 3)), (2, 2, 3)),
    "group_norm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    "instance_norm": (lambda: nn.InstanceNorm1d(2, affine=True), (2, 2, 4)),
    "rms_norm": (lambda: nn.RMSNorm(3), (2, 3)),
    "local_response": (lambda: nn.LocalResponseNorm(3), (2, 4, 2)),
    "attention": (lambda: SelfAttention(), (3, 1, 4)),
    "lp_pool": (lambda: nn.LPPool1d(3.0, 2), (1, 2, 4)),
    "max_pool": (lambda: nn.MaxPool2d(2), (1, 1, 4, 4)),
    "avg_pool": (lambda: nn.AvgPool2d(2, 1, 1), (1, 1, 3, 3)),
    "adaptive_pool": (lambda: nn.AdaptiveAvgPool1d(2), (1, 2, 5)),
    "upsample": (lambda: nn.Upsample(scale_factor=2, mode="bicubic"), (1, 1, 3, 2)),
    "pixel_shuffle": (lambda: nn.PixelShuffle(2), (1, 4, 2, 2)),
    "fold": (lambda: nn.Sequential(nn.Unfold(2), nn.Fold((3, 4), 2)), (1, 1, 3, 4)),
    "circular": (lambda: nn.CircularPad1d(2), (1, 2, 3)),
}
ACTIVATIONS = [
    "ReLU", "LeakyReLU", "PReLU", "ReLU6", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish", "Softplus", "Softsign",
    "LogSigmoid", "Sigmoid", "Tanh", "Tanhshrink", "Hardtanh", "Hardsigmoid", "Hardswish", "Hardshrink", "Softshrink",
    "GLU",
]  # fmt: skip
LAYERS.update({name: (getattr(nn, name), (3, 4)) for name in ACTIVATIONS})
LAYERS["GELU-tanh"] = (lambda: nn.GELU("tanh"), (3, 4))
LAYERS["Threshold"] = (lambda: nn.Threshold(0.1, -1.0), (3, 4))


class Twice(nn.Module):
    """A layer of two inputs, given one."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return self.layer(x, x * 2)


class SelfAttention(nn.Module):
    """An attention layer, given one input."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2)

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    fw.manual_seed(0)
    make, shape = LAYERS[name]
    layer = make().double()
    x = fw.tensor(np.random.default_rng(0).standard_normal(shape) + 0.2).requires_grad_()
    if name == "lp_pool":
        x = (x.detach().abs() + 0.5).requires_grad_()
    assert gradgradcheck(lambda x, *_: layer(x), (x, *layer.parameters()))


def test_a_penalty_on_the_gradient_trains() -> None:
    """The gradient penalty of Wasserstein GANs (Gulrajani et al. 2017), through convolution, norm and activation."""
    fw.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(4 * 16, 1))
    optimizer = fw.optim.Adam(net.parameters(), 0.01)
    x = fw.tensor(np.random.default_rng(0).standard_normal((8, 1, 6, 6)).astype(np.float32)).requires_grad_()
    losses = []
    for _ in range(30):
        (slope,) = fw.autograd.grad(net(x).sum(), x, create_graph=True)
        loss = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 3
