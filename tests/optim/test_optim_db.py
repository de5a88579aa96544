"""PyTorch's own samples of its optimizers (optim_db), run through both libraries; and its samples of errors."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

import fastnn

SHAPES: list[tuple[int, ...]] = [(3, 4), (5,), (2, 3, 4), (1,), ()]
NAMES = (  # all but SparseAdam: there are no sparse tensors here
    *("ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam", "RAdam"),
    *("RMSprop", "Rprop", "SGD"),
)


def _info(name: str) -> Any:
    pytest.importorskip("torch")
    warnings.simplefilter("ignore")
    common = pytest.importorskip("torch.testing._internal.common_optimizers")
    (info,) = [info for info in common.optim_db if info.name == name]
    return info


def _ours(value: Any, made: dict[int, Any]) -> Any:
    """The same with our tensors, and where PyTorch's tensor stands twice, ours does too."""
    if isinstance(value, dict):
        return {key: _ours(item, made) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_ours(item, made) for item in value)
    if hasattr(value, "requires_grad"):
        if id(value) not in made:
            made[id(value)] = fastnn.tensor(value.detach().numpy(), requires_grad=value.requires_grad)
        return made[id(value)]
    return value


def _run(library: Any, name: str, options: dict[str, Any], dtype: str, closure: bool) -> Any:
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (5, 2)] if name == "Muon" else SHAPES
    params = [library.tensor(np.asarray(rng.standard_normal(s), dtype), requires_grad=True) for s in shapes]
    slopes = [library.tensor(np.asarray(rng.standard_normal(s), dtype)) for s in shapes]
    optimizer = getattr(library.optim, name)(params, **options)

    def loss() -> Any:
        optimizer.zero_grad()
        total = sum((1.5 * p * p + p * s).sum() for p, s in zip(params, slopes, strict=True))
        total.backward()
        return total

    losses = []
    for _ in range(6):
        if closure:
            losses.append(float(optimizer.step(loss)))
        else:
            losses.append(float(loss()))
            optimizer.step()
    return [p.detach().numpy() for p in params], losses, optimizer.state_dict()


def _same_state(mine: Any, other: Any, close: dict[str, float]) -> None:
    if isinstance(other, dict):
        assert set(mine) == set(other)
        for key in other:
            _same_state(mine[key], other[key], close)
    elif isinstance(other, (list, tuple)):
        assert type(mine) is type(other) and len(mine) == len(other)
        for a, b in zip(mine, other, strict=True):
            _same_state(a, b, close)
    elif hasattr(other, "dtype"):
        assert str(mine.dtype).split(".")[1] == str(other.dtype).split(".")[1] and mine.shape == tuple(other.shape)
        np.testing.assert_allclose(mine.numpy(), other.numpy(), **close)
    elif isinstance(other, float):
        np.testing.assert_allclose(mine, other, **close)
    else:
        assert mine == other


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_samples(name: str, dtype: str) -> None:
    info = _info(name)
    torch = pytest.importorskip("torch")
    close = {"rtol": 1e-5, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-7, "atol": 1e-7}
    if name == "Muon":  # which goes through bfloat16
        close = {"rtol": 1e-5, "atol": 1e-5}
    for sample in info.optim_inputs_func(device="cpu"):
        args = (name, dtype, info.step_requires_closure)
        mine, losses, state = _run(fastnn, args[0], _ours(sample.kwargs, {}), *args[1:])
        theirs, their_losses, their_state = _run(torch, args[0], sample.kwargs, *args[1:])
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a, b, **close, err_msg=str(sample.kwargs))
        np.testing.assert_allclose(losses, their_losses, **close)
        if name != "LBFGS":  # whose memory holds differences of nearly equal numbers
            _same_state(state, their_state, close)


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
def test_errors(name: str) -> None:
    info = _info(name)
    torch = pytest.importorskip("torch")
    for sample in info.optim_error_inputs_func(device="cpu", dtype=torch.float32):
        given = sample.optimizer_error_input
        if isinstance(given.params, list) and any(isinstance(p, torch.Tensor) and p.is_complex() for p in given.params):
            continue  # there are no complex tensors here
        made: dict[int, Any] = {}
        params, options = _ours(given.params, made), _ours(given.kwargs, made)
        params = [fastnn.ones(2, 3, requires_grad=True)] if params is None else params
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(sample.error_type) as caught:
                getattr(fastnn.optim, name)(params, **options)
        assert re.search(sample.error_regex, str(caught.value))
