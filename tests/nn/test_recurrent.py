"""RNN, LSTM, GRU and their cells: against PyTorch for every option, and what they refuse."""

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.kernels import use_backend
from fastnn.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

RTOL, ATOL = 1e-10, 1e-12

OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_layers": 3},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
    {"bias": False},
    {"batch_first": True},
    {"num_layers": 2, "dropout": 1.0},
    {"num_layers": 2, "dropout": 0.0, "bidirectional": True, "bias": False},
]
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {}),
    ("LSTM", {"proj_size": 3}),
    ("GRU", {}),
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
]
ALL = [pytest.param(kind, {**special, **options}) for (kind, special), options in product(KINDS, OPTIONS)]


def pair(kind: str, *args: Any, **options: Any) -> tuple[Any, Any, Any]:
    """Our module and PyTorch's of the same weights, in float64, and torch."""
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, kind)(*args, **options).double(), getattr(torch.nn, kind)(*args, **options).double()
    state = {name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()}
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict(state)
    return ours, theirs, torch


def flat(value: Any) -> list[Any]:
    """The tensors of nested tuples."""
    return [tensor for item in value for tensor in flat(item)] if isinstance(value, (tuple, list)) else [value]


def compare(ours: Any, theirs: Any, torch: Any, make: Any, *arrays: Any, seed: int = 0) -> None:
    """Outputs and all gradients of both modules; make(framework, tensors) gives a module's arguments."""
    results = []
    for fw, module in ((fastnn, ours), (torch, theirs)):
        tensors = [fw.tensor(array, requires_grad=True) for array in arrays]
        outs = [out for out in flat(module(*make(fw, tensors))) if out is not None and out.dtype == fw.float64]
        rng = np.random.default_rng(seed)
        seeds = [fw.tensor(rng.standard_normal(tuple(out.shape))) for out in outs]
        loss = sum((out * s).sum() for out, s in zip(outs, seeds, strict=True))
        loss.backward()
        grads = [t.grad for t in (*tensors, *module.parameters())]
        results.append([out.detach().numpy() for out in outs] + [None if g is None else g.numpy() for g in grads])
    for have, want in zip(*results, strict=True):
        assert (have is None) == (want is None)
        if have is not None:
            np.testing.assert_allclose(have, want, rtol=RTOL, atol=ATOL)


def states(rng: Any, module: Any, batch: int, kind: str) -> list[Any]:
    count = module.num_layers * (2 if module.bidirectional else 1)
    width = module.proj_size or module.hidden_size
    found = [rng.standard_normal((count, batch, width))]
    return [*found, rng.standard_normal((count, batch, module.hidden_size))] if kind == "LSTM" else found


def hx(tensors: list[Any]) -> Any:
    return tuple(tensors) if len(tensors) == 2 else tensors[0]


@pytest.mark.peer
@pytest.mark.parametrize(("kind", "options"), ALL)
@pytest.mark.parametrize("given", [False, True])
def test_layers_equal_pytorchs(kind: str, options: dict[str, Any], given: bool) -> None:
    ours, theirs, torch = pair(kind, 4, 7, **options)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6, 5, 4))
    first = states(rng, ours, 6 if ours.batch_first else 5, kind) if given else []
    compare(ours, theirs, torch, lambda fw, t: (t[0], hx(t[1:])) if given else (t[0],), x, *first)


@pytest.mark.peer
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(("kind", "special"), KINDS)
def test_other_backends_equal_pytorch(backend: str, kind: str, special: dict[str, Any]) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    use_backend(backend)
    ours, theirs, torch = pair(kind, 4, 7, bidirectional=True, **special)
    x = np.random.default_rng(2).standard_normal((6, 5, 4))
    compare(ours, theirs, torch, lambda fw, t: (t[0],), x)


@pytest.mark.peer
@pytest.mark.parametrize(("kind", "special"), KINDS)
@pytest.mark.parametrize("size", [(30, 33), (3, 130), (29, 16), (1, 70)])
def test_larger_layers_equal_pytorchs(kind: str, special: dict[str, Any], size: tuple[int, int]) -> None:
    batch, hidden = size
    ours, theirs, torch = pair(kind, 12, hidden, bidirectional=True, batch_first=True, **special)
    x = np.random.default_rng(3).standard_normal((batch, 9, 12))
    compare(ours, theirs, torch, lambda fw, t: (t[0],), x)


@pytest.mark.peer
@pytest.mark.parametrize(("kind", "options"), ALL)
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("lengths", [[6, 6, 4, 1, 1], [2, 6, 1, 6, 3]])
def test_packed_sequences_equal_pytorchs(kind: str, options: dict[str, Any], given: bool, lengths: list[int]) -> None:
    ours, theirs, torch = pair(kind, 4, 7, **options)
    rng = np.random.default_rng(4)
    x = rng.standard_normal((6, 5, 4))
    first = states(rng, ours, 5, kind) if given else []
    ordered = lengths == sorted(lengths, reverse=True)

    def make(fw: Any, tensors: list[Any]) -> tuple[Any, ...]:
        packed = fw.nn.utils.rnn.pack_padded_sequence(tensors[0], lengths, enforce_sorted=ordered)
        return (packed, hx(tensors[1:])) if given else (packed,)

    compare(ours, theirs, torch, make, x, *first)


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_input_without_a_batch_equals_pytorchs(kind: str, batch_first: bool, given: bool) -> None:
    ours, theirs, torch = pair(kind, 4, 7, 2, batch_first=batch_first)
    rng = np.random.default_rng(5)
    x = rng.standard_normal((6, 4))
    first = [state[:, 0] for state in states(rng, ours, 1, kind)] if given else []
    compare(ours, theirs, torch, lambda fw, t: (t[0], hx(t[1:])) if given else (t[0],), x, *first)


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
@pytest.mark.parametrize("options", [{}, {"bias": False}])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (4,), (0, 4), (70, 4)])
def test_cells_equal_pytorchs(kind: str, options: dict[str, Any], given: bool, shape: tuple[int, ...]) -> None:
    for special in [{}, {"nonlinearity": "relu"}] if kind == "RNNCell" else [{}]:
        ours, theirs, torch = pair(kind, 4, 19, **options, **special)
        rng = np.random.default_rng(6)
        x = rng.standard_normal(shape)
        first = [rng.standard_normal((*shape[:-1], 19)) for _ in range(2 if kind == "LSTMCell" else 1)] if given else []
        compare(ours, theirs, torch, lambda fw, t: (t[0], hx(t[1:])) if given else (t[0],), x, *first)


@pytest.mark.peer
def test_float32_and_float16() -> None:
    torch = pytest.importorskip("torch")
    ours = nn.LSTM(4, 20, 2)
    x = np.random.default_rng(7).standard_normal((6, 5, 4)).astype(np.float32)
    theirs = torch.nn.LSTM(4, 20, 2)
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    np.testing.assert_allclose(
        ours(fastnn.tensor(x))[0].detach().numpy(), theirs(torch.tensor(x))[0].detach().numpy(), rtol=1e-5, atol=1e-6
    )
    half = ours.half()(fastnn.tensor(x).half())[0]
    assert half.dtype == fastnn.float16
    np.testing.assert_allclose(half.detach().numpy(), theirs(torch.tensor(x))[0].detach().numpy(), atol=5e-3)


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "LSTMCell"])
def test_inf_and_nan_spread_as_in_pytorch(kind: str) -> None:
    """Also an infinite weight that meets the zero state: 0 * inf is NaN."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, kind)(3, 5)
    theirs = getattr(torch.nn, kind)(3, 5)
    state = {name: value.numpy().copy() for name, value in ours.state_dict().items()}
    weight = next(name for name in state if name.startswith("weight_hh"))
    state[weight][0, 0] = np.inf
    ours.load_state_dict({name: fastnn.tensor(value) for name, value in state.items()})
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    x = np.ones((4, 3) if kind == "LSTMCell" else (2, 4, 3), np.float32)
    x[..., 1, 0] = np.nan
    x[..., 2, 0] = np.inf
    have, want = flat(ours(fastnn.tensor(x)))[0], flat(theirs(torch.tensor(x)))[0]
    np.testing.assert_array_equal(np.isnan(have.detach().numpy()), np.isnan(want.detach().numpy()))


@pytest.mark.peer
def test_names_shapes_and_printed_forms_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for kind, args, options in [
        ("LSTM", (3, 5, 2, False, True, 0.5, True, 2), {}),
        ("LSTM", (3, 4), {}),
        ("GRU", (3, 4), {"bidirectional": True}),
        ("RNN", (3, 4, 2, "relu"), {}),
        ("RNN", (3, 4), {"nonlinearity": "relu", "batch_first": True}),
        ("LSTMCell", (3, 4), {}),
        ("RNNCell", (3, 4, False, "relu"), {}),
        ("GRUCell", (3, 4), {"bias": False}),
    ]:
        ours, theirs = getattr(nn, kind)(*args, **options), getattr(torch.nn, kind)(*args, **options)
        assert repr(ours) == repr(theirs)
        have = [(name, tuple(p.shape)) for name, p in ours.named_parameters()]
        assert have == [(name, tuple(p.shape)) for name, p in theirs.named_parameters()]
        if not kind.endswith("Cell"):
            shapes = [[tuple(p.shape) for p in layer] for layer in ours.all_weights]
            assert shapes == [[tuple(p.shape) for p in layer] for layer in theirs.all_weights]


def _raised(call: Any) -> tuple[str, str]:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return type(caught.value).__name__, str(caught.value)


REFUSED: dict[str, Any] = {
    "no steps": lambda fw: fw.nn.LSTM(3, 4)(fw.zeros(0, 2, 3)),
    "no steps of a GRU": lambda fw: fw.nn.GRU(3, 4)(fw.zeros(0, 2, 3)),
    "4-D": lambda fw: fw.nn.LSTM(3, 4)(fw.zeros(2, 2, 2, 3)),
    "4-D of a GRU": lambda fw: fw.nn.GRU(3, 4)(fw.zeros(2, 2, 2, 3)),
    "4-D of an RNN": lambda fw: fw.nn.RNN(3, 4)(fw.zeros(2, 2, 2, 3)),
    "width": lambda fw: fw.nn.LSTM(3, 4)(fw.zeros(2, 2, 5)),
    "dtype": lambda fw: fw.nn.LSTM(3, 4)(fw.zeros(2, 2, 3, dtype=fw.float64)),
    "hidden": lambda fw: fw.nn.LSTM(3, 4)(fw.zeros(2, 2, 3), (fw.zeros(1, 1, 4), fw.zeros(1, 2, 4))),
    "cell": lambda fw: fw.nn.LSTM(3, 4)(fw.zeros(2, 2, 3), (fw.zeros(1, 2, 4), fw.zeros(1, 2, 5))),
    "2-D state": lambda fw: fw.nn.LSTM(3, 4)(fw.zeros(2, 2, 3), (fw.zeros(2, 4), fw.zeros(1, 2, 4))),
    "3-D state": lambda fw: fw.nn.LSTM(3, 4)(fw.zeros(2, 3), (fw.zeros(1, 2, 4), fw.zeros(1, 2, 4))),
    "state of a GRU": lambda fw: fw.nn.GRU(3, 4)(fw.zeros(2, 2, 3), fw.zeros(1, 3, 4)),
    "2-D state of an RNN": lambda fw: fw.nn.RNN(3, 4)(fw.zeros(2, 2, 3), fw.zeros(2, 4)),
    "3-D state of an RNN": lambda fw: fw.nn.RNN(3, 4)(fw.zeros(2, 3), fw.zeros(1, 2, 4)),
    "proj_size": lambda fw: fw.nn.LSTM(3, 4, proj_size=4),
    "negative proj_size": lambda fw: fw.nn.LSTM(3, 4, proj_size=-1),
    "proj_size of a GRU": lambda fw: fw.nn.GRU(3, 4, proj_size=2),
    "proj_size of an RNN": lambda fw: fw.nn.RNN(3, 4, proj_size=2),
    "dropout": lambda fw: fw.nn.LSTM(3, 4, dropout=2),
    "dropout=True": lambda fw: fw.nn.LSTM(3, 4, 2, dropout=True),
    "hidden_size": lambda fw: fw.nn.LSTM(3, 0),
    "input_size": lambda fw: fw.nn.LSTM(0, 3),
    "float input_size": lambda fw: fw.nn.LSTM(3.0, 3),
    "num_layers": lambda fw: fw.nn.LSTM(3, 4, 0),
    "bias": lambda fw: fw.nn.RNN(3, 4, 1, "tanh", 1),
    "batch_first": lambda fw: fw.nn.RNN(3, 4, batch_first=1),
    "nonlinearity": lambda fw: fw.nn.RNN(3, 4, nonlinearity="x"),
    "cell's width": lambda fw: fw.nn.LSTMCell(3, 4)(fw.zeros(2, 5)),
    "cell's dims": lambda fw: fw.nn.LSTMCell(3, 4)(fw.zeros(1, 2, 3)),
    "cell's batch": lambda fw: fw.nn.LSTMCell(3, 4)(fw.zeros(2, 3), (fw.zeros(1, 4), fw.zeros(2, 4))),
    "cell's state": lambda fw: fw.nn.LSTMCell(3, 4)(fw.zeros(2, 3), (fw.zeros(2, 5), fw.zeros(2, 4))),
    "GRU cell's batch": lambda fw: fw.nn.GRUCell(3, 4)(fw.zeros(2, 3), fw.zeros(3, 4)),
    "RNN cell's state": lambda fw: fw.nn.RNNCell(3, 4)(fw.zeros(2, 3), fw.zeros(2, 5)),
    "RNN cell's nonlinearity": lambda fw: fw.nn.RNNCell(3, 4, nonlinearity="x")(fw.zeros(2, 3)),
}


@pytest.mark.peer
@pytest.mark.parametrize("case", REFUSED)
def test_errors_are_pytorchs(case: str) -> None:
    torch = pytest.importorskip("torch")
    (ours, text), (theirs, wanted) = _raised(lambda: REFUSED[case](fastnn)), _raised(lambda: REFUSED[case](torch))
    assert ours == theirs
    assert text.replace("fastnn", "torch") == wanted.replace("torch.Size", "")


def test_dropout_of_one_layer_warns() -> None:
    with pytest.warns(UserWarning, match="all but last recurrent layer"):
        nn.LSTM(3, 4, dropout=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.LSTM(3, 4, 2, dropout=0.5)


def test_dropout_is_between_layers_and_nowhere_else() -> None:
    """Layer 1 sees zeros; its own output is not dropped, and neither is anything when not in training."""
    net = nn.LSTM(3, 4, num_layers=2, dropout=1.0)
    a, _ = net(fastnn.ones(5, 1, 3))
    b, _ = net(fastnn.ones(5, 1, 3) * 7)
    assert np.allclose(a.detach().numpy(), b.detach().numpy()) and abs(a.detach().numpy()).max() > 0
    net.eval()
    assert not np.allclose(a.detach().numpy(), net(fastnn.ones(5, 1, 3))[0].detach().numpy())
    net = nn.GRU(3, 64, num_layers=2, dropout=0.5)
    first, second = (net(fastnn.ones(1, 1, 3))[1].detach().numpy() for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert (first[0] != 0).all() and (first[1] != 0).all() and not np.allclose(first[1], second[1])


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("packed", [False, True])
def test_gradient_of_a_gradient(kind: str, packed: bool) -> None:
    fastnn.manual_seed(0)
    net: Any = getattr(nn, kind)(2, 3, bidirectional=True).double()
    x = fastnn.tensor(np.random.default_rng(8).standard_normal((3, 2, 2)), requires_grad=True)

    def run(x: Any, *weights: Any) -> Any:
        given = pack_padded_sequence(x, [3, 2]) if packed else x
        out, hn = net(given)
        return ((out.data if packed else out) ** 2).sum() + sum((state**3).sum() for state in flat(hn))

    assert fastnn.autograd.gradcheck(run, (x, *net.parameters()))
    assert fastnn.autograd.gradgradcheck(run, (x, *net.parameters()))


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
@pytest.mark.parametrize("given", [False, True])
def test_gradient_of_a_cells_gradient(kind: str, given: bool) -> None:
    net: Any = getattr(nn, kind)(2, 3).double()
    rng = np.random.default_rng(9)
    x = fastnn.tensor(rng.standard_normal((2, 2)), requires_grad=True)
    states = [fastnn.tensor(rng.standard_normal((2, 3)), requires_grad=True) for _ in range(1 + (kind == "LSTMCell"))]

    def run(x: Any, *rest: Any) -> Any:
        outs = flat(net(x, hx(list(rest[: len(states)]))) if given else net(x))
        return sum((out**2).sum() for out in outs)

    inputs = (x, *(states if given else ()), *net.parameters())
    assert fastnn.autograd.gradcheck(run, inputs)
    assert fastnn.autograd.gradgradcheck(run, inputs)


def test_gradients_reach_only_what_wants_them_and_are_not_shared() -> None:
    net = nn.LSTM(3, 4)
    net.weight_ih_l0.requires_grad_(False)
    net.bias_hh_l0.requires_grad_(False)
    net(fastnn.ones(2, 2, 3))[0].sum().backward()
    assert net.weight_ih_l0.grad is None and net.bias_hh_l0.grad is None
    assert net.weight_hh_l0.grad is not None and net.bias_ih_l0.grad is not None
    net = nn.LSTM(3, 4)
    net(fastnn.ones(2, 2, 3))[1][1].sum().backward()  # through cn alone
    before = net.bias_ih_l0.grad.numpy().copy()
    net.bias_hh_l0.grad.zero_()
    np.testing.assert_array_equal(net.bias_ih_l0.grad.numpy(), before)
    assert abs(before).max() > 0


def test_a_batch_without_sequences() -> None:
    for net in (nn.LSTM(3, 4), nn.GRU(3, 4, batch_first=True), nn.RNN(3, 4)):
        x = fastnn.zeros((2, 0, 3) if not net.batch_first else (0, 2, 3), requires_grad=True)
        out, hn = net(x)
        assert out.shape == (*x.shape[:2], 4) and flat(hn)[0].shape == (1, 0, 4)
        out.sum().backward()
        assert x.grad.shape == x.shape and (net.weight_hh_l0.grad.numpy() == 0).all()


def test_threads_do_not_change_bits() -> None:
    x = fastnn.tensor(np.random.default_rng(10).standard_normal((7, 50, 30)).astype(np.float32))
    net = nn.LSTM(30, 70, 2, bidirectional=True, proj_size=20)
    before = fastnn.get_num_threads()
    results = []
    for threads in (1, 2, 3, 8):
        fastnn.set_num_threads(threads)
        net.zero_grad()
        packed = pack_padded_sequence(x, [7] * 20 + [4] * 25 + [1] * 5)
        out, _ = net(packed)
        out.data.sum().backward()
        grads = [p.grad.numpy() for p in net.parameters()]
        results.append([out.data.detach().numpy().tobytes(), *(grad.tobytes() for grad in grads)])
    fastnn.set_num_threads(before)
    assert all(result == results[0] for result in results)


def test_an_input_changed_in_place_is_noticed() -> None:
    net = nn.GRU(3, 4)
    x = fastnn.ones(2, 2, 3)
    out, _ = net(x)
    x.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_packed_output_is_unpacked_in_the_first_order() -> None:
    net = nn.LSTM(2, 3)
    sequences = [fastnn.randn(length, 2) for length in (2, 4, 1)]
    out, (hn, _) = net(pack_sequence(sequences, enforce_sorted=False))
    padded, lengths = pad_packed_sequence(out)
    assert lengths.tolist() == [2, 4, 1]
    for i, sequence in enumerate(sequences):
        alone, (last, _) = net(sequence)
        piece = padded[: lengths[i], i].detach().numpy()
        np.testing.assert_allclose(piece, alone.detach().numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(hn[:, i].detach().numpy(), last.detach().numpy(), rtol=1e-5, atol=1e-6)
