"""Tensors from data, constants and ranges."""

from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import dtypes

nan, inf = float("nan"), float("inf")


def array_of(tensor: Any) -> Any:
    return tensor.detach().numpy()


# ------------------------------------------------------------------------------------------- tensor

# data, its dtype, its value as NumPy has it
INFERRED: list[tuple[Any, str, Any]] = [
    (1, "int64", 1),
    (1.0, "float32", 1.0),
    (True, "bool", True),
    ([1, 2], "int64", [1, 2]),
    ([1, 2.5], "float32", [1, 2.5]),
    ([True, 2], "int64", [1, 2]),
    ([True, 2.5], "float32", [1, 2.5]),
    ([True, False], "bool", [True, False]),
    ([], "float32", []),
    ([[], []], "float32", [[], []]),
    (((1, 2), (3, 4)), "int64", [[1, 2], [3, 4]]),
    (range(3), "int64", [0, 1, 2]),
    ([2**62, -(2**63)], "int64", [2**62, -(2**63)]),
    (np.float64(1), "float64", 1),
    (np.float32(1), "float32", 1),
    (np.int16(1), "int16", 1),
    (np.bool_(True), "bool", True),
    ([np.float64(1), 2], "float64", [1, 2]),
    ([np.float32(1), 2], "float32", [1, 2]),
    ([np.float16(1), 2], "float16", [1, 2]),
    ([np.int32(1), np.int8(2)], "int32", [1, 2]),
    ([np.array([1.0, 2.0]), np.array([3, 4])], "float64", [[1, 2], [3, 4]]),
    (np.arange(3, dtype=np.uint8), "uint8", [0, 1, 2]),
    (np.arange(6.0).reshape(2, 3).T, "float64", [[0, 3], [1, 4], [2, 5]]),
    (np.arange(3)[::-1], "int64", [2, 1, 0]),
    (np.arange(3, dtype=">i4"), "int32", [0, 1, 2]),
    (np.zeros((0, 3)), "float64", np.zeros((0, 3))),
]


@pytest.mark.parametrize(("data", "dtype", "expected"), INFERRED, ids=repr)
def test_tensor_infers_the_dtype(data: Any, dtype: str, expected: Any) -> None:
    made = fastnn.tensor(data)
    assert made.dtype is getattr(dtypes, dtype)
    assert array_of(made).dtype.isnative
    assert not made.requires_grad
    np.testing.assert_array_equal(array_of(made), expected)


def test_tensor_of_tensors() -> None:
    parts = [fastnn.tensor(1.5), fastnn.tensor(2)]
    assert fastnn.tensor(parts).tolist() == [1.5, 2.0]
    assert fastnn.tensor(parts).dtype is dtypes.float32
    assert fastnn.tensor([fastnn.tensor([1.0]), 2]).tolist() == [1.0, 2.0]
    assert fastnn.tensor([fastnn.tensor(1.0, dtype=dtypes.float64), 2]).dtype is dtypes.float64
    with pytest.raises(ValueError, match="only one element tensors"):
        fastnn.tensor([fastnn.tensor([1.0, 2.0]), fastnn.tensor([3.0, 4.0])])


def test_tensor_copies() -> None:
    array = np.zeros(3, np.float32)
    first, second = fastnn.tensor(array), fastnn.zeros(3)
    third = fastnn.tensor(second)
    array[0] = 1
    second._array[0] = 1
    assert first.tolist() == third.tolist() == [0, 0, 0]


class Holder:
    """What another library's tensor looks like: it has items, but an array says more."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values, np.int16)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return Holder(self.values[index])


class Color(enum.IntEnum):
    RED = 3


class Length(float):
    pass


def test_tensor_takes_objects_with_an_array() -> None:
    assert fastnn.tensor(Holder([1, 2])).dtype is dtypes.int16
    nested = fastnn.tensor([Holder(1), Holder(2)])
    assert (nested.dtype, nested.tolist()) == (dtypes.int16, [1, 2])
    assert fastnn.tensor([[Holder(1), 2.5]]).tolist() == [[1.0, 2.5]]


@pytest.mark.parametrize("data", [Color.RED, [Color.RED], Length(3), [Length(3)]])
def test_tensor_takes_subclasses_of_numbers(data: Any) -> None:
    made = fastnn.tensor(data)
    assert made.dtype is (dtypes.int64 if "RED" in repr(data) else dtypes.float32)
    assert np.asarray(made).ravel().tolist() == [3]


CONVERTED: list[tuple[Any, str, Any]] = [
    ([1.5, -2.5], "int32", [1, -2]),
    ([1.5, 0.0], "bool", [True, False]),
    ([2, 0], "bool", [True, False]),
    ([1, 2], "float16", [1, 2]),
    (-1, "uint8", 255),
    ([-255, -1], "uint8", [1, 255]),
    (1e39, "float32", inf),
    ([1e39, -70000.0], "float16", [inf, -inf]),
    ([2**70, 1], "float64", [2.0**70, 1]),
    (np.array([1.9, -1.9]), "int64", [1, -1]),
    (True, "float32", 1.0),
]


@pytest.mark.parametrize(("data", "dtype", "expected"), CONVERTED, ids=repr)
def test_tensor_of_a_given_dtype(data: Any, dtype: str, expected: Any) -> None:
    made = fastnn.tensor(data, dtype=getattr(dtypes, dtype))
    assert made.dtype is getattr(dtypes, dtype)
    np.testing.assert_array_equal(array_of(made), expected)


REFUSED: list[tuple[Any, str | None, type[Exception], str]] = [
    ([[1, 2], [3]], None, ValueError, r"expected sequence of length 2 at dim 1 \(got 1\)"),
    ([[[1], [2]], [[3], [4, 5]]], None, ValueError, r"expected sequence of length 1 at dim 2 \(got 2\)"),
    ([[], [1]], None, ValueError, r"expected sequence of length 0 at dim 1 \(got 1\)"),
    ([[1, 2], 3], None, TypeError, "not a sequence"),
    ([1, [2]], None, ValueError, "expected a number at dim 0, position 1"),
    ("abc", None, TypeError, "invalid data type 'str'"),
    ([1, "b"], None, TypeError, "invalid data type 'str'"),
    (1j, None, TypeError, "invalid data type 'complex'"),
    (None, None, RuntimeError, "Could not infer dtype of NoneType"),
    ([None], None, RuntimeError, "Could not infer dtype of NoneType"),
    ({1: 2}, None, RuntimeError, "Could not infer dtype of dict"),
    ({1}, None, RuntimeError, "Could not infer dtype of set"),
    (Ellipsis, None, RuntimeError, "Could not infer dtype of ellipsis"),
    (2**63, None, ValueError, "does not fit into int64"),
    ([2**63], None, ValueError, "does not fit into int64"),
    (10**400, "float32", ValueError, "does not fit into float32"),
    ([10**400, 1.5], "float64", ValueError, "does not fit into float64"),
    (np.zeros(2, np.complex64), None, TypeError, "can't convert np.ndarray"),
    (np.array(["a"]), None, TypeError, "can't convert np.ndarray"),
    ([300], "uint8", RuntimeError, "value 300 cannot be converted to type fastnn.uint8 without overflow"),
    ([-256], "uint8", RuntimeError, "without overflow"),
    ([255.9], "uint8", RuntimeError, "without overflow"),
    ([-0.5], "uint8", RuntimeError, "without overflow"),
    ([2**40], "int32", RuntimeError, "without overflow"),
    (2**40, "int32", RuntimeError, "without overflow"),
    ([nan], "int64", RuntimeError, "value nan cannot be converted to type fastnn.int64 without overflow"),
    (inf, "int64", RuntimeError, "without overflow"),
    ([1e30], "int64", RuntimeError, "without overflow"),
]


@pytest.mark.parametrize(("data", "dtype", "error", "message"), REFUSED, ids=repr)
def test_tensor_refuses(data: Any, dtype: str | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fastnn.tensor(data, dtype=None if dtype is None else getattr(dtypes, dtype))


def test_tensor_that_requires_grad() -> None:
    assert fastnn.tensor([1.0], requires_grad=True).requires_grad
    for make in (
        lambda: fastnn.tensor([1], requires_grad=True),
        lambda: fastnn.zeros(1, dtype=dtypes.bool, requires_grad=True),
        lambda: fastnn.arange(3, requires_grad=True),
    ):
        with pytest.raises(RuntimeError, match="Only Tensors of floating point dtype can require gradients"):
            make()


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:Creating a tensor from a list")
def test_peer_inference() -> None:
    torch = pytest.importorskip("torch")
    for data, _, _ in INFERRED:
        if isinstance(data, np.ndarray) and not data.dtype.isnative:
            continue  # PyTorch refuses the other byte order
        plain = (
            np.ascontiguousarray(data) if isinstance(data, np.ndarray) else data
        )  # nor does it take negative strides
        theirs, ours = torch.tensor(plain), fastnn.tensor(data)
        assert repr(theirs.dtype)[6:] == repr(ours.dtype)[7:], data
        np.testing.assert_array_equal(array_of(ours), theirs.numpy())
    for data, dtype, _ in CONVERTED:
        theirs = torch.tensor(data, dtype=getattr(torch, dtype))
        ours = fastnn.tensor(data, dtype=getattr(dtypes, dtype))
        np.testing.assert_array_equal(array_of(ours), theirs.numpy())


# ------------------------------------------------------------------------------------------- constants

MAKERS = [fastnn.zeros, fastnn.ones, fastnn.empty, fastnn.rand, fastnn.randn]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ((2, 3), (2, 3)),
        (((2, 3),), (2, 3)),
        (([2, 3],), (2, 3)),
        (((),), ()),
        ((0,), (0,)),
        ((2, 0, 3), (2, 0, 3)),
        ((np.int64(2), np.uint8(3)), (2, 3)),
        ((fastnn.Size((4, 1)),), (4, 1)),
    ],
)
def test_sizes(make: Any, sizes: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    assert make(*sizes).shape == shape
    assert make(*sizes).dtype is dtypes.float32
    assert make(*sizes, dtype=dtypes.float64).dtype is dtypes.float64
    assert make(*sizes, requires_grad=True).requires_grad


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ((), TypeError, 'missing 1 required positional argument: "size"'),
        ((-1,), RuntimeError, "expected extents of at least 0"),
        (((2, -3),), RuntimeError, "expected extents of at least 0"),
        ((2.5,), TypeError, "found element of type float at pos 0"),
        (((2, 2.0),), TypeError, "found element of type float at pos 1"),
        (((2, 3), 4), TypeError, "found element of type tuple at pos 0"),
        (("a",), TypeError, "found element of type str"),
        ((True,), TypeError, "found element of type bool"),
        ((None,), TypeError, "found element of type NoneType"),
    ],
)
def test_sizes_refused(make: Any, sizes: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(*sizes)


@pytest.mark.parametrize("make", MAKERS)
def test_options_that_only_pytorch_has(make: Any) -> None:
    for options in ({"layout": "strided"}, {"pin_memory": True}):
        with pytest.raises(NotImplementedError, match=next(iter(options))):
            make(2, **options)
    assert make(2, layout=None, pin_memory=False, out=None, device="cpu").shape == (2,)
    assert make(size=(2, 3)).shape == (2, 3)
    with pytest.raises(TypeError, match="multiple values"):
        make(2, size=(2,))
    with pytest.raises(TypeError, match=r"argument 'dtype' must be fastnn\.dtype"):
        make(2, dtype="float32")


def test_values_of_constants() -> None:
    assert fastnn.zeros(2, dtype=int).tolist() == [0, 0]
    assert fastnn.ones(2, dtype=bool).tolist() == [True, True]
    assert fastnn.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert fastnn.eye(2, dtype=dtypes.int8).tolist() == [[1, 0], [0, 1]]
    assert fastnn.eye(0).shape == (0, 0)


FULL: list[tuple[Any, str | None, str, Any]] = [
    (True, None, "bool", True),
    (3, None, "int64", 3),
    (3.5, None, "float32", 3.5),
    (np.float64(3.5), None, "float32", 3.5),
    (nan, None, "float32", nan),
    (3.5, "int32", "int32", 3),
    (-1, "uint8", "uint8", 255),
    (2, "bool", "bool", True),
    (inf, "float16", "float16", inf),
]


@pytest.mark.parametrize(("value", "given", "dtype", "expected"), FULL, ids=repr)
def test_full(value: Any, given: str | None, dtype: str, expected: Any) -> None:
    made = fastnn.full((2, 1), value, dtype=None if given is None else getattr(dtypes, given))
    assert made.dtype is getattr(dtypes, dtype)
    np.testing.assert_array_equal(array_of(made), np.full((2, 1), expected))


@pytest.mark.parametrize(
    ("arguments", "dtype", "error", "message"),
    [
        (((2,), 300), "uint8", RuntimeError, "without overflow"),
        (((2,), 1e39), None, RuntimeError, "without overflow"),
        (((2,), 1e39), "float32", RuntimeError, "without overflow"),
        (((2,), nan), "int32", RuntimeError, "without overflow"),
        (((2,), 10**400), "float64", RuntimeError, "without overflow"),
        ((3, 1), None, TypeError, "argument 'size' must be tuple of ints, not int"),
        (((2,), "a"), None, TypeError, "argument 'fill_value' must be Number, not str"),
        (((-2,), 1), None, RuntimeError, "at least 0"),
    ],
)
def test_full_refuses(arguments: Any, dtype: str | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fastnn.full(*arguments, dtype=None if dtype is None else getattr(dtypes, dtype))


def test_full_of_a_tensor() -> None:
    assert fastnn.full((2,), fastnn.tensor(1.5)).tolist() == [1.5, 1.5]
    with pytest.raises(TypeError, match="0-d tensor"):
        fastnn.full((2,), fastnn.tensor([1.5]))


@pytest.mark.parametrize("arguments", [(-1,), (2, -1)])
def test_eye_refuses_negative_extents(arguments: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match="must be greater or equal to 0, got -1"):
        fastnn.eye(*arguments)


def test_like() -> None:
    source = fastnn.tensor(np.arange(6, dtype=np.int16).reshape(2, 3).T)
    assert fastnn.zeros_like(source).tolist() == [[0, 0]] * 3
    assert fastnn.ones_like(source, dtype=dtypes.float64).tolist() == [[1.0, 1.0]] * 3
    assert fastnn.full_like(source, 3.7).tolist() == [[3, 3]] * 3
    assert fastnn.empty_like(source).shape == (3, 2)
    for made in (fastnn.zeros_like(source), fastnn.ones_like(source), fastnn.empty_like(source)):
        assert made.dtype is dtypes.int16
        assert made._array.flags.c_contiguous
    assert fastnn.zeros_like(source, dtype=dtypes.float32, requires_grad=True).requires_grad
    for like in (fastnn.zeros_like, fastnn.ones_like, fastnn.empty_like, fastnn.rand_like, fastnn.randn_like):
        with pytest.raises(TypeError, match="argument 'input' must be Tensor, not list"):
            like([1.0])
        with pytest.raises(NotImplementedError, match="memory_format"):
            like(source, memory_format="channels_last")


def test_new() -> None:
    source = fastnn.zeros(2, dtype=dtypes.int32)
    for made, expected in (
        (source.new_zeros(2, 1), [[0], [0]]),
        (source.new_zeros((2, 1)), [[0], [0]]),
        (source.new_ones(2), [1, 1]),
        (source.new_full((2,), 3.5), [3, 3]),
        (source.new_tensor([1.5]), [1]),
    ):
        assert made.dtype is dtypes.int32
        assert made.tolist() == expected
    assert source.new_empty((0, 2)).shape == (0, 2)
    assert source.new_ones(1, dtype=dtypes.float32, requires_grad=True).requires_grad


# ------------------------------------------------------------------------------------------- ranges

ARANGE: list[tuple[tuple[Any, ...], str | None]] = [
    ((5,), None),
    ((5.0,), None),
    ((1, 5), None),
    ((5, 1, -1), None),
    ((1, 1), None),
    ((0, 1, 0.1), None),
    ((0, 1, 0.1), "float64"),
    ((1, 2.5, 0.5), None),
    ((1, 6, 2), None),
    ((1, 7, 2), None),
    ((7, 0, -3), None),
    ((True,), None),
    ((0, 5, 1.5), "int64"),
    ((0.5, 5, 1), "int64"),
    ((0.5, 5.2, 1.7), "int64"),
    ((0, 5, 1.5), "int32"),
    ((5,), "float16"),
    ((300,), "uint8"),
    ((2**53, 2**53 + 4), None),
    ((-2.5, 2.5, 0.7), "float64"),
    ((0, 1e-3, 1e-5), None),
    ((0,), None),
]


def test_arange() -> None:
    assert fastnn.arange(3).tolist() == [0, 1, 2]
    assert fastnn.arange(3).dtype is dtypes.int64
    assert fastnn.arange(1, 2.5, 0.5).tolist() == [1.0, 1.5, 2.0]
    assert fastnn.arange(5, 1, -2).tolist() == [5, 3]
    assert fastnn.arange(start=1, end=4, step=2).tolist() == fastnn.arange(1, 4, step=2).tolist() == [1, 3]
    assert fastnn.arange(end=2).tolist() == [0, 1]
    assert fastnn.arange(fastnn.tensor(2), dtype=dtypes.float64).dtype is dtypes.float64
    assert fastnn.arange(np.int64(2)).dtype is dtypes.int64
    assert fastnn.arange(2**53, 2**53 + 2).tolist() == [2**53, 2**53 + 1]


@pytest.mark.parametrize("bounds", [(0, 1, 0.1), (0, 7, 3), (0, 2, 0.3), (10, 0, -0.7), (0.1, 0.1), (1, 1 + 1e-9, 1)])
def test_arange_size_formula(bounds: tuple[float, ...]) -> None:
    start, end, step = (*bounds, 1)[:3]
    assert fastnn.arange(*bounds, dtype=dtypes.float64).shape == (math.ceil((end - start) / step),)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((), {}, TypeError, 'missing 1 required positional argument: "end"'),
        ((), {"start": 1}, TypeError, 'missing 1 required positional argument: "end"'),
        ((1, 2, 3, 4), {}, TypeError, "positional"),
        ((1, 2), {"end": 3}, TypeError, "multiple values for argument 'end'"),
        ((1,), {"start": 1, "end": 3}, TypeError, "multiple values for argument 'start'"),
        (("a",), {}, TypeError, "argument 'end' must be Number, not str"),
        ((1, 5, 0), {}, RuntimeError, "step must be nonzero"),
        ((1, 5, 0.5), {"dtype": dtypes.int64}, RuntimeError, "step must be nonzero"),
        ((1, 5, -1), {}, RuntimeError, "inconsistent with step sign"),
        ((5, 1), {}, RuntimeError, "inconsistent with step sign"),
        ((nan,), {}, RuntimeError, "unsupported range"),
        ((0, inf), {}, RuntimeError, "unsupported range"),
        ((2,), {"dtype": dtypes.bool}, NotImplementedError, "bool"),
    ],
)
def test_arange_refuses(arguments: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fastnn.arange(*arguments, **options)


LINSPACE: list[tuple[tuple[Any, ...], str | None]] = [
    ((0, 1, 5), None),
    ((0, 1, 1), None),
    ((0, 1, 0), None),
    ((3, -2, 7), "float64"),
    ((0, 10, 4), "int64"),
    ((-5, 5, 7), "int32"),
    ((0.5, 3.9, 4), "int64"),
    ((0, 1, 100), "float32"),
    ((0, 1, 5), "float16"),
]


def test_linspace_is_exact_at_both_ends() -> None:
    for steps in (2, 3, 7, 49, 1000):
        values = fastnn.linspace(0.1, 0.7, steps, dtype=dtypes.float64)
        assert (values.tolist()[0], values.tolist()[-1]) == (0.1, 0.7)
    assert fastnn.linspace(0, 10, 4, dtype=dtypes.int64).tolist() == [0, 3, 6, 10]


def test_logspace() -> None:
    assert fastnn.logspace(0, 2, 3).tolist() == [1, 10, 100]
    assert fastnn.logspace(0, 3, 4, base=2).tolist() == [1, 2, 4, 8]
    assert fastnn.logspace(0, 2, 3, base=-2).tolist() == [1, -2, 4]
    assert fastnn.logspace(0, 2, 5, dtype=dtypes.int64).tolist() == [1, 3, 10, 31, 100]


@pytest.mark.parametrize("make", [fastnn.linspace, fastnn.logspace])
def test_spaces_refuse(make: Any) -> None:
    for arguments, options, error, message in (
        ((0, 1, -1), {}, RuntimeError, "number of steps must be non-negative"),
        ((0, 1, 5.0), {}, TypeError, "argument 'steps' must be int"),
        ((fastnn.zeros(1), 1, 3), {}, RuntimeError, "0-dimensional"),
        ((0, 1, 3), {"dtype": dtypes.bool}, NotImplementedError, "bool"),
    ):
        with pytest.raises(error, match=message):
            make(*arguments, **options)


@pytest.mark.peer
@pytest.mark.parametrize(("name", "cases"), [("arange", ARANGE), ("linspace", LINSPACE), ("logspace", LINSPACE)])
def test_peer_ranges(name: str, cases: list[tuple[tuple[Any, ...], str | None]]) -> None:
    torch = pytest.importorskip("torch")
    for arguments, dtype in cases:
        theirs = getattr(torch, name)(*arguments, dtype=dtype and getattr(torch, dtype))
        ours = getattr(fastnn, name)(*arguments, dtype=dtype and getattr(dtypes, dtype))
        assert repr(theirs.dtype)[6:] == repr(ours.dtype)[7:], arguments
        assert tuple(theirs.shape) == ours.shape, arguments
        if ours.dtype.is_floating_point:  # PyTorch computes in the dtype itself
            tolerance = 4 * dtypes.finfo(ours.dtype).eps
            np.testing.assert_allclose(array_of(ours), theirs.numpy(), rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(array_of(ours), theirs.numpy())


@pytest.mark.peer
def test_peer_arange_sizes() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for _ in range(300):
        start, step = rng.integers(-20, 20) / 8, rng.integers(1, 16) / rng.choice([1, 3, 8, 10])
        end = start + rng.integers(0, 40) * step / rng.choice([1, 2])
        for bounds in ((start, end, step), (end, start, -step), (int(start), int(end) + 3, int(step) + 1)):
            given = tuple(value.item() if isinstance(value, np.generic) else value for value in bounds)
            assert fastnn.arange(*given).shape == tuple(torch.arange(*given).shape), given
