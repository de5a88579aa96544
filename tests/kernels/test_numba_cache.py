"""The compiled loops' cache: used where it can be, done without where not, and never stale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numba", reason="the numba backend needs numba")

PROGRAM = """
import numpy as np
from fastnn.kernels import numba_backend
from fastnn.kernels.numba_backend import elementwise
out = np.empty(3)
numba_backend.relu_forward(np.array([-1.0, np.nan, 2.0]), out)
print(out.tolist(), sum(elementwise._relu_forward.stats.cache_hits.values()))
"""


def _run(program: str, cache: Path) -> str:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that one process has written to."""
    cache = tmp_path_factory.mktemp("cache")
    assert _run(PROGRAM, cache) == "[0.0, nan, 2.0] 0"
    return cache


def test_a_second_process_takes_the_loops_from_the_cache(filled: Path) -> None:
    assert _run(PROGRAM, filled) == "[0.0, nan, 2.0] 1"


def test_a_change_in_another_file_of_the_backend_makes_the_cache_stale(filled: Path, tmp_path: Path) -> None:
    cache = shutil.copytree(filled, tmp_path / "cache")
    changed = """
import os, pathlib
real = pathlib.Path.stat
def stat(self, **options):
    found = real(self, **options)
    return os.stat_result((*found[:8], found[8] + 1, found[9])) if self.name == "_math.py" else found
pathlib.Path.stat = stat
"""
    assert _run(changed + PROGRAM, cache) == "[0.0, nan, 2.0] 0"


def test_half_a_file_in_the_cache_is_done_without(filled: Path, tmp_path: Path) -> None:
    cache = shutil.copytree(filled, tmp_path / "cache")
    files = [file for file in cache.rglob("*") if file.is_file()]
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:-40])
    assert _run(PROGRAM, cache) == "[0.0, nan, 2.0] 0"


def test_a_cache_folder_that_goes_away_is_done_without(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    gone = f"import shutil; from fastnn.kernels import numba_backend; shutil.rmtree({cache!r}); open({cache!r}, 'w')\n"
    assert _run(gone + PROGRAM, tmp_path / "cache") == "[0.0, nan, 2.0] 0"


def test_a_function_without_a_cache_folder_is_compiled_all_the_same() -> None:
    from fastnn.kernels.numba_backend._jit import jit

    space: dict[str, Any] = {}
    exec("def double(x):\n    return x + x", space)  # of no file, so there is no place for its cache
    double = jit()(space["double"])
    assert double(2.5) == 5.0
