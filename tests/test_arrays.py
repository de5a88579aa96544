"""The NumPy names against plain NumPy, written out here."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastnn import arrays
from fastnn.arrays import MLP, MLPTrainer
from fastnn.kernels import use_backend

Array = NDArray[Any]
TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-13}


# ------------------------------------------------------------------------------------------- plain NumPy


def plain_sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def plain_relu(x: Any) -> Any:
    return np.maximum(0, x)


def plain_leaky_relu(x: Any, alpha: float = 0.01) -> Any:
    return np.where(x > 0, x, alpha * x)


def plain_softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def plain_rnn_step(x: Any, h_prev: Any, wx: Any, wh: Any, b: Any) -> Any:
    return np.tanh(x @ wx + h_prev @ wh + b)


class PlainMLP:
    def __init__(self, layer_sizes: list[int], dtype: Any = np.float64) -> None:
        self.weights, self.biases = [], []
        for fan_in, fan_out in itertools.pairwise(layer_sizes):
            weight = np.random.randn(fan_in, fan_out) * np.sqrt(2.0 / fan_in)  # noqa: NPY002
            self.weights.append(weight.astype(dtype))
            self.biases.append(np.zeros((1, fan_out), dtype))

    def forward(self, X: Array) -> Array:
        self.activations = [X]
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = self.activations[-1] @ weight + bias
            self.activations.append(plain_softmax(z) if i == len(self.weights) - 1 else plain_relu(z))
        return self.activations[-1]

    def train_step(self, X: Array, y: Array, learning_rate: float) -> float:
        probabilities = self.forward(X)
        loss = -np.mean(np.sum(y * np.log(probabilities + 1e-8), axis=1))
        delta = (probabilities - y) / len(X)
        for i in reversed(range(len(self.weights))):
            d_weight, d_bias = self.activations[i].T @ delta, delta.sum(0, keepdims=True)
            if i:
                delta = (delta @ self.weights[i].T) * (self.activations[i] > 0)
            self.weights[i] -= learning_rate * d_weight
            self.biases[i] -= learning_rate * d_bias
        return float(loss)


# name, ours, plain
ELEMENTWISE: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("sigmoid", arrays.sigmoid, plain_sigmoid),
    ("tanh", arrays.tanh, np.tanh),
    ("relu", arrays.relu, plain_relu),
    ("leaky_relu", arrays.leaky_relu, plain_leaky_relu),
    ("leaky_relu of 0.3", lambda x: arrays.leaky_relu(x, 0.3), lambda x: plain_leaky_relu(x, 0.3)),
    ("leaky_relu of 2", lambda x: arrays.leaky_relu(x, alpha=2), lambda x: plain_leaky_relu(x, 2.0)),
]
ROWWISE = [*ELEMENTWISE, ("softmax", arrays.softmax, plain_softmax)]


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _layouts(dtype: str) -> dict[str, Array]:
    rng = np.random.default_rng(3)
    base = (rng.standard_normal((6, 7, 5)) * 4).astype(dtype)
    return {
        "dense": base,
        "transposed": base.T,
        "strided": base[::2, 1::3],
        "negative strides": base[::-1, :, ::-1],
        "Fortran": np.asfortranarray(base),
        "read-only": _read_only(base.copy()),
        "other byte order": base.astype(base.dtype.newbyteorder(">")),
        "unaligned": np.frombuffer(b"\0" + base.tobytes(), base.dtype, base.size, 1).reshape(base.shape),
        "one element": base[:1, :1, :1],
        "one dimension": base[0, 0],
        "no rows": base[:0],
    }


@pytest.fixture(params=["cython", "numpy"])
def backend(request: pytest.FixtureRequest) -> Any:
    with use_backend(request.param):
        yield request.param


# ------------------------------------------------------------------------------------------- functions


@pytest.mark.filterwarnings("ignore:overflow")  # of the plain sigmoid in float16
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("name", "ours", "plain"), ROWWISE, ids=[row[0] for row in ROWWISE])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_like_numpy(name: str, ours: Callable[[Any], Any], plain: Callable[[Any], Any], dtype: str) -> None:
    for layout, x in _layouts(dtype).items():
        before = x.copy()
        result, expected = ours(x), plain(x)
        assert result.dtype == expected.dtype, (name, layout)
        assert result.dtype.isnative
        np.testing.assert_allclose(result, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], err_msg=layout)
        assert not np.shares_memory(result, x)
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(("name", "ours", "plain"), ROWWISE, ids=[row[0] for row in ROWWISE])
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_integers_like_numpy(name: str, ours: Callable[[Any], Any], plain: Callable[[Any], Any], dtype: str) -> None:
    x = np.array([[-3, 0, 2], [7, -1, 5]], dtype)
    result, expected = ours(x), plain(x)
    assert result.dtype == expected.dtype, name
    np.testing.assert_allclose(result, expected, rtol=1e-3 if result.dtype == np.float16 else 1e-6)


def test_unsigned_and_bools() -> None:
    for x in (np.array([0, 3], np.uint8), np.array([False, True])):
        np.testing.assert_allclose(arrays.sigmoid(x), 1 / (1 + np.exp(-x.astype(float))), rtol=1e-3)
        np.testing.assert_array_equal(arrays.leaky_relu(x), x.astype(float))


@pytest.mark.parametrize(("name", "ours", "plain"), ELEMENTWISE, ids=[row[0] for row in ELEMENTWISE])
def test_scalars_and_lists(name: str, ours: Callable[[Any], Any], plain: Callable[[Any], Any]) -> None:
    for x in (0.5, -2, np.float32(-0.5), np.array(-0.25)):
        result, expected = ours(x), plain(np.asarray(x))
        assert np.shape(result) == ()
        assert result.dtype == expected.dtype
        assert isinstance(result, np.generic)
        np.testing.assert_allclose(result, expected, rtol=1e-6)
    np.testing.assert_allclose(ours([[1, -2.5], [0, 3]]), plain(np.array([[1, -2.5], [0, 3]])), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes(dtype: str) -> None:
    x = np.array([0.0, -0.0, 1e4, -1e4, np.inf, -np.inf, np.nan], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # where plain NumPy warns of overflow
        results = [ours(x) for _, ours, _ in ELEMENTWISE]
    with np.errstate(all="ignore"):
        for (name, _, plain), result in zip(ELEMENTWISE, results, strict=True):
            np.testing.assert_array_equal(result, plain(x), err_msg=name)
        assert arrays.softmax(np.array([1e30, 0, -1e30], dtype)).tolist() == [1, 0, 0]
        for row in ([np.nan, 1], [np.inf, 1], [-np.inf, -np.inf]):
            assert np.isnan(arrays.softmax(np.array(row, dtype))).all()
        assert arrays.softmax(np.array([-np.inf, 1], dtype)).tolist() == [0, 1]


def test_softmax_of_empty_and_0d() -> None:
    for shape in ((0,), (3, 0), (0, 3), (2, 0, 4)):
        result = arrays.softmax(np.zeros(shape, np.float32))
        assert (result.shape, result.dtype) == (shape, np.float32)
    with pytest.raises(ValueError, match="at least one dimension"):
        arrays.softmax(1.0)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([[1, 2], [3]], ValueError, "argument 'x'"),
        ([1j], TypeError, "complex128"),
        (["a"], TypeError, "argument 'x' must hold real numbers"),
        (None, TypeError, "object"),
        (np.zeros(2, "M8[s]"), TypeError, "datetime64"),
    ],
)
def test_refused_inputs(given: Any, error: type[Exception], message: str) -> None:
    for function in (arrays.sigmoid, arrays.tanh, arrays.relu, arrays.leaky_relu, arrays.softmax, arrays.dropout):
        with pytest.raises(error, match=message):
            function(given)


# ------------------------------------------------------------------------------------------- dropout


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 0.9])
def test_dropout(dtype: str, rate: float) -> None:
    np.random.seed(4)  # noqa: NPY002
    x = np.random.default_rng(0).standard_normal((200, 100)).astype(dtype)
    dropped = arrays.dropout(x, rate)
    assert dropped.dtype == x.dtype
    kept = (dropped != 0) | (x == 0)
    np.testing.assert_allclose(dropped[kept], (x / (1 - rate))[kept], rtol=TOLERANCE[dtype])
    assert abs(kept.mean() - (1 - rate)) <= 6 * np.sqrt(rate * (1 - rate) / x.size)


def test_dropout_repeats_with_numpys_seed() -> None:
    draws = []
    for seed in (1, 2, 1):
        np.random.seed(seed)  # noqa: NPY002
        draws.append([arrays.dropout(np.ones(100)), arrays.dropout(np.ones(100))])
    assert (draws[0][0] == draws[2][0]).all()
    assert (draws[0][1] == draws[2][1]).all()
    assert (draws[0][0] != draws[0][1]).any()
    assert (draws[0][0] != draws[1][0]).any()


def test_dropout_of_anything() -> None:
    assert set(arrays.dropout(np.ones(500, np.int32), 0.75).tolist()) == {0.0, 4.0}
    assert float(arrays.dropout(3.0, 0.0)) == 3.0
    assert arrays.dropout(np.ones((0, 2))).shape == (0, 2)
    assert set(arrays.dropout(np.full(99, np.inf)).tolist()) == {0.0, np.inf}


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
def test_dropout_refuses(rate: float) -> None:
    with pytest.raises(ValueError, match=r"argument 'rate' must be in \[0, 1\)"):
        arrays.dropout(np.ones(3), rate)


# ------------------------------------------------------------------------------------------- rnn_step


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("x", "h", "b"),
    [
        ((5, 3), (5, 4), (4,)),
        ((5, 3), (5, 4), (1, 4)),
        ((3,), (4,), (4,)),
        ((3,), (4,), (1, 4)),
        ((5, 3), (4,), (4,)),
        ((5, 3), (1, 4), (5, 4)),
        ((1, 3), (5, 4), ()),
        ((3,), (5, 4), (5, 1)),
        ((2, 5, 3), (2, 5, 4), (4,)),
        ((2, 1, 3), (5, 4), (4,)),
        ((0, 3), (0, 4), (4,)),
    ],
)
def test_rnn_step(dtype: str, x: Any, h: Any, b: Any) -> None:
    rng = np.random.default_rng(5)
    given = [rng.standard_normal(shape).astype(dtype) for shape in (x, h, (3, 4), (4, 4), b)]
    result, expected = arrays.rnn_step(*given), plain_rnn_step(*given)
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(result, expected, rtol=0, atol=4 * TOLERANCE[dtype])


def test_rnn_step_of_mixed_layouts() -> None:
    rng = np.random.default_rng(5)
    x, h = np.asfortranarray(rng.standard_normal((5, 3))), rng.standard_normal((5, 8))[:, ::-2].astype(np.float32)
    wx, wh, b = rng.standard_normal((4, 3)).T, rng.standard_normal((4, 4))[::-1], [0, 1, 2, 3]
    result = arrays.rnn_step(x, h, wx, wh, b)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, plain_rnn_step(x, h, wx, wh, np.array(b)), rtol=1e-12)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5, 2), (5, 4), (3, 4), (4, 4), (4,)), r"expected x of shape \(..., 3\), got \(5, 2\)"),
        (((5, 3), (5, 3), (3, 4), (4, 4), (4,)), r"expected h_prev of shape \(..., 4\), got \(5, 3\)"),
        (((5, 3), (5, 4), (3, 4), (4, 3), (4,)), "expected wx"),
        (((5, 3), (5, 4), (3,), (4, 4), (4,)), "expected wx"),
        (((5, 3), (6, 4), (3, 4), (4, 4), (4,)), "do not broadcast"),
        (((5, 3), (5, 4), (3, 4), (4, 4), (3,)), "do not broadcast"),
        (((5, 1), (5, 1), (1, 1), (1, 1), (4,)), "do not broadcast"),
        (((), (5, 4), (3, 4), (4, 4), (4,)), "expected x"),
    ],
)
def test_rnn_step_refuses(shapes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arrays.rnn_step(*(np.zeros(shape) for shape in shapes))


# ------------------------------------------------------------------------------------------- MLP


def _pair(sizes: list[int], dtype: Any, seed: int = 0) -> tuple[MLP, PlainMLP]:
    np.random.seed(seed)  # noqa: NPY002
    ours = MLP(sizes, dtype)
    np.random.seed(seed)  # noqa: NPY002
    return ours, PlainMLP(sizes, dtype)


def _batch(rows: int, inputs: int, classes: int, dtype: Any, seed: int = 1) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, inputs)).astype(dtype), np.eye(classes, dtype=dtype)[
        rng.integers(0, classes, rows)
    ]


def test_mlp_starts_as_the_plain_one_does() -> None:
    ours, plain = _pair([5, 4, 3], np.float64)
    for mine, theirs in zip(ours.weights + ours.biases, plain.weights + plain.biases, strict=True):
        assert (mine.shape, mine.dtype) == (theirs.shape, np.float64)
        np.testing.assert_array_equal(mine, theirs)
    assert MLP([2, 3]).weights[0].dtype == np.float64
    wide = MLP([1000, 200], np.float32)
    assert wide.weights[0].dtype == np.float32
    assert abs(wide.weights[0].std() - np.sqrt(2 / 1000)) < 1e-3


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [[7, 3], [7, 5, 3], [50, 33, 20, 10], [784, 128, 64, 10]])
def test_mlp_forward(dtype: Any, sizes: list[int]) -> None:
    ours, plain = _pair(sizes, dtype)
    for bias, other in zip(ours.biases, plain.biases, strict=True):
        bias += 0.1
        other += dtype(0.1)
    for rows in (1, 17):
        X, _ = _batch(rows, sizes[0], sizes[-1], dtype)
        result = ours.forward(X)
        np.testing.assert_allclose(result, plain.forward(X), rtol=1e-4 if dtype == np.float32 else 1e-11)
        assert result.dtype == dtype
        assert len(ours.activations) == len(sizes)
        for mine, theirs in zip(ours.activations, plain.activations, strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
        assert ours.activations[0] is X
        assert ours.activations[-1] is result


def test_mlp_forward_of_other_inputs() -> None:
    ours, plain = _pair([4, 6, 3], np.float64)
    X = np.arange(8.0).reshape(2, 4)
    expected = plain.forward(X)
    wide = np.zeros((4, 8), np.float32)
    wide[:, ::2] = np.arange(16).reshape(4, 4)
    given: list[Any] = [X.tolist(), X.astype(int), X.astype(">f8"), wide[:2, ::2], np.asfortranarray(X), X[::-1][::-1]]
    for one in given:
        np.testing.assert_allclose(ours.forward(one), expected, rtol=1e-12)
    np.testing.assert_allclose(ours.forward(X[0]), plain.forward(X[0]), rtol=1e-12)
    assert ours.forward(X[0]).shape == (1, 3)
    assert ours.forward(X[:0]).shape == (0, 3)


def test_mlp_results_are_not_overwritten() -> None:
    model = MLP([4, 6, 3])
    X, y = _batch(5, 4, 3, np.float64)
    first = model.forward(X)
    activations = model.activations
    copies = [a.copy() for a in activations]
    trainer = MLPTrainer(model, 0.5)
    for _ in range(3):
        trainer.train_step(X, y)
        model.forward(X + 1)
    trained = model.activations
    trained_copies = [a.copy() for a in trained]
    trainer.train_step(X, y)
    assert activations[-1] is first
    for kept, copied in zip(activations + trained, copies + trained_copies, strict=True):
        np.testing.assert_array_equal(kept, copied)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [[7, 3], [7, 5, 3], [784, 128, 64, 10]])
def test_training_like_plain_numpy(dtype: Any, sizes: list[int]) -> None:
    ours, plain = _pair(sizes, dtype)
    trainer = MLPTrainer(ours, learning_rate=0.05)
    assert MLPTrainer(ours).learning_rate == 0.01
    weights, biases = [*ours.weights], [*ours.biases]
    for step, rows in enumerate([16, 16, 16, 5, 16]):
        X, y = _batch(rows, sizes[0], sizes[-1], dtype, step)
        before = X.copy(), y.copy()
        loss, expected = trainer.train_step(X, y), plain.train_step(X, y, 0.05)
        assert isinstance(loss, float)
        assert loss == pytest.approx(expected, rel=1e-4 if dtype == np.float32 else 1e-10)
        np.testing.assert_array_equal(X, before[0])
        np.testing.assert_array_equal(y, before[1])
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    for mine, theirs in zip(ours.weights + ours.biases, plain.weights + plain.biases, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    assert all(now is then for now, then in zip(ours.weights + ours.biases, weights + biases, strict=True))


def test_gradients_are_those_of_the_loss() -> None:
    """The change of each parameter over the learning rate, against central differences of the loss."""
    model, _ = _pair([3, 5, 4, 2], np.float64)
    X, y = _batch(6, 3, 2, np.float64)
    parameters = model.weights + model.biases
    for bias in model.biases:  # at zero, a row that leaves a whole layer dark would sit on the kink of the next
        bias += np.random.default_rng(2).standard_normal(bias.shape)

    def loss() -> float:
        return float(-np.mean(np.sum(y * np.log(model.forward(X)), axis=1)))

    expected = []
    for parameter in parameters:
        slopes = np.empty_like(parameter)
        for index in np.ndindex(parameter.shape):
            value = parameter[index]
            parameter[index] = value + 1e-6
            above = loss()
            parameter[index] = value - 1e-6
            slopes[index] = (above - loss()) / 2e-6
            parameter[index] = value
        expected.append(slopes)
    before = [parameter.copy() for parameter in parameters]
    MLPTrainer(model, learning_rate=0.5).train_step(X, y)
    for was, now, slopes in zip(before, parameters, expected, strict=True):
        np.testing.assert_allclose((was - now) / 0.5, slopes, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_learns(dtype: Any) -> None:
    np.random.seed(0)  # noqa: NPY002
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 2))
    labels = (X[:, 0] * X[:, 1] > 0).astype(int)
    y = np.eye(2)[labels]
    model = MLP([2, 32, 16, 2], dtype)
    trainer = MLPTrainer(model, learning_rate=0.3)
    first = trainer.train_step(X, y)
    for _ in range(600):
        last = trainer.train_step(X, y)
    assert last < first / 4
    assert (model.forward(X).argmax(1) == labels).mean() > 0.95


def test_training_with_exchanged_weights() -> None:
    ours, plain = _pair([4, 6, 3], np.float64)
    ours.weights[0] = np.asfortranarray(ours.weights[0])
    ours.weights[1] = _read_only(ours.weights[1].copy())
    ours.biases[0] = ours.biases[0].astype(np.float32)
    untouched = ours.weights[1].copy()
    read_only = ours.weights[1]
    X, y = _batch(5, 4, 3, np.float64)
    trainer = MLPTrainer(ours, 0.1)
    for _ in range(2):
        assert trainer.train_step(X, y) == pytest.approx(plain.train_step(X, y, 0.1), rel=1e-12)
    for mine, theirs in zip(ours.weights + ours.biases, plain.weights + plain.biases, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    np.testing.assert_array_equal(read_only, untouched)


def test_training_takes_what_numpy_takes() -> None:
    ours, plain = _pair([3, 4, 2], np.float64)
    X, y = [[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1]]
    loss = MLPTrainer(ours, 0.1).train_step(X, y)
    assert loss == pytest.approx(plain.train_step(np.array(X), np.array(y), 0.1), rel=1e-12)


def test_training_stays_finite_on_huge_inputs() -> None:
    model, _ = _pair([3, 4, 2], np.float32)
    trainer = MLPTrainer(model, 1e-6)
    for _ in range(3):
        assert np.isfinite(trainer.train_step(np.array([[1e6, -1e6, 0.0], [-1e6, 1e6, 0.0]]), [[0, 1], [1, 0]]))
    assert all(np.isfinite(weight).all() for weight in model.weights)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([3],), ValueError, "two or more positive ints"),
        (([3, 0],), ValueError, "two or more positive ints"),
        (([3, 2.5],), ValueError, "two or more positive ints"),
        (([3, 2], np.float16), TypeError, "must be float32 or float64, got float16"),
        (([3, 2], int), TypeError, "must be float32 or float64"),
    ],
)
def test_mlp_refuses(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MLP(*arguments)


def test_shapes_refused_before_anything_changes() -> None:
    model = MLP([3, 4, 2])
    before = [parameter.copy() for parameter in model.weights + model.biases]
    trainer = MLPTrainer(model, 1.0)
    for X, message in ((np.zeros((2, 4)), r"\(N, 3\), got \(2, 4\)"), (np.zeros((1, 2, 3)), "got"), (1.0, "got")):
        with pytest.raises(ValueError, match=message):
            model.forward(X)
    for X, y, message in (
        (np.zeros((2, 4)), np.zeros((2, 2)), r"expected X of shape \(N, 3\)"),
        (np.zeros(3), np.zeros((1, 2)), r"expected X of shape \(N, 3\)"),
        (np.zeros((0, 3)), np.zeros((0, 2)), r"expected X of shape \(N, 3\)"),
        (np.zeros((2, 3)), np.zeros((2, 3)), r"expected y_onehot of shape \(2, 2\), got \(2, 3\)"),
        (np.zeros((2, 3)), np.zeros(2), r"expected y_onehot of shape \(2, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            trainer.train_step(X, y)
    for was, now in zip(before, model.weights + model.biases, strict=True):
        np.testing.assert_array_equal(was, now)
    model.weights[1] = np.zeros((4, 3))
    with pytest.raises(ValueError, match=r"layer 1 expects weights \(4, 2\)"):
        model.forward(np.zeros((1, 3)))
