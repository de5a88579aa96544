"""Memory shared with NumPy, with buffers, and with other libraries by DLPack."""

from __future__ import annotations

import array as python_array
import warnings
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import convert, dtypes
from fastnn.dlpack import dlpack_device, from_dlpack, to_dlpack


@pytest.fixture
def unwarned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "_warned_read_only", False)


def _read_only(values: Any) -> Any:
    array = np.array(values)
    array.flags.writeable = False
    return array


# ------------------------------------------------------------------------------------------- from_numpy, as_tensor


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "?", "u1", "i1", "i2", "i4", "i8", "q", "l"])
@pytest.mark.parametrize("take", [fastnn.from_numpy, fastnn.as_tensor, fastnn.asarray])
def test_memory_is_shared(take: Any, dtype: str) -> None:
    array = np.zeros((3, 4), dtype)
    for view in (array, array.T, array[::-1, ::2], array[1:2]):
        tensor = take(view)
        assert np.shares_memory(tensor._array, array)
        assert tensor._array.strides == view.strides
        assert tensor.dtype is dtypes.from_numpy_dtype(np.dtype(dtype))
    array[1, 1] = 1
    assert take(array).tolist()[1][1] == 1


def test_subclasses_become_plain_arrays() -> None:
    class Named(np.ndarray):
        pass

    assert type(fastnn.from_numpy(np.zeros(2).view(Named))._array) is np.ndarray
    assert type(fastnn.tensor(np.zeros(2).view(Named))._array) is np.ndarray


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([1.0], TypeError, r"expected np.ndarray \(got list\)"),
        (np.float32(3), TypeError, r"expected np.ndarray \(got float32\)"),
        (np.zeros(2, ">f4"), ValueError, "byte order"),
        (np.zeros(9, np.uint8)[1:].view(np.float32), ValueError, "not aligned"),
        (np.zeros(2, np.complex128), TypeError, "can't convert np.ndarray of type numpy.complex128"),
        (np.zeros(2, object), TypeError, "numpy.object_"),
    ],
)
def test_from_numpy_refuses(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fastnn.from_numpy(given)


def test_as_tensor_copies_what_it_cannot_share() -> None:
    assert fastnn.as_tensor(np.array([1, 2], ">i4")).tolist() == [1, 2]
    unaligned = np.arange(9, dtype=np.uint8)[1:].view(np.float32)
    assert fastnn.as_tensor(unaligned).tolist() == unaligned.tolist()
    converted = fastnn.as_tensor(np.arange(3), dtype=dtypes.float32)
    assert converted.dtype is dtypes.float32
    assert fastnn.as_tensor([1, 2.0]).tolist() == [1.0, 2.0]
    tensor = fastnn.zeros(2)
    assert fastnn.as_tensor(tensor) is tensor
    assert fastnn.as_tensor(tensor, dtype=dtypes.float64).dtype is dtypes.float64


def test_as_tensor_keeps_the_tape() -> None:
    x = fastnn.ones(2, requires_grad=True)
    fastnn.as_tensor(x, dtype=dtypes.float64).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1]


@pytest.mark.usefixtures("unwarned")
@pytest.mark.parametrize("take", [fastnn.from_numpy, fastnn.as_tensor, fastnn.asarray])
def test_read_only_arrays_warn_once_and_stay_read_only(take: Any) -> None:
    array = _read_only([1.0, 2.0])
    with pytest.warns(UserWarning, match="read-only"):
        tensor = take(array)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        take(array)
        fastnn.tensor(array).zero_()
    assert np.shares_memory(tensor._array, array)
    assert tensor.sum().item() == 3.0
    with pytest.raises(RuntimeError, match="read-only"):
        tensor.zero_()
    assert array.flags.writeable is False
    assert array.tolist() == [1.0, 2.0]


def test_read_only_inputs_reach_the_kernels() -> None:
    array = np.frombuffer(np.arange(6, dtype=np.float32).tobytes(), np.float32).reshape(2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shared = fastnn.from_numpy(array)
    expected = np.exp(array) / np.exp(array).sum(1, keepdims=True)
    for tensor in (shared, fastnn.tensor(array)):
        np.testing.assert_allclose(fastnn.softmax(tensor, 1).numpy(), expected, rtol=1e-6)
    assert array.flags.writeable is False


# ------------------------------------------------------------------------------------------- asarray, frombuffer


def test_asarray() -> None:
    array = np.arange(3.0)
    assert not np.shares_memory(fastnn.asarray(array, copy=True)._array, array)
    assert fastnn.asarray(array, dtype=dtypes.float32).dtype is dtypes.float32
    assert fastnn.asarray(3).dtype is dtypes.int64
    assert fastnn.asarray([1.0], requires_grad=True).requires_grad
    assert fastnn.asarray(array, requires_grad=True).requires_grad
    for given, options in ((array, {"dtype": dtypes.float32}), ([1.0], {})):
        with pytest.raises(ValueError, match="copy=False"):
            fastnn.asarray(given, copy=False, **options)
    tensor = fastnn.zeros(2, requires_grad=True)
    assert fastnn.asarray(tensor) is fastnn.asarray(tensor, requires_grad=True) is tensor
    assert not fastnn.asarray(tensor, requires_grad=False).requires_grad
    data = bytearray(b"abcd")
    shared = fastnn.asarray(data, dtype=dtypes.uint8)
    data[0] = 0
    assert shared.tolist() == [0, 98, 99, 100]


def test_frombuffer() -> None:
    data = bytearray(np.arange(4, dtype=np.float32).tobytes())
    tensor = fastnn.frombuffer(data, dtype=dtypes.float32)
    assert tensor.tolist() == [0, 1, 2, 3]
    data[4:8] = np.float32(7).tobytes()
    assert tensor.tolist() == [0, 7, 2, 3]
    assert fastnn.frombuffer(data, dtype=dtypes.float32, count=1, offset=8).tolist() == [2]
    assert fastnn.frombuffer(data, dtype=dtypes.float32, count=-3, offset=8, requires_grad=True).requires_grad
    assert fastnn.frombuffer(python_array.array("i", [1, 2]), dtype=dtypes.int32).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("buffer", "options", "message"),
    [
        ([1], {}, "does not implement Python buffer protocol"),
        (b"", {}, "must not be 0"),
        (bytearray(8), {"count": 0}, "must not be 0"),
        (bytearray(8), {"offset": 8}, "no greater than buffer length"),
        (bytearray(8), {"offset": -1}, "must be non-negative"),
        (bytearray(9), {}, "must be a multiple of element size"),
        (bytearray(8), {"count": 3}, "must not be greater than actual buffer length"),
        (bytearray(9), {"offset": 1}, "unaligned"),
    ],
)
def test_frombuffer_refuses(buffer: Any, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fastnn.frombuffer(buffer, dtype=dtypes.float32, **options)


# ------------------------------------------------------------------------------------------- DLPack


class Elsewhere:
    """What a library with memory on a GPU hands over."""

    def __dlpack__(self, **_: Any) -> Any:
        raise AssertionError("must not be asked for")

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "?", "u1", "i1", "i2", "i4", "i8"])
def test_dlpack_shares_memory_with_numpy(dtype: str) -> None:
    array = np.zeros((3, 4), dtype)
    tensor = from_dlpack(array[:, ::2])
    array[1, 2] = 1
    assert tensor.tolist()[1][1] == 1
    assert tensor.dtype.to_numpy == array.dtype
    back = np.from_dlpack(tensor)
    assert np.shares_memory(back, array)
    assert back.strides == array[:, ::2].strides
    assert tuple(dlpack_device(tensor)) == (1, 0)
    assert from_dlpack(to_dlpack(tensor)).tolist() == tensor.tolist()


def test_dlpack_refuses() -> None:
    with pytest.raises(TypeError, match="has no __dlpack__ method: list"):
        from_dlpack([1.0])
    with pytest.raises(RuntimeError, match="fastnn is a CPU library"):
        from_dlpack(Elsewhere())
    with pytest.raises(TypeError, match="can't convert"):
        from_dlpack(np.zeros(2, np.complex64))
    with pytest.raises(BufferError, match="require gradient"):
        np.from_dlpack(fastnn.zeros(2, requires_grad=True))


def test_dlpack_of_read_only_memory() -> None:
    tensor = from_dlpack(_read_only([1.0, 2.0]))
    with pytest.raises(RuntimeError, match="read-only"):
        tensor.zero_()
    with pytest.raises(BufferError, match=r"read-only.*pass tensor.clone\(\)"):
        tensor.__dlpack__()
    assert from_dlpack(tensor.clone()).zero_().tolist() == [0.0, 0.0]


@pytest.mark.peer
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64"])
def test_peer_shares_memory(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.zeros(3, 4, dtype=getattr(torch, dtype))
    ours = from_dlpack(theirs[:, 1:])
    theirs[1, 1] = 1
    assert ours.tolist()[1][0] == 1
    again = torch.from_dlpack(ours)
    again[2, 2] = 1
    assert theirs.tolist()[2][3] == ours.tolist()[2][2] == 1
    assert again.data_ptr() == theirs.data_ptr() + theirs.element_size()
    assert from_dlpack(torch.utils.dlpack.to_dlpack(theirs)).tolist() == theirs.tolist()


@pytest.mark.peer
def test_peer_dtype_that_fastnn_lacks() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises((TypeError, BufferError)):
        from_dlpack(torch.zeros(2, dtype=torch.bfloat16))
