"""bilinear, pdist, normalize, gumbel_softmax, conv_tbc, the functional attention, and small repairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from fastnn.autograd import gradcheck, gradgradcheck


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def compare(name: str, arrays: list[Any], **options: Any) -> None:
    """Value and gradients of a function of both libraries."""
    torch = pytest.importorskip("torch")
    found = []
    for fw in (fastnn, torch):
        given = [fw.tensor(x).requires_grad_() for x in arrays]
        out = getattr(fw.nn.functional, name)(*given, **options)
        out.backward(fw.tensor(numbers(*out.shape, seed=5)))
        found.append([out.detach().numpy(), *(t.grad.numpy() for t in given)])
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-11)


@pytest.mark.peer
@pytest.mark.parametrize("lead", [(5,), (), (2, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_as_pytorch(lead: tuple[int, ...], bias: bool) -> None:
    more = [numbers(4, seed=3)] if bias else []
    compare("bilinear", [numbers(*lead, 3), numbers(*lead, 2, seed=1), numbers(4, 3, 2, seed=2), *more])


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((5, 3), (2,), (4, 3, 2)), "dimensions do not match"),
        (((5, 3), (4, 2), (4, 3, 2)), "batch dimensions"),
        (((5, 3), (5, 2), (4, 2, 2)), "input1 size"),
        (((5, 3), (5, 2), (4, 3, 3)), "input2 size"),
        (((5, 3), (5, 2), (3, 2)), "3-D weight"),
        (((5, 3), (5, 2), (4, 3, 2), (3,)), "bias size"),
    ],
)
def test_what_bilinear_refuses(shapes: Any, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        F.bilinear(*(fastnn.ones(*shape) for shape in shapes))
    with pytest.raises(RuntimeError, match="one dtype"):
        F.bilinear(fastnn.ones(1, 1), fastnn.ones(1, 1).double(), fastnn.ones(1, 1, 1))


@pytest.mark.peer
@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, float("inf")])
def test_pdist_as_pytorch(p: float) -> None:
    compare("pdist", [numbers(5, 3)], p=p)


def test_pdist_of_equal_rows_and_of_one() -> None:
    x = fastnn.ones(3, 2).requires_grad_()
    F.pdist(x).sum().backward()
    assert x.grad.tolist() == [[0, 0]] * 3
    alone = F.pdist(fastnn.ones(1, 2).requires_grad_())
    assert alone.shape == (0,) and alone.requires_grad
    for bad in (fastnn.ones(3), fastnn.ones(2, 2, dtype=fastnn.int64)):
        with pytest.raises(RuntimeError):
            F.pdist(bad)
    with pytest.raises(RuntimeError, match="non-negative"):
        F.pdist(fastnn.ones(2, 2), -1)


@pytest.mark.peer
@pytest.mark.parametrize("options", [{}, {"p": 1.0}, {"dim": -1, "p": 3.0}, {"dim": (0, 2)}, {"eps": 2.0}])
def test_normalize_as_pytorch(options: dict[str, Any]) -> None:
    compare("normalize", [numbers(3, 4, 2)], **options)


def test_normalize_of_zeros_and_into_out() -> None:
    x = fastnn.zeros(2, 3).requires_grad_()
    F.normalize(x).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
    target = fastnn.empty(1, 2)
    assert F.normalize(fastnn.tensor([[3.0, 4.0]]), out=target) is target
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        F.normalize(x, out=target)
    np.testing.assert_allclose(target.numpy(), [[0.6, 0.8]], 1e-6)


def test_gumbel_softmax() -> None:
    fastnn.manual_seed(0)
    logits = fastnn.tensor(np.log([0.2, 0.5, 0.3])).expand(20000, 3)
    hard = F.gumbel_softmax(logits, hard=True)
    assert set(np.unique(hard.numpy().round(12))) == {0, 1}
    np.testing.assert_allclose(hard.numpy().mean(0), [0.2, 0.5, 0.3], atol=0.02)
    x = fastnn.tensor(numbers(4, 3)).requires_grad_()
    fastnn.manual_seed(1)
    soft = F.gumbel_softmax(x, tau=0.5, dim=0)
    np.testing.assert_allclose(soft.detach().numpy().sum(0), 1)
    (soft * soft).sum().backward()
    slope = x.grad.numpy()
    x.grad = None
    fastnn.manual_seed(1)
    firm = F.gumbel_softmax(x, tau=0.5, hard=True, dim=0)
    (firm * (2 * soft.detach())).sum().backward()  # the gradient of the soft sample
    np.testing.assert_allclose(x.grad.numpy(), slope, 1e-9, 1e-12)
    with pytest.warns(UserWarning, match="eps"):
        F.gumbel_softmax(x, eps=1e-3)


@pytest.mark.peer
@pytest.mark.parametrize("pad", [0, 2])
def test_conv_tbc_as_pytorch(pad: int) -> None:
    compare("conv_tbc", [numbers(7, 2, 3), numbers(3, 3, 4, seed=1), numbers(4, seed=2)], pad=pad)
    with pytest.raises(RuntimeError, match="3 dims"):
        F.conv_tbc(fastnn.ones(3, 2), fastnn.ones(1, 2, 2), fastnn.ones(2))


@pytest.mark.peer
def test_cosine_similarity_broadcasts_before_it_takes_lengths() -> None:
    compare("cosine_similarity", [numbers(1, 2, 3), numbers(2, 1, 3, seed=1)], dim=-2)


@pytest.mark.peer
def test_what_a_negative_circular_pad_leaves_goes_round() -> None:
    compare("pad", [numbers(1, 3, 4, 4)], pad=(-1, 1, -2, 1), mode="circular")


def test_nothing_and_too_few_dimensions() -> None:
    nothing = fastnn.zeros(0)
    assert F.batch_norm(nothing, nothing, nothing).shape == (0,)
    with pytest.raises(RuntimeError, match="non-empty vector or matrix"):
        F.multilabel_margin_loss(nothing, fastnn.zeros(0, dtype=fastnn.int64))
    for function in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        with pytest.raises(ValueError, match="at least 3"):
            function(fastnn.ones(2, 2), (1, 1))
    assert F.fractional_max_pool3d(fastnn.ones(0, 2, 5, 5, 5), 2, 2).shape == (0, 2, 2, 2, 2)
    with pytest.raises(ValueError, match="eps must be positive"):
        F.batch_norm(fastnn.ones(2, 2), None, None, training=True, eps=0.0)


def test_gradients_of_two_orders() -> None:
    x = fastnn.tensor(numbers(4, 3)).requires_grad_()
    y = fastnn.tensor(numbers(4, 2, seed=1)).requires_grad_()
    w = fastnn.tensor(numbers(2, 3, 2, seed=2)).requires_grad_()
    for run, inputs in ((F.bilinear, (x, y, w)), (F.pdist, (x,)), (F.normalize, (x,))):
        assert gradcheck(run, inputs)
        assert gradgradcheck(run, inputs)


ATTENTION: list[dict[str, Any]] = [
    {},
    {"need_weights": False},
    {"average_attn_weights": False},
    {"use_separate_proj_weight": True},
    {"bias_kv": True},
    {"add_zero_attn": True, "padding": True},
    {"static": True},
    {"mask": True, "need_weights": False},
]


@pytest.mark.peer
@pytest.mark.parametrize("options", ATTENTION)
def test_the_functional_attention_as_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    options = dict(options)
    kinds = {name: options.pop(name, False) for name in ("bias_kv", "padding", "static", "mask")}
    found = []
    for fw in (fastnn, torch):
        made = lambda *shape, seed, fw=fw: fw.tensor(numbers(*shape, seed=seed)).requires_grad_()  # noqa: E731
        q, k, v = made(5, 2, 4, seed=1), made(6, 2, 4, seed=2), made(6, 2, 4, seed=3)
        separate = options.get("use_separate_proj_weight", False)
        extra: dict[str, Any] = {f"{n}_proj_weight": made(4, 4, seed=i) for i, n in enumerate("qkv", 10)}
        if not separate:
            extra = {}
        if kinds["padding"]:
            extra["key_padding_mask"] = fw.tensor([[False] * 6, [False] * 4 + [True] * 2])
        if kinds["static"]:
            extra["static_k"], extra["static_v"] = made(4, 3, 2, seed=20), made(4, 3, 2, seed=21)
        if kinds["mask"]:
            extra["attn_mask"] = fw.tensor(numbers(4, 5, 6, seed=22))
        weight = None if separate else made(12, 4, seed=4)
        out, weights = fw.nn.functional.multi_head_attention_forward(
            q,
            k,
            v,
            4,
            2,
            weight,
            made(12, seed=5),
            made(1, 1, 4, seed=6) if kinds["bias_kv"] else None,
            made(1, 1, 4, seed=7) if kinds["bias_kv"] else None,
            options.get("add_zero_attn", False),
            0.3,
            made(4, 4, seed=8),
            made(4, seed=9),
            training=False,
            **{name: value for name, value in options.items() if name != "add_zero_attn"},
            **extra,
        )
        out.backward(fw.tensor(numbers(5, 2, 4, seed=30)))
        found.append([out.detach().numpy(), q.grad.numpy()] + ([] if weights is None else [weights.detach().numpy()]))
    assert len(found[0]) == len(found[1])
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-11)


def test_what_the_functional_attention_refuses() -> None:
    q = fastnn.ones(2, 1, 4)
    w, b = fastnn.ones(12, 4), fastnn.ones(12)
    rest = (fastnn.ones(4, 4), fastnn.ones(4))
    with pytest.raises(AssertionError, match="in_proj_weight is None"):
        F.multi_head_attention_forward(q, q, q, 4, 2, None, b, None, None, False, 0.0, *rest)
    with pytest.raises(AssertionError, match="q_proj_weight is None"):
        F.multi_head_attention_forward(
            q, q, q, 4, 2, w, b, None, None, False, 0.0, *rest, use_separate_proj_weight=True
        )
    with pytest.raises(AssertionError, match="not divisible"):
        F.multi_head_attention_forward(q, q, q, 4, 3, w, b, None, None, False, 0.0, *rest)
    with pytest.raises(AssertionError, match="embedding dimension of 5"):
        F.multi_head_attention_forward(q, q, q, 5, 2, w, b, None, None, False, 0.0, *rest)
    with pytest.raises(AssertionError, match="both be given"):
        F.multi_head_attention_forward(q, q, q, 4, 2, w, b, fastnn.ones(1, 1, 4), None, False, 0.0, *rest)
    with pytest.raises(AssertionError, match="static_k"):
        F.multi_head_attention_forward(
            q, q, q, 4, 2, w, b, None, None, False, 0.0, *rest, static_k=fastnn.ones(3, 2, 2)
        )
