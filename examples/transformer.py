"""Transformers: a character model of Shakespeare with causal attention, which writes some text at the end, with learned
and with sinusoidal positions; and an encoder that names the speaker of two vowels (JapaneseVowels).
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import NOT_NUMBA, Example, percent, training_step
from rnn import collate, jitter
from tqdm import tqdm

import fastnn as torch
from fastnn import nn
from fastnn.datasets import JapaneseVowels, Shakespeare
from fastnn.nn.positional import LearnedPositionalEncoding, SinusoidalPositionalEncoding
from fastnn.optim.lr_scheduler import OneCycleLR
from fastnn.training import plot_curves, plot_history, summary
from fastnn.utils.data import DataLoader, RandomSampler

POSITIONS: dict[str, Any] = {"learned": LearnedPositionalEncoding, "sinusoidal": SinusoidalPositionalEncoding}
STEPS = 250  # of an epoch: the text is far too long to be read through in one


def layers(width: int, heads: int, depth: int, dropout: float) -> nn.TransformerEncoder:
    """A stack of blocks that normalize first."""
    block = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True)
    return nn.TransformerEncoder(block, depth, nn.LayerNorm(width), enable_nested_tensor=False)


class CharacterModel(nn.Module):
    """Logits (N, L, characters) of the next character at each place, which sees only what is before it."""

    def __init__(self, characters: int, length: int, width: int, heads: int, depth: int, positions: str) -> None:
        super().__init__()
        self.length = length
        self.embedding = nn.Embedding(characters, width)
        self.positions = POSITIONS[positions](length, width)
        self.blocks = layers(width, heads, depth, 0.1)
        self.head = nn.Linear(width, characters)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length), persistent=False)
        nn.init.normal_(self.embedding.weight, 0.0, 0.02)

    def forward(self, x: Any) -> Any:
        length = x.shape[1]
        mask = self.mask[:length, :length]
        return self.head(self.blocks(self.positions(self.embedding(x)), mask=mask, is_causal=True))

    def write(self, prompt: Any, count: int, temperature: float) -> Any:
        """The prompt, int64 (L,), and ``count`` characters drawn after it."""
        self.eval()
        text = prompt.tolist()
        with torch.no_grad():
            for _ in tqdm(range(count), "writing", leave=False, disable=None):
                logits = self(torch.tensor([text[-self.length :]]))[0, -1] / temperature
                text.append(int(torch.multinomial(torch.softmax(logits, 0), 1)))
        return torch.tensor(text)


def per_character(output: Any, target: Any) -> Any:
    """The mean negative log-likelihood of a character, in nats."""
    return nn.functional.cross_entropy(output.flatten(0, 1), target.flatten())


def windows(numbers: Any, length: int, places: Any, batch_size: int) -> DataLoader[Any]:
    """Batches of texts and the same texts one character on, from the places that a sampler gives."""

    def batch(starts: list[int]) -> tuple[Any, Any]:
        rows = np.asarray(starts)[:, None] + np.arange(length + 1)
        text = numbers[rows]
        return torch.from_numpy(text[:, :-1].copy()), torch.from_numpy(text[:, 1:].copy())

    return DataLoader(range(len(numbers) - length), batch_size, sampler=places, collate_fn=batch)  # type: ignore[arg-type]


def language(example: Example, kinds: list[str]) -> None:
    data = example.need(Shakespeare)
    numbers = data.encode(data.text).numpy()
    length, width, heads, depth, batch_size = (64, 64, 4, 2, 16) if example.quick else (64, 128, 4, 3, 32)
    goal = 2.45 if example.quick else 1.70
    split = len(numbers) * 9 // 10
    train_text, test_text = numbers[:split], numbers[split:]
    places = RandomSampler(range(split - length), replacement=True, num_samples=STEPS * batch_size)
    train = windows(train_text, length, places, batch_size)
    spread = np.linspace(0, len(test_text) - length - 1, 512).astype(int).tolist()  # 32,768 of the last tenth
    test = windows(test_text, length, spread, 64)
    uniform, unigram = np.log(len(data.alphabet)), _entropy(train_text, test_text, len(data.alphabet))
    example.say(f"{len(numbers):,} characters of {len(data.alphabet)}; nats a character: uniform {uniform:.3f}, "
                f"frequencies alone {unigram:.3f}")  # fmt: skip
    curves = {}
    for kind in kinds:
        torch.manual_seed(example.args.seed)
        model = CharacterModel(len(data.alphabet), length, width, heads, depth, kind)
        example.say(str(summary(model, torch.zeros(1, length, dtype=torch.int64))).splitlines()[-3])
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
        trainer = example.fit(
            f"shakespeare-{kind}",
            model,
            optimizer,
            train,
            test,
            criterion=per_character,
            metrics={},
            clip_grad_norm=1.0,
            scheduler=OneCycleLR(optimizer, 3e-3, total_steps=example.epochs * STEPS, pct_start=0.1),
            schedule="step",
        )
        reached = trainer.evaluate(test)["loss"]
        curves[kind] = trainer.history["val_loss"]
        faster = example.speed_up(training_step(model, per_character, train))
        target, got = f"{goal:.2f} nats a character", f"{reached:.3f} (perplexity {np.exp(reached):.2f})"
        example.result(f"language model, {kind} positions", "Shakespeare", target, got, reached <= goal, faster)
        written = data.decode(model.write(data.encode("\n"), 200 if example.quick else 600, 0.8))
        (example.out / f"sample-{kind}.txt").write_text(written, encoding="utf-8")
        example.say("\n".join(f"    | {line}" for line in written.strip().splitlines()))
    plot_curves(curves, example.out / "shakespeare.png", "validation", f"{STEPS} steps", "nats a character")


def _entropy(train: Any, test: Any, characters: int) -> float:
    """The loss of a model that knows only how frequent each character is."""
    counts = np.bincount(train, minlength=characters) + 1
    return float(-np.log(counts / counts.sum())[test].mean())


class Classifier(nn.Module):
    """Blocks over a padded batch of series, the mean over each one's own length, and a linear layer."""

    def __init__(self, inputs: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.positions = SinusoidalPositionalEncoding(64, width)
        self.blocks = layers(width, 4, 2, 0.2)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Any, lengths: Any) -> Any:
        padding = torch.arange(x.shape[1]) >= lengths.unsqueeze(1)
        x = self.blocks(self.positions(self.first(x)), src_key_padding_mask=padding)
        kept = x.masked_fill(padding.unsqueeze(2), 0.0)
        return self.head(kept.sum(1) / lengths.unsqueeze(1))


def classifier(example: Example) -> None:
    train, test = (example.need(JapaneseVowels, split) for split in (True, False))
    every = np.concatenate([series.numpy() for series in train.series])
    for data in (train, test):
        data.series = [
            (series - torch.from_numpy(every.mean(0))) / torch.from_numpy(every.std(0)) for series in data.series
        ]
    train_loader = DataLoader(train, 16, shuffle=True, collate_fn=jitter)
    test_loader = DataLoader(test, 128, collate_fn=collate)
    torch.manual_seed(example.args.seed)
    model = Classifier(12, 9)
    epochs = 15 if example.quick else 4 * example.epochs
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    trainer = example.fit(
        "vowels",
        model,
        optimizer,
        train_loader,
        test_loader,
        criterion=criterion,
        epochs=epochs,
        clip_grad_norm=1.0,
        scheduler=OneCycleLR(optimizer, 2e-3, epochs=epochs, steps_per_epoch=len(train_loader)),
        schedule="step",
    )
    reached = trainer.evaluate(test_loader)["accuracy"]
    plot_history(trainer.history, example.out / "vowels.png")
    goal = 0.94 if example.quick else 0.97
    faster = example.speed_up(training_step(model, criterion, train_loader))
    example.result("encoder classifier", "JapaneseVowels", percent(goal), percent(reached), reached >= goal, faster)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--positions", choices=list(POSITIONS), help="only this kind of positions (both)")


def main() -> None:
    example = Example("transformer", __doc__ or "", 12, 2, options, backends=NOT_NUMBA)
    classifier(example)
    language(example, [example.args.positions] if example.args.positions else list(POSITIONS))
    example.finish()


if __name__ == "__main__":
    main()
