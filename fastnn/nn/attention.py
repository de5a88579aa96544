"""MultiheadAttention (Vaswani et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.creation import empty, zeros
from fastnn.nn import init
from fastnn.nn.linear import Linear
from fastnn.nn.module import Module
from fastnn.nn.parameter import Parameter
from fastnn.ops.attention import scaled_dot_product_attention
from fastnn.ops.dropout import dropout
from fastnn.ops.join import cat
from fastnn.ops.linear import linear
from fastnn.ops.select import where
from fastnn.ops.softmax import softmax
from fastnn.tensor import Tensor


class NonDynamicallyQuantizableLinear(Linear):
    """Linear, under the name that PyTorch prints for the last layer of MultiheadAttention."""


class MultiheadAttention(Module):
    """Attention of ``num_heads`` heads between projections of query, key and value, projected once more.

    query: (L, N, embed_dim), key: (S, N, kdim), value: (S, N, vdim); (N, L, embed_dim) and so on where batch_first;
    without N where unbatched. Returns the output, of query's shape, and the weights, averaged over heads or not, or
    None. key_padding_mask: (N, S), attn_mask: (L, S) or (N * num_heads, L, S); True hides a key, numbers are added.
    is_causal: a hint that attn_mask is the causal mask. ``need_weights=False`` never forms the L x S weights.
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} "
                "instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        same = self._qkv_same_embed_dim
        shapes = {
            "q_proj_weight": None if same else (embed_dim, embed_dim),
            "k_proj_weight": None if same else (embed_dim, self.kdim),
            "v_proj_weight": None if same else (embed_dim, self.vdim),
            "in_proj_weight": (3 * embed_dim, embed_dim) if same else None,
            "in_proj_bias": (3 * embed_dim,) if bias else None,
        }
        for name, shape in shapes.items():
            made = None if shape is None else Parameter(empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, made)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        for name in ("bias_k", "bias_v"):
            made = Parameter(empty((1, 1, embed_dim), device=device, dtype=dtype)) if add_bias_kv else None
            self.register_parameter(name, made)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """See the class."""
        batched = query.dim() == 3
        if query.dim() not in (2, 3) or not query.dim() == key.dim() == value.dim():
            raise AssertionError(
                f"query should be unbatched 2D or batched 3D and key and value as query, but received query of "
                f"{query.dim()}, key of {key.dim()} and value of {value.dim()} dimensions"
            )
        if query.shape[-1] != self.embed_dim:
            raise AssertionError(f"was expecting embedding dimension of {self.embed_dim}, but got {query.shape[-1]}")
        if is_causal and attn_mask is None:
            raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
        axis = 0 if not self.batch_first or not batched else 1  # the sequence's
        q, k, v = self._projected(query, key, value)
        if not batched:
            q, k, v = (t.unsqueeze(1) for t in (q, k, v))
        batch, queries, keys = q.shape[1 - axis], q.shape[axis], k.shape[axis]
        if k.shape[axis] != v.shape[axis] or k.shape[1 - axis] != batch or v.shape[1 - axis] != batch:
            raise AssertionError(
                f"key's sequence and batch dims {list(key.shape)} do not match value's {list(value.shape)}"
            )
        causal = is_causal and key_padding_mask is None and not need_weights and not self._extended
        mask = None
        if not causal:
            mask = self._mask(attn_mask, key_padding_mask, (batch, queries, keys), batched, q)
        k, v, mask = self._extend(k, v, mask, axis)
        order = (0, 2, 1, 3) if axis else (1, 2, 0, 3)
        q, k, v = (t.unflatten(-1, (self.num_heads, self.head_dim)).permute(order) for t in (q, k, v))
        rate = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            out, weights = self._weighed(q, k, v, mask, rate)
        else:
            out = scaled_dot_product_attention(q, k, v, mask, rate, causal)
        back = (0, 2, 1, 3) if axis else (2, 0, 1, 3)
        joined = out.permute(back).flatten(2)
        result = self.out_proj(joined if batched else joined.squeeze(1))
        if weights is None:
            return result, None
        if average_attn_weights:
            weights = weights.mean(1)
        return result, weights if batched else weights.squeeze(0)

    @property
    def _extended(self) -> bool:
        return self.bias_k is not None or self.add_zero_attn

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, bias, size = self.in_proj_weight, self.in_proj_bias, self.embed_dim
        if weight is None:
            separate = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            biases = (None, None, None) if bias is None else bias.chunk(3)
            q, k, v = (
                linear(x, w, b)  # type: ignore[arg-type]
                for x, w, b in zip((query, key, value), separate, biases, strict=True)
            )
            return q, k, v
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

    def _mask(
        self, attn_mask: Tensor | None, padding: Tensor | None, sizes: tuple[int, int, int], batched: bool, like: Tensor
    ) -> Tensor | None:
        """Both masks as one for scaled_dot_product_attention: bool (True: seen), or added; None for none."""
        batch, queries, keys = sizes
        parts = []
        if attn_mask is not None:
            wanted = [(queries, keys), (batch * self.num_heads, queries, keys)]
            if tuple(attn_mask.shape) not in wanted:
                raise RuntimeError(
                    f"The shape of the attn_mask is {list(attn_mask.shape)}, but should be one of {wanted}."
                )
            split = (batch, self.num_heads) if attn_mask.dim() == 3 else (1, 1)
            parts.append(attn_mask.reshape(*split, queries, keys))
        if padding is not None:
            if tuple(padding.shape) != ((batch, keys) if batched else (keys,)):
                raise AssertionError(
                    f"expecting key_padding_mask shape of {(batch, keys)}, but got {list(padding.shape)}"
                )
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

    def _extend(self, k: Tensor, v: Tensor, mask: Tensor | None, axis: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """One more key and value for bias_k and bias_v, one of zeros for add_zero_attn; every query sees them."""
        shape = [*k.shape]
        shape[axis] = 1
        more: list[tuple[Tensor, Tensor]] = []
        if self.bias_k is not None and self.bias_v is not None:
            more.append((self.bias_k.expand(shape), self.bias_v.expand(shape)))
        if self.add_zero_attn:
            nothing = zeros(shape, dtype=k.dtype)
            more.append((nothing, nothing))
        if not more:
            return k, v, mask
        if mask is not None:
            seen = zeros((*mask.shape[:3], len(more)), dtype=mask.dtype)
            mask = cat([mask, seen == 0 if mask._array.dtype == np.bool_ else seen], 3)
        return cat([k, *(a for a, _ in more)], axis), cat([v, *(b for _, b in more)], axis), mask

    def _weighed(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rate: float) -> tuple[Tensor, Tensor]:
        """The output and the weights themselves; a query that sees nothing is NaN here, as in PyTorch."""
        scores = (q * self.head_dim**-0.5) @ k.transpose(-1, -2)
        if mask is not None:
            scores = scores.masked_fill(~mask, -float("inf")) if mask._array.dtype == np.bool_ else scores + mask
        weights = dropout(softmax(scores, -1), rate)
        return weights @ v, weights
