"""Tensors are printed to the letter as PyTorch prints them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.printing import get_printoptions, printoptions, set_printoptions

nan, inf = float("nan"), float("inf")

# Python data, then its print (PyTorch's, with fastnn's name where there is one).
PRINTED: list[tuple[Any, str]] = [
    ([[1.0, 2.0], [3.0, 4.0]], "tensor([[1., 2.],\n        [3., 4.]])"),
    ([1.5, 2.0, -3.25], "tensor([ 1.5000,  2.0000, -3.2500])"),
    (3, "tensor(3)"),
    (3.0, "tensor(3.)"),
    (0.1, "tensor(0.1000)"),
    (True, "tensor(True)"),
    ([True, False], "tensor([ True, False])"),
    ([1, -20, 300], "tensor([  1, -20, 300])"),
    ([], "tensor([])"),
    ([nan, inf, -inf], "tensor([nan, inf, -inf])"),
    ([nan, 1.0, -inf], "tensor([nan, 1., -inf])"),
    ([nan, 0.5, inf], "tensor([   nan, 0.5000,    inf])"),
    ([1e-5, 1.0], "tensor([1.0000e-05, 1.0000e+00])"),
    ([1e9, 1.0], "tensor([1.0000e+09, 1.0000e+00])"),
    ([1000.0, 1.0], "tensor([1000.,    1.])"),
    ([1001.0, 1.0], "tensor([1.0010e+03, 1.0000e+00])"),
    ([0.0, -0.0], "tensor([0., -0.])"),
    (
        list(range(30)),
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
        "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])",
    ),
]


@pytest.mark.parametrize(("data", "expected"), PRINTED)
def test_repr(data: Any, expected: str) -> None:
    assert repr(fastnn.tensor(data)) == str(fastnn.tensor(data)) == expected


def test_suffixes() -> None:
    f64 = fastnn.float64
    assert repr(fastnn.zeros(2, dtype=f64)) == "tensor([0., 0.], dtype=fastnn.float64)"
    assert repr(fastnn.zeros(2, requires_grad=True)) == "tensor([0., 0.], requires_grad=True)"
    assert repr(fastnn.zeros(1, dtype=f64, requires_grad=True)) == (
        "tensor([0.], dtype=fastnn.float64, requires_grad=True)"
    )
    assert repr(fastnn.zeros(0, 3)) == "tensor([], size=(0, 3))"
    assert repr(fastnn.zeros(0, dtype=fastnn.int64)) == "tensor([], dtype=fastnn.int64)"
    assert repr(fastnn.zeros(2, 0, dtype=fastnn.bool)) == "tensor([], size=(2, 0), dtype=fastnn.bool)"
    total = fastnn.ones(2, requires_grad=True) + fastnn.ones(2)
    assert repr(total) == "tensor([2., 2.], grad_fn=<AddBackward0>)"


def test_a_long_line_puts_its_suffix_on_the_next() -> None:
    text = repr(fastnn.zeros(18, dtype=fastnn.int32))
    assert text == "tensor([" + ", ".join("0" * 18) + "],\n       dtype=fastnn.int32)"


def test_summary() -> None:
    assert repr(fastnn.arange(1000)).count(",") == 999
    assert repr(fastnn.arange(1001)) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    lines = repr(fastnn.zeros(40, 40)).splitlines()
    assert lines == [
        "tensor([[0., 0., 0.,  ..., 0., 0., 0.],",
        *["        [0., 0., 0.,  ..., 0., 0., 0.],"] * 2,
        "        ...,",
        *["        [0., 0., 0.,  ..., 0., 0., 0.],"] * 2,
        "        [0., 0., 0.,  ..., 0., 0., 0.]])",
    ]


def test_only_what_is_shown_decides_the_format() -> None:
    values = np.ones(2000, np.float32)
    values[1000] = 1e20
    assert repr(fastnn.tensor(values)) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


@pytest.fixture
def options() -> Iterator[None]:
    before = get_printoptions()
    yield
    set_printoptions(**before)


@pytest.mark.usefixtures("options")
def test_options() -> None:
    third = fastnn.tensor([1 / 3])
    set_printoptions(precision=2)
    assert repr(third) == "tensor([0.33])"
    set_printoptions(sci_mode=True)
    assert repr(third) == "tensor([3.33e-01])"
    set_printoptions(threshold=3, edgeitems=1, precision=1)
    assert repr(fastnn.arange(5)) == "tensor([0,  ..., 4])"
    set_printoptions(edgeitems=0)
    assert repr(fastnn.arange(5)) == "tensor([...], size=(5,))"
    set_printoptions(profile="short")
    assert get_printoptions() == {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80, "sci_mode": None}
    set_printoptions(profile="full", linewidth=20)
    assert repr(fastnn.arange(2000)).endswith("1999])")
    assert max(map(len, repr(fastnn.arange(2000)).splitlines())) <= 20
    with printoptions(profile="default"):
        assert repr(third) == "tensor([0.3333])"
    assert get_printoptions()["threshold"] == inf
    with pytest.raises(ValueError, match="profile must be one of default, short, full, got 'long'"):
        set_printoptions(profile="long")


def test_strides_do_not_matter() -> None:
    array = np.arange(12.0).reshape(3, 4)
    assert repr(fastnn.from_numpy(array.T[::-1])) == repr(fastnn.tensor(array.T[::-1].copy()))


# ------------------------------------------------------------------------------------------- peer

SHAPES = [(), (1,), (5,), (30,), (0,), (0, 3), (2, 0, 3), (2, 3), (3, 4, 5), (2, 2, 2, 2), (1001,), (40, 40), (2, 600)]
SHAPES += [(600, 2), (11, 12, 13), (1, 1, 1200)]


def _values(shape: tuple[int, ...], kind: str) -> Any:
    rng = np.random.default_rng(7)
    values = rng.standard_normal(shape)
    if kind == "whole":
        return np.round(values * 10)
    if kind == "not finite":
        return np.where(rng.random(shape) < 0.3, rng.choice([nan, inf, -inf], shape), values)
    if kind == "many sizes":
        return values * 10.0 ** rng.integers(-5, 5, shape)
    return values * float(kind)


def _normal(text: str) -> str:
    """Without the line break before a suffix, whose place depends on the length of the library's name."""
    return re.sub(r"\],\s+dtype", "], dtype", text.replace("torch.", "fastnn."))


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")
@pytest.mark.parametrize("kind", ["1", "0", "1e-6", "1e3", "1e6", "1e12", "whole", "not finite", "many sizes"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64"])
def test_peer_repr(kind: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    for shape in SHAPES:
        array = np.array(_values(shape, kind)).astype(dtype)
        assert _normal(repr(fastnn.from_numpy(array))) == _normal(repr(torch.from_numpy(array))), shape


@pytest.mark.peer
@pytest.mark.parametrize(
    "options",
    [
        {"precision": 1},
        {"precision": 7, "linewidth": 50},
        {"threshold": 5, "edgeitems": 2},
        {"threshold": 5, "edgeitems": 0},
        {"sci_mode": True},
        {"sci_mode": False},
        {"profile": "short"},
        {"profile": "full"},
    ],
)
def test_peer_options(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    try:
        torch.set_printoptions(**options)
        with printoptions(**options):
            for kind in ("1", "whole", "many sizes"):
                for shape in SHAPES:
                    array = np.asarray(_values(shape, kind))
                    assert _normal(repr(fastnn.from_numpy(array))) == _normal(repr(torch.from_numpy(array))), shape
    finally:
        torch.set_printoptions(profile="default", sci_mode=None)
