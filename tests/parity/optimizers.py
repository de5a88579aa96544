"""The option sets of PyTorch's optim_db: twenty steps of the same problem through both, then the states compared."""

from __future__ import annotations

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


def _groups(parameters: list[Any], number: int) -> list[Any]:
    if number == 1:
        return parameters
    return [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.003}]


def _sample(info: Any, options: Any, dtype: torch.dtype, groups: int) -> str:
    if options.kwargs.get("capturable"):
        raise LeftOut("capturable: a CUDA graph's option, which PyTorch refuses on a CPU")
    theirs, x, y = _problem(dtype)
    their_parameters = list(theirs.parameters())
    our_parameters = [fastnn.nn.Parameter(fastnn.from_numpy(array_of(p))) for p in their_parameters]
    our_x, our_y = fastnn.from_numpy(array_of(x)), fastnn.from_numpy(array_of(y))
    kwargs = Pairs()(options.kwargs)
    their_optimizer = info.optim_cls(_groups(their_parameters, groups), **options.kwargs)
    our_optimizer = offered(f"optim.{info.name}")(_groups(our_parameters, groups), **kwargs)

    def their_closure() -> torch.Tensor:
        their_optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(theirs(x), y)
        loss.backward()
        return loss

    def our_closure() -> Any:
        our_optimizer.zero_grad()
        hidden = fastnn.tanh(fastnn.nn.functional.linear(our_x, our_parameters[0]))
        loss = fastnn.nn.functional.mse_loss(fastnn.nn.functional.linear(hidden, our_parameters[1]), our_y)
        loss.backward()
        return loss

    for step in range(_STEPS):
        right, mine = their_optimizer.step(their_closure), our_optimizer.step(our_closure)
        same(mine, right, f"loss of step {step}")
        for number, (our, their) in enumerate(zip(our_parameters, their_parameters, strict=True)):
            same(our.detach(), their.detach(), f"parameter {number} after step {step}")
    _same_state(our_optimizer.state_dict(), their_optimizer.state_dict())
    return "first"


def _same_state(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """The same keys, and values that are the same numbers, whether kept as a tensor or as a number."""
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
            if isinstance(value, torch.Tensor):
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
