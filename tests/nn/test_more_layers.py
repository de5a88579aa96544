"""The layers that are thin around a function: how they print, their states, what they compute; and the larger ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn as fw
from fastnn import nn
from fastnn.autograd import gradcheck

Make = Callable[[Any], Any]

# a layer of a library, and the shapes of its inputs
LAYERS: dict[str, tuple[Make, tuple[tuple[int, ...], ...]]] = {
    "bilinear": (lambda nn: nn.Bilinear(3, 2, 4), ((5, 3), (5, 2))),
    "bilinear-plain": (lambda nn: nn.Bilinear(3, 2, 4, bias=False), ((5, 3), (5, 2))),
    "unfold": (lambda nn: nn.Unfold(2, padding=1), ((2, 3, 4, 5),)),
    "fold": (lambda nn: nn.Fold((4, 5), (2, 2), stride=(1, 2)), ((2, 12, 6),)),
    "upsample": (lambda nn: nn.Upsample(scale_factor=2), ((1, 2, 3, 4),)),
    "upsample-size": (lambda nn: nn.Upsample((5, 6), mode="bilinear", align_corners=True), ((1, 2, 3, 4),)),
    "upsample-two": (lambda nn: nn.Upsample(scale_factor=(2, 1.5), mode="bicubic"), ((1, 2, 3, 4),)),
    "nearest": (lambda nn: nn.UpsamplingNearest2d(scale_factor=3), ((1, 2, 3, 4),)),
    "bilinear2d": (lambda nn: nn.UpsamplingBilinear2d(size=5), ((1, 2, 3, 4),)),
    "pixels": (lambda nn: nn.PixelShuffle(2), ((1, 8, 3, 4),)),
    "pixels-back": (lambda nn: nn.PixelUnshuffle(2), ((1, 2, 6, 4),)),
    "channels": (lambda nn: nn.ChannelShuffle(2), ((1, 4, 3, 2),)),
    "lp": (lambda nn: nn.LPPool2d(2, (2, 3), stride=1, ceil_mode=True), ((1, 2, 5, 6),)),
    "lrn": (lambda nn: nn.LocalResponseNorm(3, k=2.0), ((2, 5, 3),)),
    "zeros": (lambda nn: nn.ZeroPad2d((1, 0, 2, 1)), ((2, 3, 4),)),
    "constant": (lambda nn: nn.ConstantPad1d(2, 3.5), ((2, 3, 4),)),
    "reflection": (lambda nn: nn.ReflectionPad2d(1), ((1, 2, 3, 4),)),
    "replication": (lambda nn: nn.ReplicationPad3d((1, 0, 2, 1, 0, 1)), ((1, 2, 3, 4, 2),)),
    "circular": (lambda nn: nn.CircularPad1d((1, 2)), ((1, 2, 3),)),
    "softmax2d": (lambda nn: nn.Softmax2d(), ((2, 3, 4, 5),)),
    "dropout1d": (lambda nn: nn.Dropout1d(0.3).eval(), ((2, 3, 4),)),
    "alpha": (lambda nn: nn.AlphaDropout(0.3, True).eval(), ((2, 3),)),
    "feature": (lambda nn: nn.FeatureAlphaDropout().eval(), ((2, 3),)),
    "parallel": (lambda nn: nn.DataParallel(nn.Linear(3, 2)), ((4, 3),)),
    "similarity": (lambda nn: nn.CosineSimilarity(1), ((4, 3), (4, 3))),
}


def results(name: str, library: Any) -> dict[str, Any]:
    make, shapes = LAYERS[name]
    layer = make(library.nn).double()
    rng = np.random.default_rng(3)
    state = layer.state_dict()
    layer.load_state_dict({key: library.tensor(rng.standard_normal(tuple(state[key].shape))) for key in sorted(state)})
    inputs = [library.tensor(np.abs(rng.standard_normal(shape)) + 0.1).requires_grad_() for shape in shapes]
    given = [x * 1 for x in inputs]  # in place on these
    out = layer(*given)
    out.backward(library.tensor(np.random.default_rng(4).standard_normal(tuple(out.shape))))
    found = {"value": out.detach().numpy(), "repr": repr(layer)}
    found.update({str(i): x.grad.numpy() for i, x in enumerate(inputs)})
    found.update({key: p.grad.numpy() for key, p in layer.named_parameters()})
    return found


@pytest.mark.peer
@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = results(name, fw), results(name, torch)
    assert ours.keys() == theirs.keys()
    assert ours.pop("repr") == theirs.pop("repr")
    for key, want in theirs.items():
        np.testing.assert_allclose(ours[key], want, 1e-9, 1e-12, err_msg=key)


def test_bilinear_starts_within_its_bound() -> None:
    fw.manual_seed(0)
    layer = nn.Bilinear(16, 3, 2000)
    for parameter in layer.parameters():
        values = parameter.detach().numpy()
        assert 0.24 < np.abs(values).max() <= 0.25 and abs(values.mean()) < 0.02
    with pytest.raises(ValueError, match="in1_features must be > 0"):
        nn.Bilinear(0, 1, 1)


@pytest.mark.parametrize(("size", "reach"), [(1, 0), (3, 1), (4, 1), (5, 2)])
def test_cross_map_norm_is_its_formula(size: int, reach: int) -> None:
    """PyTorch's sum of squares keeps the first channel from the third on."""
    x = np.random.default_rng(0).standard_normal((2, 7, 3, 2))
    got = nn.CrossMapLRN2d(size, 0.5, 0.6, 2)(fw.tensor(x)).numpy()
    near = np.abs(np.arange(7)[:, None] - np.arange(7)) <= reach
    energy = np.einsum("ij,njhw->nihw", near, x**2)
    np.testing.assert_allclose(got, x * (2 + 0.5 / size * energy) ** -0.6, 1e-12)
    assert repr(nn.CrossMapLRN2d(3)) == "CrossMapLRN2d(3, alpha=0.0001, beta=0.75, k=1)"
    with pytest.raises(ValueError, match="4D"):
        nn.CrossMapLRN2d(3)(fw.ones(2, 3))


def test_padding_layers_check_their_amounts() -> None:
    with pytest.raises(ValueError, match="4 ints"):
        nn.ZeroPad2d((1, 2))
    with pytest.raises(ValueError, match="expected 2D or 3D input"):
        nn.CircularPad1d(1)(fw.ones(1, 2, 3, 4))


def test_max_unpool_layers() -> None:
    x = fw.tensor(np.random.default_rng(0).standard_normal((1, 2, 5, 4)))
    values, places = nn.MaxPool2d(2, return_indices=True)(x)
    out = nn.MaxUnpool2d(2)(values, places, output_size=x.shape)
    assert out.shape == x.shape and float(out.sum()) == pytest.approx(float(values.sum()))
    assert repr(nn.MaxUnpool1d(2)) == "MaxUnpool1d(kernel_size=(2,), stride=(2,), padding=(0,))"
    assert nn.MaxUnpool3d(2)(fw.ones(1, 1, 1, 1), fw.tensor([[[[7]]]])).shape == (1, 2, 2, 2)


def test_fractional_pooling_layers() -> None:
    x = fw.tensor(np.random.default_rng(0).standard_normal((1, 2, 8, 8)))
    samples = fw.tensor(np.full((1, 2, 2), 0.3))
    layer = nn.FractionalMaxPool2d(2, output_ratio=0.5, return_indices=True, _random_samples=samples)
    values, places = layer(x)
    assert values.shape == (1, 2, 4, 4) and list(layer.state_dict()) == ["_random_samples"]
    np.testing.assert_array_equal(x.flatten(2).gather(2, places.flatten(2)).numpy(), values.flatten(2).numpy())
    assert nn.FractionalMaxPool3d(2, output_size=(2, 3, 2))(fw.ones(2, 5, 5, 5)).shape == (2, 2, 3, 2)
    for options in ({}, {"output_size": 2, "output_ratio": 0.5}, {"output_ratio": 1.5}):
        with pytest.raises(ValueError, match="output"):
            nn.FractionalMaxPool2d(2, **options)  # type: ignore[arg-type]


def test_embedding_bags() -> None:
    layer = nn.EmbeddingBag(6, 3, mode="sum", padding_idx=-1)
    assert repr(layer) == "EmbeddingBag(6, 3, mode='sum', padding_idx=5)"
    weight = layer.weight.detach().numpy()
    assert not weight[5].any() and weight[:5].any()
    out = layer(fw.tensor([0, 1, 5, 2]), fw.tensor([0, 3]), fw.tensor([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(out.detach().numpy(), [weight[0] + 2 * weight[1], 4 * weight[2]], 1e-6)
    fixed = nn.EmbeddingBag.from_pretrained(fw.eye(3), mode="max", include_last_offset=True)
    assert not fixed.weight.requires_grad
    assert fixed(fw.tensor([0, 2, 1]), fw.tensor([0, 2, 3])).tolist() == [[1, 0, 1], [0, 1, 0]]
    for run in (
        lambda: nn.EmbeddingBag(3, 2, padding_idx=3),
        lambda: nn.EmbeddingBag(3, 2, _weight=fw.ones(2, 2)),
        lambda: nn.EmbeddingBag.from_pretrained(fw.ones(2)),
    ):
        with pytest.raises(AssertionError):
            run()
    with pytest.raises(NotImplementedError, match="sparse"):
        nn.EmbeddingBag(3, 2, sparse=True)


# ------------------------------------------------------------------------------------------------ losses


@pytest.mark.peer
def test_ctc_loss_layer() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((6, 2, 4)).astype(np.float32)
    found = []
    for library in (fw, torch):
        log_probs = library.nn.functional.log_softmax(library.tensor(x), 2)
        layer = library.nn.CTCLoss(blank=3, reduction="sum", zero_infinity=True)
        targets = library.tensor([[0, 1, 2], [2, 2, 1]])
        found.append((repr(layer), float(layer(log_probs, targets, (6, 4), (3, 3)))))
    assert found[0][0] == found[1][0] and found[0][1] == pytest.approx(found[1][1], rel=1e-5)


@pytest.mark.peer
@pytest.mark.parametrize("head_bias", [False, True])
@pytest.mark.parametrize("batched", [True, False])
def test_adaptive_softmax_as_pytorch(head_bias: bool, batched: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((9, 8) if batched else (8,))
    labels = np.array([0, 3, 4, 11, 12, 19, 7, 1, 15]) if batched else np.array(13)
    found = []
    for library in (fw, torch):
        layer = library.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 12], div_value=2.0, head_bias=head_bias).double()
        draw = np.random.default_rng(1)
        state = layer.state_dict()
        layer.load_state_dict({key: library.tensor(draw.standard_normal(tuple(v.shape))) for key, v in state.items()})
        leaf = library.tensor(x).requires_grad_()
        output, loss = layer(leaf, library.tensor(labels))
        loss.backward()
        rows = leaf.detach() if batched else leaf.detach().unsqueeze(0)
        more = (layer.log_prob(rows).detach().numpy(), layer.predict(rows).numpy())
        grads = [p.grad.numpy() for p in layer.parameters() if p.grad is not None]
        found.append([output.detach().numpy(), np.array(float(loss.detach())), leaf.grad.numpy(), *more, *grads])
        assert repr(layer).startswith("AdaptiveLogSoftmaxWithLoss(\n  (head): Linear(in_features=8, out_features=6")
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-12)


def test_adaptive_softmax_is_a_distribution_and_refuses() -> None:
    layer = nn.AdaptiveLogSoftmaxWithLoss(6, 12, [3, 7], div_value=2.0).double()
    x = fw.tensor(np.random.default_rng(0).standard_normal((4, 6))).requires_grad_()
    np.testing.assert_allclose(layer.log_prob(x).exp().sum(1).detach().numpy(), 1)
    assert gradcheck(lambda x: layer(x, fw.tensor([0, 5, 11, 2]))[1], (x,))
    for cutoffs in ([], [3, 3], [5, 3], [0, 3], [12], [2.5]):
        with pytest.raises(ValueError, match="cutoffs"):
            nn.AdaptiveLogSoftmaxWithLoss(6, 12, cutoffs)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"Target values should be in \[0, 11\]"):
        layer(x, fw.tensor([0, 5, 12, 2]))
    with pytest.raises(RuntimeError, match="same size in the batch"):
        layer(x, fw.tensor([0]))
    with pytest.raises(RuntimeError, match="expects 1D input"):
        layer(x, fw.tensor(0))
    with pytest.raises(RuntimeError, match="multi-target"):
        layer(x, fw.tensor([[0]]))


def test_the_older_name_of_nll_loss_warns() -> None:
    with pytest.warns(FutureWarning, match="NLLLoss"):
        assert isinstance(nn.NLLLoss2d(), nn.NLLLoss)


# ------------------------------------------------------------------------------------------------ processes


def test_sync_batch_norm() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, eps=1e-3), nn.Sequential(nn.BatchNorm1d(3)))
    made = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert [type(m).__name__ for m in made.modules() if "Norm" in type(m).__name__] == ["SyncBatchNorm"] * 2
    assert made[1].weight is net[1].weight and made[1].eps == 1e-3 and made[1].training
    x = fw.ones(2, 3, 4, 4)
    with pytest.raises(NotImplementedError, match="SyncBatchNorm: training"):
        made[1](x)
    plain = nn.BatchNorm2d(3).eval()
    synced = nn.SyncBatchNorm(3).eval()
    synced.load_state_dict(plain.state_dict())
    np.testing.assert_array_equal(synced(x).detach().numpy(), plain(x).detach().numpy())
    with pytest.raises(ValueError, match="at least 2D"):
        synced(fw.ones(3))


def test_data_parallel_is_its_module() -> None:
    linear = nn.Linear(3, 2)
    net = nn.DataParallel(linear)
    assert list(net.state_dict()) == ["module.weight", "module.bias"] and net.module is linear
    x = fw.ones(4, 3)
    np.testing.assert_array_equal(net(x).detach().numpy(), linear(x).detach().numpy())
    with pytest.raises(RuntimeError, match="only the CPU"):
        nn.DataParallel(linear, device_ids=[0, 1])


def test_the_choice_of_an_attention_kernel_is_accepted() -> None:
    from fastnn.nn.attention import SDPBackend, sdpa_kernel

    q = fw.ones(1, 2, 3, 4)
    for backends in (SDPBackend.MATH, [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]):
        with sdpa_kernel(backends):
            out = nn.functional.scaled_dot_product_attention(q, q, q)
        np.testing.assert_allclose(out.numpy(), 1, 1e-6)
    with pytest.raises(AssertionError, match="SDPBackend"), sdpa_kernel("math"):  # type: ignore[arg-type]
        pass


def test_the_places_where_pytorch_keeps_its_layers() -> None:
    modules = nn.modules
    assert modules.utils._pair(3) == (3, 3) and modules.utils._triple([1, 2, 3]) == (1, 2, 3)
    assert modules.utils._reverse_repeat_tuple((2, 3), 2) == (3, 3, 2, 2)
    assert isinstance(nn.BatchNorm2d(3), modules.batchnorm._BatchNorm)
    assert not isinstance(nn.InstanceNorm2d(3), modules.batchnorm._BatchNorm)
    assert isinstance(nn.Conv2d(1, 1, 1), modules.conv._ConvNd) and modules.linear.Linear is nn.Linear
    assert isinstance(nn.CrossEntropyLoss(fw.ones(3)), modules.loss._WeightedLoss)


@pytest.mark.peer
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_gradients_of_convolutions_as_functions(axes: int) -> None:
    torch = pytest.importorskip("torch")
    size, kernel = (2, 4, *(6, 5, 4)[:axes]), (6, 2, *(3, 2, 2)[:axes])
    how = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(size), rng.standard_normal(kernel)
    found = []
    for library in (fw, torch):
        a, b = library.tensor(x), library.tensor(w)
        out = getattr(library.nn.functional, f"conv{axes}d")(a, b, None, **how)
        to_x = getattr(library.nn.grad, f"conv{axes}d_input")(size, b, out, **how)
        to_w = getattr(library.nn.grad, f"conv{axes}d_weight")(a, kernel, out, **how)
        found.append((to_x.numpy(), to_w.numpy()))
    for have, want in zip(*found, strict=True):
        np.testing.assert_allclose(have, want, 1e-9, 1e-12)
    with pytest.raises(RuntimeError, match="expected grad_output of shape"):
        getattr(nn.grad, f"conv{axes}d_input")(size, fw.tensor(w), fw.tensor(x), **how)
    with pytest.raises(RuntimeError, match="channels"):
        getattr(nn.grad, f"conv{axes}d_weight")(fw.tensor(x), kernel, fw.tensor(x))


def test_every_function_and_layer_says_what_it_does() -> None:
    for module in (nn, nn.functional, nn.init, nn.grad):
        for name in getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]:
            entry = getattr(module, name)
            if callable(entry) and getattr(entry, "__module__", "").startswith("fastnn"):
                assert (entry.__doc__ or "").strip(), f"{module.__name__}.{name}"


@pytest.mark.peer
def test_no_layer_of_pytorchs_is_missing() -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = [name for name, entry in vars(torch.nn).items() if isinstance(entry, type) and name[0].isupper()]
    missing = {name for name in layers if not hasattr(nn, name)}
    assert missing <= {"Container"}  # long out of use
