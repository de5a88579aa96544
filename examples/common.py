"""What the examples share: their options, the data that is there, the race against the reference, the final line."""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fastnn as torch
from fastnn import datasets, nn
from fastnn.kernels import BACKENDS, use_backend
from fastnn.training import Accuracy, Callback, CSVLogger, ModelCheckpoint, Trainer
from fastnn.utils.data import DataLoader, TensorDataset

OUT = Path(__file__).with_name("out")
# Numba's has no normalisation, embeddings, clipping of gradients, and optimizers but SGD and Adam.
NOT_NUMBA = tuple(name for name in BACKENDS if name != "numba")


class Example:
    """A script's run: made from its command line, closed by its final line."""

    def __init__(
        self,
        system: str,
        description: str,
        epochs: int,
        quick: int,
        more: Any = None,
        backends: Sequence[str] = BACKENDS,
    ) -> None:
        """epochs, quick: how many the full and the short settings train; more: a function that adds options; backends:
        those that have all the kernels that the script needs.
        """
        parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        add = parser.add_argument
        add("--epochs", type=int, metavar="N", help=f"epochs to train in all ({epochs}; {quick} with --quick)")
        add("--backend", choices=backends, default="cython", help="the kernels to use")
        add("--seed", type=int, default=0, metavar="N", help="of weights, order, dropout and augmentation")
        add("--resume", action="store_true", help="go on from the last checkpoint in the output folder")
        add("--quick", action="store_true", help="short settings, with a target of their own")
        add("--data", metavar="FOLDER", help="where the data files are (default: what is on this machine)")
        add("--download", action="store_true", help="fetch missing data from its official source")
        add("--out", type=Path, default=OUT, metavar="FOLDER", help="where plots, tables and checkpoints go")
        if more is not None:
            more(parser)
        self.args = parser.parse_args()
        self.system = system
        self.quick: bool = self.args.quick
        self.epochs: int = (quick if self.quick else epochs) if self.args.epochs is None else self.args.epochs
        if self.epochs < 1:
            parser.error(f"--epochs must be positive, got {self.epochs}")
        self.out: Path = self.args.out / system
        self.out.mkdir(parents=True, exist_ok=True)
        use_backend(self.args.backend)
        torch.manual_seed(self.args.seed)
        np.random.seed(self.args.seed % 2**32)  # noqa: NPY002 - the arrays API draws from it
        self._began = time.perf_counter()
        self._results: list[dict[str, Any]] = []
        self.say(f"{system}: {self.args.backend} backend, seed {self.args.seed}, {self.epochs} epochs")

    @staticmethod
    def say(text: str) -> None:
        """A line of output, at once."""
        print(text, flush=True)

    # ------------------------------------------------------------------------------------ training

    def fit(
        self,
        name: str,
        model: nn.Module,
        optimizer: Any,
        train: Any,
        validation: Any,
        *,
        criterion: Any = None,
        epochs: int | None = None,
        callbacks: Sequence[Callback] = (),
        **options: Any,
    ) -> Trainer:
        """Train with checkpoints and a CSV table in the output folder; classification unless options say otherwise."""
        options.setdefault("metrics", {"accuracy": Accuracy()})
        folder = self.out / name
        trainer = Trainer(
            model,
            optimizer,
            nn.CrossEntropyLoss() if criterion is None else criterion,
            callbacks=[*callbacks, CSVLogger(folder / "history.csv"), ModelCheckpoint(folder)],
            **options,
        )
        self.say(f"--- {name}")
        trainer.fit(train, validation, epochs=epochs or self.epochs, resume=self.args.resume)
        return trainer

    # ------------------------------------------------------------------------------------ data

    def images(self, limit: int | None = None) -> tuple[str, TensorDataset, TensorDataset, list[str]]:
        """Fashion-MNIST where it is (or --download), else scikit-learn's digits: name, train, test, classes.

        limit: only that many of the training images.
        """
        try:
            train: Any = datasets.FashionMNIST(self.args.data, True, download=self.args.download)
            test: Any = datasets.FashionMNIST(self.args.data, False, download=self.args.download)
            name = "Fashion-MNIST"
        except FileNotFoundError as error:
            if self.args.data is not None:
                raise SystemExit(str(error)) from error
            self.say(f"Fashion-MNIST is not on this machine ({error})")
            return self.digits()
        images, labels = train.tensors()
        self.say(f"data: {name} from {train.source}, {len(images[:limit])} + {len(test)} images")
        return name, TensorDataset(images[:limit], labels[:limit]), test.as_dataset(), train.classes

    def digits(self, split: int = 0) -> tuple[str, TensorDataset, TensorDataset, list[str]]:
        """scikit-learn's digits, split at random by that seed: name, train, test, classes."""
        train, test = (datasets.Digits(training, split_seed=split) for training in (True, False))
        self.say(f"data: digits from scikit-learn, {len(train)} + {len(test)} images")
        return "digits", train.as_dataset(), test.as_dataset(), train.classes

    def need(self, dataset: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """A data set, or the end of the script with a line that says how to get it."""
        try:
            made = dataset(self.args.data, *arguments, download=self.args.download, **options)
        except (FileNotFoundError, ConnectionError) as error:
            raise SystemExit(f"{self.system}: {error} (--download does that)") from error
        self.say(f"data: {type(made).__name__} from {made.source}")
        return made

    # ------------------------------------------------------------------------------------ results

    def result(
        self, system: str, data: str, target: str, reached: str, ok: bool, speed_up: float | None = None
    ) -> None:
        """A row of the table: what was asked for and what came of it."""
        self._results.append(
            {"system": system, "data": data, "target": target, "reached": reached, "ok": ok, "speed_up": speed_up}
        )
        faster = "" if speed_up is None else f"; {speed_up:.1f} times the NumPy reference's speed"
        self.say(f"{'reached' if ok else 'MISSED'}: {system} on {data}: {reached} (target {target}){faster}")

    def finish(self) -> None:
        """Write the rows, print the final line, and leave with 1 where a target was missed."""
        seconds = time.perf_counter() - self._began
        for row in self._results:
            row["seconds"] = seconds
        (self.out / "result.json").write_text(json.dumps(self._results, indent=1), encoding="utf-8")
        missed = [row["system"] for row in self._results if not row["ok"]]
        word = f"MISSED {', '.join(missed)}" if missed else "all targets reached"
        self.say(f"{self.system}: {word} in {seconds:.0f} s; plots in {self.out}")
        sys.exit(1 if missed else 0)

    def speed_up(self, step: Callable[[], Any]) -> float:
        """How many times as fast as with the NumPy reference ``step`` runs, each at its best of two seconds or, with
        --quick, of half a second.

        NumPy's products get all threads, and then one (which is quicker when something else runs); the better counts.
        """
        budget = 0.5 if self.quick else 2.0
        reference = _least(step, "numpy", budget)
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            pass
        else:
            with threadpool_limits(1, "blas"):
                reference = min(reference, _least(step, "numpy", budget))
        return reference / _least(step, self.args.backend, budget)


def _least(step: Callable[[], Any], backend: str, budget: float) -> float:
    """The least time of a step, in seconds."""
    with use_backend(backend):
        step()  # whatever the first call sets up
        times: list[float] = []
        end = time.perf_counter() + budget
        while len(times) < 3 or (time.perf_counter() < end and len(times) < 500):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
    return min(times)


def training_step(model: nn.Module, criterion: Callable[[Any, Any], Any], loader: Any) -> Callable[[], None]:
    """A step of plain SGD on the loader's first batch with a copy of the model, to be timed."""
    copied = copy.deepcopy(model).train()
    optimizer = torch.optim.SGD(copied.parameters(), lr=1e-6)
    *inputs, target = next(iter(loader))

    def step() -> None:
        optimizer.zero_grad()
        criterion(copied(*inputs), target).backward()
        optimizer.step()

    return step


def loaders(train: Any, test: Any, batch_size: int) -> tuple[Any, Any]:
    """A shuffled loader for training, and one in order for testing."""
    return DataLoader(train, batch_size, shuffle=True, drop_last=True), DataLoader(test, 500)


def standardized(train: TensorDataset, test: TensorDataset) -> tuple[TensorDataset, TensorDataset]:
    """Both with the training images' mean and standard deviation taken out."""
    images = train.tensors[0].numpy()
    mean, std = float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64))
    first, second = (TensorDataset((d.tensors[0] - mean) / std, *d.tensors[1:]) for d in (train, test))
    return first, second


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.2f} %"
