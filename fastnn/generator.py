"""Where random numbers come from: generators and their state.

A Generator holds two streams, both fixed by its seed: NumPy's SFC64 for everything drawn here, and a counter for the
dropout kernels, which compute their own Philox numbers from (seed, offset). numpy.random is imported at the first
draw, to keep ``import fastnn`` quick. The streams are not PyTorch's: the same seed gives other numbers.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.convert import leaf
from fastnn.device import check

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn.device import DeviceLike
    from fastnn.tensor import Tensor

_FRESH_SEED = 67280421310721  # PyTorch's, for a Generator that nobody has seeded
_STATE_WORDS = 9  # tag, seed, dropout offset, SFC64's four words, and its buffered half word: is there one, and which
_STATE_TAG = 0x316E67726E6E7366  # "fsnnrgn1"


class Generator:
    """A source of random numbers with a state of its own: Generator("cpu").manual_seed(seed)."""

    __slots__ = ("_lock", "_numpy", "_offset", "_seed", "device")

    def __init__(self, device: DeviceLike = None) -> None:
        self.device = check(device)
        self._lock = threading.Lock()
        self._restart(_FRESH_SEED)

    def _restart(self, seed: int) -> None:
        with self._lock:
            self._seed = seed
            self._offset = 0
            self._numpy: Any = None

    @property
    def numpy(self) -> Any:
        """The np.random.Generator that numbers are drawn from."""
        generator = self._numpy
        if generator is None:
            with self._lock:
                if self._numpy is None:  # another thread may have been first
                    self._numpy = np.random.Generator(np.random.SFC64(self._seed))
                generator = self._numpy
        return generator

    def manual_seed(self, seed: int) -> Generator:
        """Start again from ``seed``, -2**63 ... 2**64 - 1, a negative one counting as 2**64 more; returns self.

        ValueError for a seed out of range, RuntimeError for one that is not an int.
        """
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        value = int(seed)
        if not -(2**63) <= value < 2**64:
            raise ValueError(f"manual_seed: argument 'seed' must be in [-2**63, 2**64 - 1], got {value}")
        self._restart(value % 2**64)
        return self

    def seed(self) -> int:
        """Start again from a seed that the system makes up; returns it."""
        value = int.from_bytes(os.urandom(8), "little")
        self._restart(value)
        return value

    def initial_seed(self) -> int:
        """The seed last started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """The state, as a uint8 tensor for ``set_state``."""
        state = self.numpy.bit_generator.state
        with self._lock:
            words = [_STATE_TAG, self._seed, self._offset, *state["state"]["state"].tolist()]
        words += [state["has_uint32"], state["uinteger"]]
        return leaf(np.array(words, np.uint64).view(np.uint8))

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from a state that ``get_state`` gave; returns self. TypeError or RuntimeError for anything else."""
        if not isinstance(new_state, _core.TensorBase):
            raise TypeError(f"set_state(): expected a uint8 Tensor, but got {type(new_state).__name__}")
        array: NDArray[Any] = new_state._array
        if array.dtype != np.uint8:
            raise TypeError(f"RNG state must be a uint8 tensor, got {array.dtype}")
        if array.shape != (8 * _STATE_WORDS,):
            raise RuntimeError(f"set_state(): expected a state of {8 * _STATE_WORDS} bytes, got shape {array.shape}")
        words = np.ascontiguousarray(array).view(np.uint64)
        if int(words[0]) != _STATE_TAG:
            raise RuntimeError("set_state(): these bytes are not the state of a fastnn Generator")
        generator = self.numpy
        state = generator.bit_generator.state
        state["state"]["state"] = words[3:7].copy()
        state["has_uint32"], state["uinteger"] = int(words[7]), int(words[8])
        generator.bit_generator.state = state
        with self._lock:
            self._seed, self._offset = int(words[1]), int(words[2])
        return self

    def take_blocks(self, count: int) -> tuple[int, int]:
        """(seed, offset): a Philox key and the first of ``count`` counter blocks that nobody else is given."""
        with self._lock:
            offset = self._offset
            self._offset = (offset + count) % 2**64
            return self._seed, offset

    def __reduce__(self) -> Any:
        return _restored, (self.get_state()._array.tobytes(),)


def _restored(state: bytes) -> Generator:
    return Generator().set_state(leaf(np.frombuffer(state, np.uint8)))


default_generator = Generator()
default_generator.seed()


def _after_fork() -> None:
    """In a child: another thread of the parent may have held the lock, and does not exist here."""
    default_generator._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def pick(generator: Generator | None, function: str) -> Generator:
    """The generator an argument ``generator=`` means: None is the default one. TypeError for other objects."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"{function}(): argument 'generator' must be fastnn.Generator, not {type(generator).__name__}")
    return generator


def next_dropout_key(elements: int, generator: Generator | None = None) -> tuple[int, int]:
    """(seed, offset) for ``K.dropout_forward`` on that many elements; the next call is given the blocks after them."""
    return pick(generator, "dropout").take_blocks((elements + 3) // 4)


# ------------------------------------------------------------------------------------------- the default generator


def manual_seed(seed: Any) -> Generator:
    """Seed the default generator; returns it. ``seed``: what int() takes, in [-2**63, 2**64 - 1], else ValueError."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator with a number that the system makes up; returns it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was last started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state, as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Set the default generator's state. TypeError or RuntimeError for what ``get_rng_state`` did not give."""
    default_generator.set_state(new_state)
