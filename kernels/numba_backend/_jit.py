"""How every loop of this backend is compiled: without the GIL, one thread, cached on disk where that is possible."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import caching

F = TypeVar("F", bound=Callable[..., Any])

CONTRACT = frozenset({"contract"})
REASSOCIATE = frozenset({"reassoc", "contract"})

# Numba looks at the one file of a function to see whether a cached copy is stale. Loops here call functions of
# _math.py, so all files count. (The processor's name and features are part of Numba's key already.)
_STAMP = tuple((file.stat().st_mtime, file.stat().st_size) for file in sorted(Path(__file__).parent.glob("*.py")))


_FunctionCache: Any = caching.FunctionCache


class _Cache(_FunctionCache):  # type: ignore[misc]
    """Numba's cache, done without where its folder cannot be read or written, is full, or holds half a file."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = _STAMP

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(signature, target_context)
        except (OSError, EOFError, pickle.UnpicklingError):
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            super().save_overload(signature, data)


def jit(fastmath: frozenset[str] = frozenset()) -> Callable[[F], F]:
    """Compiles a function at its first call.

    fastmath names LLVM's flags that this function may use: "reassoc" to sum in vector lanes, "contract" to fuse a
    product and a sum. Flags that let the compiler assume away NaN or infinity are never among them.
    The compiled code goes to Numba's cache, or where no cache folder can be written it is made anew in each process.
    """

    def compile_lazily(function: F) -> F:
        dispatcher: Any = numba.njit(nogil=True, error_model="numpy", fastmath=set(fastmath))(function)
        with contextlib.suppress(RuntimeError):  # there is no folder that can be written
            dispatcher._cache = _Cache(function)
        return cast("F", dispatcher)

    return compile_lazily
