"""Checkpoints read from disk, and whether one belongs to a trainer: everything is looked at before anything changes."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import fastnn
from fastnn.kernels import current_backend
from fastnn.nn.module import Module
from fastnn.optim.optimizer import Optimizer

if TYPE_CHECKING:
    from fastnn.training.trainer import Trainer


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state in a file. FileNotFoundError where there is none, ValueError for a damaged or foreign file."""
    try:
        state = fastnn.load(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"checkpoint {os.fspath(path)} does not exist") from None
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(f"checkpoint {os.fspath(path)} is damaged: {error}") from error
    if not isinstance(state, dict) or not {"kinds", "model", "optimizer", "progress", "random"} <= state.keys():
        raise ValueError(f"checkpoint {os.fspath(path)} holds no state of a training run")
    return state


def check(trainer: Trainer, state: dict[str, Any]) -> None:
    """ValueError where the state is not of a run like this one."""
    for part, ours in trainer.kinds().items():
        if state["kinds"][part] != ours:
            raise ValueError(f"the checkpoint was made with {state['kinds'][part]}, this trainer has {ours}")
    theirs = [name for name, _ in state["callbacks"]]
    own = [type(callback).__name__ for callback in trainer.callbacks]
    if theirs != own:
        raise ValueError(f"the checkpoint was made with the callbacks {theirs}, this trainer has {own}")
    if state["metrics"].keys() != trainer.metrics.keys():
        raise ValueError(
            f"the checkpoint was made with the metrics {list(state['metrics'])}, this trainer has "
            f"{list(trainer.metrics)}"
        )
    if state["backend"] != current_backend():
        warnings.warn(
            f"the checkpoint was made with the {state['backend']} backend: with {current_backend()} the run goes on, "
            "but its last bits may differ",
            stacklevel=4,
        )


def load_model_and_optimizer(model: Module, optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Load both or neither."""
    before = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(state["model"])
    try:
        optimizer.load_state_dict(state["optimizer"])
    except Exception:
        model.load_state_dict(before)
        raise
