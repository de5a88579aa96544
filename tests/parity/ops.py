"""The samples of PyTorch's op_db: the function, then its method and its in-place form, then its error inputs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.testing._internal import common_methods_invocations
from torch.testing._internal.common_methods_invocations import op_db

from .check import Pairs, count, leaves_of, refuses, value_and_gradients, widened
from .compare import Different, same
from .outcome import Outcome
from .selection import why_left_out
from .translate import NotOffered, offered


def _unseeded(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """In place of the tests' wrapper that seeds and restores PyTorch's generator, by which a draw would not show."""
    return op(*args, **kwargs)


common_methods_invocations.wrapper_set_seed = _unseeded


def _label(info: Any) -> str:
    return f"{info.name} ({info.variant_test_name})" if info.variant_test_name else str(info.name)


_INFOS = {_label(info): info for info in op_db}
NAMES = [label for label, info in _INFOS.items() if why_left_out(info.name) is None]
LEFT_OUT = {label: why_left_out(info.name) for label, info in _INFOS.items() if why_left_out(info.name) is not None}

_UNINITIALISED = {
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "resize_",
    "resize_as_",
}

# The task names these: double backward through them has to work, a refusal is a failure.
_SECOND = re.compile(
    r"(nn\.functional\.)?(linear|bilinear|conv(_transpose)?[123]d|(log_)?softm(ax|in)|.*_norm|normalize|celu|elu|gelu|glu|"
    r"hardshrink|hardtanh|leaky_relu|prelu|relu6?|logsigmoid|mish|selu|sigmoid|silu|softplus|softshrink|softsign|tanh|"
    r"tanhshrink|threshold)"
)


def run(label: str) -> Outcome:
    """Every sample of one entry: float32 and float64, or int64 where the op takes no floating point."""
    info = _INFOS[label]
    outcome = Outcome("ops", label)
    try:
        Pairs().function(info.op)
    except NotOffered:
        outcome.offered = False
    supported = info.supported_dtypes("cpu")
    dtypes = [dtype for dtype in (torch.float32, torch.float64) if dtype in supported] or [
        dtype for dtype in (torch.int64, torch.bool) if dtype in supported
    ][:1]
    for dtype in dtypes:
        differentiable = info.supports_autograd and dtype.is_floating_point
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            samples = list(info.sample_inputs("cpu", dtype, requires_grad=differentiable))
        for sample in samples:
            example = f"{sample.summary()} {dtype}"[:400]
            check = partial(_function, info, sample, dtype, differentiable)
            count(outcome, check, example, second=bool(_SECOND.fullmatch(info.name)))
            if outcome.offered:
                _forms(info, sample, outcome, example)
    if info.error_inputs_func is not None:
        torch.manual_seed(0)
        for error in info.error_inputs("cpu"):
            example = f"{error.sample_input.summary()} {error.error_regex}"[:400]
            count(outcome, partial(_error, info, error), example, "errors_")
    return outcome


def _function(info: Any, sample: Any, dtype: torch.dtype, differentiable: bool) -> str:
    translate = Pairs()
    function = translate(info.op)
    args = translate((sample.input, *sample.args))
    kwargs = translate(sample.kwargs)
    finish = sample.output_process_fn_grad
    our_finish = translate(finish)
    return value_and_gradients(
        lambda: our_finish(function(*args, **kwargs)),
        lambda: finish(info.op(sample.input, *sample.args, **sample.kwargs)),
        translate.pairs,
        first=differentiable,
        second=differentiable and info.supports_gradgrad,
        initialised=info.name not in _UNINITIALISED,
        wide=partial(_wide, info, sample) if dtype is torch.float32 else None,
    )


def _wide(info: Any, sample: Any) -> tuple[Callable[[], Any], list[torch.Tensor]]:
    """The sample in float64, and its tensors that require a gradient."""
    parts = widened([sample.input, sample.args, sample.kwargs])
    input, args, kwargs = parts
    return lambda: sample.output_process_fn_grad(info.op(input, *args, **kwargs)), leaves_of(*parts)


def _error(info: Any, error: Any) -> None:
    sample = error.sample_input
    translate = Pairs()
    function = translate(info.op)
    args, kwargs = translate((sample.input, *sample.args)), translate(sample.kwargs)
    refuses(
        lambda: function(*args, **kwargs),
        lambda: info.op(sample.input, *sample.args, **sample.kwargs),
        error.error_type,
    )


def _forms(info: Any, sample: Any, outcome: Outcome, example: str) -> None:
    if not isinstance(sample.input, torch.Tensor) or info.name in _UNINITIALISED:
        return
    with torch.no_grad():
        plain = sample.transform(lambda value: value.detach().clone() if isinstance(value, torch.Tensor) else value)
    if isinstance(info.method_variant, type(torch.Tensor.add)):
        count(outcome, partial(_form, info, plain, info.method_variant, info.op), f"method {example}", "forms_")
    if isinstance(info.inplace_variant, type(torch.Tensor.add)) and not sample.broadcasts_input:
        count(outcome, partial(_form, info, plain, info.inplace_variant, None), f"in place {example}", "forms_")


def _form(info: Any, sample: Any, form: Callable[..., Any], function: Callable[..., Any] | None) -> str | None:
    translate = Pairs()
    args, kwargs = translate((sample.input, *sample.args)), translate(sample.kwargs)
    before = torch.get_rng_state()
    try:
        right = sample.output_process_fn_grad((function or form)(sample.input, *sample.args, **sample.kwargs))
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        try:  # the result has another dtype or shape than the tensor to be changed: an error here too
            offered(f"Tensor.{form.__name__}")(*args, **kwargs)
        except (RuntimeError, TypeError, IndexError, ValueError):
            return None
        raise Different(f"{form.__name__}: no error where PyTorch raises {type(error).__name__} ({error})") from error
    random = not torch.equal(before, torch.get_rng_state())
    mine = translate(sample.output_process_fn_grad)(offered(f"Tensor.{form.__name__}")(*args, **kwargs))
    same(mine, right, form.__name__, values=not random)
    if not random:
        same(args[0], sample.input, f"the tensor after {form.__name__}")
    return None
