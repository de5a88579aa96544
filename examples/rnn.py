"""Recurrent nets: a memory over 100 steps, where the plain RNN fails and LSTM and GRU do not; the speaker of two vowels
(JapaneseVowels: real speech, unequal lengths, packed sequences); and next year's sunspots against the naive forecast.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import NOT_NUMBA, Example, percent, training_step

import fastnn as torch
from fastnn import nn
from fastnn.datasets import JapaneseVowels, Sunspots
from fastnn.nn.utils.rnn import pack_padded_sequence, pad_sequence
from fastnn.optim.lr_scheduler import OneCycleLR
from fastnn.training import Trainer, plot_curves, plot_history
from fastnn.utils.data import DataLoader, Subset, TensorDataset

CELLS: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class LastState(nn.Module):
    """A recurrent layer, and a linear one on its state after the last step of each sequence."""

    def __init__(self, cell: str, inputs: int, hidden: int, outputs: int, **options: Any) -> None:
        super().__init__()
        self.rnn = CELLS[cell](inputs, hidden, batch_first=True, **options)
        self.dropout = nn.Dropout(options.get("dropout", 0.0))
        self.head = nn.Linear(hidden * (2 if options.get("bidirectional") else 1), outputs)

    def forward(self, x: Any, lengths: Any = None) -> Any:
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        state = self.rnn(x)[1]
        state = state[0] if isinstance(state, tuple) else state  # (layers * directions, N, hidden)
        last = torch.cat([state[-2], state[-1]], 1) if self.rnn.bidirectional else state[-1]
        return self.head(self.dropout(last))


# ------------------------------------------------------------------------------------ a memory over 100 steps


def remembering(seed: int, count: int, length: int) -> TensorDataset:
    """Sequences of random symbols, of which one in the first ten steps is marked: the class is that symbol.

    Input: the symbols one-hot, four channels, and the mark. To answer after the last step, a net must take up one
    symbol and let none of those after it in, which is what gates are for.
    """
    generator = np.random.default_rng(seed)
    symbols, marked = generator.integers(0, 4, (count, length)), generator.integers(0, 10, count)
    x = np.zeros((count, length, 5), np.float32)
    x[..., :4] = np.eye(4, dtype=np.float32)[symbols]
    x[np.arange(count), marked, 4] = 1
    return TensorDataset(torch.from_numpy(x), torch.from_numpy(symbols[np.arange(count), marked]))


def remember_for(rnn: Any, length: int) -> None:
    """Gates that begin by keeping what they hold for 1 to ``length`` steps (chrono initialisation, Tallec and Ollivier
    2018). The forget gate is an LSTM's second, the update gate a GRU's second; the plain RNN has none.
    """
    hidden = rnn.hidden_size
    with torch.no_grad():
        times = torch.log(torch.rand(hidden) * (length - 2) + 1)
        rnn.bias_hh_l0[hidden : 2 * hidden] = 0.0
        rnn.bias_ih_l0[hidden : 2 * hidden] = times
        if isinstance(rnn, nn.LSTM):
            rnn.bias_hh_l0[:hidden] = 0.0
            rnn.bias_ih_l0[:hidden] = -times


def memory(example: Example, cells: list[str]) -> None:
    length = 100
    train = remembering(example.args.seed, 2048, length)
    test = remembering(example.args.seed + 1, 512, length)
    train_loader, test_loader = DataLoader(train, 32, shuffle=True), DataLoader(test, 512)
    goal, curves = 0.95, {}
    for cell in cells:
        torch.manual_seed(example.args.seed)
        model = LastState(cell, 5, 32, 4)
        if cell != "rnn":
            remember_for(model.rnn, length)
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        trainer = example.fit(
            f"memory-{cell}",
            model,
            optimizer,
            train_loader,
            test_loader,
            epochs=example.epochs,
            clip_grad_norm=1.0,
        )
        reached = trainer.evaluate(test_loader)["accuracy"]
        curves[cell] = trainer.history["val_accuracy"]
        faster = example.speed_up(training_step(model, nn.CrossEntropyLoss(), train_loader))
        fails = cell == "rnn"
        example.result(
            f"{cell} remembers {length} steps",
            "marked symbols",
            "fails: below 60 %" if fails else percent(goal),
            percent(reached),
            reached < 0.6 if fails else reached >= goal,
            faster,
        )
    plot_curves(curves, example.out / "memory.png", f"a marked symbol {length} steps ago", "epoch", "accuracy")


# ------------------------------------------------------------------------------------ the speaker of two vowels


def collate(samples: list[tuple[Any, int]]) -> tuple[Any, Any, Any]:
    """Padded series (N, longest, 12), their lengths, and speakers."""
    series = [torch.tensor(s) if not isinstance(s, torch.Tensor) else s for s, _ in samples]
    lengths = torch.tensor([len(s) for s in series])
    return pad_sequence(series, batch_first=True), lengths, torch.tensor([label for _, label in samples])


def jitter(samples: list[tuple[Any, int]]) -> tuple[Any, Any, Any]:
    """A training batch: each series begins up to two steps later, and carries a little noise."""
    moved = []
    for series, label in samples:
        begin = int(torch.randint(0, 3, (1,))) if len(series) > 9 else 0
        moved.append((series[begin:] + 0.1 * torch.randn(len(series) - begin, series.shape[1]), label))
    return collate(moved)


def speakers(example: Example, cell: str) -> None:
    train, test = (example.need(JapaneseVowels, split) for split in (True, False))
    every = np.concatenate([series.numpy() for series in train.series])
    mean, std = torch.from_numpy(every.mean(0)), torch.from_numpy(every.std(0))
    for data in (train, test):
        data.series = [(series - mean) / std for series in data.series]
    train_loader = DataLoader(train, 16, shuffle=True, collate_fn=jitter)
    test_loader = DataLoader(test, 128, collate_fn=collate)
    torch.manual_seed(example.args.seed)
    model = LastState(cell, 12, 64, 9, num_layers=2, bidirectional=True, dropout=0.4)
    epochs = 2 * example.epochs
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    trainer = example.fit(
        f"vowels-{cell}",
        model,
        optimizer,
        train_loader,
        test_loader,
        epochs=epochs,
        criterion=nn.CrossEntropyLoss(label_smoothing=0.1),
        clip_grad_norm=1.0,
        scheduler=OneCycleLR(optimizer, 5e-3, epochs=epochs, steps_per_epoch=len(train_loader)),
        schedule="step",
    )
    reached = trainer.evaluate(test_loader)["accuracy"]
    plot_history(trainer.history, example.out / f"vowels-{cell}.png")
    goal = 0.95 if example.quick else 0.97
    faster = example.speed_up(training_step(model, nn.CrossEntropyLoss(), train_loader))
    example.result(
        f"{cell} names the speaker", "JapaneseVowels", percent(goal), percent(reached), reached >= goal, faster
    )


# ------------------------------------------------------------------------------------ sunspots


def sunspots(example: Example, cell: str) -> None:
    """Forecast of the next year from the twenty before it; the years from 1950 on are for testing."""
    data = example.need(Sunspots)
    window = 20
    values = np.sqrt(data.values) / 8 - 0.8  # counts: a square root evens out their spread
    x = np.lib.stride_tricks.sliding_window_view(values, window)[:-1, :, None].copy()
    y = values[window:, None].copy()
    years = data.years[window:]
    split = int((years < 1950).sum())
    pairs = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    train = DataLoader(Subset(pairs, range(split)), 16, shuffle=True)
    test = DataLoader(Subset(pairs, range(split, len(years))), 64)
    torch.manual_seed(example.args.seed)
    model, criterion = LastState(cell, 1, 32, 1), nn.MSELoss()
    epochs = 3 * example.epochs
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    trainer: Trainer = example.fit(
        f"sunspots-{cell}",
        model,
        optimizer,
        train,
        test,
        criterion=criterion,
        metrics={},
        epochs=epochs,
        clip_grad_norm=1.0,
        scheduler=OneCycleLR(optimizer, 5e-3, epochs=epochs, steps_per_epoch=len(train)),
        schedule="step",
    )
    forecast = ((trainer.predict(test).numpy()[:, 0] + 0.8) * 8) ** 2
    truth, before = data.values[window + split :], data.values[window + split - 1 : -1]
    error, naive = (float(np.sqrt(np.mean((guess - truth) ** 2))) for guess in (forecast, before))
    plot_curves(
        {"truth": truth, "forecast": forecast}, example.out / f"sunspots-{cell}.png", "sunspots", "year",
        x=years[split:],
    )  # fmt: skip
    share = 0.8
    reached = f"error {error:.1f}, naive {naive:.1f}"
    target = f"at most {share:.0%} of the naive error"
    faster = example.speed_up(training_step(model, criterion, train))
    example.result(f"{cell} forecasts", "sunspots 1950-2008", target, reached, error <= share * naive, faster)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cell", choices=list(CELLS), help="only this kind of cell (all; speakers and sunspots: gru)")


def main() -> None:
    example = Example("rnn", __doc__ or "", 20, 12, options, backends=NOT_NUMBA)
    cell = example.args.cell
    memory(example, [cell] if cell else list(CELLS))
    speakers(example, cell or "gru")
    sunspots(example, cell or "gru")
    example.finish()


if __name__ == "__main__":
    main()
