"""What the scripts share: weights that do not depend on a library's random numbers, and small data sets."""

from __future__ import annotations

import codecs
import contextlib
import io
import math
from typing import Any

import numpy as np


def fill(torch: Any, *modules: Any, seed: int = 0) -> None:
    """Gives the parameters values as layers usually have: uniform within 1/sqrt(fan-in), norms' scales left at 1."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for module in modules:
            for name, parameter in module.named_parameters():
                shape = tuple(parameter.shape)
                bound = 1 / math.sqrt(max(1, int(np.prod(shape[1:])) if len(shape) > 1 else shape[0]))
                drawn = rng.uniform(-bound, bound, shape)
                if "norm" not in name and "bn" not in name:
                    parameter.copy_(torch.from_numpy(drawn))


def digits(torch: Any) -> tuple[Any, Any]:
    """scikit-learn's handwritten digits: images (1797, 1, 8, 8) in [0, 1] and labels, shuffled once."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    x = (images[order] / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    return torch.from_numpy(x), torch.from_numpy(labels[order].astype(np.int64))


def zen() -> str:
    """The Zen of Python."""
    with contextlib.redirect_stdout(io.StringIO()):
        import this
    return codecs.decode(this.s, "rot13")
