"""Scaled dot-product attention.

In this family the arrays of four axes need not be dense: it is enough that their last axis is contiguous, so that
(batch, row, head, element) and the thirds of a projected (batch, row, 3 * head * element) are taken as they are. No two
elements of an output may share memory.
"""

from __future__ import annotations

from .types import Array


def attention_forward(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    causal: bool,
    scale: float,
    dropout: float,
    seed: int,
    offset: int,
    out: Array,
    lse: Array,
) -> None:
    """out = softmax(scale * query @ key^T, masked) @ value, for each batch and head.

    query: (B, H, L, E), key: (B, G, S, E), value: (B, G, S, F), out: (B, H, L, F); G divides H, and head h uses key
    head h // (H // G). lse: (B, H, L), dense: the logarithm of the sum of exp(scores) of each row.
    mask: (B|1, H|1, L|1, S|1), dense; uint8: 1 where a query sees a key; query's type: added to the scores; or None.
    causal: query i sees keys 0 to i alone (also where L and S differ). A row that sees nothing is 0, its lse inf.
    0 <= dropout < 1: probabilities are dropped, the others divided by 1 - dropout. Probability i of the flat
    (B, H, L, S) is kept as dropout_forward keeps its element i. lse knows nothing of dropout.
    """
    raise NotImplementedError


def attention_backward(
    grad: Array,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    causal: bool,
    scale: float,
    dropout: float,
    seed: int,
    offset: int,
    out: Array,
    lse: Array,
    partial: Array | None,
    grad_query: Array,
    grad_key: Array,
    grad_value: Array,
) -> None:
    """The gradients of attention_forward, which gave out and lse, with respect to query, key and value.

    grad: of out's shape; grad_query, grad_key, grad_value: of query's, key's and value's.
    The probabilities p are computed again from lse. With d = dropout's factors, grad_p = d * (grad @ value^T),
    s = p * (grad_p - rowsum(grad * out)): grad_value = (d * p)^T @ grad, grad_query = scale * s @ key,
    grad_key = scale * s^T @ query; the last two summed over the heads that share a key head.
    partial: (C, B, H, L, E), dense, or None: the keys are cut into C chunks of ceil(S / C), the last ones shorter or
    empty; partial gets grad_query's share of each, grad_query their sum: so few heads keep many threads busy.
    """
    raise NotImplementedError
