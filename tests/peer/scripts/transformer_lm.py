"""Language modelling: a Transformer encoder over characters with a causal mask and sinusoidal positions, AdamW."""

from __future__ import annotations

import math
from typing import Any

from .common import fill, zen


def train(torch: Any, steps: int = 22) -> list[float]:
    nn, F = torch.nn, torch.nn.functional

    class PositionalEncoding(nn.Module):
        def __init__(self, size: int, longest: int = 64) -> None:
            super().__init__()
            position = torch.arange(longest).unsqueeze(1)
            div_term = torch.exp(torch.arange(0, size, 2) * (-math.log(10000.0) / size))
            pe = torch.zeros(longest, 1, size)
            pe[:, 0, 0::2] = torch.sin(position * div_term)
            pe[:, 0, 1::2] = torch.cos(position * div_term)
            self.register_buffer("pe", pe)

        def forward(self, x: Any) -> Any:
            return x + self.pe[: x.size(0)]

    class TransformerModel(nn.Module):
        def __init__(self, tokens: int, size: int, heads: int, hidden: int, layers: int) -> None:
            super().__init__()
            self.pos_encoder = PositionalEncoding(size)
            layer = nn.TransformerEncoderLayer(size, heads, hidden, dropout=0.0)
            self.transformer_encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
            self.embedding = nn.Embedding(tokens, size)
            self.linear = nn.Linear(size, tokens)
            self.size = size

        def forward(self, src: Any, mask: Any = None) -> Any:
            x = self.pos_encoder(self.embedding(src) * math.sqrt(self.size))
            if mask is None:
                mask = nn.Transformer.generate_square_subsequent_mask(len(src))
            return self.linear(self.transformer_encoder(x, mask))

    text = zen()
    letters = sorted(set(text))
    ids = torch.tensor([letters.index(c) for c in text])
    model = TransformerModel(len(letters), 32, 4, 64, 2)
    fill(torch, model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    length, batch, losses = 16, 8, []
    model.train()
    for step in range(steps):
        starts = [(step * 31 + 97 * b) % (len(ids) - length - 1) for b in range(batch)]
        data = torch.stack([ids[s : s + length] for s in starts], 1)
        targets = torch.stack([ids[s + 1 : s + 1 + length] for s in starts], 1)
        loss = F.cross_entropy(model(data).view(-1, len(letters)), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    return losses
