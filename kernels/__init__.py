"""The kernels: functions on arrays that know nothing of tensors. A map of this room:

* ``contract/``: what each kernel takes, writes and promises. Read this first.
* ``numpy_backend/``: the reference, plain and complete; everything is compared with it.
* ``cython_backend/``: the default, compiled ahead of time; ``*.pxi`` hold the loops, ``pool.h`` the workers.
* ``numba_backend/``: the same names, compiled at run time, imported only when chosen.
* ``pinned.py``: a list of arrays that was looked at once.
* ``cases/``: the table that value tests, gradient tests and benchmarks walk.

The three backends hold files of the same names: a kernel is found in each by its family (``linear``, ``softmax`` ...).

    from fastnn.kernels import K, use_backend

    K.linear_forward(x, weight, bias, "relu", out)      # the current backend's kernel
    use_backend("numpy")                                # from here on, in every thread
    with use_backend("numba"):                          # until the end of the block
        ...
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from fastnn.kernels import contract

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, NoReturn

BACKENDS = ("numpy", "cython", "numba")

_current = ""


def _missing(kernel: str, backend: str) -> Callable[..., NoReturn]:
    def kernel_is_missing(*arguments: object, **named: object) -> NoReturn:
        raise NotImplementedError(f"the kernel {kernel} is not in the {backend} backend")

    return kernel_is_missing


class _Kernels:
    """The current backend's kernels as plain attributes of one instance, so that a look-up costs no more than that."""


_kernels = _Kernels()

if TYPE_CHECKING:
    K = contract
else:
    K = _kernels


def current_backend() -> str:
    """The name of the backend in use: "cython" unless ``use_backend`` changed it."""
    return _current


class use_backend:
    """Makes the backend of that name current at once, in every thread of the process.

    As a context manager it restores at the end of the block the one that was current before.
    Raises ValueError for an unknown name, ImportError where the backend cannot be loaded; nothing changes then.
    """

    def __init__(self, name: str) -> None:
        global _current
        if name not in BACKENDS:
            raise ValueError(f"use_backend: unknown backend {name!r}; expected one of {', '.join(BACKENDS)}")
        self.name = name
        self._before = _current
        kernels = _load(name)
        vars(_kernels).update(kernels)
        _current = name

    def __enter__(self) -> use_backend:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        use_backend(self._before)

    def __repr__(self) -> str:
        return f"use_backend({self.name!r})"


def _load(name: str) -> dict[str, Callable[..., Any]]:
    """The kernels of a backend by name; those it lacks raise NotImplementedError when called."""
    try:
        backend = importlib.import_module(f"fastnn.kernels.{name}_backend")
    except ModuleNotFoundError as error:
        if name != "numba" or (error.name or "").split(".")[0] != "numba":
            raise
        raise ImportError('the numba backend needs numba: pip install "fastnn-cpu[numba]"') from error
    missing = getattr(backend, "MISSING", ())
    return {
        kernel: _missing(kernel, name) if kernel in missing else getattr(backend, kernel) for kernel in contract.KERNELS
    }


use_backend("cython")
