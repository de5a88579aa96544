"""Why a resumed run gives the same bits as one that was never stopped.

A run is a function of the model, the optimizer, the scheduler, the callbacks, the history, what metrics have gathered,
and of where its random numbers are: NumPy's and Python's global states, the default generator, and those that the
loader, its sampler, its data set's transform and the trainer's augmentation may have of their own. All that is saved,
between two steps of the optimizer.

In the middle of an epoch the loader's place is needed too. A sampler draws its order when an epoch begins: so the
random state of that moment is saved as well, put back, the epoch begun again and the batches that were done are drawn
once more and dropped; then the random state of the checkpoint is put back. The file is written whole and then moved to
its name: a kill at any moment leaves the checkpoint before, or the new one. The bits are those of one backend and ISA
level: another adds in another order.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from fastnn.generator import Generator, default_generator
from fastnn.transforms import generators_of


def generators(*sources: Any) -> list[Generator]:
    """The generators of loaders and transforms, each once, in a fixed order, without the default one."""
    found: list[Generator] = []
    for source in sources:
        parts = [source, getattr(source, "sampler", None), getattr(source, "batch_sampler", None)]
        parts.append(getattr(parts[-1], "sampler", None))
        parts.append(getattr(getattr(source, "dataset", None), "transform", None))
        for part in parts:
            for generator in generators_of(part):
                if generator is not default_generator and not any(generator is other for other in found):
                    found.append(generator)
    return found


def random_state(own: list[Generator]) -> dict[str, Any]:
    """Where all random numbers are now."""
    return {
        "default": default_generator.get_state(),
        "own": [generator.get_state() for generator in own],
        "numpy": _numpy_state(),
        "python": random.getstate(),
    }


def _numpy_state() -> tuple[Any, ...]:
    """That of NumPy's global generator, which a data set may draw from; its key as numbers, as JSON takes them."""
    name, key, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return (name, np.asarray(key).tolist(), *rest)


def set_random_state(state: dict[str, Any], own: list[Generator]) -> None:
    """Put a ``random_state`` back. ValueError where the run has another number of generators of its own."""
    if len(state["own"]) != len(own):
        raise ValueError(
            f"the checkpoint knows {len(state['own'])} generators of loaders and transforms, this run has {len(own)}"
        )
    default_generator.set_state(state["default"])
    for generator, saved in zip(own, state["own"], strict=True):
        generator.set_state(saved)
    np.random.set_state(state["numpy"])  # noqa: NPY002
    random.setstate(state["python"])
