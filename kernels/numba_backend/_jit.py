"""How every loop of this backend is compiled: without the GIL, one thread, cached on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Numba looks at the one file of a function to see whether a cached copy is stale. Loops here call functions of
# _math.py, so the newest of all files counts. (The processor's name and features are part of Numba's key already.)
_STAMPS = [(file.stat().st_mtime, file.stat().st_size) for file in sorted(Path(__file__).parent.glob("*.py"))]


def jit(fastmath: frozenset[str] = frozenset()) -> Callable[[F], F]:
    """Compiles a function at its first call.

    fastmath names LLVM's flags that this function may use: "reassoc" to sum in vector lanes, "contract" to fuse a
    product and a sum. Flags that let the compiler assume away NaN or infinity are never among them.
    The compiled code goes to Numba's cache, or where no cache folder can be written it is made anew in each process.
    """

    def compile_lazily(function: F) -> F:
        dispatcher: Any = numba.njit(nogil=True, error_model="numpy", fastmath=set(fastmath))(function)
        try:
            dispatcher.enable_caching()
        except RuntimeError:  # no cache folder
            return cast("F", dispatcher)
        dispatcher._cache._cache_file._source_stamp = tuple(_STAMPS)
        return cast("F", dispatcher)

    return compile_lazily


CONTRACT = frozenset({"contract"})
REASSOCIATE = frozenset({"reassoc", "contract"})
