"""``python -m benchmarks.roofline``: how near each kernel comes to what this machine can do.

The machine's peak of fused products and sums, for one thread and for all, and its memory bandwidth are measured
first. A row's bound is the larger of the time its products would take at that peak and the time its arrays, each
read or written once, would take at that bandwidth; its share is that bound over the time measured (Williams,
Waterman & Patterson 2009). Arrays that fit into the caches may move faster than memory: then the share exceeds 1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from fastnn import get_num_threads, set_num_threads
from fastnn.kernels import cython_backend
from fastnn.kernels.cases import CASES, Case, parameters

Given = dict[str, Any]
ROUNDS = 1 << 18  # of the loop that measures the peak: about a millisecond
BANDWIDTH_BYTES = 64 << 20
LEAST_SECONDS = 0.02  # a row is timed for at least this long, and at least TIMES times
TIMES = 5


def _matmul(given: Given) -> float:
    out = given["out"]
    inner = given["a"].shape[1 if given["transpose_a"] else 2]
    return 2.0 * float(out.size) * float(inner)


def _linear_backward(given: Given) -> float:
    products = sum(given[name] is not None for name in ("grad_x", "grad_weight"))
    return 2.0 * products * float(given["grad"].size) * float(given["x"].shape[1])


def _taps(given: Given, pixels: str, weight: str) -> float:
    return 2.0 * float(given[pixels].size) * float(np.prod(given[weight].shape[1:]))


def _attention(given: Given, products: int) -> float:
    """Two products forward, five backward; half of each under a causal mask."""
    keys, width = given["key"].shape[2], given["query"].shape[3]
    queries = float(np.prod(given["query"].shape[:3]))
    return products * 2.0 * queries * keys * width * (0.5 if given["causal"] else 1.0)


def _recurrent(given: Given) -> float:
    """The recurrent product of every step; what is first is (steps of all sequences, gates)."""
    return 2.0 * float(next(iter(given.values())).shape[0]) * float(given["weight_hh"].size)


# The products' operations of a call, as a function of its arguments by name; the other kernels are passes over memory.
OPERATIONS: dict[str, Callable[[Given], float]] = {
    "matmul": _matmul,
    "linear_forward": lambda given: 2.0 * float(given["out"].size) * float(given["x"].shape[1]),
    "linear_backward": _linear_backward,
    "conv_forward": lambda given: _taps(given, "out", "weight"),
    "conv_grad_input": lambda given: _taps(given, "grad", "weight"),
    "conv_grad_weight": lambda given: _taps(given, "grad", "grad_weight"),
    "attention_forward": lambda given: _attention(given, 2),
    "attention_backward": lambda given: _attention(given, 5),
    "lstm_forward": _recurrent,
    "gru_forward": _recurrent,
    "rnn_forward": _recurrent,
}


class Machine(NamedTuple):
    """What was measured: operations a second in float32 and float64, and bytes a second, on so many threads."""

    threads: int
    single: float
    double: float
    bandwidth: float


class Row(NamedTuple):
    """A benchmark row: its least time, operations, bytes and share of its bound."""

    id: str
    seconds: float
    operations: float
    bytes: float
    share: float
    bound: str


def measure(threads: int) -> Machine:
    """The machine's peak and bandwidth with so many threads; the threads are set back after."""
    before = get_num_threads()
    set_num_threads(threads)
    try:
        peak = [_best(lambda d=double: cython_backend.fma_peak(d, ROUNDS)) for double in (False, True)]
        operations = [cython_backend.fma_peak(double, ROUNDS) for double in (False, True)]
        x = np.ones(BANDWIDTH_BYTES // 4, np.float32)
        out = np.empty_like(x)
        moved = 2 * x.nbytes / _best(lambda: cython_backend.copy(x, out))
    finally:
        set_num_threads(before)
    return Machine(threads, operations[0] / peak[0], operations[1] / peak[1], moved)


def _best(call: Callable[[], object]) -> float:
    """The least time of a call, in seconds."""
    call()
    best, spent, times = float("inf"), 0.0, 0
    while spent < LEAST_SECONDS or times < TIMES:
        start = time.perf_counter()
        call()
        taken = time.perf_counter() - start
        best, spent, times = min(best, taken), spent + taken, times + 1
    return best


def work(case: Case, arguments: Sequence[Any]) -> tuple[float, float]:
    """The operations of products and the bytes of all arrays, each once, of a call."""
    given = dict(zip(parameters(case.kernel), arguments, strict=True))
    arrays = [item for value in arguments for item in (value if isinstance(value, list) else [value])]
    moved = float(sum(item.nbytes for item in arrays if isinstance(item, np.ndarray)))
    operations = OPERATIONS.get(case.kernel)
    return (operations(given) if operations else 0.0), moved


def row(case: Case, machine: Machine) -> Row:
    """Times one row in float32 on the threads that are set."""
    arguments = case.make(np.random.default_rng(20240229), np.dtype(np.float32))
    kernel = getattr(cython_backend, case.kernel)
    seconds = _best(lambda: kernel(*arguments))
    operations, moved = work(case, arguments)
    by_products, by_memory = operations / machine.single, moved / machine.bandwidth
    bound = "products" if by_products > by_memory else "memory"
    return Row(case.id, seconds, operations, moved, max(by_products, by_memory) / seconds, bound)


def show(machines: Sequence[Machine], rows: Sequence[Row], console: Console) -> None:
    """Prints both tables."""
    table = Table(title="This machine", title_justify="left")
    for heading in ("threads", "float32 GFLOP/s", "float64 GFLOP/s", "memory GB/s"):
        table.add_column(heading, justify="right")
    for machine in machines:
        numbers = (machine.single, machine.double, machine.bandwidth)
        table.add_row(str(machine.threads), *(f"{value / 1e9:.1f}" for value in numbers))
    console.print(table)
    table = Table(title="Rows of kernels/cases, cython, float32", title_justify="left")
    table.add_column("row", no_wrap=True)
    for heading in ("us", "GFLOP/s", "GB/s", "bound by", "share"):
        table.add_column(heading, justify="right")
    for each in rows:
        rates = (each.operations / each.seconds / 1e9, each.bytes / each.seconds / 1e9)
        shown = [f"{rate:.1f}" if rate else "-" for rate in rates]
        table.add_row(each.id, f"{each.seconds * 1e6:.1f}", *shown, each.bound, f"{each.share:.0%}")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; exit status 2 where no row was chosen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="only the rows whose id holds this text")
    parser.add_argument("--threads", type=int, default=get_num_threads(), help="threads (default: all, %(default)s)")
    chosen = parser.parse_args(arguments)
    cases = [case for case in CASES if case.size and chosen.only in case.id]
    if not cases:
        parser.error(f"--only {chosen.only!r} matches no row of kernels/cases")
    machines = [measure(threads) for threads in sorted({1, chosen.threads})]
    before = get_num_threads()
    set_num_threads(chosen.threads)
    try:
        rows = [row(case, machines[-1]) for case in cases]
    finally:
        set_num_threads(before)
    show(machines, rows, Console())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
