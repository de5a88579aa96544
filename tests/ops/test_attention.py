"""scaled_dot_product_attention against its definition in NumPy, differences, and PyTorch."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import fastnn as fw
from fastnn.autograd import gradcheck, gradgradcheck

F = fw.nn.functional
INF = float("inf")
# (query, key, value) shapes and options of the call.
SHAPES: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((5, 4), (7, 4), (7, 3), {}),
    ((2, 5, 4), (2, 7, 4), (2, 7, 3), {}),
    ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 3), {}),
    ((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 3), {"is_causal": True}),
    ((2, 3, 7, 4), (2, 3, 5, 4), (2, 3, 5, 4), {"is_causal": True, "scale": 0.7}),
    ((2, 2, 3, 5, 4), (2, 2, 3, 6, 4), (2, 2, 3, 6, 4), {}),
    ((2, 3, 5, 4), (1, 3, 7, 4), (2, 1, 7, 3), {}),
    ((2, 6, 5, 4), (2, 2, 7, 4), (2, 2, 7, 3), {"enable_gqa": True}),
    ((1, 6, 5, 4), (1, 2, 7, 4), (1, 3, 7, 3), {"enable_gqa": True, "is_causal": True}),
    ((1, 2, 70, 5), (1, 2, 130, 5), (1, 2, 130, 17), {"is_causal": True}),
]
MASKS: dict[str, Any] = {
    "none": lambda rng, lead, n, m: None,
    "boolean": lambda rng, lead, n, m: rng.random((*lead, n, m)) < 0.6,
    "rows": lambda rng, lead, n, m: (rng.random((n, m)) < 0.5) & (np.arange(n) != 1)[:, None],
    "padding": lambda rng, lead, n, m: np.arange(m)[None] < m - 2,
    "added": lambda rng, lead, n, m: rng.standard_normal((n, m)),
    "infinite": lambda rng, lead, n, m: np.where(rng.random((n, m)) < 0.4, -INF, rng.standard_normal((n, m))),
}


def draw(shapes: Any, mask: str, seed: int = 0) -> tuple[list[Any], Any]:
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    return arrays, MASKS[mask](rng, shapes[0][:-2], shapes[0][-2], shapes[1][-2])


def definition(
    q: Any, k: Any, v: Any, mask: Any, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False
) -> Any:
    if enable_gqa:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = np.where(mask, scores, -INF) if mask.dtype == bool else scores + mask
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:]) == 1, scores, -INF)
    top = scores.max(-1, keepdims=True)
    p = np.exp(scores - np.where(top == -INF, 0, top))
    total = p.sum(-1, keepdims=True)
    return p / np.where(total == 0, 1, total) @ v


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("q", "k", "v", "options"), SHAPES)
def test_values(q: Any, k: Any, v: Any, options: Any, mask: str) -> None:
    arrays, m = draw((q, k, v), mask)
    want = definition(*arrays, m, **options)
    for dtype, limit in ((fw.float32, 1e-5), (fw.float64, 1e-13), (fw.float16, 5e-3)):
        tensors = [fw.tensor(a).to(dtype) for a in arrays]
        given = None if m is None else fw.tensor(m) if m.dtype == bool else fw.tensor(m).to(dtype)
        got = F.scaled_dot_product_attention(*tensors, attn_mask=given, **options)
        assert got.dtype == dtype and tuple(got.shape) == want.shape
        np.testing.assert_allclose(got.numpy(), want, rtol=limit, atol=limit)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("q", "k", "v", "options"), SHAPES[:-1])
def test_gradients(q: Any, k: Any, v: Any, options: Any, mask: str) -> None:
    arrays, m = draw((q, k, v), mask)
    given = None if m is None else fw.tensor(m)
    tensors = [fw.tensor(a).double().requires_grad_() for a in arrays]
    call = lambda *t: F.scaled_dot_product_attention(*t, attn_mask=given, **options)  # noqa: E731
    assert gradcheck(call, tensors)
    if len(q) < 4:
        assert gradgradcheck(call, tensors)


@pytest.mark.parametrize(("q", "k", "v", "options"), [SHAPES[0], SHAPES[3], SHAPES[7]])
def test_gradients_with_dropout_and_of_the_mask(q: Any, k: Any, v: Any, options: Any) -> None:
    arrays, m = draw((q, k, v), "added")
    tensors = [fw.tensor(a).double().requires_grad_() for a in (*arrays, m)]

    def call(q: Any, k: Any, v: Any, mask: Any = None) -> Any:
        fw.manual_seed(3)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=0.4, **options)

    assert gradcheck(call, tensors[:3])
    assert gradgradcheck(call, tensors[:3])
    assert gradcheck(lambda *t: F.scaled_dot_product_attention(*t[:3], attn_mask=t[3], **options), tensors)


def test_the_two_derivations_agree_under_dropout() -> None:
    """The kernel's backward and the recorded one drop the same probabilities, for shared heads and a mask too."""
    arrays, m = draw(((2, 4, 33, 6), (2, 2, 110, 6), (2, 2, 110, 5)), "rows")
    grads = []
    for create_graph in (False, True):
        fw.manual_seed(11)
        tensors = [fw.tensor(a).double().requires_grad_() for a in arrays]
        out = F.scaled_dot_product_attention(*tensors, fw.tensor(m), dropout_p=0.3, is_causal=True, enable_gqa=True)
        grads.append(fw.autograd.grad(out.square().sum(), tensors, create_graph=create_graph))
    for one, two in zip(*grads, strict=True):
        np.testing.assert_allclose(one.numpy(), two.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_dropout_drops_that_share_and_scales_the_rest() -> None:
    fw.manual_seed(0)
    q, eye = fw.zeros(1, 4, 200, 8), fw.eye(200).expand(1, 4, 200, 200)
    p = F.scaled_dot_product_attention(q, q, eye, dropout_p=0.25).numpy()
    kept = p != 0
    assert abs(kept.mean() - 0.75) < 0.01
    np.testing.assert_allclose(p[kept], 1 / 200 / 0.75, rtol=1e-5)
    assert (F.scaled_dot_product_attention(q, q, eye, dropout_p=1.0) == 0).all()


def test_rows_that_see_nothing_are_zero_and_get_no_gradient() -> None:
    q, k, v = (fw.randn(1, 2, 3, 4, requires_grad=True) for _ in range(3))
    mask = fw.tensor([[True, False, True], [False, False, False], [True, True, True]])
    for given in (mask, fw.where(mask, 0.0, -INF)):
        for t in (q, k, v):
            t.grad = None
        out = F.scaled_dot_product_attention(q, k, v, given)
        assert (out[:, :, 1] == 0).all()
        out.sum().backward()
        assert (q.grad[:, :, 1] == 0).all() and all(fw.isfinite(t.grad).all() for t in (q, k, v))
    empty = F.scaled_dot_product_attention(q, k[:, :, :0], v[:, :, :0])
    assert tuple(empty.shape) == (1, 2, 3, 4) and (empty == 0).all()
    assert tuple(F.scaled_dot_product_attention(q[:, :, :0], k, v).shape) == (1, 2, 0, 4)


def test_large_scores_do_not_overflow_and_nan_stays_in_its_row() -> None:
    q = fw.full((1, 1, 3, 2), 300.0)
    out = F.scaled_dot_product_attention(q, q, fw.ones(1, 1, 3, 2))
    assert (out == 1).all()
    q[0, 0, 1, 0] = float("nan")
    out = F.scaled_dot_product_attention(q, fw.ones(1, 1, 3, 2), fw.ones(1, 1, 3, 2)).numpy()
    assert np.isnan(out[0, 0, 1]).all() and (out[0, 0, [0, 2]] == 1).all()


@pytest.mark.parametrize("transposed", [False, True])
def test_views_are_taken_as_they_are(transposed: bool) -> None:
    """Thirds of one projection, heads last in memory: what MultiheadAttention hands over."""
    packed = fw.randn(2, 9, 3, 4, 5, dtype=fw.float64, requires_grad=True)
    q, k, v = (packed[:, :, i].transpose(1, 2) for i in range(3))
    if transposed:
        q, k, v = (t.transpose(-1, -2).contiguous().transpose(-1, -2) for t in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v)
    want = definition(*(t.detach().numpy() for t in (q, k, v)), None)
    np.testing.assert_allclose(out.detach().numpy(), want, rtol=1e-12)
    if not transposed:
        assert out.transpose(1, 2).is_contiguous()
    assert gradcheck(
        lambda p: F.scaled_dot_product_attention(*(p[:, :, i].transpose(1, 2) for i in range(3))), [packed]
    )


def test_a_mask_that_changes_before_backward_is_an_error() -> None:
    q = fw.randn(1, 1, 3, 4, requires_grad=True)
    mask = fw.ones(3, 3)
    out = F.scaled_dot_product_attention(q, q, q, mask)
    mask.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_bits_do_not_depend_on_threads() -> None:
    before = fw.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 8):
            fw.set_num_threads(threads)
            fw.manual_seed(5)
            arrays, _ = draw(((1, 2, 130, 20), (1, 2, 1100, 20), (1, 2, 1100, 20)), "none")
            tensors = [fw.tensor(a).float().requires_grad_() for a in arrays]
            out = F.scaled_dot_product_attention(*tensors, dropout_p=0.1)
            out.square().sum().backward()
            results.append([x.detach().numpy().tobytes() for x in (out, *(t.grad for t in tensors))])
    finally:
        fw.set_num_threads(before)
    assert all(result == results[0] for result in results)


def test_memory_does_not_grow_with_the_square_of_the_length() -> None:
    q = fw.ones(1, 8, 4096, 64, requires_grad=True)  # all scores would be 537 MB
    tracemalloc.start()
    try:
        F.scaled_dot_product_attention(q, q, q, is_causal=True).sum().backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * 8 * 4096 * 64 * 4  # twelve arrays of q's size


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda q: F.scaled_dot_product_attention(q[0, 0, 0], q, q), RuntimeError, "at least 2 dimensional"),
        (lambda q: F.scaled_dot_product_attention(q, q.double(), q), RuntimeError, "same dtype"),
        (lambda q: F.scaled_dot_product_attention(q.long(), q.long(), q.long()), RuntimeError, "floating dtype"),
        (lambda q: F.scaled_dot_product_attention(q, q[..., :3], q), RuntimeError, "same last dimension"),
        (lambda q: F.scaled_dot_product_attention(q, q, q[:, :, :3]), RuntimeError, "as many rows"),
        (lambda q: F.scaled_dot_product_attention(q, q, q, dropout_p=1.5), RuntimeError, "between 0 and 1"),
        (lambda q: F.scaled_dot_product_attention(q, q, q, fw.zeros(5, 5).long()), RuntimeError, "attn_mask dtype"),
        (lambda q: F.scaled_dot_product_attention(q, q, q, fw.zeros(5, 4)), RuntimeError, "broadcast|must match"),
        (lambda q: F.scaled_dot_product_attention(q, q, q, fw.zeros(3, 1, 5, 5)), RuntimeError, "broadcast|must match"),
        (lambda q: F.scaled_dot_product_attention(q, q[:, :2], q[:, :2]), RuntimeError, "match"),
        (lambda q: F.scaled_dot_product_attention(q, q[:, :3], q[:, :3], enable_gqa=True), RuntimeError, "divide"),
        (lambda q: F.scaled_dot_product_attention([1], q, q), TypeError, "argument 'query' must be Tensor"),
        (lambda q: F.scaled_dot_product_attention(q, q, q, 3), TypeError, "argument 'attn_mask' must be Tensor"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(fw.ones(2, 4, 5, 6))


@pytest.mark.peer
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("q", "k", "v", "options"), SHAPES)
def test_values_and_gradients_are_pytorchs(q: Any, k: Any, v: Any, options: Any, mask: str) -> None:
    torch = pytest.importorskip("torch")
    arrays, m = draw((q, k, v), mask, seed=1)
    seed = np.random.default_rng(2).standard_normal(definition(*arrays, m, **options).shape)
    found = []
    for library in (fw, torch):
        tensors = [library.tensor(a).double().requires_grad_() for a in arrays]
        given = None if m is None else library.tensor(m)
        if library is torch and m is not None and options.get("is_causal"):
            full = np.tri(q[-2], k[-2]) == 1  # not all of PyTorch's paths take both
            given = torch.tensor(m & full if m.dtype == bool else np.where(full, m, -INF))
            out = torch.nn.functional.scaled_dot_product_attention(
                *tensors, given, **{name: value for name, value in options.items() if name != "is_causal"}
            )
        else:
            out = library.nn.functional.scaled_dot_product_attention(*tensors, given, **options)
        out.backward(library.tensor(seed))
        found.append([x.detach().numpy() for x in (out, *(t.grad for t in tensors))])
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-10, atol=1e-12)
