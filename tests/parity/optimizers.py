"""The option sets of PyTorch's optim_db: twenty steps of the same problem through both, then the states compared."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import fastnn

from .check import Pairs, count, refuses
from .compare import same
from .outcome import Outcome
from .translate import LeftOut, array_of, is_offered, offered

LEFT_OUT = {info.name: "sparse gradients alone" for info in optim_db if info.only_supports_sparse_grads}
NAMES = [info.name for info in optim_db if info.name not in LEFT_OUT]
DTYPES = (torch.float32, torch.float64)
_STEPS = 20
# LBFGS lives on differences of nearly equal gradients, so that rounding grows: PyTorch itself ends elsewhere when it
# starts a few units in the last place away. It is compared within ten times of what its neighbours make of that.
_NEIGHBOURS: dict[str, tuple[int, ...]] = {"LBFGS": (1, 2, 4)}
# Muon's direction is computed in bfloat16, which has 8 bits: ten times this share of the way is 5 bits.
_MUON_SHARE = 2.0**-8 / 2.5


def run(name: str) -> Outcome:
    """Every set of options, one group and two groups, float32 and float64; then the error inputs."""
    info = next(info for info in optim_db if info.name == name)
    outcome = Outcome("optimizers", name)
    outcome.offered = is_offered(f"optim.{name}")
    for dtype in DTYPES:
        for options in info.optim_inputs_func(device="cpu", dtype=dtype):
            for groups in (1, 2) if info.supports_param_groups else (1,):
                example = f"{options.kwargs} ({options.desc}), {groups} groups, {dtype}"[:400]
                count(outcome, partial(_sample, info, options, dtype, groups), example)
        if info.optim_error_inputs_func is None:
            continue
        for error in info.optim_error_inputs_func(device="cpu", dtype=dtype):
            options = error.optimizer_error_input
            example = f"{options.desc} {options.kwargs}"[:400]
            count(outcome, partial(_error, info, error, dtype), example, "errors_")
    return outcome


def _problem(dtype: torch.dtype) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 7, bias=False), torch.nn.Tanh(), torch.nn.Linear(7, 3, bias=False))
    return model.to(dtype), torch.randn(6, 5, dtype=dtype), torch.randn(6, 3, dtype=dtype)


def _their_run(info: Any, kwargs: dict[str, Any], dtype: torch.dtype, groups: int, ulps: int = 0) -> Iterator[Any]:
    """PyTorch's optimizer after each step: its loss, its parameters and itself. ``ulps``: how far from the start, in
    units of the last place of each parameter, at random, it starts."""
    model, x, y = _problem(dtype)
    parameters = list(model.parameters())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in parameters:
            shift = torch.rand(parameter.shape, generator=generator, dtype=dtype) * 2 - 1
            parameter *= 1 + ulps * torch.finfo(dtype).eps * shift
    optimizer = info.optim_cls(_groups(parameters, groups), **copy.deepcopy(kwargs))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    for _ in range(_STEPS):
        loss = optimizer.step(closure).detach()
        yield loss, [parameter.detach().clone() for parameter in parameters], optimizer


def _apart(a: Any, b: Any) -> float:
    return float((a - b).abs().max())


def _groups(parameters: list[Any], number: int) -> list[Any]:
    if number == 1:
        return parameters
    return [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.003}]


def _sample(info: Any, options: Any, dtype: torch.dtype, groups: int) -> str:
    if options.kwargs.get("capturable"):
        raise LeftOut("capturable: a CUDA graph's option, which PyTorch refuses on a CPU")
    start, x, y = _problem(dtype)
    first = [parameter.detach().clone() for parameter in start.parameters()]
    our_parameters = [fastnn.nn.Parameter(fastnn.from_numpy(array_of(parameter))) for parameter in first]
    our_x, our_y = fastnn.from_numpy(array_of(x)), fastnn.from_numpy(array_of(y))
    kwargs = Pairs()(options.kwargs)
    our_optimizer = offered(f"optim.{info.name}")(_groups(our_parameters, groups), **kwargs)

    def our_closure() -> Any:
        our_optimizer.zero_grad()
        hidden = fastnn.tanh(fastnn.nn.functional.linear(our_x, our_parameters[0]))
        loss = fastnn.nn.functional.mse_loss(fastnn.nn.functional.linear(hidden, our_parameters[1]), our_y)
        loss.backward()
        return loss

    their_run = _their_run(info, options.kwargs, dtype, groups)
    neighbours = [_their_run(info, options.kwargs, dtype, groups, ulps) for ulps in _NEIGHBOURS.get(info.name, ())]
    first_loss = None
    for step, (right, their_parameters, their_optimizer) in enumerate(their_run):  # noqa: B007 (the last one is compared)
        first_loss = right if first_loss is None else first_loss
        mine = our_optimizer.step(our_closure)
        others = [next(neighbour) for neighbour in neighbours]
        room = max((_apart(loss, right) for loss, _, _ in others), default=0.0)
        if info.name == "Muon":
            room = _apart(right, first_loss) * _MUON_SHARE
        _near(mine, right, f"loss of step {step}", room)
        for number, (our, their) in enumerate(zip(our_parameters, their_parameters, strict=True)):
            room = max((_apart(parameters[number], their) for _, parameters, _ in others), default=0.0)
            if info.name == "Muon":
                room = _apart(their, first[number]) * _MUON_SHARE
            _near(our.detach(), their, f"parameter {number} after step {step}", room)
    _same_state(our_optimizer.state_dict(), their_optimizer.state_dict(), values=info.name not in ("LBFGS", "Muon"))
    return "first"


def _near(ours: Any, theirs: torch.Tensor, what: str, room: float) -> None:
    """Within ten times ``room`` of PyTorch's value, or, as everywhere, the same but for rounding."""
    if room > 0.0 and tuple(ours.shape) == tuple(theirs.shape):
        found = np.abs(ours.detach().numpy() - array_of(theirs)).max()
        if found <= 10 * room:
            return
    same(ours, theirs, what)


def _same_state(ours: dict[str, Any], theirs: dict[str, Any], values: bool) -> None:
    """The same keys, and ``values`` that are the same numbers, whether kept as a tensor or as a number."""
    if set(ours) != set(theirs):
        raise AssertionError(f"state_dict has {sorted(ours)} where PyTorch has {sorted(theirs)}")
    for mine, right in zip(ours["param_groups"], theirs["param_groups"], strict=True):
        if not set(right) <= set(mine):
            raise AssertionError(f"param_groups lack {sorted(set(right) - set(mine))}")
    if set(ours["state"]) != set(theirs["state"]):
        raise AssertionError(f"state of parameters {sorted(ours['state'])} where PyTorch has {sorted(theirs['state'])}")
    for index, right in theirs["state"].items():
        mine = ours["state"][index]
        if set(mine) != set(right):
            raise AssertionError(f"state has {sorted(mine)} where PyTorch has {sorted(right)}")
        for key, value in right.items():
            if values and isinstance(value, torch.Tensor):
                number = mine[key].detach().numpy() if isinstance(mine[key], fastnn.Tensor) else mine[key]
                scale = float(value.abs().max()) if value.numel() else 0.0
                tolerance = 1e-4 if value.dtype is torch.float32 else 1e-7
                if not np.allclose(number, value.numpy(), tolerance, tolerance * max(scale, 1e-3), equal_nan=True):
                    raise AssertionError(f"state {key} differs")


def _error(info: Any, error: Any, dtype: torch.dtype) -> None:
    options = error.optimizer_error_input
    translate = Pairs()
    theirs = options.params
    if theirs is None:
        theirs = [torch.nn.Parameter(torch.randn(2, 3, dtype=dtype))]
    ours = translate(theirs)
    kwargs = translate(options.kwargs)
    for their, our in translate.pairs:
        if their.grad is not None:
            our.grad = fastnn.from_numpy(array_of(their.grad))

    def construct(library_class: Any, params: Any, kwargs: dict[str, Any]) -> None:
        optimizer = library_class(params, **kwargs)
        if error.error_on is OptimizerErrorEnum.STEP_ERROR:
            optimizer.step()

    refuses(
        lambda: construct(offered(f"optim.{info.name}"), ours, kwargs),
        lambda: construct(info.optim_cls, theirs, options.kwargs),
        error.error_type,
    )
