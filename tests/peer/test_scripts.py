"""The same script with PyTorch and with fastnn, from the same weights: the same losses, step by step."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn

SCRIPTS = sorted(
    path.stem for path in (Path(__file__).parent / "scripts").glob("*.py") if path.stem not in ("__init__", "common")
)


def _train(name: str) -> Any:
    return importlib.import_module(f"scripts.{name}").train


def test_there_are_ten() -> None:
    assert len(SCRIPTS) == 10


@pytest.mark.peer
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_same_losses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its threads wait actively, which small steps on a busy machine suffer from
    try:
        theirs, ours = _train(name)(torch), _train(name)(fastnn)
    finally:
        torch.set_num_threads(threads)
    assert len(ours) == len(theirs) >= 20 and np.isfinite(ours).all()
    assert np.allclose(ours, theirs, rtol=1e-3, atol=0)
    assert ours[0] != ours[-1]
