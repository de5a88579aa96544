"""Builds the compiled modules: the tape, the workers, and one copy of the kernels for each ISA level.

Everything that is plain data stands in pyproject.toml; here is what needs to look at the machine.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

BACKEND = "kernels/cython_backend"
MODULE = "fastnn.kernels.cython_backend"

# Not fast-math: NaN and infinities must pass through, and linking with it would flush denormals in the whole process.
FLAGS = [
    os.environ.get("FASTNN_OPTIMIZE", "-O3"),  # -O1 by make sanitize: -O3 takes half an hour with the checks
    "-g0",
    "-std=gnu11",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fno-semantic-interposition",
    "-pthread",
]

# The kernels' variants: (module, flags). One is chosen at import; all else stays at the compiler's default level.
X86_64 = [
    ("_v2", ["-march=x86-64-v2"]),
    ("_v3", ["-march=x86-64-v3"]),
    ("_v4", ["-march=x86-64-v4", "-mprefer-vector-width=512"]),
]
OTHERS: list[tuple[str, list[str]]] = [("_portable", [])]
VARIANTS = X86_64 if platform.machine().lower() in ("x86_64", "amd64") else OTHERS

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "binding": True,
    "embedsignature": False,
}


def extension(name: str, source: str, flags: list[str], depends: list[str]) -> Extension:
    return Extension(
        name,
        [source],
        depends=depends,
        include_dirs=[np.get_include(), BACKEND],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        extra_compile_args=[*FLAGS, *flags],
        extra_link_args=["-pthread"],
    )


def files(folder: str, *patterns: str) -> list[str]:
    return sorted(str(path) for pattern in patterns for path in Path(folder).glob(pattern))


def extensions() -> list[Extension]:
    headers = files(BACKEND, "*.h")
    shared = files(BACKEND, "*.h", "*.pxi")
    kernels = [extension(f"{MODULE}.{name}", f"{BACKEND}/{name}.pyx", flags, shared) for name, flags in VARIANTS]
    runtime = extension(f"{MODULE}._runtime", f"{BACKEND}/_runtime.pyx", [], headers)
    core = extension("fastnn._core", "fastnn/_core.pyx", [], files("fastnn", "*.pxi", "*.pxd"))
    return [*kernels, core, runtime]


class ParallelBuild(build_ext):
    """build_ext that compiles as many modules at once as there are processors."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


def packages() -> list[str]:
    below = [f"fastnn.kernels.{name}" for name in find_packages("kernels")]
    return [*find_packages(include=["fastnn", "fastnn.*"]), "fastnn.kernels", *below]


if __name__ == "__main__":  # Cython's own worker processes import this file where they are spawned
    setup(
        packages=packages(),
        package_dir={"fastnn.kernels": "kernels"},
        ext_modules=cythonize(extensions(), nthreads=os.cpu_count() or 1, compiler_directives=DIRECTIVES),
        cmdclass={"build_ext": ParallelBuild},
    )
