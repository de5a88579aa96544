"""Element types, their promotion and limits, sizes and devices."""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import dtypes
from fastnn.device import check, device
from fastnn.size import Size

# name, other names, itemsize, floating, signed
TABLE = [
    ("float16", ("half",), 2, True, True),
    ("float32", ("float",), 4, True, True),
    ("float64", ("double",), 8, True, True),
    ("bool", (), 1, False, False),
    ("uint8", (), 1, False, False),
    ("int8", (), 1, False, True),
    ("int16", ("short",), 2, False, True),
    ("int32", ("int",), 4, False, True),
    ("int64", ("long",), 8, False, True),
]
NAMES = [row[0] for row in TABLE]


@pytest.mark.parametrize(("name", "others", "itemsize", "floating", "signed"), TABLE)
def test_attributes(name: str, others: tuple[str, ...], itemsize: int, floating: bool, signed: bool) -> None:
    d = getattr(dtypes, name)
    assert repr(d) == f"fastnn.{name}"
    assert (d.itemsize, d.is_floating_point, d.is_signed, d.is_complex) == (itemsize, floating, signed, False)
    assert d.to_numpy == np.dtype(name)
    assert dtypes.from_numpy_dtype(d.to_numpy) is d
    assert all(getattr(dtypes, other) is d for other in others)


@pytest.mark.parametrize("name", NAMES)
def test_a_dtype_is_a_singleton(name: str) -> None:
    d = getattr(dtypes, name)
    assert pickle.loads(pickle.dumps(d)) is d
    assert copy.deepcopy(d) is d
    with pytest.raises(AttributeError, match="read-only"):
        d.itemsize = 3


def test_dtypes_cannot_be_made_or_derived_from() -> None:
    with pytest.raises(TypeError, match="cannot create"):
        dtypes.dtype()


@pytest.mark.parametrize("code", "bhilqBf")
def test_c_integers_of_one_width_are_one_dtype(code: str) -> None:
    given = np.dtype(code)
    assert dtypes.from_numpy_dtype(given).to_numpy == given


@pytest.mark.parametrize("given", [np.complex64, np.uint16, np.uint32, np.uint64, np.object_, "U3", "M8[s]"])
def test_unsupported_numpy_dtypes_are_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"can't convert np\.ndarray of type numpy\."):
        dtypes.from_numpy_dtype(np.dtype(given))


def test_byte_order_does_not_matter_to_the_dtype() -> None:
    assert dtypes.from_numpy_dtype(np.dtype(">f4")) is dtypes.float32


@pytest.mark.parametrize(
    ("given", "expected"),
    [(float, np.float64), (int, np.int64), (bool, np.bool_), (None, np.float32), (dtypes.int8, np.int8)],
)
def test_to_numpy_dtype(given: Any, expected: Any) -> None:
    assert dtypes.to_numpy_dtype(given) == np.dtype(expected)


@pytest.mark.parametrize("given", ["float32", np.float32, complex, 3, np.dtype("f4")])
def test_to_numpy_dtype_refuses_other_things(given: Any) -> None:
    with pytest.raises(TypeError, match=r"zeros\(\): argument 'dtype' must be fastnn.dtype"):
        dtypes.to_numpy_dtype(given, "zeros")


@pytest.fixture
def double_by_default() -> Any:
    dtypes.set_default_dtype(dtypes.float64)
    yield
    dtypes.set_default_dtype(dtypes.float32)


@pytest.mark.usefixtures("double_by_default")
def test_default_dtype_is_used() -> None:
    assert dtypes.get_default_dtype() is dtypes.float64
    for made in (
        fastnn.zeros(1),
        fastnn.tensor(1.5),
        fastnn.tensor([1.5]),
        fastnn.rand(1),
        fastnn.arange(1.0),
        fastnn.full((1,), 0.5),
    ):
        assert made.dtype is dtypes.float64
    assert fastnn.tensor([1]).dtype is dtypes.int64
    assert dtypes.result_type(fastnn.tensor([1]), 2.5) is dtypes.float64


@pytest.mark.parametrize("given", [dtypes.int32, dtypes.bool, float, "float32", None])
def test_default_dtype_must_be_floating(given: Any) -> None:
    with pytest.raises(TypeError, match="floating"):
        dtypes.set_default_dtype(given)
    assert dtypes.get_default_dtype() is dtypes.float32


def test_questions_about_objects() -> None:
    assert dtypes.is_tensor(fastnn.zeros(1))
    assert not dtypes.is_tensor(np.zeros(1))
    assert dtypes.is_floating_point(fastnn.zeros(1, dtype=dtypes.float16)) is True
    assert dtypes.is_floating_point(fastnn.zeros(1, dtype=dtypes.bool)) is False
    assert dtypes.is_complex(fastnn.zeros(1)) is False
    for question in (dtypes.is_floating_point, dtypes.is_complex):
        with pytest.raises(TypeError, match="must be Tensor, not ndarray"):
            question(np.zeros(1))


# ------------------------------------------------------------------------------------------- promotion


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("uint8", "int8", "int16"),
        ("uint8", "int32", "int32"),
        ("bool", "uint8", "uint8"),
        ("bool", "bool", "bool"),
        ("int64", "float16", "float16"),
        ("float16", "float32", "float32"),
        ("float32", "float64", "float64"),
    ],
)
def test_promote_types(a: str, b: str, expected: str) -> None:
    first, second = getattr(dtypes, a), getattr(dtypes, b)
    assert dtypes.promote_types(first, second) is getattr(dtypes, expected)
    assert dtypes.promote_types(second, first) is getattr(dtypes, expected)


def _operand(module: Any, name: str) -> Any:
    """ "int8:1" is a tensor with a dimension, "int8:0" one without, "number:2.5" a Python number."""
    kind, rest = name.split(":")
    if kind == "number":
        return {"True": True, "2": 2, "2.5": 2.5}[rest]
    shape = (1,) if rest == "1" else ()
    return module.ones(shape, dtype=getattr(module, kind))


OPERANDS = [f"{name}:{dims}" for name in NAMES for dims in (1, 0)] + ["number:True", "number:2", "number:2.5"]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("float32:1", "float64:0", "float32"),
        ("float32:1", "number:2.5", "float32"),
        ("int64:1", "number:2.5", "float32"),
        ("int64:1", "float64:0", "float64"),
        ("int8:1", "int64:0", "int8"),
        ("int8:1", "number:2", "int8"),
        ("bool:1", "number:2", "int64"),
        ("float16:0", "float64:1", "float64"),
        ("float16:0", "number:2.5", "float16"),
        ("number:2", "number:2.5", "float32"),
    ],
)
def test_result_type(a: str, b: str, expected: str) -> None:
    assert dtypes.result_type(_operand(fastnn, a), _operand(fastnn, b)) is getattr(dtypes, expected)


def test_result_type_of_numpy_scalars_and_of_many() -> None:
    assert dtypes.result_type(fastnn.ones(1), np.float64(1)) is dtypes.float32
    assert dtypes.result_type(fastnn.ones(1, dtype=dtypes.int32), np.int64(1)) is dtypes.int32
    assert dtypes.result_type(fastnn.tensor([1]), fastnn.tensor(1.5), fastnn.tensor([True])) is dtypes.float32
    with pytest.raises(TypeError, match="at least one"):
        dtypes.result_type()
    with pytest.raises(TypeError, match="expected a Tensor or a number, got str"):
        dtypes.result_type(fastnn.ones(1), "a")


@pytest.mark.peer
@pytest.mark.parametrize("a", OPERANDS)
def test_peer_promotion(a: str) -> None:
    torch = pytest.importorskip("torch")
    for b in OPERANDS:
        ours = dtypes.result_type(_operand(fastnn, a), _operand(fastnn, b))
        theirs = torch.result_type(_operand(torch, a), _operand(torch, b))
        assert repr(ours) == repr(theirs).replace("torch", "fastnn"), (a, b)


@pytest.mark.peer
def test_peer_tables_of_types() -> None:
    torch = pytest.importorskip("torch")
    for a, b in itertools.product(NAMES, NAMES):
        ours, theirs = [getattr(dtypes, n) for n in (a, b)], [getattr(torch, n) for n in (a, b)]
        assert repr(dtypes.promote_types(*ours))[7:] == repr(torch.promote_types(*theirs))[6:]
        assert dtypes.can_cast(*ours) is torch.can_cast(*theirs)


@pytest.mark.parametrize("function", [dtypes.promote_types, dtypes.can_cast])
def test_type_functions_refuse_other_things(function: Any) -> None:
    with pytest.raises(TypeError, match=r"must be fastnn\.dtype, not type"):
        function(dtypes.float32, float)


# ------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_finfo(name: str) -> None:
    ours, limits = dtypes.finfo(getattr(dtypes, name)), np.finfo(name)
    assert (ours.bits, ours.dtype) == (limits.bits, name)
    assert (ours.max, ours.min, ours.eps) == (limits.max, limits.min, limits.eps)
    assert ours.tiny == ours.smallest_normal == limits.smallest_normal
    assert dtypes.finfo().dtype == "float32"


@pytest.mark.parametrize("name", ["uint8", "int8", "int16", "int32", "int64"])
def test_iinfo(name: str) -> None:
    ours, limits = dtypes.iinfo(getattr(dtypes, name)), np.iinfo(name)
    assert (ours.bits, ours.dtype, ours.min, ours.max) == (limits.bits, name, limits.min, limits.max)


def test_limits_refuse_the_other_kind() -> None:
    for wrong in (lambda: dtypes.finfo(dtypes.int32), lambda: dtypes.iinfo(dtypes.float32)):
        with pytest.raises(TypeError, match="requires"):
            wrong()
    with pytest.raises(TypeError):
        dtypes.iinfo(dtypes.bool)


@pytest.mark.peer
@pytest.mark.parametrize("name", [n for n in NAMES if n != "bool"])
def test_peer_limits(name: str) -> None:
    torch = pytest.importorskip("torch")
    which = "finfo" if "float" in name else "iinfo"
    ours, theirs = getattr(dtypes, which)(getattr(dtypes, name)), getattr(torch, which)(getattr(torch, name))
    assert repr(ours) == repr(theirs)
    for field in ("bits", "max", "min", *(("eps", "tiny", "resolution") if which == "finfo" else ())):
        assert getattr(ours, field) == getattr(theirs, field)


# ------------------------------------------------------------------------------------------- sizes


def test_size() -> None:
    size = Size((2, 3, 4))
    assert repr(size) == "fastnn.Size([2, 3, 4])"
    assert repr(Size()) == "fastnn.Size([])"
    assert (size.numel(), Size().numel(), Size((3, 0)).numel()) == (24, 1, 0)
    assert size == (2, 3, 4)
    assert hash(size) == hash((2, 3, 4))
    assert (size[0], size[-1]) == (2, 4)
    for part, expected in ((size[:-1], (2, 3)), (size + (5,), (2, 3, 4, 5)), ((1,) + size, (1, 2, 3, 4))):  # noqa: RUF005
        assert type(part) is Size
        assert part == expected
    assert pickle.loads(pickle.dumps(size)) == size


# ------------------------------------------------------------------------------------------- devices


def test_device() -> None:
    assert repr(device("cpu")) == "device(type='cpu')"
    assert repr(device("cpu", 0)) == "device(type='cpu', index=0)"
    assert (str(device("cpu")), str(device("cpu:0"))) == ("cpu", "cpu:0")
    assert device("cpu:0") == device("cpu", 0) == device(device("cpu:0"))
    assert device("cpu") != device("cpu:0")
    assert device("cpu") != "cpu"
    assert hash(device("cpu:1")) == hash(device("cpu", 1))
    assert pickle.loads(pickle.dumps(device("cpu:1"))) == device("cpu:1")
    with pytest.raises(AttributeError, match="not writable"):
        device("cpu").type = "cuda"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cuda",), "fastnn is a CPU library"),
        (("mps:0",), "fastnn is a CPU library"),
        ((0,), "fastnn is a CPU library"),
        (("gpu",), "Expected one of cpu"),
        (("CPU",), "Expected one of cpu"),
        (("",), "must not be empty"),
        (("cpu:",), "Invalid device string"),
        (("cpu:-1",), "Invalid device string"),
        (("cpu:00",), "Invalid device string"),
        (("cpu:x",), "Invalid device string"),
        (("cpu", -1), "must not be negative"),
        (("cpu:1", 1), "must not include an index"),
    ],
)
def test_device_refuses(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        device(*arguments)


@pytest.mark.parametrize("arguments", [(None,), (1.5,), (device("cpu"), 0)])
def test_device_of_wrong_type(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        device(*arguments)


def test_device_arguments() -> None:
    assert check(None) == check("cpu") == check(device("cpu")) == device("cpu")
    assert fastnn.zeros(2, device="cpu").shape == (2,)
    for make in (fastnn.zeros, fastnn.rand):
        with pytest.raises(RuntimeError, match="CPU library"):
            make(2, device="cuda")
    with pytest.raises(RuntimeError, match="CPU library"):
        fastnn.tensor([1.0], device="cuda:0")
