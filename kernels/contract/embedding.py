"""Rows of a table, looked up by number."""

from __future__ import annotations

from .types import Array, Labels


def embedding_forward(weight: Array, index: Labels, out: Array) -> None:
    """out[i] = weight[index[i]]. weight: (V, D), index: (M,) int64, out: (M, D).

    IndexError("index out of range in self ...") before anything is written unless all of index lies in [0, V).
    """
    raise NotImplementedError


def embedding_backward(grad: Array, index: Labels, padding_index: int, grad_weight: Array) -> None:
    """grad_weight[index[i]] += grad[i], i in order, but where index[i] is padding_index (-1: nowhere).

    grad: (M, D), grad_weight: (V, D): the one output that is read first; rows that no index names are not touched.
    IndexError as in embedding_forward.
    """
    raise NotImplementedError
