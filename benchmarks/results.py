"""What was measured, as plain data: training runs, kernel times, and the machine they come from."""

from __future__ import annotations

import json
import math
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastnn
from fastnn.kernels import cython_backend

# What everything is compared with.
REFERENCE = "numpy"
ACCURACY_WANTED = 0.95


@dataclass(frozen=True)
class Training:
    """One training run. Times in seconds; a loss for each step; differences are absolute, from the reference run."""

    backend: str
    accuracy: float  # share of the test set, 0 to 1
    step_times: list[float]
    step_losses: list[float]
    steps_per_epoch: int
    first_epoch_difference: float  # the largest of the losses of the first epoch's steps
    loss_difference: float  # of the last epoch's mean loss
    logits_difference: float  # the largest of the logits of the test set after training

    @property
    def quicker_times(self) -> list[float]:
        """The steps of every other epoch, those of the quicker half: in the first, third, ... NumPy's BLAS has all
        threads, in the others one.
        """
        epochs = np.reshape(self.step_times, (-1, self.steps_per_epoch))
        halves = [epochs[start::2].ravel() for start in (0, 1) if len(epochs) > start]
        return [float(time) for time in min(halves, key=np.median)]

    @property
    def step_seconds(self) -> float:
        """The median step."""
        return float(np.median(self.quicker_times))

    @property
    def quick_step_seconds(self) -> float:
        """The step that a tenth of the others undercut: what a busy machine disturbs least."""
        return float(np.percentile(self.quicker_times, 10))

    @property
    def epoch_losses(self) -> list[float]:
        losses = np.reshape(self.step_losses, (-1, self.steps_per_epoch))
        return [float(mean) for mean in losses.mean(1)]

    @property
    def reached(self) -> bool:
        return self.accuracy >= ACCURACY_WANTED


@dataclass(frozen=True)
class KernelTime:
    """The time of one row of the case table in one backend, in seconds a call."""

    row: str
    size: str
    backend: str
    best: float
    median: float
    rounds: int
    blas_threads: int | None  # the most that NumPy's BLAS was allowed; None: as many as it likes
    error: float  # largest difference from float64, in float32's epsilon of the output's largest element


@dataclass(frozen=True)
class Results:
    machine: dict[str, str]
    training: list[Training]
    kernels: list[KernelTime]

    def training_speedup(self, run: Training) -> float:
        """How many times faster than the reference a quick step was: the median would flatter the compiled backends
        on a busy machine, where the threads of NumPy's BLAS wait for each other.
        """
        (reference,) = (other for other in self.training if other.backend == REFERENCE)
        return reference.quick_step_seconds / run.quick_step_seconds

    def rows(self) -> dict[str, dict[str, KernelTime]]:
        """The kernel times by row, then by backend."""
        found: dict[str, dict[str, KernelTime]] = {}
        for time in self.kernels:
            found.setdefault(time.row, {})[time.backend] = time
        return found

    def backends(self) -> list[str]:
        """The backends measured, the reference first."""
        return list(dict.fromkeys([run.backend for run in self.training] + [time.backend for time in self.kernels]))

    def write_json(self, path: Path) -> None:
        summary = [
            {
                "backend": run.backend,
                "step_seconds": run.step_seconds,
                "quick_step_seconds": run.quick_step_seconds,
                "speedup": self.training_speedup(run),
            }
            for run in self.training
        ]
        everything: dict[str, Any] = {**asdict(self), "training_summary": summary}
        path.write_text(json.dumps(everything, indent=1), encoding="utf-8")


def speedup(times: dict[str, KernelTime], backend: str) -> float:
    """How many times faster than the reference a backend's best call of a row was; NaN where it lacks the kernel."""
    return times[REFERENCE].best / times[backend].best if backend in times else math.nan


def cells(times: dict[str, KernelTime], backends: list[str]) -> tuple[list[str], list[str]]:
    """One row's microseconds and errors as a table shows them, a backend each; "-" where it lacks the kernel."""
    rows = [times.get(name) for name in backends]
    return (
        [f"{time.best * 1e6:,.1f}" if time else "-" for time in rows],
        [f"{time.error:.1f}" if time else "-" for time in rows],
    )


def machine() -> dict[str, str]:
    """What the numbers depend on: processor, versions, threads."""
    from threadpoolctl import threadpool_info  # scikit-learn needs it, so it is here

    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = [pool for pool in blas if "numpy" in pool["filepath"]] or blas  # SciPy may have brought one of its own
    libraries = {f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} threads" for pool in blas}
    settings = {name: value for name, value in os.environ.items() if name.startswith(("OPENBLAS_", "OMP_", "FASTNN_"))}
    return {
        "Processor": _processor(),
        "Cores of this process": str(_cores()),
        "Load": _load(),
        "fastnn": f"{fastnn.__version__}, ISA level {cython_backend.ISA}, {fastnn.get_num_threads()} threads",
        "NumPy": f"{np.__version__}, BLAS: {'; '.join(sorted(libraries)) or 'not known'}",
        "Numba": _numba_version(),
        "Environment": ", ".join(f"{name}={value}" for name, value in sorted(settings.items())) or "no thread settings",
        "Python": f"{platform.python_version()} on {platform.platform()}",
    }


def _processor() -> str:
    """The processor's name as Linux gives it, elsewhere what Python knows."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load() -> str:
    """How busy the machine was: processes that wanted to run, this one included."""
    if not hasattr(os, "getloadavg"):
        return "not known"
    load = os.getloadavg()[0]
    busy = load > 1.5 * _cores()
    remark = "; the machine was busy: times are too long, and those of threaded products most of all" if busy else ""
    return f"{load:.1f} processes wanted to run in the last minute{remark}"


def _numba_version() -> str:
    import numba

    return str(numba.__version__)
