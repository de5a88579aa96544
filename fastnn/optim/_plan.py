"""What a step needs of a parameter group, gathered once and used until something changes.

A step over a hundred small parameters costs more in looking things up than in arithmetic. So the arrays of
parameters and states are kept in lists, and every step checks only that they still are what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.kernels.pinned import Pinned
from fastnn.ops.dims import Array
from fastnn.tensor import Tensor

KERNEL_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
# One optimizer's kernel call on dense arrays: (params, grads, states by name, step counts, was there a state before).
Kernel = Callable[[Sequence[Array], list[Array], Mapping[str, Sequence[Array]], list[int], list[bool]], None]


def _is_dense(array: Array) -> bool:
    flags = array.flags
    return bool(flags.c_contiguous and flags.aligned and array.dtype in KERNEL_DTYPES and array.dtype.isnative)


def _dense(array: Array, dtype: np.dtype[Any]) -> Array:
    return np.require(array, dtype, ("C", "A"))


def _next(steps: Array) -> list[int]:
    """The counts of the step to come: nearly always all the same."""
    first = steps[0]
    if (steps == first).all():
        return [int(first) + 1] * len(steps)
    return [int(count) + 1 for count in steps]


class Bucket:
    """Parameters of one dtype that have a gradient, and their states.

    ``direct``: the kernel may have the arrays themselves. Otherwise it gets dense copies (in float32 for float16)
    whose values are written back.
    """

    __slots__ = ("_pinned", "arrays", "direct", "initialized", "params", "states", "steps")

    def __init__(
        self, params: list[Tensor], states: dict[str, list[Tensor]], steps: Array | None, initialized: list[bool]
    ) -> None:
        self.params = params
        self.initialized = initialized
        self.arrays = [param._array for param in params]
        self.states = {name: [tensor._array for tensor in tensors] for name, tensors in states.items()}
        self.steps = steps
        self.direct = all(map(_is_dense, self.arrays)) and all(all(map(_is_dense, s)) for s in self.states.values())
        self._pinned: tuple[Sequence[Array], dict[str, Sequence[Array]]] | None = None

    def gradients(self) -> list[Array] | None:
        """The gradients' arrays; None where a parameter has lost its gradient, or its memory was replaced."""
        return _core.gradient_arrays(self.params, self.arrays)

    def update(self, grads: list[Array], kernel: Kernel) -> None:
        """One step of these parameters."""
        steps = [] if self.steps is None else _next(self.steps)
        if self.direct:
            if self._pinned is None:
                self._pinned = Pinned(self.arrays), {name: Pinned(arrays) for name, arrays in self.states.items()}
            params, states = self._pinned
            try:
                kernel(params, grads, states, steps, self.initialized)
            except ValueError:  # a gradient that is not dense, refused before anything was written
                if all(map(_is_dense, grads)):
                    raise
                kernel(params, [_dense(g, g.dtype) for g in grads], states, steps, self.initialized)
        else:
            self._update_copies(grads, kernel, steps)
        if self.steps is not None:
            self.steps += 1
        elif self.states and not all(self.initialized):
            self.initialized = [True] * len(self.params)
        _core.bump_versions(self.params)

    def _update_copies(self, grads: list[Array], kernel: Kernel, steps: list[int]) -> None:
        own = self.arrays[0].dtype.newbyteorder("=")
        dtype = own if own in KERNEL_DTYPES else np.dtype(np.float32)
        params = [np.array(array, dtype, order="C") for array in self.arrays]
        states = {name: [np.array(a, dtype, order="C") for a in arrays] for name, arrays in self.states.items()}
        kernel(params, [_dense(grad, dtype) for grad in grads], states, steps, self.initialized)
        for array, new in zip(self.arrays, params, strict=True):
            array[...] = new
        for name, arrays in self.states.items():
            for array, new in zip(arrays, states[name], strict=True):
                array[...] = new


class Plan:
    """The buckets of a group, and what they were made from."""

    __slots__ = ("buckets", "idle", "key", "members")

    def __init__(self, members: list[Tensor], key: Any, buckets: list[Bucket]) -> None:
        self.members, self.key, self.buckets = list(members), key, buckets
        busy = {id(param) for bucket in buckets for param in bucket.params}
        self.idle = [param for param in members if id(param) not in busy]

    def gradients(self, members: list[Tensor], key: Any) -> list[list[Array]] | None:
        """Each bucket's gradients; None where the plan no longer fits the group."""
        if key != self.key or not _core.same_objects(members, self.members):
            return None
        for param in self.idle:
            if param.grad is not None:
                return None
        found = []
        for bucket in self.buckets:
            grads = bucket.gradients()
            if grads is None:
                return None
            found.append(grads)
        return found
