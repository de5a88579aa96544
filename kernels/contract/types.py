"""The types that the contract's signatures are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Mask = NDArray[np.uint8]
    Labels = NDArray[np.int64]
else:  # importing numpy.typing is a sizeable part of importing fastnn
    Array = Mask = Labels = np.ndarray

# The activations that a product's epilogue can apply: those whose derivative is a function of the output.
ACTIVATIONS = ("none", "relu", "sigmoid", "tanh")
