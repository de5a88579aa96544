"""The dropout mask: a published generator, the same in all backends, and of the right frequency."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastnn.kernels import numpy_backend
from fastnn.kernels.numpy_backend.dropout import philox

# Known answers of Philox-4x32-7 from the Random123 library: counter, key, words.
KNOWN = [
    ([0, 0, 0, 0], 0, [0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48]),
    ([0xFFFFFFFF] * 4, 2**64 - 1, [0x5207DDC2, 0x45165E59, 0x4D8EE751, 0x8C52F662]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        0x299F31D0A4093822,
        [0x4DFCCABA, 0x190A87F0, 0xC47362BA, 0xB6B5242A],
    ),
]


def mask_of(backend: ModuleType, size: int, p: float, seed: int, offset: int) -> NDArray[np.uint8]:
    x, mask = np.ones(size, np.float32), np.full(size, 77, np.uint8)
    out = np.full(size, np.nan, np.float32)
    backend.dropout_forward(x, p, seed, offset, out, mask)
    np.testing.assert_allclose(out, np.where(mask == 1, 1 / (1 - p), 0), rtol=1e-6)
    assert set(np.unique(mask)) <= {0, 1}
    return mask


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_generator_gives_the_known_answers(counter: list[int], key: int, words: list[int]) -> None:
    assert philox(np.array(counter, np.uint64)[:, None], key)[:, 0].tolist() == words


def test_the_mask_compares_words(backend: ModuleType) -> None:
    for lane, word in enumerate(KNOWN[0][2]):
        assert mask_of(backend, 4, word / 2**32, 0, 0)[lane] == 1
        assert mask_of(backend, 4, (word + 1) / 2**32, 0, 0)[lane] == 0


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**63 + 5, 2**64 - 1])
@pytest.mark.parametrize("offset", [0, 1, 2**32 - 3, 2**40 + 7])
def test_backends_agree(compiled: ModuleType, seed: int, offset: int) -> None:
    for size in (1, 4, 30, 1001):
        want = mask_of(numpy_backend, size, 0.4, seed, offset)
        np.testing.assert_array_equal(mask_of(compiled, size, 0.4, seed, offset), want)


def test_backends_agree_across_chunks(compiled: ModuleType) -> None:
    want = mask_of(numpy_backend, 700_003, 0.25, 11, 12)
    np.testing.assert_array_equal(mask_of(compiled, 700_003, 0.25, 11, 12), want)


def test_offsets_continue_the_sequence(backend: ModuleType) -> None:
    whole = mask_of(backend, 100, 0.5, 3, 9)
    np.testing.assert_array_equal(mask_of(backend, 60, 0.5, 3, 19), whole[40:])


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_frequency(backend: ModuleType, p: float) -> None:
    size = 400_000
    dropped = size - int(mask_of(backend, size, p, 123, 0).sum(dtype=np.int64))
    assert abs(dropped - size * p) <= 5 * np.sqrt(size * p * (1 - p))


def test_dropped_infinities_are_zero(backend: ModuleType) -> None:
    x = np.full(64, np.inf, np.float32)
    out: Any = np.empty_like(x)
    mask = np.empty(64, np.uint8)
    backend.dropout_forward(x, 0.5, 1, 0, out, mask)
    assert set(out.tolist()) == {0.0, np.inf}
    backend.dropout_backward(x, mask, 0.5, out)
    assert set(out.tolist()) == {0.0, np.inf}
