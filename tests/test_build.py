"""The installed package: what an import loads, which variant it picks, what it says when something is amiss."""

from __future__ import annotations

import importlib.util
import inspect
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import fastnn
from fastnn import kernels
from fastnn.kernels import K, contract, current_backend, cython_backend, use_backend
from fastnn.kernels.cython_backend import _runtime, choose_level, load

LEVEL = _runtime.cpu_level()
X86_64 = LEVEL in cython_backend.LEVELS
x86_64 = pytest.mark.skipif(not X86_64, reason="other processors have one build")


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "FASTNN_ISA"}
    return subprocess.run(
        [sys.executable, "-c", code], env={**inherited, **environment}, capture_output=True, text=True, timeout=60
    )


# ------------------------------------------------------------------------------------- the import


def test_import_loads_numpy_alone() -> None:
    heavy = {"numba", "llvmlite", "scipy", "sklearn", "matplotlib", "torch", "pandas", "onnx", "rich", "tqdm"}
    done = run("import sys, fastnn; print(' '.join(sys.modules))")
    assert done.returncode == 0, done.stderr
    assert heavy.isdisjoint(done.stdout.split())


def test_no_top_level_package_named_kernels(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import fastnn.kernels, sys; print('kernels' in sys.modules); import kernels"],
        cwd=str(tmp_path), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "False"
    assert "No module named 'kernels'" in done.stderr


def test_every_folder_is_a_package() -> None:
    """setup.py finds packages by their __init__.py: a folder without one works in the clone and is not in the wheel."""
    for package in (fastnn, kernels):
        for file in Path(package.__path__[0]).rglob("*.py"):
            assert (file.parent / "__init__.py").exists(), f"{file.parent} is left out of the wheel"


# ------------------------------------------------------------------------------------- ISA levels

WHICH = "from fastnn.kernels import cython_backend; print(cython_backend.ISA)"


@x86_64
@pytest.mark.parametrize("level", cython_backend.LEVELS)
def test_every_level_is_built(level: str) -> None:
    assert importlib.util.find_spec(f"fastnn.kernels.cython_backend._{level}") is not None


def test_the_best_level_is_the_default() -> None:
    assert run(WHICH).stdout.strip() == run(WHICH, FASTNN_ISA="").stdout.strip() == LEVEL


@x86_64
@pytest.mark.parametrize("level", cython_backend.LEVELS)
def test_fastnn_isa(level: str) -> None:
    done = run(WHICH, FASTNN_ISA=level)
    if level <= LEVEL:
        assert done.stdout.strip() == level
    else:
        assert done.returncode != 0
        assert f"RuntimeError: FASTNN_ISA={level}: this processor only supports v2" in done.stderr


def test_unknown_level() -> None:
    done = run("import fastnn", FASTNN_ISA="avx9")
    assert done.returncode != 0
    assert "RuntimeError: FASTNN_ISA=avx9: unknown level; expected one of" in done.stderr


@pytest.mark.parametrize(
    ("cpu", "asked", "level"),
    [("v4", None, "v4"), ("v4", "v2", "v2"), ("v3", "", "v3"), ("portable", None, "portable")],
)
def test_choice(cpu: str, asked: str | None, level: str) -> None:
    assert choose_level(cpu, asked) == level


@pytest.mark.parametrize(("cpu", "asked"), [("v2", "v3"), ("v3", "v4"), ("portable", "v2"), ("v3", "V2"), ("v4", "v1")])
def test_refused_choice(cpu: str, asked: str) -> None:
    with pytest.raises(RuntimeError, match=f"^FASTNN_ISA={asked}: "):
        choose_level(cpu, asked)


@pytest.mark.parametrize("asked", [None, "v2"])
def test_processor_that_is_too_old(asked: str | None) -> None:
    with pytest.raises(ImportError, match="needs an x86-64-v2 processor"):
        choose_level("v1", asked)


@pytest.mark.skipif(not sys.platform.startswith("linux") or not X86_64, reason="reads /proc/cpuinfo")
def test_level_agrees_with_the_kernel_s_list() -> None:
    with open("/proc/cpuinfo") as file:
        flags = next(set(line.split(":")[1].split()) for line in file if line.startswith("flags"))
    v3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"} <= flags
    v4 = v3 and {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= flags
    assert ("v4" if v4 else "v3" if v3 else "v2") == LEVEL


def test_a_missing_module_says_how_to_build_it() -> None:
    with pytest.raises(ImportError, match=r"_v9 is missing; build it with `pip install -e \.`"):
        load("_v9")


# ------------------------------------------------------------------------------------- backends


def test_default_backend() -> None:
    assert current_backend() == "cython"
    assert K.add is cython_backend.add


def test_switch_and_restore() -> None:
    from fastnn.kernels import numpy_backend

    with use_backend("numpy"):
        assert current_backend() == "numpy"
        assert all(getattr(K, name) is getattr(numpy_backend, name) for name in contract.KERNELS)
        with use_backend("cython"):
            assert K.add is cython_backend.add
        assert current_backend() == "numpy"
    assert current_backend() == "cython"
    use_backend("numpy")
    assert current_backend() == "numpy"
    use_backend("cython")
    assert K.add is cython_backend.add


def test_restored_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), use_backend("numpy"):
        raise ZeroDivisionError
    assert current_backend() == "cython"


def test_unknown_backend() -> None:
    with pytest.raises(ValueError, match="unknown backend 'cuda'; expected one of numpy, cython, numba"):
        use_backend("cuda")
    assert current_backend() == "cython"


def test_numba_backend_without_numba() -> None:
    code = "import sys; sys.modules['numba'] = None; import fastnn.kernels as k; k.use_backend('numba')"
    done = run(code)
    assert done.returncode != 0
    assert 'ImportError: the numba backend needs numba: pip install "fastnn-cpu[numba]"' in done.stderr


def test_a_kernel_that_a_backend_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    partial = ModuleType("fastnn.kernels.numba_backend")
    vars(partial).update({name: getattr(cython_backend, name) for name in contract.KERNELS if name != "add"})
    monkeypatch.setattr(partial, "MISSING", ("add",), raising=False)
    monkeypatch.setitem(sys.modules, "fastnn.kernels.numba_backend", partial)
    x = np.ones((1, 1, 1))
    with use_backend("numba"):
        with pytest.raises(NotImplementedError, match="kernel add is not in the numba backend"):
            K.add(x, x, x)
        K.mul(x, x, np.empty_like(x))


@x86_64
@pytest.mark.parametrize("level", [level for level in cython_backend.LEVELS if level <= LEVEL])
@pytest.mark.parametrize("kernel", contract.KERNELS)
def test_every_variant_has_the_contract_s_signatures(level: str, kernel: str) -> None:
    have = inspect.signature(getattr(load(f"_{level}"), kernel))
    assert list(have.parameters) == list(inspect.signature(getattr(contract, kernel)).parameters)


def test_the_map_names_what_is_there() -> None:
    folder = os.path.dirname(kernels.__file__)
    for name in ("contract", "cases", "numpy_backend", "cython_backend", "numba_backend"):
        assert name in (kernels.__doc__ or "")
        assert os.path.exists(os.path.join(folder, name))
