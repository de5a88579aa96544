"""One sample through both libraries: value, gradient, second gradient, what it does to its arguments, or its error."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

import fastnn

from .compare import Different, Unequal, as_near, same
from .outcome import Outcome
from .translate import LeftOut, NotOffered, Translator

Call = Callable[[], Any]
Wide = Callable[[], tuple[Call, "list[torch.Tensor]"]]


class SecondRefused(Exception):
    """The second derivative raises NotImplementedError."""


def value_and_gradients(
    ours: Call,
    theirs: Call,
    pairs: Sequence[tuple[torch.Tensor, Any]],
    *,
    first: bool,
    second: bool,
    initialised: bool = True,
    wide: Wide | None = None,
) -> str:
    """Compare the results, and their derivatives to the tensors of ``pairs`` that require a gradient.

    ``wide`` gives PyTorch's call of the same sample in float64 and its tensors, to judge float32 results that differ.
    Returns "second" or "first", how many derivatives were compared, or "random" where PyTorch drew random numbers or
    left memory uninitialised, so that shapes and dtypes alone are compared. Raises Different or SecondRefused.
    """
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with sdpa_kernel(SDPBackend.MATH):  # the only one of PyTorch's attentions that has second derivatives
        right = theirs()
    random = not initialised or not torch.equal(before, torch.get_rng_state())
    mine = ours()
    if random:
        same(mine, right, "value", values=False)
        return "random"
    coarse = any(tensor.dtype in (torch.float16, torch.float32) for tensor, _ in pairs)
    _judge("value", mine, right, wide, coarse)
    with torch.no_grad():
        for number, (their_tensor, our_tensor) in enumerate(pairs):
            same(our_tensor, their_tensor, f"argument {number} after the call")
    leaves = [pair for pair in pairs if pair[0].requires_grad]
    if not (first and leaves):
        return "first"
    return _gradients(mine, right, leaves, second, wide, coarse)


def _judge(stage: str, ours: Any, theirs: Any, wide: Wide | None, coarse: bool, what: str = "") -> None:
    """same(), but float32 numbers may differ by what float32 makes of the sample in PyTorch too."""
    compare = same if stage == "value" else _same_gradients
    try:
        compare(ours, theirs, what or stage, coarse=coarse)
    except Unequal:
        if wide is None:
            raise
        truth = _stage(stage, *wide())
        mine, right = (_tensors(ours), _tensors(theirs)) if stage == "value" else (ours, theirs)
        for number, (m, r, t) in enumerate(zip(mine, right, truth, strict=True)):
            if m is not None and r is not None and not as_near(m, r, t):
                same(m.detach(), r.detach(), f"{what or stage} {number}")


def _stage(stage: str, call: Call, leaves: Sequence[torch.Tensor]) -> list[Any]:
    """PyTorch's values, gradients or second gradients of a float64 call."""
    torch.manual_seed(0)
    with sdpa_kernel(SDPBackend.MATH):
        tensors = _tensors(call())
    if stage == "value":
        return tensors
    outputs = [tensor for tensor in tensors if tensor.is_floating_point() and tensor.requires_grad]
    gradients = _grad(torch, outputs, leaves, 1, stage == "second gradient")
    return gradients if stage == "gradient" else _second(torch, gradients, leaves)


def _gradients(
    mine: Any, right: Any, leaves: Sequence[tuple[torch.Tensor, Any]], second: bool, wide: Wide | None, coarse: bool
) -> str:
    outputs = [(m, r) for m, r in zip(_tensors(mine), _tensors(right), strict=True) if r.is_floating_point()]
    for number, (our_output, their_output) in enumerate(outputs):
        if our_output.requires_grad != their_output.requires_grad:
            raise Different(f"output {number} has requires_grad {our_output.requires_grad}, PyTorch's the opposite")
    outputs = [pair for pair in outputs if pair[1].requires_grad]
    if not outputs:
        return "first"
    theirs = _grad(torch, [r for _, r in outputs], [t for t, _ in leaves], 1, second)
    deep = second and any(g is not None and g.requires_grad for g in theirs)
    ours = _grad(fastnn, [m for m, _ in outputs], [o for _, o in leaves], 1, False, keep=deep)
    _judge("gradient", ours, theirs, wide, coarse)
    if not deep:
        return "first"
    try:
        theirs_second = _second(torch, theirs, [t for t, _ in leaves])
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        return "first"
    try:
        ours = _grad(fastnn, [m for m, _ in outputs], [o for _, o in leaves], 1, True)
        _judge("gradient", ours, theirs, wide, coarse, "gradient with create_graph")
        ours_second = _second(fastnn, ours, [o for _, o in leaves])
    except NotImplementedError as error:
        raise SecondRefused(str(error)) from error
    _judge("second gradient", ours_second, theirs_second, wide, coarse)
    return "second"


def _second(library: Any, gradients: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
    roots = [g for g in gradients if g is not None and g.requires_grad]
    return _grad(library, roots, leaves, 2, False) if roots else [None] * len(leaves)


def _grad(
    library: Any, outputs: Sequence[Any], leaves: Sequence[Any], seed: int, graph: bool, keep: bool | None = None
) -> list[Any]:
    numbers = np.random.default_rng(seed)
    weights = []  # float32 numbers for any dtype, so that a float64 run has the same
    for output in outputs:
        weight = np.asarray(numbers.standard_normal(tuple(output.shape)), np.float32)
        weights.append(library.from_numpy(weight).to(output.dtype))
    return list(
        library.autograd.grad(
            outputs, leaves, weights, retain_graph=graph or keep or None, create_graph=graph, allow_unused=True
        )
    )


def _same_gradients(ours: Sequence[Any], theirs: Sequence[Any], what: str, coarse: bool = False) -> None:
    for number, (mine, right) in enumerate(zip(ours, theirs, strict=True)):
        if mine is None and right is None:
            continue
        # No gradient and a gradient of zeros count as the same here: PyTorch itself gives either, by op.
        if mine is None or right is None:
            zero = mine if right is None else right
            if np.any(np.asarray(zero.detach().numpy()) != 0):
                raise Different(f"{what} {number}: {'none' if mine is None else 'there'} where PyTorch's is not")
            continue
        same(mine.detach(), right.detach(), f"{what} {number}", coarse=coarse)


def _tensors(value: Any) -> list[Any]:
    if isinstance(value, (torch.Tensor, fastnn.Tensor)):
        return [value]
    if isinstance(value, dict):
        return [tensor for part in value.values() for tensor in _tensors(part)]
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def refuses(ours: Call, theirs: Call, kind: type[BaseException]) -> None:
    """Raise Different unless fastnn raises what PyTorch raises; LeftOut where PyTorch itself does not raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs()
        except Exception as error:
            right = error
        else:
            raise LeftOut("PyTorch itself raises no error here")
        try:
            ours()
        except (NotOffered, LeftOut):
            raise
        except Exception as error:
            if isinstance(error, (kind, type(right))) and not _beside(error, right):
                return
            raise Different(
                f"error: {type(error).__name__} ({error}) where PyTorch raises {type(right).__name__} ({right})"
            ) from error
    raise Different(f"no error where PyTorch raises {type(right).__name__} ({right})")


def _beside(error: Exception, right: Exception) -> bool:
    """A refusal that comes from what fastnn lacks, not from the argument that is wrong."""
    return isinstance(error, (NotImplementedError, AttributeError)) and not isinstance(right, type(error))


def count(outcome: Outcome, run: Callable[[], str | None], example: str, part: str = "", second: bool = False) -> None:
    """Run one check and count what became of it; ``second``: a refused second derivative is a failure.

    ``part`` is "" for a sample, "errors_" or "forms_" for the other columns.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = run()
    except LeftOut as error:
        outcome.left_out[str(error)] += 1
    except NotOffered as error:
        _failed(outcome, part, f"not offered: {error}", example)
    except SecondRefused as error:
        if second:
            _failed(outcome, part, f"second gradient: {error}", example)
        else:
            outcome.second_refused += 1
            outcome.passed += 1
    except Different as error:
        _failed(outcome, part, str(error), example)
    except AssertionError as error:
        _failed(outcome, part, f"{error}", example)
    except Exception as error:
        _failed(outcome, part, f"{type(error).__name__}: {error}", example)
    else:
        setattr(outcome, f"{part}passed", getattr(outcome, f"{part}passed") + 1)
        outcome.second_passed += kind == "second"
        outcome.random += kind == "random"


def _failed(outcome: Outcome, part: str, reason: str, example: str) -> None:
    setattr(outcome, f"{part}failed", getattr(outcome, f"{part}failed") + 1)
    label = {"": "", "errors_": "[error input] ", "forms_": "[form] "}[part]
    outcome.fail(label + re.sub(r"\s+", " ", reason)[:300], example)


class Pairs(Translator):
    """A translator that keeps the tensors it met, PyTorch's beside fastnn's, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[torch.Tensor, Any]] = []

    def _tensor(self, value: torch.Tensor) -> Any:
        made = super()._tensor(value)
        self.pairs.append((value, made))
        return made


def widened(value: Any) -> Any:
    """A tensor or dtype of float32 in float64, anything else itself."""
    if isinstance(value, torch.Tensor) and value.dtype is torch.float32:
        return value.detach().double().requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(widened(part) for part in value)
    if isinstance(value, dict):
        return {key: widened(part) for key, part in value.items()}
    return torch.float64 if value is torch.float32 else value


def leaves_of(*values: Any) -> list[torch.Tensor]:
    """The tensors that require a gradient, in the order in which a translator meets them, each once."""
    met = {id(tensor): tensor for tensor in _tensors(list(values)) if tensor.requires_grad}
    return list(met.values())
