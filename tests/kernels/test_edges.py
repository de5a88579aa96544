"""What kernels refuse, and that they refuse it before they write; outputs that may be inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from kernel_rows import arguments

from fastnn.kernels import contract
from fastnn.kernels.cases import CASES, Case, parameters


def _fit(case: Case) -> bool:
    """A small row all of whose arrays have at least 3 elements along the last axis, so that none can be broadcast."""
    if case.size == "large":
        return False
    arrays = [array for value in arguments(case, "f4") for array in _arrays(value)]
    return bool(arrays) and all(array.ndim and array.shape[-1] >= 3 and array.size for array in arrays)


def _arrays(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, np.ndarray)]


def _rows() -> list[Case]:
    """Up to three such rows a kernel."""
    rows: list[Case] = []
    for kernel in contract.KERNELS:
        fit = [case for case in CASES if case.kernel == kernel and _fit(case)]
        assert fit, f"no row of {kernel} to try wrong arrays on"
        rows += fit[:3]
    return rows


ROWS = _rows()


def _longer(array: Any) -> Any:
    return np.concatenate([array, array[..., :1]], axis=-1)


def _shorter(array: Any) -> Any:
    return array[..., :-1].copy()


def _strided(array: Any) -> Any:
    return np.repeat(array, 2, axis=-1)[..., ::2]


def _misaligned(array: Any) -> Any:
    memory = np.empty(array.nbytes + 1, np.uint8)
    moved = memory[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def _other_type(array: Any) -> Any:
    return array.astype({"f4": "f8", "f8": "f4", "i8": "i4", "u1": "i8"}[array.dtype.str[1:]])


def _swapped(array: Any) -> Any:
    return array.astype(array.dtype.newbyteorder())


def _replaced(given: tuple[Any, ...], change: Callable[[Any], Any]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The arguments with one array changed, for each array (the second one of a list) in turn."""
    for place, value in enumerate(given):
        if not _arrays(value):
            continue
        if isinstance(value, list):
            changed: Any = [change(item) if i == 1 else item for i, item in enumerate(value)]
        else:
            changed = change(value)
        yield place, (*given[:place], changed, *given[place + 1 :])


# Their arrays need not have one size.
ANY_SIZES = ("gradient_norm", "scale_gradients")


@pytest.mark.parametrize("change", [_longer, _shorter, _strided, _misaligned, _other_type, _swapped])
@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.id)
def test_wrong_arrays_are_refused_before_anything_is_written(
    backend: ModuleType, case: Case, change: Callable[[Any], Any]
) -> None:
    if case.kernel in ANY_SIZES and change in (_longer, _shorter):
        pytest.skip("another size is no mistake")
    tried = 0
    for place, given in _replaced(arguments(case, "f4"), change):
        if all(array.itemsize == 1 for array in _arrays(given[place])) and change in (_misaligned, _swapped):
            continue  # a byte is always aligned and has no order
        before = [array.tobytes() for array in case.written(given)]
        name = parameters(case.kernel)[place]
        with pytest.raises(ValueError, match=r"expected|does not broadcast"):
            getattr(backend, case.kernel)(*given)
        assert [array.tobytes() for array in case.written(given)] == before, f"wrong {name}, and an output was written"
        tried += 1
    assert tried


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.id)
def test_read_only_outputs_are_refused(backend: ModuleType, case: Case) -> None:
    names = parameters(case.kernel)
    for place, value in enumerate(arguments(case, "f4")):
        if names[place] not in case.outputs or value is None:
            continue
        given = arguments(case, "f4")
        before = [array.tobytes() for array in case.written(given)]
        for array in _arrays(given[place]):
            array.flags.writeable = False
        with pytest.raises(ValueError, match=r"expected"):
            getattr(backend, case.kernel)(*given)
        assert [array.tobytes() for array in case.written(given)] == before


@pytest.mark.parametrize("kernel", ["sgd_step", "adam_step"])
def test_lists_of_unequal_length_are_refused(backend: ModuleType, kernel: str) -> None:
    case = next(case for case in ROWS if case.kernel == kernel)
    for place, value in enumerate(arguments(case, "f4")):
        if isinstance(value, list):
            given = arguments(case, "f4")
            before = [array.tobytes() for array in case.written(given)]
            with pytest.raises(ValueError, match=r"expected"):
                getattr(backend, kernel)(*given[:place], value[:-1], *given[place + 1 :])
            assert [array.tobytes() for array in case.written(given)] == before


@pytest.mark.parametrize("wrong", [-1, 10, -101, 2**40, -(2**62)])
def test_labels_out_of_bounds_are_refused_before_anything_is_written(backend: ModuleType, wrong: int) -> None:
    logits, target = np.ones((5, 10), np.float32), np.array([1, 2, -100, 3, wrong])
    losses, grad = np.full(5, 7, np.float32), np.full((5, 10), 7, np.float32)
    with pytest.raises(IndexError, match=rf"Target {wrong} is out of bounds\."):
        backend.cross_entropy_forward(logits, target, None, -100, 0.0, "mean", losses, grad)
    assert (losses == 7).all()
    assert (grad == 7).all()


def test_a_label_that_is_ignored_may_be_any_number(backend: ModuleType) -> None:
    logits = np.zeros((3, 4), np.float32)
    losses, grad = np.empty(3, np.float32), np.empty((3, 4), np.float32)
    for ignored in (2, -1, 99):
        target = np.array([0, ignored, 1])
        value = backend.cross_entropy_forward(logits, target, None, ignored, 0.0, "mean", losses, grad)
        assert value == pytest.approx(np.log(4), rel=1e-6)
        assert losses[1] == 0
        assert (grad[1] == 0).all()


def test_unknown_words_are_refused(backend: ModuleType) -> None:
    x, out = np.ones((3, 3), np.float32), np.full((3, 3), 7, np.float32)
    with pytest.raises(ValueError, match="activation"):
        backend.linear_forward(x, x, None, "gelu", out)
    with pytest.raises(ValueError, match="activation"):
        backend.linear_backward(x, x, x, x, "gelu", out, None, None, None)
    with pytest.raises(ValueError, match="reduction"):
        backend.cross_entropy_forward(x, np.zeros(3, np.int64), None, -100, 0.0, "average", out[0], None)
    for p in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="p: expected"):
            backend.dropout_forward(x, p, 0, 0, out, np.empty((3, 3), np.uint8))
    assert (out == 7).all()


def test_activation_without_output_or_workspace_is_refused(backend: ModuleType) -> None:
    x = np.ones((3, 3), np.float32)
    for out, workspace in ((None, x.copy()), (x, None)):
        grad_x = np.full((3, 3), 7, np.float32)
        with pytest.raises(ValueError, match="expected"):
            backend.linear_backward(x, x, x, out, "relu", workspace, grad_x, None, None)
        assert (grad_x == 7).all()


OVER_INPUT = [
    *(f"{name}_forward" for name in ("relu", "leaky_relu", "sigmoid", "tanh", "exp", "dropout")),
    *(f"{name}_backward" for name in ("relu", "leaky_relu", "sigmoid", "tanh", "dropout")),
]


@pytest.mark.parametrize("kernel", OVER_INPUT)
def test_output_over_its_input(backend: ModuleType, kernel: str) -> None:
    case = next(case for case in CASES if case.kernel == kernel and case.size == "small")
    apart, over = arguments(case, "f4"), list(arguments(case, "f4"))
    place = parameters(kernel).index("grad_x" if kernel.endswith("backward") else "out")
    over[place] = over[0]
    getattr(backend, kernel)(*apart)
    getattr(backend, kernel)(*over)
    np.testing.assert_array_equal(apart[place], over[place])
