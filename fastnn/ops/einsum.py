"""einsum: sums of products by Einstein's convention, made of permutations and batched matrix products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastnn import _core
from fastnn.ops.gate import tensor_argument
from fastnn.ops.matmul import matmul
from fastnn.ops.pieces import diagonal
from fastnn.ops.shape import permute, reshape, squeeze

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

    Label = str | int
    Labels = list[Label]

__all__ = ["einsum"]

ELLIPSIS = "."


def einsum(*args: Any) -> Tensor:
    """einsum(equation, *operands): the sum over all labels but the output's of the products of the operands' elements.

    equation: "ij,jk->ik": a letter for each dimension; without "->" the output has the letters that come once, in
    order; "..." stands for further dimensions, which broadcast; a letter twice in one operand takes the diagonal.
    Operands may be one list; or einsum(operand, labels, operand, labels, ..., [output labels]) with labels in [0, 52).
    RuntimeError for a faulty equation and sizes that don't fit.
    """
    inputs, output, operands = _parse(args)
    ranks = [_rest(labels, operand) for labels, operand in zip(inputs, operands, strict=True)]
    width = max([rank for rank in ranks if rank is not None], default=0)
    named = [_spread(labels, rank, width) for labels, rank in zip(inputs, ranks, strict=True)]
    if output is None:
        flat = [label for labels in named for label in labels]
        order = sorted({label for label in flat if isinstance(label, str) and flat.count(label) == 1})
        final: Labels = [*range(width), *order]
    else:
        final = _spread(output, width, width)
    sizes = _sizes(named, operands)
    for label in final:
        if final.count(label) > 1:
            raise RuntimeError(f"einsum(): output subscript {label} appears more than once in the output")
        if label not in sizes:
            raise RuntimeError(
                f"einsum(): output subscript {label} does not appear in the equation for any input operand"
            )
    parts = [_single(labels, operand, sizes) for labels, operand in zip(named, operands, strict=True)]
    result, labels = parts[0]
    for i, (other, other_labels) in enumerate(parts[1:], 1):
        later = {label for _, rest in parts[i + 1 :] for label in rest} | set(final)
        result, labels = _contract(result, labels, other, other_labels, later)
    result, labels = _summed(result, labels, set(final))
    result = permute(result, [labels.index(label) for label in final if label in labels])
    shape = tuple([sizes[label] for label in final])
    if result._array.shape != shape:  # labels of size 1 were dropped on the way
        result = reshape(result, shape)
    return result


def _parse(args: tuple[Any, ...]) -> tuple[list[Labels], Labels | None, list[Tensor]]:
    if len(args) < 2:
        raise ValueError("einsum(): must specify the equation string and at least one operand, or operands and labels")
    if isinstance(args[0], _core.TensorBase):
        pairs = len(args) // 2
        tensors, lists = list(args[0 : 2 * pairs : 2]), [_letters(given) for given in args[1 : 2 * pairs : 2]]
        return lists, _letters(args[-1]) if len(args) % 2 else None, _tensors(tensors)
    equation, given = args[0], args[1:]
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    if not isinstance(equation, str):
        raise TypeError(f"einsum(): argument 'equation' must be str, not {type(equation).__name__}")
    left, arrow, right = equation.replace(" ", "").partition("->")
    inputs = [_split(part) for part in left.split(",")]
    if len(inputs) != len(given):
        few = "more" if len(given) > len(inputs) else "fewer"
        raise RuntimeError(f"einsum(): {few} operands were provided than specified in the equation")
    return inputs, _split(right) if arrow else None, _tensors(list(given))


def _tensors(given: list[Any]) -> list[Tensor]:
    return [tensor_argument(item, "einsum", f"operands[{i}]") for i, item in enumerate(given)]


def _letters(labels: Any) -> Labels:
    out: Labels = []
    for label in labels:
        if label is Ellipsis:
            out.append(ELLIPSIS)
        elif isinstance(label, int) and 0 <= label < 52:
            out.append(chr(ord("A") + label) if label < 26 else chr(ord("a") + label - 26))
        else:
            raise RuntimeError(f"einsum(): subscript {label!r} is not within the valid range [0, 52)")
    return out


def _split(text: str) -> Labels:
    if text.count("...") > 1 or text.replace("...", "").count("."):
        raise RuntimeError(f"einsum(): found '.' in {text!r} that is not part of one ellipsis ('...')")
    labels: Labels = list(text.replace("...", ELLIPSIS))
    for label in labels:
        if label != ELLIPSIS and not (isinstance(label, str) and label.isascii() and label.isalpha()):
            raise RuntimeError(f"einsum(): invalid subscript given: {label!r}, subscripts must be in [a-zA-Z]")
    return labels


def _rest(labels: Labels, operand: Tensor) -> int | None:
    """How many dimensions the ellipsis stands for; None where there is none."""
    ndim, named = operand._array.ndim, len(labels) - labels.count(ELLIPSIS)
    if ELLIPSIS not in labels:
        if ndim != named:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the number of dimensions "
                f"({ndim}) for an operand and no ellipsis was given"
            )
        return None
    if ndim < named:
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({named}) is more than the number of dimensions "
            f"({ndim}) for an operand"
        )
    return ndim - named


def _spread(labels: Labels, rank: int | None, width: int) -> Labels:
    """The labels with numbers for the ellipsis' dimensions, counted from the right."""
    out: Labels = []
    for label in labels:
        if label == ELLIPSIS:
            out.extend(range(width - (rank or 0), width))
        else:
            out.append(label)
    return out


def _sizes(named: list[Labels], operands: list[Tensor]) -> dict[Label, int]:
    sizes: dict[Label, int] = {}
    for labels, operand in zip(named, operands, strict=True):
        for label, size in zip(labels, operand._array.shape, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = size
            elif size not in (1, sizes[label]):
                raise RuntimeError(
                    f"einsum(): operands do not broadcast with remapped shapes: subscript {label} has size {size}, "
                    f"which does not broadcast with previously seen size {sizes[label]}"
                )
    return sizes


def _single(labels: Labels, operand: Tensor, sizes: dict[Label, int]) -> tuple[Tensor, Labels]:
    """operand with each label once, and without the dimensions of size 1 that broadcast."""
    labels = list(labels)
    for label in list(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if operand._array.shape[first] != operand._array.shape[second]:
                raise RuntimeError(
                    f"einsum(): subscript {label} is repeated for an operand but the sizes don't match, "
                    f"{operand._array.shape[second]} != {operand._array.shape[first]}"
                )
            operand = diagonal(operand, 0, first, second)
            labels = [name for i, name in enumerate(labels) if i not in (first, second)] + [label]
    thin = [i for i, label in enumerate(labels) if operand._array.shape[i] == 1 != sizes[label]]
    if thin:
        operand = squeeze(operand, tuple(thin))
        labels = [label for i, label in enumerate(labels) if i not in thin]
    return operand, labels


def _summed(operand: Tensor, labels: Labels, kept: set[Label]) -> tuple[Tensor, Labels]:
    """operand summed over the labels that nothing else needs."""
    axes = [i for i, label in enumerate(labels) if label not in kept]
    if not axes:
        return operand, labels
    return operand.sum(tuple(axes), dtype=operand.dtype), [label for label in labels if label in kept]


def _contract(a: Tensor, first: Labels, b: Tensor, second: Labels, later: set[Label]) -> tuple[Tensor, Labels]:
    """The product of two operands, summed over what they share and nothing later needs: one batched product."""
    a, first = _summed(a, first, later | set(second))
    b, second = _summed(b, second, later | set(first))
    common = [label for label in first if label in second]
    batch = [label for label in common if label in later]
    inner = [label for label in common if label not in later]
    rows = [label for label in first if label not in common]
    columns = [label for label in second if label not in common]
    left = permute(a, [first.index(label) for label in (*batch, *rows, *inner)])
    right = permute(b, [second.index(label) for label in (*batch, *inner, *columns)])
    sizes = dict(zip((*first, *second), (*a._array.shape, *b._array.shape), strict=True))

    def extent(names: Labels) -> int:
        return math.prod([sizes[name] for name in names])

    left = reshape(left, (extent(batch), extent(rows), extent(inner)))
    right = reshape(right, (extent(batch), extent(inner), extent(columns)))
    made: Labels = [*batch, *rows, *columns]
    return reshape(matmul(left, right), tuple([sizes[name] for name in made])), made
