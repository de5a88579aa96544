"""History, metrics, packing, summary, loggers, checkpoints' housekeeping and plots."""

from __future__ import annotations

import csv
import math
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import fastnn as torch
from fastnn import nn
from fastnn.training import (
    Accuracy,
    Callback,
    ConfusionMatrix,
    CSVLogger,
    History,
    ModelCheckpoint,
    TensorBoardLogger,
    Trainer,
    plot_confusion_matrix,
    plot_curves,
    plot_history,
    summary,
)

DATA = [(torch.ones(4, 2), torch.ones(4, 1)), (torch.zeros(4, 2), torch.ones(4, 1))]


def trainer(callbacks: list[Callback]) -> Trainer:
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    return Trainer(model, torch.optim.SGD(model.parameters(), 0.1), nn.MSELoss(), callbacks=callbacks, progress=False)


def test_history(tmp_path: Path) -> None:
    history = History()
    history.append({"epoch": 1, "loss": 0.1 + 0.2})
    history.append({"epoch": 2, "loss": 0.25, "val": math.nan})
    history.append({"epoch": 3, "loss": 0.25, "val": 7.0})
    assert history.columns == ["epoch", "loss", "val"] and len(history) == 3
    assert math.isnan(history["val"][0]) and history["val"][2] == 7
    assert history.best("loss")["epoch"] == 2 and history.best("loss", "max")["epoch"] == 1
    assert history.best("val", "max")["epoch"] == 3
    history.to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["loss"]) == 0.1 + 0.2 and rows[0]["val"] == ""
    lines = str(history).splitlines()
    assert len(lines) == 5 and lines[0].split() == ["epoch", "loss", "val"] and lines[4].split() == ["3", "0.25", "7"]
    with pytest.raises(KeyError, match="no column 'x'"):
        history["x"]
    with pytest.raises(ValueError, match="mode"):
        history.best("loss", "least")


def test_metrics() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.0], [0.8, 0.1, 0.7], [0.2, 0.3, 0.4], [0.5, 0.4, 0.1]])
    labels = torch.tensor([1, 2, 2, 2])
    one, two, matrix = Accuracy(), Accuracy(top=2), ConfusionMatrix(3)
    for metric in (one, two, matrix):
        assert math.isnan(metric.compute())
        metric.update(scores[:3], labels[:3])
        metric.update(scores[3:], labels[3:])
    assert one.compute() == 0.5 and two.compute() == 0.75 and matrix.compute() == 0.5
    assert matrix.matrix.tolist() == [[0, 0, 0], [0, 1, 0], [2, 0, 1]]
    one.reset()
    one.update(scores, torch.eye(3)[labels])  # soft labels
    assert one.compute() == 0.5
    pixels = Accuracy()
    pixels.update(torch.from_numpy(np.random.default_rng(0).random((2, 3, 4, 5))), torch.zeros(2, 4, 5).long())
    assert pixels.state["count"] == 40
    with pytest.raises(ValueError, match="integer targets \\(4,\\)"):
        one.update(scores, labels[:3])
    with pytest.raises(ValueError, match="class 5, expected 0"):
        matrix.update(scores, labels + 3)
    with pytest.raises(ValueError, match="top"):
        Accuracy(top=0)


def test_summary_by_hand() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)
    )
    model[5].weight.requires_grad_(False)
    modes_before = [m.training for m in model.modules()]
    state = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    found = summary(model, torch.zeros(2, 3, 8, 8))
    rows = {layer.kind: layer for layer in found.layers}
    assert [layer.name for layer in found.layers] == ["0", "1", "2", "3", "4", "5"]
    assert rows["Conv2d"].flops == 2 * 8 * 64 * (2 * 27 + 1) and rows["Conv2d"].output_shape == (2, 8, 8, 8)
    assert rows["MaxPool2d"].flops == 2 * 8 * 16 * 4 and rows["Linear"].flops == 2 * 10 * (256 + 1)
    assert found.parameters == 3 * 8 * 9 + 8 + 16 + 1290 and found.trainable == found.parameters - 1280
    assert found.input_bytes == 4 * 2 * 3 * 64 and rows["Conv2d"].output_bytes == 4 * 2 * 8 * 64
    assert found.parameter_bytes == 4 * found.parameters + 4 * 16 + 8
    assert found.flops == sum(layer.flops for layer in found.layers)
    assert "parameters: 1,530 (250 trainable)" in str(found)
    assert [m.training for m in model.modules()] == modes_before
    assert all(np.array_equal(tensor.numpy(), state[name]) for name, tensor in model.state_dict().items())


def test_summary_of_recurrent_and_attention() -> None:
    found = summary(nn.LSTM(5, 7, num_layers=2, bidirectional=True), torch.zeros(11, 3, 5))
    products = 11 * 3 * 2 * (4 * 7 * 2 * (5 + 7) + 4 * 7 * 2 * (14 + 7))
    assert found.flops == products + 11 * 3 * 2 * 2 * 7 * 9 and found.layers[0].output_shape == (11, 3, 14)
    x = torch.zeros(2, 6, 8)
    found = summary(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), x)
    kinds = Counter(layer.kind for layer in found.layers)
    assert kinds["MultiheadAttention"] == 1 and kinds["Linear"] == 2
    attention = next(layer for layer in found.layers if layer.kind == "MultiheadAttention")
    assert attention.flops == 2 * (4 * 2 * 6 * 8 * 8 + 2 * 2 * 6 * 6 * 8 + 5 * 6 * 6 * 2)
    assert attention.parameters == 4 * 64 + 32


def test_a_layer_called_twice_counts_its_parameters_once() -> None:
    layer = nn.Linear(4, 4)
    found = summary(nn.Sequential(layer, nn.ReLU(), layer), torch.zeros(1, 4))
    assert [row.parameters for row in found.layers] == [20, 0, 0] and found.flops == 2 * 36 + 4


def test_csv_logger_has_each_epoch_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "h.csv"
    made = trainer([CSVLogger(path)])
    made.fit(DATA, epochs=2)
    made.fit(DATA, epochs=3)
    assert path.read_text() == made.history.csv() and path.read_text().count("\n") == 4


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """The scalars in TensorBoard's event files: records of length, checksum, an event, checksum."""
    from tensorboardX.proto import event_pb2

    found = []
    for path in sorted(folder.glob("events*")):
        content, position = path.read_bytes(), 0
        while position < len(content):
            (length,) = struct.unpack_from("<Q", content, position)
            event = event_pb2.Event.FromString(content[position + 12 : position + 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            position += length + 16
    return found


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    made = trainer([TensorBoardLogger(tmp_path, every_steps=1)])
    made.fit(DATA, DATA, epochs=2)
    got = scalars(tmp_path)
    assert [step for tag, step, _ in got if tag == "step/loss"] == [1, 2, 3, 4]
    losses = [value for tag, _, value in got if tag == "epoch/val_loss"]
    assert losses == pytest.approx(made.history["val_loss"], rel=1e-6)


def test_checkpoints_keep_the_best(tmp_path: Path) -> None:
    values = [3.0, 1.0, math.nan, 2.0, 0.5, 0.5]

    class Fixed(Callback):
        def on_epoch_end(self, trainer: Trainer) -> None:
            trainer.history.rows[-1]["fixed"] = values[trainer.epoch - 1]

    checkpoint = ModelCheckpoint(tmp_path / "run", "fixed", keep=2)
    trainer([checkpoint, Fixed()]).fit(DATA, epochs=6)
    names = ["epoch-0005-fixed-0.5000.safetensors", "epoch-0006-fixed-0.5000.safetensors"]
    assert [path.name for path in checkpoint.best] == names
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [*names, "last.safetensors"]
    other = trainer([ModelCheckpoint(tmp_path / "run", "fixed", keep=2), Fixed()])
    other.load(checkpoint.best[0])
    assert other.epoch == 5
    for options in ({"keep": 0}, {"every_steps": 0}, {"mode": "x"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            ModelCheckpoint(tmp_path, **options)  # type: ignore[arg-type]


def test_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = History([{"epoch": 1.0, "loss": 2.0, "val_loss": 3.0}, {"epoch": 2.0, "loss": 1.0, "val_loss": 2.5}])
    made = [
        plot_history(history, tmp_path / "deep" / "h.png"),
        plot_confusion_matrix([[3, 0], [1, 2]], tmp_path / "c.png", ["a", "b"]),
        plot_curves({"a": [1, 2], "b": [3, 1]}, tmp_path / "x.svg", log=True),
    ]
    assert all(path.stat().st_size > 1000 for path in made)
    with pytest.raises(ValueError, match="square"):
        plot_confusion_matrix([[1, 2]], tmp_path / "c.png")
    with pytest.raises(ValueError, match="1 names for 2 classes"):
        plot_confusion_matrix([[1, 2], [3, 4]], tmp_path / "c.png", ["a"])
    with pytest.raises(ValueError, match="no quantity"):
        plot_history(History(), tmp_path / "c.png")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tqdm", None)
    model = nn.Linear(1, 1)
    with pytest.raises(ImportError, match=r'needs tqdm: pip install "fastnn-cpu\[train\]"'):
        Trainer(model, torch.optim.SGD(model.parameters()), nn.MSELoss())
