"""out=: the result in a tensor that the caller gives."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.ops.out import LINALG, SPECIAL, TOP_LEVEL


def test_the_result_is_out_in_its_own_memory() -> None:
    memory = np.zeros((2, 3))
    out = fastnn.from_numpy(memory)
    x = fastnn.arange(6.0, dtype=fastnn.float64).reshape(2, 3)
    assert fastnn.mul(x, 2, out=out) is out
    np.testing.assert_array_equal(memory, [[0, 2, 4], [6, 8, 10]])


def test_out_may_be_an_input_and_a_view() -> None:
    x = fastnn.arange(6.0).reshape(2, 3)
    fastnn.add(x, 1, out=x)
    fastnn.exp(x[0] * 0, out=x[1])
    assert x.tolist() == [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]


def test_out_may_not_be_a_part_of_an_input() -> None:
    x = fastnn.arange(6.0)
    index = fastnn.tensor([0, 1, 2])
    for call in (
        lambda: fastnn.exp(x[1:], out=x[:-1]),
        lambda: fastnn.cat([x[:2], x[2:4]], out=x[:4]),
        lambda: fastnn.take(x[:3], index, out=x[:3]),
        lambda: fastnn.exp(x[:3], out=x.as_strided((3,), (0,))),
    ):
        with pytest.raises(RuntimeError, match=r"single memory location|read-only"):
            call()
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_several_results() -> None:
    values, indices = fastnn.empty(0), fastnn.empty(0, dtype=fastnn.int64)
    found = fastnn.max(fastnn.tensor([[3.0, 5.0, 4.0]]), 1, out=(values, indices))
    assert found.values is values
    assert found.indices is indices
    assert (values.tolist(), indices.tolist()) == ([5.0], [1])


def test_out_of_another_size_is_resized_with_a_warning_unless_empty() -> None:
    out = fastnn.zeros(5)
    with pytest.warns(UserWarning, match=r"resized since it had shape \[5\]"):
        fastnn.exp(fastnn.zeros(2, 2), out=out)
    assert out.tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("name", ["zeros", "rand", "full", "arange", "randperm"])
def test_what_makes_numbers_makes_them_in_the_dtype_of_out(name: str) -> None:
    out = fastnn.empty(3, dtype=fastnn.float64)
    size: tuple[Any, ...] = ((3,), 7) if name == "full" else (3,)
    getattr(fastnn, name)(*size, out=out)
    assert out.dtype == fastnn.float64
    assert out.shape == (3,)


def test_a_change_by_out_is_caught_by_the_tape() -> None:
    w = fastnn.ones(3, requires_grad=True)
    x = fastnn.ones(3)
    y = (w * x).sum()
    fastnn.zeros(3, out=x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def _a() -> fastnn.Tensor:
    return fastnn.ones(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda out: fastnn.add(_a().requires_grad_(), 1, out=out), RuntimeError, "don't support automatic diff"),
        (lambda out: fastnn.add(_a(), 1, out=out.requires_grad_()), RuntimeError, "don't support automatic diff"),
        (lambda out: fastnn.add(_a(), 1, out=out.to(fastnn.int64)), RuntimeError, "can't be cast"),
        (lambda out: fastnn.add(_a(), 1, out=out[:1].expand(3)), RuntimeError, "read-only"),
        (lambda out: fastnn.add(_a(), 1, out=3), TypeError, "argument 'out' must be Tensor, not int"),
        (lambda out: fastnn.add(_a(), 1, out=(out, out)), TypeError, "argument 'out' must be Tensor"),
        (lambda out: fastnn.max(_a(), 0, out=out), TypeError, "argument 'out' must be a tuple of 2 Tensors"),
        (lambda out: fastnn.max(_a(), 0, out=(out, out)), RuntimeError, "Expected out tensor to have dtype"),
        (lambda out: fastnn.sort(_a(), out=()), TypeError, "argument 'out'"),
    ],
)
def test_what_out_cannot_hold_is_refused_and_nothing_is_written(call: Any, error: type, message: str) -> None:
    out = fastnn.zeros(3)
    version = out._version
    with pytest.raises(error, match=message):
        call(out)
    assert out.tolist() == [0.0, 0.0, 0.0]
    assert out._version == version


def test_without_grad_out_may_require_it() -> None:
    out = fastnn.zeros(3, requires_grad=True)
    with fastnn.no_grad():
        fastnn.add(_a(), 1, out=out)
    assert out.tolist() == [2.0, 2.0, 2.0]


def test_the_functions_are_still_pickled_by_name() -> None:
    for function in (fastnn.absolute, fastnn.tanh, fastnn.linalg.norm, fastnn.special.expit):
        assert pickle.loads(pickle.dumps(function)) is function


@pytest.mark.peer
def test_pytorch_takes_out_in_the_same_functions() -> None:
    torch = pytest.importorskip("torch")
    for module, names in ((torch, TOP_LEVEL), (torch.linalg, LINALG), (torch.special, SPECIAL)):
        for name in names.split():
            function = getattr(module, name)
            with pytest.raises((TypeError, RuntimeError)) as raised:  # no arguments, or an out= that is no tensor
                function(out=object())
            assert "unexpected keyword argument" not in str(raised.value), name


@pytest.mark.peer
@pytest.mark.parametrize(
    ("name", "args"),
    [("exp", ()), ("mean", (0,)), ("cumsum", (1,)), ("argmax", (1,)), ("sort", ()), ("topk", (2,)), ("nonzero", ())],
)
def test_the_numbers_are_pytorchs(name: str, args: tuple[Any, ...]) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    made = []
    for library in (torch, fastnn):
        values, indices = library.empty(0), library.empty(0, dtype=library.int64)
        out = (values, indices) if name in ("sort", "topk") else indices if name in ("argmax", "nonzero") else values
        getattr(library, name)(library.from_numpy(x.copy()), *args, out=out)
        made.append([np.asarray(part) for part in (out if isinstance(out, tuple) else (out,))])
    for theirs, ours in zip(*made, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
