"""Generators and what is drawn from them: reproducible, in range, of the right distribution, and the errors."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import dtypes
from fastnn.random import Generator, default_generator, fork_rng, next_dropout_key

FLOATS = [dtypes.float16, dtypes.float32, dtypes.float64]

# Every way to draw, of something with room for 10**13 different outcomes at the least.
DRAWS: dict[str, Any] = {
    "rand": lambda g: fastnn.rand(20, generator=g),
    "rand float16": lambda g: fastnn.rand(20, dtype=dtypes.float16, generator=g),
    "randn": lambda g: fastnn.randn(20, generator=g),
    "randint": lambda g: fastnn.randint(1000, (20,), generator=g),
    "randperm": lambda g: fastnn.randperm(50, generator=g),
    "normal": lambda g: fastnn.normal(0.0, 1.0, (20,), generator=g),
    "normal of tensors": lambda g: fastnn.normal(fastnn.zeros(20), fastnn.ones(20), generator=g),
    "bernoulli": lambda g: fastnn.bernoulli(fastnn.full((200,), 0.5), generator=g),
    "multinomial": lambda g: fastnn.multinomial(fastnn.ones(50), 20, generator=g),
    "multinomial with replacement": lambda g: fastnn.multinomial(fastnn.ones(50), 20, True, generator=g),
    "rand_like": lambda g: fastnn.rand_like(fastnn.zeros(20), generator=g),
    "randn_like": lambda g: fastnn.randn_like(fastnn.zeros(20), generator=g),
    "randint_like": lambda g: fastnn.randint_like(fastnn.zeros(20), 1000, generator=g),
    "uniform_": lambda g: fastnn.zeros(20).uniform_(generator=g),
    "normal_": lambda g: fastnn.zeros(20).normal_(generator=g),
    "bernoulli_": lambda g: fastnn.zeros(200).bernoulli_(generator=g),
    "exponential_": lambda g: fastnn.zeros(20).exponential_(generator=g),
    "random_": lambda g: fastnn.zeros(20).random_(generator=g),
    "dropout key": lambda g: fastnn.tensor(next_dropout_key(20, g)[1:]),
}


@pytest.fixture(autouse=True)
def leave_no_trace() -> Iterator[None]:
    with fork_rng():
        yield


@pytest.mark.parametrize("name", DRAWS)
def test_seed_and_state_fix_every_draw(name: str) -> None:
    draw = DRAWS[name]
    generator = Generator().manual_seed(5)
    first = draw(generator).tolist()
    state = generator.get_state()
    second = draw(generator).tolist()
    assert first != second
    assert draw(generator.manual_seed(5)).tolist() == first
    generator.set_state(state)
    assert draw(generator).tolist() == second
    assert draw(Generator().set_state(state)).tolist() == second
    assert draw(pickle.loads(pickle.dumps(Generator().set_state(state)))).tolist() == second
    fastnn.manual_seed(5)
    assert draw(None).tolist() == first  # the default generator, by the same stream


@pytest.mark.parametrize("name", DRAWS)
def test_generator_argument_is_checked(name: str) -> None:
    with pytest.raises(TypeError, match=r"argument .generator. must be fastnn\.Generator, not int"):
        DRAWS[name](3)


def test_state_is_exact_in_the_middle_of_a_word() -> None:
    generator = Generator().manual_seed(1)
    fastnn.rand(3, generator=generator)  # float32: SFC64 keeps the other half of a 64-bit word
    state = generator.get_state()
    expected = fastnn.rand(3, generator=generator).tolist()
    assert state.dtype is dtypes.uint8
    assert fastnn.rand(3, generator=Generator().set_state(state)).tolist() == expected
    assert generator.set_state(state).get_state().tolist() == state.tolist()


def test_seeds() -> None:
    assert Generator().initial_seed() == 67280421310721
    assert fastnn.manual_seed(7) is default_generator
    assert fastnn.initial_seed() == 7
    assert Generator().manual_seed(-1).initial_seed() == 2**64 - 1
    assert Generator().manual_seed(-(2**63)).initial_seed() == 2**63
    assert fastnn.manual_seed(1.5).initial_seed() == 1
    drawn = fastnn.seed()
    assert 0 <= drawn < 2**64
    assert fastnn.initial_seed() == drawn
    assert Generator().seed() != Generator().seed()
    assert fastnn.rand(4).tolist() != fastnn.rand(4, generator=Generator().manual_seed(drawn + 1)).tolist()


@pytest.mark.parametrize(
    ("seed", "error"), [(2**64, ValueError), (-(2**63) - 1, ValueError), (1.5, RuntimeError), ("a", RuntimeError)]
)
def test_seeds_refused(seed: Any, error: type[Exception]) -> None:
    generator = Generator().manual_seed(3)
    with pytest.raises(error, match="manual_seed"):
        generator.manual_seed(seed)
    assert generator.initial_seed() == 3


def test_states_refused() -> None:
    generator = Generator().manual_seed(3)
    before = generator.get_state().tolist()
    for state, error in (
        (3, TypeError),
        (fastnn.zeros(72), TypeError),
        (fastnn.zeros(72, dtype=dtypes.uint8), RuntimeError),
        (fastnn.zeros(3, dtype=dtypes.uint8), RuntimeError),
    ):
        with pytest.raises(error, match=r"state|uint8"):
            generator.set_state(state)
    assert generator.get_state().tolist() == before
    assert repr(generator.device) == "device(type='cpu')"
    with pytest.raises(RuntimeError, match="CPU library"):
        Generator("cuda")


def test_fork_rng_puts_the_state_back() -> None:
    state = fastnn.get_rng_state().tolist()
    with fork_rng():
        fastnn.rand(3)
        fastnn.manual_seed(3)
    assert fastnn.get_rng_state().tolist() == state
    with fork_rng(enabled=False):
        fastnn.rand(3)
    assert fastnn.get_rng_state().tolist() != state


def test_dropout_keys_do_not_overlap() -> None:
    generator = Generator().manual_seed(11)
    keys = [next_dropout_key(n, generator) for n in (4, 5, 0, 1, 1000)]
    assert keys == [(11, 0), (11, 1), (11, 3), (11, 3), (11, 4)]
    assert next_dropout_key(1, generator) == (11, 254)


def test_threads_share_a_generator() -> None:
    generator, taken = Generator().manual_seed(1), []

    def work() -> None:
        taken.extend([next_dropout_key(4, generator)[1] for _ in range(500)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(2000))


def test_numpy_random_is_imported_at_the_first_draw() -> None:
    # NumPy itself may import it; then there is nothing to see.
    script = (
        "import sys, numpy; before = 'numpy.random' in sys.modules; import fastnn.random; "
        "assert before or 'numpy.random' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# ------------------------------------------------------------------------------------------- distributions


def _close(values: Any, mean: float, deviation: float) -> None:
    """Within six standard errors of the mean and of the deviation (for the latter, kurtosis of 9 at the most)."""
    values = np.asarray(values, np.float64).ravel()
    root = math.sqrt(values.size)
    assert abs(values.mean() - mean) < 6 * deviation / root
    assert abs(values.std() - deviation) < 6 * deviation * math.sqrt(2) / root


@pytest.mark.parametrize("dtype", FLOATS, ids=repr)
def test_distributions(dtype: Any) -> None:
    g = Generator().manual_seed(1)
    n = 40_000
    uniform = fastnn.rand(n, dtype=dtype, generator=g)
    assert 0 <= min(uniform.tolist()) <= max(uniform.tolist()) < 1
    _close(uniform.numpy(), 0.5, math.sqrt(1 / 12))
    _close(fastnn.randn(n, dtype=dtype, generator=g).numpy(), 0, 1)
    _close(fastnn.normal(2, 3.0, (n,), dtype=dtype, generator=g).numpy(), 2, 3)
    _close(fastnn.zeros(n, dtype=dtype).normal_(-1, 0.5, generator=g).numpy(), -1, 0.5)
    shifted = fastnn.zeros(n, dtype=dtype).uniform_(-3, 1, generator=g)
    assert -3 <= min(shifted.tolist()) <= max(shifted.tolist()) < 1
    _close(shifted.numpy(), -1, 4 / math.sqrt(12))
    waits = fastnn.zeros(n, dtype=dtype).exponential_(2.0, generator=g)
    assert min(waits.tolist()) > 0
    _close(waits.numpy(), 0.5, 0.5)
    chances = fastnn.full((n,), 0.3, dtype=dtype)
    _close(fastnn.bernoulli(chances, generator=g).numpy(), 0.3, math.sqrt(0.21))
    _close(fastnn.bernoulli(chances, 0.9, generator=g).numpy(), 0.9, 0.3)
    _close(fastnn.zeros(n, dtype=dtype).bernoulli_(0.5, generator=g).numpy(), 0.5, 0.5)


def test_uniform_never_rounds_up_to_its_end() -> None:
    g = Generator().manual_seed(0)
    for dtype in FLOATS:
        filled = fastnn.zeros(100_000, dtype=dtype).uniform_(1.0, 1.0 + 4 * dtypes.finfo(dtype).eps, generator=g)
        assert float(np.max(filled.numpy())) < 1.0 + 4 * dtypes.finfo(dtype).eps
    assert fastnn.zeros(3).uniform_(2, 2).tolist() == [2, 2, 2]


def test_integers() -> None:
    g = Generator().manual_seed(0)
    drawn = fastnn.randint(-2, 3, (5000,), generator=g)
    assert drawn.dtype is dtypes.int64
    assert set(drawn.tolist()) == {-2, -1, 0, 1, 2}
    assert set(fastnn.randint(3, (99,), dtype=dtypes.float32, generator=g).tolist()) == {0.0, 1.0, 2.0}
    assert set(fastnn.randint(low=1, high=3, size=(99,), generator=g).tolist()) == {1, 2}
    assert set(fastnn.randint(2, size=[99], dtype=dtypes.bool, generator=g).tolist()) == {False, True}
    assert fastnn.randint_like(fastnn.zeros(2, 3, dtype=dtypes.int8), 2, 5, generator=g).dtype is dtypes.int8
    assert max(fastnn.randint(256, (9999,), dtype=dtypes.uint8, generator=g).tolist()) == 255
    for d, top in ((dtypes.int8, 127), (dtypes.uint8, 255), (dtypes.bool, 1), (dtypes.float16, 2048)):
        values = set(fastnn.zeros(60_000, dtype=d).random_(generator=g).tolist())
        assert values == set(range(top + 1))
    assert set(fastnn.zeros(99).random_(3, generator=g).tolist()) == {0, 1, 2}
    assert set(fastnn.zeros(99, dtype=dtypes.int32).random_(-2, 0, generator=g).tolist()) == {-2, -1}


def test_permutations() -> None:
    for n in (0, 1, 2, 100):
        assert sorted(fastnn.randperm(n).tolist()) == list(range(n))
    g = Generator().manual_seed(0)
    firsts = [fastnn.randperm(4, generator=g).tolist()[0] for _ in range(400)]
    assert all(60 < firsts.count(k) < 140 for k in range(4))
    assert fastnn.randperm(256, dtype=dtypes.uint8).dtype is dtypes.uint8
    assert sorted(fastnn.randperm(4, dtype=dtypes.float32).tolist()) == [0.0, 1.0, 2.0, 3.0]


def test_multinomial() -> None:
    g = Generator().manual_seed(0)
    weights = fastnn.tensor([0.0, 1.0, 0.0, 3.0, 0.0])
    drawn = fastnn.multinomial(weights, 20_000, replacement=True, generator=g)
    assert drawn.dtype is dtypes.int64
    assert set(drawn.tolist()) == {1, 3}
    _close([value == 3 for value in drawn.tolist()], 0.75, math.sqrt(0.75 * 0.25))
    rows = fastnn.multinomial(fastnn.ones(6, 5, dtype=dtypes.float64), 5, generator=g)
    assert [sorted(row) for row in rows.tolist()] == [list(range(5))] * 6
    firsts = [fastnn.multinomial(weights, 2, generator=g).tolist() for _ in range(2000)]
    assert {tuple(sorted(pair)) for pair in firsts} == {(1, 3)}
    _close([pair[0] == 3 for pair in firsts], 0.75, math.sqrt(0.75 * 0.25))
    assert fastnn.multinomial(fastnn.ones(0, 3), 2).shape == (0, 2)


def test_normal_of_tensors() -> None:
    g = Generator().manual_seed(0)
    mean, std = fastnn.tensor([[0.0], [100.0]]), fastnn.full((20_000,), 2.0)
    drawn = fastnn.normal(mean, std, generator=g)
    assert drawn.shape == (2, 20_000)
    _close(drawn.numpy()[0], 0, 2)
    _close(drawn.numpy()[1], 100, 2)
    assert fastnn.normal(mean).shape == (2, 1)
    assert fastnn.normal(5.0, fastnn.zeros(2)).tolist() == [5.0, 5.0]


def test_bernoulli_of_chances() -> None:
    assert fastnn.bernoulli(fastnn.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]
    assert fastnn.zeros(2, 2, dtype=dtypes.int64).bernoulli_(fastnn.tensor([0.0, 1.0])).tolist() == [[0, 1], [0, 1]]


# ------------------------------------------------------------------------------------------- in place


@pytest.mark.parametrize("fill", ["uniform_", "normal_", "bernoulli_", "exponential_", "random_"])
def test_filling_in_place(fill: str) -> None:
    array = np.full((4, 5), 7.5)
    tensor = fastnn.from_numpy(array.T[::-2])
    version = tensor._version
    assert getattr(tensor, fill)() is tensor
    assert tensor._version > version
    assert (array[:, 0::2][:, :3] != 7.5).any(0).all()
    assert (array[:, 1::2] == 7.5).all()
    leaf = fastnn.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        getattr(leaf, fill)()
    assert leaf.tolist() == [0, 0, 0]
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shared = fastnn.from_numpy(read_only)
    with pytest.raises(RuntimeError, match="read-only"):
        getattr(shared, fill)()
    assert read_only.tolist() == [0, 0, 0]


def test_filling_cuts_the_gradient() -> None:
    x = fastnn.ones(3, requires_grad=True)
    y = x * 2
    y.normal_()
    (y * 3).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0]
    x = fastnn.full((3,), 0.5, requires_grad=True)
    (fastnn.bernoulli(x) + fastnn.normal(x, x)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0]


# ------------------------------------------------------------------------------------------- errors

ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "rand of ints": (lambda: fastnn.rand(2, dtype=dtypes.int64), NotImplementedError, "int64"),
    "randn of bools": (lambda: fastnn.randn(2, dtype=dtypes.bool), NotImplementedError, "bool"),
    "rand_like of ints": (lambda: fastnn.rand_like(fastnn.tensor([1])), NotImplementedError, "int64"),
    "empty range": (lambda: fastnn.randint(5, 5, (2,)), RuntimeError, "from=5 >= to=5"),
    "high of 0": (lambda: fastnn.randint(0, (2,)), RuntimeError, "from=0 >= to=0"),
    "too high": (lambda: fastnn.randint(300, (2,), dtype=dtypes.uint8), RuntimeError, "299 is out of bounds"),
    "too low": (lambda: fastnn.randint(-1, 3, (2,), dtype=dtypes.uint8), RuntimeError, "from = -1 is out of bounds"),
    "bool of 3": (lambda: fastnn.randint(3, (2,), dtype=dtypes.bool), RuntimeError, "out of bounds"),
    "float bound": (lambda: fastnn.randint(2.5, (2,)), TypeError, "argument 'high' must be int, not float"),
    "no size": (lambda: fastnn.randint(3), TypeError, "expected"),
    "size of int": (lambda: fastnn.randint(3, 5), TypeError, "argument 'size' must be tuple of ints, not int"),
    "nothing": (lambda: fastnn.randint(), TypeError, "size"),
    "randperm of -1": (lambda: fastnn.randperm(-1), RuntimeError, "at least 0"),
    "randperm of float": (lambda: fastnn.randperm(2.0), TypeError, "argument 'n' must be int"),
    "randperm too long": (lambda: fastnn.randperm(257, dtype=dtypes.uint8), RuntimeError, "at most 256"),
    "randperm of halves": (lambda: fastnn.randperm(5000, dtype=dtypes.float16), RuntimeError, "at most 2049"),
    "normal without size": (lambda: fastnn.normal(0.0, 1.0), TypeError, "size"),
    "normal of -1": (lambda: fastnn.normal(0.0, -1.0, (2,)), RuntimeError, "std -1"),
    "normal of one -1": (lambda: fastnn.normal(0.0, -fastnn.ones(2)), RuntimeError, "all elements of std >= 0"),
    "normal of shapes": (lambda: fastnn.normal(fastnn.zeros(2), fastnn.ones(3)), RuntimeError, "cannot be broadcast"),
    "normal of ints": (lambda: fastnn.normal(fastnn.tensor([1]), 1.0), NotImplementedError, "int64"),
    "normal of both": (lambda: fastnn.normal(fastnn.zeros(2), 1.0, (2,)), TypeError, "'size'"),
    "bernoulli of 2": (lambda: fastnn.bernoulli(fastnn.tensor([0.0, 2.0])), RuntimeError, r"p=2\.0"),
    "bernoulli of nan": (lambda: fastnn.bernoulli(fastnn.tensor([float("nan")])), RuntimeError, "p=nan"),
    "bernoulli of ints": (lambda: fastnn.bernoulli(fastnn.tensor([1])), NotImplementedError, "int64"),
    "bernoulli p": (lambda: fastnn.bernoulli(fastnn.ones(2), p=1.5), RuntimeError, r"p=1\.5"),
    "multinomial of list": (lambda: fastnn.multinomial([1.0], 1), TypeError, "must be Tensor, not list"),
    "multinomial of ints": (lambda: fastnn.multinomial(fastnn.tensor([1]), 1), RuntimeError, "floating-point"),
    "multinomial of 0-d": (lambda: fastnn.multinomial(fastnn.tensor(1.0), 1), RuntimeError, "1 or 2 dim"),
    "multinomial of none": (lambda: fastnn.multinomial(fastnn.ones(3), 0), RuntimeError, "num_samples <= 0"),
    "multinomial of many": (lambda: fastnn.multinomial(fastnn.ones(3), 4), RuntimeError, "4 > 3"),
    "multinomial of zeros": (lambda: fastnn.multinomial(fastnn.zeros(3), 1), RuntimeError, "sum of probabilities <= 0"),
    "multinomial of -1": (lambda: fastnn.multinomial(-fastnn.ones(3), 1), RuntimeError, "element < 0"),
    "multinomial of inf": (lambda: fastnn.multinomial(fastnn.full((3,), math.inf), 1), RuntimeError, "`inf`"),
    "uniform backwards": (lambda: fastnn.zeros(2).uniform_(1, 0), RuntimeError, "from=1 > to=0"),
    "uniform to inf": (lambda: fastnn.zeros(2).uniform_(0, math.inf), RuntimeError, "range"),
    "uniform of ints": (lambda: fastnn.tensor([1]).uniform_(), NotImplementedError, "int64"),
    "normal_ of -1": (lambda: fastnn.zeros(2).normal_(0, -1), RuntimeError, "std -1"),
    "normal_ of ints": (lambda: fastnn.tensor([1]).normal_(), NotImplementedError, "int64"),
    "bernoulli_ of 2": (lambda: fastnn.zeros(2).bernoulli_(2), RuntimeError, "p=2"),
    "bernoulli_ of shape": (lambda: fastnn.zeros(2).bernoulli_(fastnn.ones(3)), RuntimeError, "broadcast"),
    "bernoulli_ of int chances": (
        lambda: fastnn.zeros(2).bernoulli_(fastnn.tensor([1, 0])),
        NotImplementedError,
        "int64",
    ),
    "exponential of 0": (lambda: fastnn.zeros(2).exponential_(0), RuntimeError, "lambda=0"),
    "exponential of ints": (lambda: fastnn.tensor([1]).exponential_(), RuntimeError, "floating point"),
    "random_ of nothing": (lambda: fastnn.zeros(2).random_(5, 5), RuntimeError, "from=5 >= to=5"),
    "random_ too high": (lambda: fastnn.zeros(2, dtype=dtypes.uint8).random_(300), RuntimeError, "out of bounds"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    call, error, message = ERRORS[name]
    state = fastnn.get_rng_state().tolist()
    with pytest.raises(error, match=message):
        call()
    assert fastnn.get_rng_state().tolist() == state
