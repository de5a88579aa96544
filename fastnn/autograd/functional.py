"""Derivatives of functions of tensors: jacobian, hessian, and products of them with vectors.

All of them take ``func``, a function of one or several tensors that returns one or several, and ``inputs``, a tensor
or a tuple of them. ``create_graph``: the result can be differentiated again. ``strict``: RuntimeError where an output
does not depend on an input, rather than zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fastnn import _core
from fastnn.autograd._engine import grad
from fastnn.autograd.grad_mode import enable_grad

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Fn = Callable[..., Any]


# ------------------------------------------------------------------------------------------------ arguments and results


def _as_tuple(values: Any, what: str, function: str) -> tuple[bool, tuple[Tensor, ...]]:
    """Whether values is a tuple, and values as one. TypeError where there is no tensor."""
    if isinstance(values, _core.TensorBase):
        return False, (values,)  # type: ignore[return-value] # a TensorBase in use is a Tensor
    if not isinstance(values, tuple):
        raise TypeError(
            f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the given {what} has "
            f"type {type(values)}."
        )
    for i, value in enumerate(values):
        if not isinstance(value, _core.TensorBase):
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the value at index "
                f"{i} has type {type(value)}."
            )
    return True, values


def _as_given(values: Sequence[Any], is_tuple: bool) -> Any:
    return tuple(values) if is_tuple else values[0]


def _begin(inputs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    """The inputs as the graph's beginnings: leaves, or for create_graph tensors of the graph that is there."""
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def _finished(values: Any, create_graph: bool) -> Any:
    """Off the tape, unless create_graph."""
    if create_graph:
        return values
    if isinstance(values, tuple):
        return tuple(_finished(value, create_graph) for value in values)
    return values.detach()


def _check_outputs(outputs: tuple[Tensor, ...], strict: bool) -> None:
    for i, output in enumerate(outputs):
        if strict and not output.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed "
                "in a differentiable manner from the input when running in strict mode."
            )


def _check_vector(v: tuple[Tensor, ...], like: tuple[Tensor, ...]) -> None:
    if len(v) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
    for i, (one, other) in enumerate(zip(v, like, strict=True)):
        if one.shape != other.shape:
            prefix = f"Entry {i} in " if len(like) > 1 else ""
            raise RuntimeError(f"{prefix}v has invalid size: should be {other.shape} but got {one.shape}.")


def _gradients(outputs: Any, inputs: Any, vectors: Any, create_graph: bool) -> tuple[Any, ...]:
    """grad() of the outputs that require it; None where an input was not reached."""
    pairs = [
        (out, vector) for out, vector in zip(outputs, vectors, strict=True) if out is not None and out.requires_grad
    ]
    if not pairs:
        return (None,) * len(inputs)
    roots, seeds = zip(*pairs, strict=True)
    return grad(roots, inputs, seeds, retain_graph=True, create_graph=create_graph, allow_unused=True)


def _zeros_like(x: Tensor) -> Tensor:
    from fastnn.creation import zeros_like

    return zeros_like(x)


def _filled(found: Sequence[Any], like: Sequence[Tensor], strict: bool, words: str) -> list[Tensor]:
    for i, gradient in enumerate(found):
        if gradient is None and strict:
            raise RuntimeError(words.format(i))
    return [_zeros_like(x) if gradient is None else gradient for gradient, x in zip(found, like, strict=True)]


_UNUSED = "The output of the user-provided function is independent of input {}. This is not allowed in strict mode."


def _scalar_vector(outputs: tuple[Tensor, ...], of: str) -> tuple[Tensor, ...]:
    if len(outputs) != 1 or outputs[0].numel() != 1:
        raise RuntimeError(f"The vector v can only be None if {of} is a single Tensor with a single element.")
    return (_zeros_like(outputs[0]) + 1,)


# ------------------------------------------------------------------------------------------------ products


def vjp(func: Fn, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """(func(*inputs), vᵀJ): v as func's outputs (None: the 1 of a single element), vᵀJ as inputs."""
    with enable_grad():
        several_in, given = _as_tuple(inputs, "inputs", "vjp")
        started = _begin(given, create_graph)
        several_out, outputs = _as_tuple(func(*started), "outputs of the user-provided function", "vjp")
        _check_outputs(outputs, strict)
        if v is None:
            vector = _scalar_vector(outputs, "the user-provided function returns")
        else:
            vector = _as_tuple(v, "v", "vjp")[1]
            _check_vector(vector, outputs)
        found = _filled(_gradients(outputs, started, vector, create_graph), started, strict, _UNUSED)
    outputs, products = _finished(outputs, create_graph), _finished(tuple(found), create_graph)
    return _as_given(outputs, several_out), _as_given(products, several_in)


def jvp(func: Fn, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """(func(*inputs), Jv): v as inputs (None: the 1 of a single element), Jv as func's outputs.

    By differentiating twice: u ↦ uᵀJ is linear, and Jv is its gradient along v. So all that func calls must be
    differentiable twice.
    """
    with enable_grad():
        _, given = _as_tuple(inputs, "inputs", "jvp")
        started = _begin(given, create_graph)
        if v is None:
            vector = _scalar_vector(started, "the input to the user-provided function")
        else:
            vector = _as_tuple(v, "v", "jvp")[1]
            _check_vector(vector, started)
        several_out, outputs = _as_tuple(func(*started), "outputs of the user-provided function", "jvp")
        _check_outputs(outputs, strict)
        probes = tuple(_zeros_like(output).requires_grad_() for output in outputs)
        first = _gradients(outputs, started, probes, True)
        _filled(first, started, strict, _UNUSED)
        found = _gradients(first, probes, vector, create_graph)
        filled = _filled(
            found, outputs, strict, "The jacobian of output {} is zero. This is not allowed in strict mode."
        )
    outputs, products = _finished(outputs, create_graph), _finished(tuple(filled), create_graph)
    return _as_given(outputs, several_out), _as_given(products, several_out)


def _scalar(func: Fn, inputs: tuple[Tensor, ...], function: str) -> Tensor:
    """func's value, which must be a single element."""
    several, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", function)
    if several or outputs[0].numel() != 1:
        raise RuntimeError(
            f"The function given to {function} should return a single Tensor with a single element"
            + (" but it returned a tuple." if several else f" but it returned one of shape {list(outputs[0].shape)}.")
        )
    return outputs[0]


def vhp(func: Fn, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """(func(*inputs), vᵀH) for a func with a single value; v and vᵀH as inputs."""
    with enable_grad():
        several, given = _as_tuple(inputs, "inputs", "vhp")
        started = _begin(given, create_graph)
        if v is None:
            vector = _scalar_vector(started, "the input to the user-provided function")
        else:
            vector = _as_tuple(v, "v", "vhp")[1]
            _check_vector(vector, started)
        output = _scalar(func, started, "vhp")
        _check_outputs((output,), strict)
        seed = (_zeros_like(output) + 1,)
        first = _filled(_gradients((output,), started, seed, True), started, strict, _UNUSED)
        found = _filled(_gradients(first, started, vector, create_graph), started, strict, _UNUSED)
    return _finished(output, create_graph), _as_given(_finished(tuple(found), create_graph), several)


def hvp(func: Fn, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """(func(*inputs), Hv): the same as ``vhp``, whose way is the quicker one, as a Hessian is symmetric.

    Where it is not, because func's second derivatives jump, this is vᵀH too.
    """
    return vhp(func, inputs, v, create_graph, strict)


# ------------------------------------------------------------------------------------------------ matrices


def _check_strategy(name: str, strategy: str) -> None:
    if strategy == "forward-mode":
        raise NotImplementedError(f'{name}="forward-mode": use "reverse-mode"')
    if strategy != "reverse-mode":
        raise AssertionError(f'Expected {name} to be either "forward-mode" or "reverse-mode", got {strategy!r}')


def jacobian(
    func: Fn,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivatives of all outputs' elements with respect to all inputs' elements: shape (*output, *input).

    A tuple of them for several inputs, a tuple of such for several outputs. One walk for each element of the outputs;
    ``vectorize`` changes nothing. NotImplementedError for strategy="forward-mode".
    """
    from fastnn.ops.join import stack

    _check_strategy("strategy", strategy)
    with enable_grad():
        several_in, given = _as_tuple(inputs, "inputs", "jacobian")
        started = _begin(given, create_graph)
        several_out, outputs = _as_tuple(func(*started), "outputs of the user-provided function", "jacobian")
        _check_outputs(outputs, strict)
        rows = []
        for output in outputs:
            columns: list[list[Tensor]] = [[] for _ in started]
            for j in range(output.numel()):
                seed = _zeros_like(output)
                seed._array.reshape(-1)[j] = 1  # a fresh dense array
                found = _gradients((output,), started, (seed,), create_graph)
                for column, gradient in zip(columns, _filled(found, started, strict, _UNUSED), strict=True):
                    column.append(gradient)
            rows.append(
                tuple(
                    stack(column, 0).reshape((*output.shape, *x.shape))
                    if column
                    else _zeros_like(x).new_zeros((*output.shape, *x.shape))
                    for column, x in zip(columns, started, strict=True)
                )
            )
    finished = _finished(tuple(rows), create_graph)
    return _as_given([_as_given(row, several_in) for row in finished], several_out)


def hessian(
    func: Fn,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a func with a single value: shape (*input, *input).

    For several inputs a tuple of tuples, the (i, j)-th with respect to inputs i and j. ``vectorize`` changes nothing.
    NotImplementedError for outer_jacobian_strategy="forward-mode".
    """
    _check_strategy("outer_jacobian_strategy", outer_jacobian_strategy)
    several, given = _as_tuple(inputs, "inputs", "hessian")

    def gradient(*values: Tensor) -> tuple[Tensor, ...]:
        result: tuple[Tensor, ...] = jacobian(
            lambda *inside: _scalar(func, inside, "hessian").reshape(()), values, create_graph=True, strict=strict
        )
        return result

    found = jacobian(gradient, given, create_graph=create_graph, strict=strict)
    return _as_given([_as_given(row, several) for row in found], several)
