"""Language modelling: an LSTM over words, truncated backpropagation through time, clipped gradients."""

from __future__ import annotations

from typing import Any

from .common import fill, zen


def train(torch: Any, steps: int = 22) -> list[float]:
    nn = torch.nn

    class Dictionary:
        def __init__(self) -> None:
            self.word2idx: dict[str, int] = {}
            self.idx2word: list[str] = []

        def add_word(self, word: str) -> int:
            if word not in self.word2idx:
                self.idx2word.append(word)
                self.word2idx[word] = len(self.idx2word) - 1
            return self.word2idx[word]

    class RNNModel(nn.Module):
        def __init__(self, words: int, size: int, hidden: int, layers: int) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.0)
            self.encoder = nn.Embedding(words, size)
            self.rnn = nn.LSTM(size, hidden, layers)
            self.decoder = nn.Linear(hidden, words)
            self.layers, self.hidden, self.words = layers, hidden, words

        def forward(self, input: Any, hidden: Any) -> Any:
            output, hidden = self.rnn(self.drop(self.encoder(input)), hidden)
            decoded = self.decoder(self.drop(output)).view(-1, self.words)
            return nn.functional.log_softmax(decoded, dim=1), hidden

        def init_hidden(self, batch: int) -> Any:
            weight = next(self.parameters())
            return tuple(weight.new_zeros(self.layers, batch, self.hidden) for _ in range(2))

    def repackage_hidden(h: Any) -> Any:
        return h.detach() if isinstance(h, torch.Tensor) else tuple(repackage_hidden(v) for v in h)

    dictionary = Dictionary()
    ids = [dictionary.add_word(word) for line in zen().splitlines() for word in [*line.split(), "<eos>"]]
    batch, bptt = 4, 6
    data = torch.tensor(ids).type(torch.int64)
    data = data.narrow(0, 0, data.size(0) // batch * batch).view(batch, -1).t().contiguous()
    model = RNNModel(len(dictionary.idx2word), 24, 32, 2)
    fill(torch, model)
    criterion = nn.NLLLoss()
    losses: list[float] = []
    hidden = model.init_hidden(batch)
    model.train()
    while len(losses) < steps:
        for i in range(0, data.size(0) - 1, bptt):
            length = min(bptt, len(data) - 1 - i)
            source, target = data[i : i + length], data[i + 1 : i + 1 + length].reshape(-1)
            model.zero_grad()
            hidden = repackage_hidden(hidden)
            output, hidden = model(source, hidden)
            loss = criterion(output, target)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            for p in model.parameters():
                p.data.add_(p.grad, alpha=-5.0)
            losses.append(loss.item())
    return losses
