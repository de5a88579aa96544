"""A run that is killed, at any moment, and resumed gives the bits of one that was not."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.optim.lr_scheduler import CosineAnnealingLR, StepLR
from fastnn.training import EarlyStopping, ModelCheckpoint, NonFiniteLossError, Trainer
from fastnn.training.files import read

if sys.platform == "win32":
    pytest.skip("kill -9 is POSIX", allow_module_level=True)

SCRIPT = Path(__file__).with_name("killable_run.py")


def start(folder: Path, how: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(folder), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(folder: Path, how: str = "") -> tuple[int, str, str]:
    process = start(folder, how)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def comparable(folder: Path) -> dict[str, Any]:
    """The last checkpoint, but for how long the epochs took."""
    state = read(folder / "last.safetensors")
    for row in state["history"]:
        row.pop("seconds")
    return state


def assert_same(one: Any, two: Any, path: str = "") -> None:
    """Equal to the bit, whatever is in it."""
    assert type(one) is type(two), path
    if isinstance(one, dict):
        assert one.keys() == two.keys(), path
        for key in one:
            assert_same(one[key], two[key], f"{path}/{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(two), path
        for index, pair in enumerate(zip(one, two, strict=True)):
            assert_same(*pair, f"{path}/{index}")
    elif isinstance(one, fastnn.Tensor):
        assert one.dtype == two.dtype and one.numpy().tobytes() == two.numpy().tobytes(), path
    else:
        assert one == two, path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The state at the end of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    code, out, err = finish(folder)
    assert code == 0 and out.endswith("done\n"), err
    state = comparable(folder)
    assert len(state["history"]) == 4 and state["progress"]["step"] == 16  # 7 batches, two a step, make 4 steps
    return state


def test_killed_in_training(tmp_path: Path, whole: dict[str, Any]) -> None:
    """Three times, each after a random number of steps more; what the process was doing then is anybody's guess."""
    generator = random.Random(0)
    kills = 0
    for _ in range(3):
        process = start(tmp_path)
        assert process.stdout is not None
        for _ in range(generator.randint(1, 4)):
            if not process.stdout.readline().startswith("step"):
                break
        process.kill()
        process.communicate()
        kills += process.returncode == -9
    assert kills >= 2
    code, out, err = finish(tmp_path)
    assert code == 0 and out.endswith("done\n"), err
    assert_same(comparable(tmp_path), whole)


@pytest.mark.parametrize("how", ["replace:1", "replace:7", "fsync:13"])
def test_killed_while_saving(tmp_path: Path, whole: dict[str, Any], how: str) -> None:
    code, _, err = finish(tmp_path, how)
    assert code == -9, err
    last = tmp_path / "last.safetensors"
    assert last.exists() == (not how.endswith(":1"))
    if last.exists():
        read(last)  # the checkpoint before is whole
    code, out, err = finish(tmp_path)
    assert code == 0 and out.endswith("done\n"), err
    assert_same(comparable(tmp_path), whole)
    best = [name for _, name in whole["callbacks"][-1][1]["kept"]]
    assert sorted(path.name for path in tmp_path.glob("epoch-*")) == sorted(best)


def test_full_disk(tmp_path: Path, whole: dict[str, Any]) -> None:
    code, _, err = finish(tmp_path, "full:6")
    assert code == 1
    assert "cannot be written" in err and "the last good checkpoint is" in err and "last.safetensors" in err
    assert read(tmp_path / "last.safetensors")["progress"]["step"] == 5
    code, _, err = finish(tmp_path)
    assert code == 0, err
    assert_same(comparable(tmp_path), whole)


def test_a_gradient_of_nan_is_not_saved(tmp_path: Path) -> None:
    """The square root of 0 is finite, its derivative is not: the loss tells of it one batch too late."""
    from fastnn import nn

    model = nn.Linear(2, 1)
    checkpoint = ModelCheckpoint(tmp_path, "loss", every_steps=1)
    optimizer = fastnn.optim.SGD(model.parameters(), 0.1)
    trainer = Trainer(model, optimizer, lambda output, target: (output * target).abs().sqrt().mean(), progress=False,
                      callbacks=[checkpoint])  # fmt: skip
    with pytest.raises(NonFiniteLossError, match=r"not finite: weight, bias\n.*no earlier checkpoint\n.*weight nan"):
        trainer.fit([(fastnn.ones(4, 2), fastnn.zeros(4, 1))], epochs=1)
    assert not list(tmp_path.iterdir())
    fastnn.nn.init.ones_(model.weight)
    fastnn.nn.init.ones_(model.bias)
    batches = [(fastnn.ones(4, 2), fastnn.full((4, 1), float(target))) for target in (1, 2, 0)]
    with pytest.raises(NonFiniteLossError, match=r"step 4 .*spoilt(?s:.*)last good checkpoint is .*last.safetensors"):
        trainer.fit(batches, epochs=1)
    assert read(tmp_path / "last.safetensors")["progress"]["step"] == 3
    assert checkpoint.best == []


def test_resume_in_one_process(tmp_path: Path, whole: dict[str, Any]) -> None:
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import killable_run
    finally:
        sys.path.remove(str(SCRIPT.parent))
    for epochs in (1, 2, 4):
        trainer, train, validation = killable_run.make(tmp_path, [killable_run.Slow(), killable_run.Shrink(-1)])
        trainer.fit(train, validation, epochs=epochs, resume=tmp_path)
        assert trainer.epoch == len(trainer.history) == epochs
    assert_same(comparable(tmp_path), whole)


def state_of(trainer: Trainer) -> Any:
    return [t.numpy().copy() for t in trainer.model.state_dict().values()]


def test_checkpoints_that_do_not_fit(tmp_path: Path, whole: dict[str, Any]) -> None:
    """A clear message with the file's name, and a trainer as it was."""
    from fastnn import nn

    def trainer(width: int = 3, groups: bool = False, kind: Any = fastnn.optim.Adam, schedule: Any = StepLR,
                **options: Any) -> Trainer:  # fmt: skip
        model = nn.Sequential(nn.Linear(2, width), nn.Linear(width, 1))
        optimizer = kind([{"params": [p]} for p in model.parameters()] if groups else model.parameters(), lr=0.01)
        scheduler = schedule(optimizer, 5) if schedule else None
        return Trainer(model, optimizer, nn.MSELoss(), scheduler=scheduler, progress=False, **options)

    path = tmp_path / "run.safetensors"
    made = trainer()
    made.fit([(fastnn.ones(4, 2), fastnn.ones(4, 1))], epochs=1)
    made.save(path)
    for other, words in [
        (trainer(width=4), "size mismatch for 0.weight"),
        (trainer(groups=True), "parameter groups"),
        (trainer(kind=fastnn.optim.SGD), "made with Adam, this trainer has SGD"),
        (trainer(schedule=CosineAnnealingLR), "made with StepLR, this trainer has CosineAnnealingLR"),
        (trainer(schedule=None), "made with StepLR, this trainer has no scheduler"),
        (trainer(callbacks=[EarlyStopping()]), "callbacks"),
        (trainer(metrics={"mae": nn.L1Loss()}), "metrics"),
    ]:
        before = state_of(other)
        with pytest.raises((RuntimeError, ValueError), match=words) as caught:
            other.fit([], epochs=3, resume=path)
        assert "run.safetensors" in str(caught.value)
        assert all(map(np.array_equal, before, state_of(other))) and other.epoch == 0
    content = path.read_bytes()
    for size in (0, 7, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"run.safetensors is damaged"):
            trainer().load(path)
    fastnn.save({"w": fastnn.ones(3)}, path)
    with pytest.raises(ValueError, match="holds no state of a training run"):
        trainer().load(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        trainer().load(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="ModelCheckpoint"):
        trainer().fit([], epochs=1, resume=True)


def test_another_backend_is_said(tmp_path: Path) -> None:
    from fastnn import nn

    model = nn.Linear(1, 1)
    trainer = Trainer(model, fastnn.optim.SGD(model.parameters()), nn.MSELoss(), progress=False)
    with fastnn.use_backend("numpy"):
        trainer.save(tmp_path / "x.safetensors")
    with fastnn.use_backend("cython"), pytest.warns(UserWarning, match="made with the numpy backend"):
        trainer.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("workers", [0, 2])
def test_resume_in_the_middle_of_an_epoch_of_a_loader_with_workers(tmp_path: Path, workers: int) -> None:
    """Workers draw batches ahead of the model: their random numbers are taken up where they were too."""
    import random as python_random
    import shutil

    from fastnn import nn
    from fastnn.training import Callback, ModelCheckpoint
    from fastnn.utils.data import DataLoader

    class Keep(Callback):
        """A copy of the checkpoint that was the last one before step 5: 4 steps, in the second epoch's first batch."""

        def on_step_end(self, trainer: Trainer) -> None:
            if trainer.step == 5:
                shutil.copy(tmp_path / "last.safetensors", tmp_path / "copy.safetensors")

    def run(resume: Any) -> Trainer:
        fastnn.manual_seed(4)
        python_random.seed(4)
        np.random.seed(4)  # noqa: NPY002
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(36, 3))
        trainer = Trainer(
            model,
            fastnn.optim.SGD(model.parameters(), 0.1, momentum=0.9),
            nn.CrossEntropyLoss(),
            callbacks=[Keep(), ModelCheckpoint(tmp_path, every_steps=2)],
            progress=False,
        )
        loader = DataLoader(killable_data(), 18, shuffle=True, num_workers=workers)  # three batches an epoch
        trainer.fit(loader, epochs=3, resume=resume)
        return trainer

    whole_run = run(False)
    taken_up = run(tmp_path / "copy.safetensors")
    assert whole_run.step == taken_up.step == 9
    assert all(map(np.array_equal, state_of(whole_run), state_of(taken_up)))


def killable_data() -> Any:
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import killable_run
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return killable_run.Noisy()
