"""Multi-head attention (Vaswani et al. 2017): projections, masks, heads, and the product behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastnn.creation import zeros
from fastnn.ops.attention import scaled_dot_product_attention
from fastnn.ops.dropout import dropout
from fastnn.ops.join import cat
from fastnn.ops.linear import linear
from fastnn.ops.select import where
from fastnn.ops.softmax import softmax

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["multi_head_attention_forward"]


class Projections(NamedTuple):
    """The parameters of an attention layer: one weight for query, key and value together (in_weight), or three."""

    heads: int
    in_weight: Tensor | None
    in_bias: Tensor | None
    separate: tuple[Tensor | None, Tensor | None, Tensor | None]
    bias_k: Tensor | None
    bias_v: Tensor | None
    add_zero_attn: bool
    out_weight: Tensor
    out_bias: Tensor | None


class Choices(NamedTuple):
    """What a call asks for besides its inputs and masks."""

    dropout: float
    need_weights: bool
    average: bool
    causal: bool
    batch_first: bool = False
    static_k: Tensor | None = None
    static_v: Tensor | None = None


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What nn.MultiheadAttention computes, with its parameters as arguments.

    query: (L, N, E) or (L, E), key: (S, N, ...), value: (S, N, ...); returns the output, of query's shape, and the
    weights (N, L, S), averaged over heads, or (N, num_heads, L, S), or None. Masks as in nn.MultiheadAttention.
    in_proj_weight: (3 E, E), or with use_separate_proj_weight the three others. static_k, static_v: (N * num_heads, S,
    E / num_heads), in place of the projected key and value. AssertionError and RuntimeError for what does not fit.
    """
    if use_separate_proj_weight:
        separate = (q_proj_weight, k_proj_weight, v_proj_weight)
        for name, weight in zip("qkv", separate, strict=True):
            if weight is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
        in_proj_weight = None
    else:
        separate = (None, None, None)
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must both be given, or neither")
    for name, static in (("key", static_k), ("value", static_v)):
        if static is not None and bias_k is not None:
            raise AssertionError(f"bias cannot be added to static {name}.")
    if query.shape[-1] != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {query.shape[-1]}")
    if embed_dim_to_check % num_heads:
        raise AssertionError(f"embed_dim {embed_dim_to_check} not divisible by num_heads {num_heads}")
    layer = Projections(
        num_heads, in_proj_weight, in_proj_bias, separate, bias_k, bias_v, add_zero_attn, out_proj_weight, out_proj_bias
    )
    rate = dropout_p if training else 0.0
    choices = Choices(rate, need_weights, average_attn_weights, is_causal, False, static_k, static_v)
    return attend(layer, query, key, value, attn_mask, key_padding_mask, choices)


def attend(
    layer: Projections,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    key_padding_mask: Tensor | None,
    choices: Choices,
) -> tuple[Tensor, Tensor | None]:
    """Attention of the layer; see multi_head_attention_forward."""
    batched = query.dim() == 3
    if query.dim() not in (2, 3) or not query.dim() == key.dim() == value.dim():
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D and key and value as query, but received query of "
            f"{query.dim()}, key of {key.dim()} and value of {value.dim()} dimensions"
        )
    if choices.causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    axis = 1 if choices.batch_first and batched else 0  # the sequence's
    q, k, v = _projected(layer, query, key, value)
    if not batched:
        q, k, v = (t.unsqueeze(1) for t in (q, k, v))
    batch, queries, keys = q.shape[1 - axis], q.shape[axis], k.shape[axis]
    if k.shape[axis] != v.shape[axis] or k.shape[1 - axis] != batch or v.shape[1 - axis] != batch:
        raise AssertionError(
            f"key's sequence and batch dims {list(key.shape)} do not match value's {list(value.shape)}"
        )
    if choices.static_k is not None:
        keys = choices.static_k.shape[1]
    extended = layer.bias_k is not None or layer.add_zero_attn
    causal = choices.causal and key_padding_mask is None and not choices.need_weights and not extended
    heads, width = layer.heads, q.shape[-1] // layer.heads
    mask = None
    if not causal:
        mask = _mask(attn_mask, key_padding_mask, (batch, heads, queries, keys), batched, q)
    k, v, mask = _with_bias(layer, k, v, mask, axis)
    order = (0, 2, 1, 3) if axis else (1, 2, 0, 3)
    q, k, v = (t.unflatten(-1, (heads, width)).permute(order) for t in (q, k, v))
    k, v = _static(choices.static_k, k, batch, "k"), _static(choices.static_v, v, batch, "v")
    if layer.add_zero_attn:
        nothing = zeros((batch, heads, 1, width), dtype=k.dtype)
        k, v, mask = cat([k, nothing], 2), cat([v, nothing], 2), _one_more(mask)
    weights = None
    if choices.need_weights:
        out, weights = _weighed(q, k, v, mask, choices.dropout)
    else:
        out = scaled_dot_product_attention(q, k, v, mask, choices.dropout, causal)
    back = (0, 2, 1, 3) if axis else (2, 0, 1, 3)
    joined = out.permute(back).flatten(2)
    result = linear(joined if batched else joined.squeeze(1), layer.out_weight, layer.out_bias)
    if weights is None:
        return result, None
    if choices.average:
        weights = weights.mean(1)
    return result, weights if batched else weights.squeeze(0)


def _projected(layer: Projections, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    weight, bias = layer.in_weight, layer.in_bias
    if weight is None:
        biases = (None, None, None) if bias is None else bias.chunk(3)
        q, k, v = (
            linear(x, w, b)  # type: ignore[arg-type]
            for x, w, b in zip((query, key, value), layer.separate, biases, strict=True)
        )
        return q, k, v
    size = weight.shape[0] // 3
    if query is key and key is value:
        q, k, v = linear(query, weight, bias).unflatten(-1, (3, size)).unbind(-2)
        return q, k, v
    first = linear(query, weight[:size], None if bias is None else bias[:size])
    rest = None if bias is None else bias[size:]
    if key is value:
        k, v = linear(key, weight[size:], rest).unflatten(-1, (2, size)).unbind(-2)
        return first, k, v
    k = linear(key, weight[size : 2 * size], None if rest is None else rest[:size])
    return first, k, linear(value, weight[2 * size :], None if rest is None else rest[size:])


def _static(given: Tensor | None, made: Tensor, batch: int, name: str) -> Tensor:
    """A key or value that was given whole, as (N, heads, S, width); else the projected one."""
    if given is None:
        return made
    heads, width = made.shape[1], made.shape[3]
    if given.shape[0] != batch * heads:
        raise AssertionError(f"expecting static_{name}.size(0) of {batch * heads}, but got {given.shape[0]}")
    if given.shape[2] != width:
        raise AssertionError(f"expecting static_{name}.size(2) of {width}, but got {given.shape[2]}")
    return given.reshape(batch, heads, given.shape[1], width)


def _mask(
    attn_mask: Tensor | None,
    padding: Tensor | None,
    sizes: tuple[int, int, int, int],
    batched: bool,
    like: Tensor,
) -> Tensor | None:
    """Both masks as one for scaled_dot_product_attention: bool (True: seen), or added; None for none."""
    batch, heads, queries, keys = sizes
    parts = []
    if attn_mask is not None:
        wanted = [(queries, keys), (batch * heads, queries, keys)]
        if tuple(attn_mask.shape) not in wanted:
            raise RuntimeError(f"The shape of the attn_mask is {list(attn_mask.shape)}, but should be one of {wanted}.")
        split = (batch, heads) if attn_mask.dim() == 3 else (1, 1)
        parts.append(attn_mask.reshape(*split, queries, keys))
    if padding is not None:
        if tuple(padding.shape) != ((batch, keys) if batched else (keys,)):
            raise AssertionError(f"expecting key_padding_mask shape of {(batch, keys)}, but got {list(padding.shape)}")
        parts.append(padding.reshape(batch, 1, 1, keys))
    if not parts:
        return None
    for part in parts:
        if part._array.dtype != np.bool_ and not part.is_floating_point():
            raise AssertionError(f"only bool and floating types of masks are supported, got {part.dtype}")
    if all(part._array.dtype == np.bool_ for part in parts):
        hidden = parts[0] if len(parts) == 1 else parts[0] | parts[1]
        return ~hidden
    added = [
        where(part, -float("inf"), zeros((), dtype=like.dtype))
        if part._array.dtype == np.bool_
        else part.to(like.dtype)
        for part in parts
    ]
    return added[0] if len(added) == 1 else added[0] + added[1]


def _one_more(mask: Tensor | None) -> Tensor | None:
    """The mask with one more key, that every query sees."""
    if mask is None:
        return None
    seen = zeros((*mask.shape[:3], 1), dtype=mask.dtype)
    return cat([mask, seen == 0 if mask._array.dtype == np.bool_ else seen], 3)


def _with_bias(
    layer: Projections, k: Tensor, v: Tensor, mask: Tensor | None, axis: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """One more key and value, bias_k and bias_v."""
    if layer.bias_k is None or layer.bias_v is None:
        return k, v, mask
    shape = [*k.shape]
    shape[axis] = 1
    return cat([k, layer.bias_k.expand(shape)], axis), cat([v, layer.bias_v.expand(shape)], axis), _one_more(mask)


def _weighed(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float) -> tuple[Tensor, Tensor]:
    """The output and the weights themselves; a query that sees nothing is NaN here, as in PyTorch."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, -float("inf")) if mask._array.dtype == np.bool_ else scores + mask
    weights = dropout(softmax(scores, -1), rate)
    return weights @ v, weights
