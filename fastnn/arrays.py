"""Array in, array out: activations, dropout, a recurrent step and a multilayer perceptron on NumPy arrays alone.

The names and results of the plain NumPy versions (``np.maximum(0, x)``, ``x @ W + b`` ...), on the compiled kernels.
float32 and float64 arrays keep their dtype; others are computed with as NumPy would, that is, ``tanh`` of float16 is
float16 and of int64 is float64. Any strides, byte order and read-only memory will do; a 0-d input gives a scalar.
Random numbers come from NumPy's global state: ``np.random.seed`` makes a run repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnn.kernels import K

Array = NDArray[Any]

__all__ = ["MLP", "MLPTrainer", "dropout", "leaky_relu", "relu", "rnn_step", "sigmoid", "softmax", "tanh"]

_KERNEL_TYPES = (np.dtype(np.float32), np.dtype(np.float64))


# ------------------------------------------------------------------------------------------- the gate


def _array(function: str, argument: str, given: ArrayLike) -> Array:
    """``given`` as an array of real numbers. ValueError for ragged lists, TypeError for what is not a number."""
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{function}(): argument '{argument}': {error}") from None
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{function}(): argument '{argument}' must hold real numbers of up to 64 bits, got {array.dtype}"
        )
    return array


def _dense(array: Array, dtype: np.dtype[Any]) -> Array:
    """The array as kernels take it, copied only if it must be."""
    flags = array.flags
    if array.dtype == dtype and flags.c_contiguous and flags.aligned:
        return array
    return np.require(array, dtype, ("C", "A"))


def _computed_in(result: np.dtype[Any]) -> np.dtype[Any]:
    """The kernels' dtype for results of dtype ``result``: float32 for float16, else its own in native byte order."""
    return np.dtype(np.float32) if result.itemsize == 2 else result.newbyteorder("=")


def _elementwise(function: str, given: ArrayLike, partner: Any, kernel: Callable[[Array, Array], None]) -> Any:
    """kernel(x, out) over ``given``; the result's dtype is what NumPy makes of ``given`` and ``partner`` together."""
    array = _array(function, "x", given)
    result = np.result_type(array.dtype, partner)
    x = _dense(array, _computed_in(result))
    out = np.empty(x.shape, x.dtype)
    kernel(x, out)
    return out.astype(result, copy=False)[()]


def _matmul(
    a: Array,
    b: Array,
    out: Array,
    bias: Array | None = None,
    activation: str = "none",
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    accumulate: bool = False,
) -> None:
    """out = activation(a @ b + bias + (out if accumulate)), of matrices."""
    K.matmul(a[None], b[None], transpose_a, transpose_b, bias, activation, accumulate, out[None])


# ------------------------------------------------------------------------------------------- functions


def sigmoid(x: ArrayLike) -> Any:
    """1 / (1 + exp(-x)), element by element, without overflow."""
    return _elementwise("sigmoid", x, np.float16, K.sigmoid_forward)


def tanh(x: ArrayLike) -> Any:
    """The hyperbolic tangent, element by element."""
    return _elementwise("tanh", x, np.float16, K.tanh_forward)


def relu(x: ArrayLike) -> Any:
    """max(0, x), element by element; integers stay integers, NaN stays NaN."""
    array = _array("relu", "x", x)
    if array.dtype.kind != "f":
        return np.maximum(0, array)
    return _elementwise("relu", array, array.dtype, K.relu_forward)


def leaky_relu(x: ArrayLike, alpha: float = 0.01) -> Any:
    """x where x > 0, else alpha * x, element by element."""
    return _elementwise("leaky_relu", x, 1.0, lambda a, out: K.leaky_relu_forward(a, float(alpha), out))


def softmax(x: ArrayLike) -> Array:
    """exp(x) / sum(exp(x)) over the last axis, shifted by its maximum. ValueError for a 0-d input."""
    array = _array("softmax", "x", x)
    if array.ndim == 0:
        raise ValueError("softmax(): argument 'x' must have at least one dimension, got a scalar")
    result = np.result_type(array.dtype, np.float16)
    rows = _dense(array, _computed_in(result)).reshape(-1, array.shape[-1]) if array.size else np.empty((0, 1), result)
    out = np.empty(rows.shape, rows.dtype)
    if array.size:
        K.softmax_forward(rows, out)
    return out.reshape(array.shape).astype(result, copy=False)


def dropout(x: ArrayLike, rate: float = 0.5) -> Any:
    """x with each element zeroed with probability ``rate`` and the others divided by 1 - rate (inverted dropout).

    ValueError unless 0 <= rate < 1.
    """
    share = float(rate)
    if not 0.0 <= share < 1.0:
        raise ValueError(f"dropout(): argument 'rate' must be in [0, 1), got {rate}")
    seed = int(np.random.random_sample() * 2.0**53)  # noqa: NPY002 - the state that np.random.seed sets
    return _elementwise(
        "dropout", x, 1.0, lambda a, out: K.dropout_forward(a, share, seed, 0, out, np.empty(a.shape, np.uint8))
    )


def rnn_step(x: ArrayLike, h_prev: ArrayLike, wx: ArrayLike, wh: ArrayLike, b: ArrayLike) -> Array:
    """tanh(x @ wx + h_prev @ wh + b): the next hidden state of a plain recurrent network.

    x: (..., I), h_prev: (..., H), wx: (I, H), wh: (H, H), b: (H,) or (1, H) -> (..., H); what is missing broadcasts.
    ValueError for shapes that do not fit.
    """
    given = {"x": x, "h_prev": h_prev, "wx": wx, "wh": wh, "b": b}
    arrays = {name: _array("rnn_step", name, value) for name, value in given.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(shapes["wx"]) != 2 or shapes["wh"] != (shapes["wx"][1],) * 2:
        raise ValueError(f"rnn_step(): expected wx (I, H) and wh (H, H), got {shapes['wx']} and {shapes['wh']}")
    inputs, hidden = shapes["wx"]
    for name, extent in (("x", inputs), ("h_prev", hidden)):
        if shapes[name][-1:] != (extent,):
            raise ValueError(f"rnn_step(): expected {name} of shape (..., {extent}), got {shapes[name]}")
    try:
        shape = np.broadcast_shapes((*shapes["x"][:-1], hidden), shapes["h_prev"], shapes["b"])
        if shape[-1] != hidden:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"rnn_step(): x {shapes['x']}, h_prev {shapes['h_prev']} and b {shapes['b']} "
            f"do not broadcast to (..., {hidden})"
        ) from None
    result = np.result_type(np.float16, *(array.dtype for array in arrays.values()))
    dtype = _computed_in(result)

    def rows(name: str, extent: int) -> Array:
        array = arrays[name]
        if array.shape[:-1] != shape[:-1]:
            array = np.broadcast_to(array, (*shape[:-1], extent))
        return _dense(array, dtype).reshape(-1, extent)

    states = np.empty(shape, dtype)
    out = states.reshape(-1, hidden)
    bias = _dense(arrays["b"], dtype).reshape(-1) if arrays["b"].size == hidden else None
    if bias is None:
        states[...] = arrays["b"]
    _matmul(rows("x", inputs), _dense(arrays["wx"], dtype), out, bias, accumulate=bias is None)
    _matmul(rows("h_prev", hidden), _dense(arrays["wh"], dtype), out, activation="tanh", accumulate=True)
    return states.astype(result, copy=False)


# ------------------------------------------------------------------------------------------- the perceptron


class MLP:
    """A multilayer perceptron: ReLU after each hidden layer, softmax after the last.

    layer_sizes: the number of inputs, of each hidden layer's units, and of classes; dtype: float32 or float64.
    ``weights[i]``: (layer_sizes[i], layer_sizes[i + 1]), drawn as sqrt(2 / fan_in) * normal (He et al. 2015);
    ``biases[i]``: (1, layer_sizes[i + 1]), zero; ``activations``: what the last ``forward`` computed.
    ValueError for sizes that are not two or more positive ints, TypeError for another dtype.
    """

    def __init__(self, layer_sizes: Sequence[int], dtype: DTypeLike = np.float64) -> None:
        self.dtype = np.dtype(dtype)
        if self.dtype not in _KERNEL_TYPES:
            raise TypeError(f"MLP(): argument 'dtype' must be float32 or float64, got {self.dtype}")
        sizes = list(layer_sizes)
        if len(sizes) < 2 or not all(isinstance(size, (int, np.integer)) and size > 0 for size in sizes):
            raise ValueError(f"MLP(): argument 'layer_sizes' must be two or more positive ints, got {layer_sizes}")
        self.layer_sizes = [int(size) for size in sizes]
        self.weights: list[Array] = []
        self.biases: list[Array] = []
        self.activations: list[Array] = []
        for fan_in, fan_out in pairwise(self.layer_sizes):
            drawn = np.random.randn(fan_in, fan_out) * np.sqrt(2.0 / fan_in)  # noqa: NPY002 - as np.random.seed says
            self.weights.append(drawn.astype(self.dtype, copy=False))
            self.biases.append(np.zeros((1, fan_out), self.dtype))

    def forward(self, X: ArrayLike) -> Array:
        """The class probabilities, (N, classes), of the rows of X, (N, inputs); one row may be given as (inputs,).

        X is converted to the model's dtype. Sets ``activations`` to [X, hidden ..., probabilities]: new arrays at
        each call, but for X itself. ValueError for a shape that does not fit.
        """
        given = _array("MLP.forward", "X", X)
        if given.ndim not in (1, 2) or given.shape[-1] != self.layer_sizes[0]:
            raise ValueError(f"MLP.forward(): expected X of shape (N, {self.layer_sizes[0]}), got {given.shape}")
        a = _dense(given, self.dtype)
        activations = [a]
        a = a.reshape(-1, self.layer_sizes[0])
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            fan_in, fan_out = self.layer_sizes[i : i + 2]
            if weight.shape != (fan_in, fan_out) or bias.size != fan_out:
                raise ValueError(
                    f"MLP.forward(): layer {i} expects weights {(fan_in, fan_out)} and biases {(1, fan_out)}, "
                    f"got {weight.shape} and {bias.shape}"
                )
            z = np.empty((len(a), fan_out), self.dtype)
            flat = _dense(bias, self.dtype).reshape(-1)
            _matmul(a, _dense(weight, self.dtype), z, flat, "none" if i == last else "relu")
            activations.append(z)
            a = z
        probabilities = np.empty_like(a)
        K.softmax_forward(a, probabilities)
        activations[-1] = probabilities
        self.activations = activations
        return probabilities


class MLPTrainer:
    """Trains an MLP by plain gradient descent on the cross-entropy."""

    def __init__(self, model: MLP, learning_rate: float = 0.01) -> None:
        self.model = model
        self.learning_rate = learning_rate
        self._rows = -1
        self._deltas: list[Array] = []  # kept between steps of equal batch size: nothing outside refers to them
        self._sums: list[Array] = []

    def _make_workspaces(self, rows: int) -> None:
        sizes, dtype = self.model.layer_sizes[1:], self.model.dtype
        self._deltas = [np.empty((rows, size), dtype) for size in sizes]
        self._sums = [np.empty((1, size), dtype) for size in sizes]
        self._rows = rows

    def train_step(self, X: ArrayLike, y_onehot: ArrayLike) -> float:
        """One step on a batch; returns the loss before it: -mean(sum(y_onehot * log(probabilities + 1e-8), axis=1)).

        X: (N, inputs), N > 0; y_onehot: (N, classes). weights and biases are changed in place (one that kernels
        cannot change, being read-only, strided or of another dtype, is replaced by a dense copy first).
        ValueError for shapes that do not fit.
        """
        model = self.model
        y = _array("MLPTrainer.train_step", "y_onehot", y_onehot)
        x = _array("MLPTrainer.train_step", "X", X)
        rows, classes = len(x) if x.ndim else 0, model.layer_sizes[-1]
        if x.ndim != 2 or not rows:
            raise ValueError(f"MLPTrainer.train_step(): expected X of shape (N, {model.layer_sizes[0]}), got {x.shape}")
        if y.shape != (rows, classes):
            raise ValueError(f"MLPTrainer.train_step(): expected y_onehot of shape {(rows, classes)}, got {y.shape}")
        probabilities = model.forward(x)
        y = _dense(y, model.dtype)
        loss = -float(np.vdot(y, np.log(probabilities + 1e-8))) / rows
        for parameters in (model.weights, model.biases):
            for i, parameter in enumerate(parameters):
                if not (parameter.dtype == model.dtype and parameter.flags.carray):
                    parameters[i] = np.array(parameter, model.dtype, order="C")
        if rows != self._rows:
            self._make_workspaces(rows)
        # All gradients are linear in the last layer's. That one is scaled by -learning_rate / N, so that what follows
        # are the updates themselves: the product that would make a weight's gradient adds it to the weight instead.
        delta = self._deltas[-1]
        np.subtract(probabilities, y, out=delta)
        delta *= -self.learning_rate / rows
        for i in reversed(range(len(model.weights))):
            previous = model.activations[i]
            weight, bias, total = model.weights[i], model.biases[i], self._sums[i]
            below = delta
            if i > 0:
                below = self._deltas[i - 1]
                _matmul(delta, weight, below, transpose_b=True)
                K.relu_backward(below, previous, below)
            _matmul(previous, delta, weight, transpose_a=True, accumulate=True)
            K.sum_forward(delta[None], total)
            bias += total
            delta = below
        return loss
