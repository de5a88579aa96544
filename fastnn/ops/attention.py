"""Scaled dot-product attention (Vaswani et al. 2017), by tiles that never hold all scores (Dao et al. 2022)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn import _core
from fastnn.kernels import K
from fastnn.ops.broadcast import broadcast_shape, sum_to
from fastnn.ops.dims import Array, Shape
from fastnn.ops.dropout import dropout
from fastnn.ops.gate import KERNEL_DTYPES, cast, tensor_argument
from fastnn.ops.join import repeat_interleave
from fastnn.ops.masked import masked_fill
from fastnn.ops.matmul import matmul
from fastnn.ops.shape import expand, reshape, transpose
from fastnn.ops.softmax import softmax
from fastnn.random import next_dropout_key

if TYPE_CHECKING:
    from fastnn._core import Node
    from fastnn.tensor import Tensor

__all__ = ["scaled_dot_product_attention"]

# Backward works head by head. Where there are fewer key heads than this the keys are cut, down to so many a piece: a
# rule of sizes alone, so that a gradient has the same bits for any number of threads.
HEADS_ENOUGH = 8
KEYS_A_CHUNK = 256


class _Options(NamedTuple):
    causal: bool
    scale: float
    dropout: float
    seed: int
    offset: int


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale * query @ key^T + attn_mask) @ value over the last two dimensions; memory grows with L and S alone.

    query: (..., H, L, E), key: (..., G, S, E), value: (..., G, S, Ev), at least 2-D; returns (..., H, L, Ev). G is H,
    or with enable_gqa a divisor of it: then H / G neighbouring heads share a key head. Other leading dimensions
    broadcast. attn_mask: bool (True: attend) or query's dtype (added), broadcast to (..., H, L, S). is_causal: query i
    attends to keys 0 to i, counted from the first also where L and S differ; together with attn_mask both hold.
    scale: 1 / sqrt(E) where None. dropout_p: always applied (there is no training flag). A query that may attend to
    nothing gives 0. RuntimeError for shapes or dtypes that don't fit and for a dropout_p outside [0, 1].
    """
    q = tensor_argument(query, "scaled_dot_product_attention", "query")
    k = tensor_argument(key, "scaled_dot_product_attention", "key")
    v = tensor_argument(value, "scaled_dot_product_attention", "value")
    if attn_mask is not None:
        tensor_argument(attn_mask, "scaled_dot_product_attention", "attn_mask")
    _check(q, k, v, attn_mask, dropout_p)
    if q._array.dtype == np.float16:
        single = np.dtype(np.float32)
        mask = attn_mask if attn_mask is None or attn_mask._array.dtype == np.bool_ else cast(attn_mask, single)
        wide = (cast(q, single), cast(k, single), cast(v, single))
        return cast(
            scaled_dot_product_attention(*wide, mask, dropout_p, is_causal, scale, enable_gqa), np.dtype(np.float16)
        )
    q, k, v, lead = _matched(q, k, v, enable_gqa)
    queries, width = q._array.shape[-2:]
    keys = k._array.shape[-2]
    mask_array = None if attn_mask is None else _mask_array(attn_mask._array, (*lead, queries, keys))
    factor = float(scale) if scale is not None else (width**-0.5 if width else 1.0)
    if dropout_p == 1.0 or (attn_mask is not None and _core.needs_grad(attn_mask)):
        p = _probabilities(q, k, attn_mask, bool(is_causal), factor)
        return _times_value(dropout(p, dropout_p), v)
    seed, offset = next_dropout_key(math.prod(lead) * queries * keys) if dropout_p else (0, 0)
    options = _Options(bool(is_causal), factor, float(dropout_p), seed, offset)
    query4, key4, value4 = _four(q), _four(k), _four(v)
    out = _like(query4, value4.shape[3])
    lse = np.empty(out.shape[:3], out.dtype)
    K.attention_forward(query4, key4, value4, mask_array, *options, out, lse)
    shape = (*lead, queries, value4.shape[3])
    saved = (q, k, v) if attn_mask is None else (q, k, v, attn_mask)
    return _core.record(
        "ScaledDotProductAttentionBackward0",
        _attention_backward,
        (q, k, v),
        _shaped(out, shape),
        saved,
        True,
        extra=(options, lse),
    )


# ------------------------------------------------------------------------------------------------ arguments


def _check(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float) -> None:
    x, y, z = q._array, k._array, v._array
    if min(x.ndim, y.ndim, z.ndim) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be at least 2 dimensional, but got "
            f"query.dim: {x.ndim} key.dim: {y.ndim} and value.dim: {z.ndim} instead."
        )
    if x.dtype != y.dtype or x.dtype != z.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got "
            f"query.dtype: {q.dtype} key.dtype: {k.dtype} and value.dtype: {v.dtype} instead."
        )
    if x.dtype not in KERNEL_DTYPES and x.dtype != np.float16:
        raise RuntimeError(f"scaled_dot_product_attention(): expected query of a floating dtype, got {q.dtype}")
    if x.shape[-1] != y.shape[-1]:
        raise RuntimeError(
            f"Expected query and key to have the same last dimension, but got {x.shape[-1]} and {y.shape[-1]}"
        )
    if y.shape[-2] != z.shape[-2]:
        raise RuntimeError(f"Expected key and value to have as many rows each, but got {y.shape[-2]} and {z.shape[-2]}")
    if mask is not None and mask._array.dtype not in (np.bool_, x.dtype):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or to match query dtype, but got "
            f"attn_mask.dtype: {mask.dtype} and query.dtype: {q.dtype} instead."
        )
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")


def _matched(q: Tensor, k: Tensor, v: Tensor, grouped: bool) -> tuple[Tensor, Tensor, Tensor, Shape]:
    """The three with equal leading dimensions, but for key heads where grouped; and query's leading dimensions."""
    x, y, z = q._array, k._array, v._array
    if x.ndim == y.ndim == z.ndim and x.shape[:-2] == y.shape[:-2] == z.shape[:-2]:
        return q, k, v, x.shape[:-2]
    if not grouped:
        lead = broadcast_shape(broadcast_shape(x.shape[:-2], y.shape[:-2]), z.shape[:-2])
        return _expanded(q, lead), _expanded(k, lead), _expanded(v, lead), lead
    if min(x.ndim, y.ndim, z.ndim) < 3:
        raise RuntimeError("enable_gqa=True expects query, key and value of at least 3 dimensions")
    heads, key_heads, value_heads = x.shape[-3], y.shape[-3], z.shape[-3]
    if not key_heads or not value_heads or heads % key_heads or heads % value_heads:
        raise RuntimeError(
            "Number of heads in key and value must divide the number of heads in query, but got "
            f"{key_heads}, {value_heads} and {heads}"
        )
    if key_heads != value_heads:
        k, v = repeat_interleave(k, heads // key_heads, -3), repeat_interleave(v, heads // value_heads, -3)
        key_heads = heads
    outer = broadcast_shape(broadcast_shape(x.shape[:-3], y.shape[:-3]), z.shape[:-3])
    shared = (*outer, key_heads)
    return _expanded(q, (*outer, heads)), _expanded(k, shared), _expanded(v, shared), (*outer, heads)


def _expanded(tensor: Tensor, lead: Shape) -> Tensor:
    shape = tensor._array.shape
    return tensor if shape[:-2] == lead else expand(tensor, (*lead, *shape[-2:]))


def _mask_array(mask: Array, full: Shape) -> Array:
    """mask as the kernels take it: dense, four dimensions, uint8 or the scores' dtype."""
    if broadcast_shape(mask.shape, full) != full:
        raise RuntimeError(f"attn_mask: expected a shape that broadcasts to {list(full)}, got {list(mask.shape)}")
    if len(full) > 4:
        mask = np.broadcast_to(mask, full).reshape(math.prod(full[:-3]), *full[-3:])
    else:
        mask = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
    mask = np.require(mask, requirements=["C", "A"])
    return mask.view(np.uint8) if mask.dtype == np.bool_ else mask


def _four(tensor: Tensor) -> Array:
    """(batch, heads, rows, elements), the last axis contiguous; no copy where it is that already."""
    x = tensor._array
    if x.ndim < 4:
        x = x[(None,) * (4 - x.ndim)]
    elif x.ndim > 4:
        x = x.reshape(math.prod(x.shape[:-3]), *x.shape[-3:])
    if x.strides[-1] != x.itemsize or not x.flags.aligned or not x.dtype.isnative:
        x = np.require(x, x.dtype.newbyteorder("="), ["C", "A"])
    return x


def _like(x: Array, width: int) -> Array:
    """An array of x's shape but for its last extent, with its axes in x's order in memory."""
    order = [*sorted(range(3), key=lambda axis: -abs(x.strides[axis])), 3]
    shape = (*x.shape[:3], width)
    made = np.empty([shape[axis] for axis in order], x.dtype)
    return made.transpose(np.argsort(order))


def _shaped(x: Array, shape: Shape) -> Array:
    return x if x.shape == shape else x.reshape(shape)


# ------------------------------------------------------------------------------------------------ gradients


def _attention_backward(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    if _core.is_grad_enabled():
        return _backward_recorded(ctx, grad)
    q, k, v, *masks, out = ctx.saved
    options: _Options
    options, lse = ctx.extra
    query, key, value, out4 = _four(q), _four(k), _four(v), _four(out)
    mask = None
    if masks:
        mask = _mask_array(masks[0]._array, (*q._array.shape[:-2], query.shape[2], key.shape[2]))
    grad_q, grad_k, grad_v = (_like(array, array.shape[3]) for array in (query, key, value))
    chunks = min(-(-HEADS_ENOUGH // max(math.prod(key.shape[:2]), 1)), key.shape[2] // KEYS_A_CHUNK)
    partial = np.empty((chunks, *query.shape), query.dtype) if chunks > 1 else None
    K.attention_backward(_four(grad), query, key, value, mask, *options, out4, lse, partial, grad_q, grad_k, grad_v)
    inputs = zip(ctx.needs, (grad_q, grad_k, grad_v), (q, k, v), strict=True)
    return tuple([_core.wrap(_shaped(a, t._array.shape)) if need else None for need, a, t in inputs])


def _probabilities(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    """All of softmax(scale * q @ k^T + mask) by recorded ops; 0 where a query sees nothing."""
    scores = matmul(q * scale, transpose(_spread(k, q), -1, -2))
    shape = scores._array.shape
    hidden = np.zeros(shape, np.bool_)
    if mask is not None and mask._array.dtype == np.bool_:
        hidden |= ~mask._array
    elif mask is not None:
        scores = scores + mask
    if causal:
        hidden |= ~np.tri(*shape[-2:], dtype=np.bool_)
    scores = masked_fill(scores, _core.wrap(hidden), -math.inf)
    blind = (scores._array == -math.inf).all(-1, keepdims=True)
    if not blind.any():
        return softmax(scores, -1)
    nothing = _core.wrap(np.broadcast_to(blind, shape).copy())
    return masked_fill(softmax(masked_fill(scores, nothing, 0.0), -1), nothing, 0.0)


def _spread(shared: Tensor, q: Tensor) -> Tensor:
    """Keys or values once for each head of q."""
    heads = q._array.shape[-3] if q._array.ndim > 2 else 1
    own = shared._array.shape[-3] if shared._array.ndim > 2 else 1
    return shared if own == heads else repeat_interleave(shared, heads // own, -3)


def _times_value(p: Tensor, v: Tensor) -> Tensor:
    return matmul(p, _spread(v, p))


def _gathered(grad: Tensor, shape: Shape) -> Tensor:
    """The sum over the heads that share one of the shape's."""
    if grad._array.shape == shape:
        return grad
    heads = shape[-3]
    split = (*shape[:-3], heads, grad._array.shape[-3] // heads, *shape[-2:])
    return reshape(sum_to(reshape(grad, split), (*shape[:-2], 1, *shape[-2:])), shape)


def _backward_recorded(ctx: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    """The same of recorded ops, for create_graph=True."""
    q, k, v, *masks, _ = ctx.saved
    options = ctx.extra[0]
    p = _probabilities(q, k, masks[0] if masks else None, options.causal, options.scale)
    grad_p = matmul(grad, transpose(_spread(v, q), -1, -2))
    kept = p
    if options.dropout:
        factors = _core.wrap(_dropout_factors(p._array, options))
        kept, grad_p = p * factors, grad_p * factors
    # Not (grad * out).sum(): then the slopes of a query add up to 0 to the last bit, which second gradients amplify.
    slopes = p * (grad_p - (p * grad_p).sum(-1, keepdim=True)) * options.scale
    found: list[Any] = [
        matmul(slopes, _spread(k, q)),
        _gathered(matmul(transpose(slopes, -1, -2), q), k._array.shape),
        _gathered(matmul(transpose(kept, -1, -2), grad), v._array.shape),
    ]
    return tuple([gradient if need else None for need, gradient in zip(ctx.needs, found, strict=True)])


def _dropout_factors(like: Array, options: _Options) -> Array:
    """What the kernel multiplied each probability by: it counts them as dropout does."""
    factors, mask = np.ones(like.shape, like.dtype), np.empty(like.shape, np.uint8)
    K.dropout_forward(factors, options.dropout, options.seed, options.offset, factors, mask)
    return factors
