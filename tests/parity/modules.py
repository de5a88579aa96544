"""The samples of PyTorch's module_db: construct, give the same state, call, compare."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

from .check import Pairs, count, leaves_of, refuses, value_and_gradients, widened
from .outcome import Outcome
from .translate import copy_state, is_offered, offered

NAMES = [info.name for info in module_db]
DTYPES = (torch.float32, torch.float64)

# The task names these: double backward through them has to work, a refusal is a failure.
SECOND = re.compile(
    r"nn\.((Lazy)?Conv(Transpose)?[123]d|Linear|Bilinear|.*Softm(ax|in).*|.*Norm.*|CELU|ELU|GELU|GLU|Hardshrink|Hardtanh|"
    r"(Leaky|P)?ReLU6?|LogSigmoid|Mish|SELU|Sigmoid|SiLU|Softplus|Softshrink|Softsign|Tanh|Tanhshrink|Threshold)$"
)


def run(name: str) -> Outcome:
    """Every sample of one module, float32 and float64, in training and in evaluation, and its error inputs."""
    info = next(info for info in module_db if info.name == name)
    outcome = Outcome("modules", name)
    outcome.offered = is_offered(name)
    second = bool(SECOND.match(name))
    for dtype in DTYPES:
        for training in (True, False):
            if dtype not in info.supported_dtypes("cpu"):
                outcome.left_out[f"PyTorch has no {dtype} here"] += 1
                continue
            torch.manual_seed(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                samples = info.module_inputs_func(
                    info, device="cpu", dtype=dtype, requires_grad=True, training=training
                )
            for sample in samples:
                if sample.forward_input is None:
                    outcome.left_out["a sample without a call"] += 1
                    continue
                mode = "training" if training else "evaluation"
                made_from = sample.constructor_input
                example = _short(f"{made_from.args} {made_from.kwargs} {sample.desc} {dtype} {mode}")
                count(outcome, partial(_sample, info, sample, dtype, training), example, second=second)
            if info.module_error_inputs_func is None:
                continue
            for error in info.module_error_inputs_func(
                info, device="cpu", dtype=dtype, requires_grad=False, training=training
            ):
                example = f"{error.module_error_input.constructor_input.args} {error.error_regex}"
                count(outcome, partial(_error, info, error, dtype), _short(example), "errors_")
    return outcome


def _short(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:300]


def _made(info: Any, sample: Any, dtype: torch.dtype, translate: Pairs, training: bool) -> tuple[Any, Any]:
    args, kwargs = sample.constructor_input.args, dict(sample.constructor_input.kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = info.module_cls(*args, device="cpu", dtype=dtype, **kwargs)
            extra = {"device": "cpu", "dtype": translate(dtype)}
        except TypeError:  # a class without parameters takes neither
            theirs = info.module_cls(*args, **kwargs)
            extra = {}
    ours = offered(info.name)(*translate(args), **translate(kwargs), **extra)
    return ours.train(training), theirs.train(training)


def _sample(info: Any, sample: Any, dtype: torch.dtype, training: bool) -> str:
    torch.manual_seed(0)
    translate = Pairs()
    ours, theirs = _made(info, sample, dtype, translate, training)
    theirs.to(dtype)  # buffers that were handed over may be of another
    ours.to(translate(dtype))
    args, kwargs = sample.forward_input.args, sample.forward_input.kwargs
    our_args, our_kwargs = translate(args), translate(kwargs)
    if any(isinstance(p, torch.nn.parameter.UninitializedTensorMixin) for p in theirs.parameters()):
        with torch.no_grad():  # a lazy module takes its shapes from a first call
            theirs(*args, **kwargs)
            ours(*our_args, **our_kwargs)
    copy_state(theirs, ours, translate)
    mine = dict(ours.named_parameters())
    pairs = [*translate.pairs, *((parameter, mine[name]) for name, parameter in theirs.named_parameters())]
    buffers = dict(ours.named_buffers())
    pairs += [(buffer, buffers[name]) for name, buffer in theirs.named_buffers()]
    return value_and_gradients(
        lambda: ours(*our_args, **our_kwargs),
        lambda: theirs(*args, **kwargs),
        pairs,
        first=True,
        second=info.supports_gradgrad,
        wide=partial(_wide, info, sample, training) if dtype is torch.float32 else None,
    )


def _wide(info: Any, sample: Any, training: bool) -> tuple[Callable[[], Any], list[torch.Tensor]]:
    """The sample in float64 with the same parameters, and all tensors that require a gradient."""
    torch.manual_seed(0)
    _, theirs = _made(info, sample, torch.float32, Pairs(), training)
    if any(isinstance(p, torch.nn.parameter.UninitializedTensorMixin) for p in theirs.parameters()):
        with torch.no_grad():
            theirs(*sample.forward_input.args, **sample.forward_input.kwargs)
    theirs = theirs.double()
    args, kwargs = widened(sample.forward_input.args), widened(sample.forward_input.kwargs)
    given = widened([sample.constructor_input.args, sample.constructor_input.kwargs])
    return lambda: theirs(*args, **kwargs), leaves_of(*given, args, kwargs, list(theirs.parameters()))


def _error(info: Any, error: Any, dtype: torch.dtype) -> None:
    sample = error.module_error_input
    translate = Pairs()
    construct = sample.constructor_input
    if error.error_on is ModuleErrorEnum.CONSTRUCTION_ERROR:
        refuses(
            lambda: offered(info.name)(*translate(construct.args), **translate(construct.kwargs)),
            lambda: info.module_cls(*construct.args, **construct.kwargs),
            error.error_type,
        )
        return
    ours, theirs = _made(info, sample, dtype, translate, True)
    forward = sample.forward_input
    our_args, our_kwargs = translate(forward.args), translate(forward.kwargs)
    refuses(lambda: ours(*our_args, **our_kwargs), lambda: theirs(*forward.args, **forward.kwargs), error.error_type)
