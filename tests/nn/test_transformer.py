"""MultiheadAttention and the Transformer's layers: gradients, masks, errors, and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn as fw
from fastnn.autograd import gradcheck

INF = float("inf")
L, S, N, E = 4, 5, 3, 8

ATTENTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch-first": {"batch_first": True},
    "no-bias": {"bias": False},
    "sizes": {"kdim": 6, "vdim": 7},
    "bias-kv": {"add_bias_kv": True},
    "zero": {"add_zero_attn": True, "batch_first": True},
    "both": {"add_zero_attn": True, "add_bias_kv": True, "kdim": 6},
}
MASKS = ("none", "padding", "bool", "float", "each", "padding-and-bool", "causal")


def same_weights(library: Any, module: Any) -> Any:
    """The module in float64 with numbers that depend on names and shapes alone."""
    module = module.double()
    rng = np.random.default_rng(5)
    state = module.state_dict()
    module.load_state_dict(
        {key: library.tensor(rng.standard_normal(tuple(state[key].shape)) * 0.3) for key in sorted(state)}
    )
    return module


def masks(library: Any, kind: str, keys: int = S, batched: bool = True) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    hidden = rng.random((L, keys)) < 0.3
    hidden[:, 0] = False
    padding = np.arange(keys) >= np.array([keys, keys - 1, keys - 2])[:, None]
    made: dict[str, Any] = {}
    if "padding" in kind:
        made["key_padding_mask"] = library.tensor(padding if batched else padding[1])
    if "bool" in kind:
        made["attn_mask"] = library.tensor(hidden)
    if kind == "float":
        made["attn_mask"] = library.tensor(np.where(hidden, -INF, rng.standard_normal((L, keys))))
    if kind == "each":
        many = rng.random((N * 2 if batched else 2, L, keys)) < 0.3
        many[..., 0] = False
        made["attn_mask"] = library.tensor(many)
    if kind == "causal":
        made.update(attn_mask=library.tensor(np.triu(np.ones((L, keys), bool), 1)), is_causal=True)
    return made


def attend(library: Any, options: str, mask: str, batched: bool, shared: str, **how: Any) -> tuple[Any, list[Any], Any]:
    """(outputs, gradients by name, repr) of one call and its backward."""
    chosen = ATTENTIONS[options]
    module = same_weights(library, library.nn.MultiheadAttention(E, 2, **chosen))
    rng = np.random.default_rng(1)
    length = L if shared == "all" else S

    def draw(rows: int, width: int) -> Any:
        shape = ((N, rows, width) if chosen.get("batch_first") else (rows, N, width)) if batched else (rows, width)
        return library.tensor(rng.standard_normal(shape)).requires_grad_()

    q = draw(L, E)
    k = q if shared == "all" else draw(S, chosen.get("kdim", E))
    v = k if shared in ("all", "keys") else draw(S, chosen.get("vdim", E))
    out, weights = module(q, k, v, **masks(library, mask, length, batched), **how)
    loss = (out * library.tensor(rng.standard_normal(tuple(out.shape)))).sum()
    if weights is not None:
        loss = loss + (weights * library.tensor(rng.standard_normal(tuple(weights.shape)))).sum()
    loss.backward()
    grads = [t.grad for t in (q, k, v)] + [p.grad for p in module.parameters()]
    return (out, weights), [g.detach().numpy() for g in grads], repr(module)


@pytest.mark.peer
@pytest.mark.parametrize("how", [{"need_weights": False}, {"average_attn_weights": False}], ids=str)
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("options", ATTENTIONS)
def test_attention_is_pytorchs(options: str, mask: str, batched: bool, how: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    if (
        mask == "causal"
        and not how.get("need_weights", True)
        and {"add_bias_kv", "add_zero_attn"} & {*ATTENTIONS[options]}
    ):
        pytest.skip("PyTorch takes the hint for the mask there, and hides the keys that it added itself")
    sized = "kdim" in ATTENTIONS[options] or "vdim" in ATTENTIONS[options]
    for shared in ("none",) if sized else ("keys", "all"):
        (ours, our_grads, our_text), (theirs, their_grads, their_text) = (
            attend(library, options, mask, batched, shared, **how) for library in (fw, torch)
        )
        assert our_text == their_text
        for have, want in zip(ours, theirs, strict=True):
            if want is None:
                assert have is None
            else:
                np.testing.assert_allclose(have.detach().numpy(), want.detach().numpy(), rtol=1e-9, atol=1e-11)
        for have, want in zip(our_grads, their_grads, strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("mask", ["none", "padding", "float"])
def test_gradients(mask: str) -> None:
    for options in ("plain", "both"):
        module = same_weights(fw, fw.nn.MultiheadAttention(E, 2, **ATTENTIONS[options]))
        given = [
            fw.randn(n, N, w, dtype=fw.float64, requires_grad=True)
            for n, w in ((L, E), (S, module.kdim), (S, module.vdim))
        ]
        given += list(module.parameters())
        assert gradcheck(
            lambda q, k, v, *_, module=module: module(q, k, v, need_weights=False, **masks(fw, mask))[0], given
        )


def test_dropout_acts_in_training_alone() -> None:
    module, x = fw.nn.MultiheadAttention(E, 2, dropout=0.5), fw.randn(20, 2, E)
    for need in (True, False):
        module.train()
        assert not fw.equal(module(x, x, x, need_weights=need)[0], module(x, x, x, need_weights=need)[0])
        module.eval()
        assert fw.equal(module(x, x, x, need_weights=need)[0], module(x, x, x, need_weights=need)[0])


def test_errors() -> None:
    with pytest.raises(AssertionError, match="divisible by num_heads"):
        fw.nn.MultiheadAttention(7, 2)
    with pytest.raises(ValueError, match="greater than 0"):
        fw.nn.MultiheadAttention(0, 2)
    module, x = fw.nn.MultiheadAttention(E, 2), fw.randn(L, N, E)
    with pytest.raises(AssertionError, match="embedding dimension of 8"):
        module(x[..., :4], x, x)
    with pytest.raises(AssertionError, match="unbatched 2D or batched 3D"):
        module(x, x[0], x)
    with pytest.raises(AssertionError, match="do not match"):
        module(x, x, x[:2])
    with pytest.raises(RuntimeError, match="shape of the attn_mask"):
        module(x, x, x, attn_mask=fw.zeros(L, L + 1))
    with pytest.raises(AssertionError, match="key_padding_mask"):
        module(x, x, x, key_padding_mask=fw.zeros(L, N).bool())
    with pytest.raises(RuntimeError, match="Need attn_mask"):
        module(x, x, x, is_causal=True)
    with pytest.raises(RuntimeError, match="relu/gelu"):
        fw.nn.TransformerEncoderLayer(8, 2, activation="tanh")


@pytest.mark.peer
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_transformers_are_pytorchs(activation: str, norm_first: bool, batch_first: bool, bias: bool) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for library in (fw, torch):
        rng = np.random.default_rng(7)
        model = library.nn.Transformer(
            E,
            2,
            2,
            2,
            16,
            0.0,
            activation,
            batch_first=batch_first,
            norm_first=norm_first,
            bias=bias,
            layer_norm_eps=1e-3,
        )
        model = same_weights(library, model)
        src, tgt = (
            library.tensor(rng.standard_normal((N, n, E) if batch_first else (n, N, E))).requires_grad_()
            for n in (S, L)
        )
        causal = library.nn.Transformer.generate_square_subsequent_mask(L).double()
        padding = masks(library, "padding")["key_padding_mask"]
        added = library.tensor(np.where(padding.numpy(), -INF, 0.0))
        out = model(src, tgt, tgt_mask=causal, src_key_padding_mask=padding, memory_key_padding_mask=added)
        out.square().sum().backward()
        grads = {name: p.grad.numpy() for name, p in model.named_parameters()}
        found.append({"out": out.detach().numpy(), "src": src.grad.numpy(), "tgt": tgt.grad.numpy(), **grads})
    assert list(found[0]) == list(found[1])
    for key, want in found[1].items():
        np.testing.assert_allclose(found[0][key], want, rtol=1e-7, atol=1e-9, err_msg=key)


@pytest.mark.peer
def test_state_and_text_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (
        library.nn.TransformerEncoder(library.nn.TransformerEncoderLayer(8, 2, 16), 2, library.nn.LayerNorm(8))
        for library in (fw, torch)
    )
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in theirs.state_dict().items()
    ]
    assert repr(ours) == repr(theirs)


def test_a_causal_encoder_does_not_look_ahead() -> None:
    encoder = fw.nn.TransformerEncoder(fw.nn.TransformerEncoderLayer(E, 2, 16, dropout=0.0, batch_first=True), 2)
    x = fw.randn(2, 6, E)
    mask = fw.nn.Transformer.generate_square_subsequent_mask(6)
    before = encoder(x, mask)
    x[:, 4:] = 9.0
    np.testing.assert_allclose(encoder(x, mask)[:, :4].detach().numpy(), before[:, :4].detach().numpy(), atol=1e-5)
