"""Memory that a process and those it forks see together: ``Tensor.share_memory_``, and what a loader's workers send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core

if TYPE_CHECKING:
    from fastnn.tensor import Tensor


def is_shared(self: Tensor) -> bool:
    """Whether the memory may be another process's too: after share_memory_, or in a batch that a worker loaded."""
    import mmap

    owner: Any = self._array
    while owner is not None:
        if isinstance(owner, mmap.mmap):
            return True
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    return False


def share_memory_(self: Tensor) -> Tensor:
    """Moves the values to memory that processes forked from now on share: what one writes the others see.

    Nothing is moved where it is shared already. Other tensors that shared the old memory keep it. Pickling copies.
    """
    import mmap

    array = self._array
    if not is_shared(self):
        mapping = mmap.mmap(-1, max(1, array.nbytes))
        moved = np.frombuffer(mapping, array.dtype, array.size).reshape(array.shape)
        moved[...] = array
        self._set_data(_core.wrap(moved))
    return self
