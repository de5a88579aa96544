"""Everything random by its public name; the methods that fill a tensor in place among them.

The files behind it: generator.py (state and seeds), sampling.py (new tensors), filling.py (in place).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastnn.filling import bernoulli_, exponential_, normal_, random_, uniform_
from fastnn.generator import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    next_dropout_key,
    seed,
    set_rng_state,
)
from fastnn.sampling import (
    bernoulli,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)

__all__ = [
    "Generator",
    "bernoulli",
    "bernoulli_",
    "default_generator",
    "exponential_",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "next_dropout_key",
    "normal",
    "normal_",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random_",
    "randperm",
    "seed",
    "set_rng_state",
    "uniform_",
]


@contextmanager
def fork_rng(enabled: bool = True) -> Iterator[None]:
    """Within it, draws from the default generator leave no trace: its state is put back at the end."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
