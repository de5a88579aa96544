"""A generative adversarial network of convolutions on handwritten digits, discriminator and generator in turn."""

from __future__ import annotations

from typing import Any

import numpy as np

from .common import digits, fill


def train(torch: Any, steps: int = 20) -> list[float]:
    nn = torch.nn
    nz, ngf, ndf, batch = 8, 8, 8, 32

    def weights_init(m: Any) -> None:
        if m.__class__.__name__.find("BatchNorm") != -1:
            nn.init.constant_(m.weight, 1.0)
            nn.init.zeros_(m.bias)

    netG = nn.Sequential(
        nn.ConvTranspose2d(nz, ngf * 2, 2, 1, 0, bias=False),
        nn.BatchNorm2d(ngf * 2),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ngf),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    netD = nn.Sequential(
        nn.Conv2d(1, ndf, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ndf * 2),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(ndf * 2, 1, 2, 1, 0, bias=False),
        nn.Sigmoid(),
    )
    fill(torch, netG, netD)
    netG.apply(weights_init)
    netD.apply(weights_init)
    criterion = nn.BCELoss()
    optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-3, betas=(0.5, 0.999))
    optimizerG = torch.optim.Adam(netG.parameters(), lr=2e-3, betas=(0.5, 0.999))
    images, _ = digits(torch)
    rng = np.random.default_rng(2)
    losses = []
    for i in range(steps):
        netD.zero_grad()
        real = images[i * batch : (i + 1) * batch] * 2 - 1
        label = torch.full((batch,), 1.0, dtype=real.dtype)
        errD_real = criterion(netD(real).view(-1), label)
        errD_real.backward()
        noise = torch.from_numpy(rng.standard_normal((batch, nz, 1, 1)).astype(np.float32))
        fake = netG(noise)
        label.fill_(0.0)
        errD_fake = criterion(netD(fake.detach()).view(-1), label)
        errD_fake.backward()
        optimizerD.step()
        netG.zero_grad()
        label.fill_(1.0)
        output = netD(fake).view(-1)
        errG = criterion(output, label)
        errG.backward()
        optimizerG.step()
        losses += [(errD_real + errD_fake).item(), errG.item(), output.mean().item()]
    return losses
