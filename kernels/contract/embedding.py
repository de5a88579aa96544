"""Rows of a table, looked up by number."""

from __future__ import annotations

from .types import Array, Labels


def embedding_forward(weight: Array, index: Labels, out: Array) -> None:
    """out[i] = weight[index[i]]. weight: (V, D), index: (M,) int64, out: (M, D).

    IndexError("index out of range in self ...") before anything is written unless all of index lies in [0, V).
    """
    raise NotImplementedError


def embedding_backward(grad: Array, index: Labels, padding_index: int, zeroed: bool, grad_weight: Array) -> None:
    """grad_weight[v] = the sum of grad[i], i in order, where index[i] == v, and 0 where v is padding_index (-1: none).

    grad: (M, D), grad_weight: (V, D). zeroed: grad_weight holds zeros already, and rows that no index names are not
    touched: so a large table of which few rows were used is never read through. IndexError as in embedding_forward.
    """
    raise NotImplementedError
