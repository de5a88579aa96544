"""A convolution's memory beside its arrays: bounded for any image, as patches are never laid out as a matrix."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Prints the peak of resident memory above what was there before each call, for growing sizes. Arrays are touched first.
MEASURE = """
import sys
import numpy as np
from fastnn.kernels import K
from fastnn.kernels.cython_backend import _runtime

def field(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))

_runtime.set_num_threads(2)
channels, outputs, kernel = map(int, sys.argv[1:4])
options = (1, 1), ((kernel // 2, kernel // 2),) * 2, (1, 1), 1
weight = np.ones((outputs, channels, kernel, kernel), np.float32)
for extent in (32, 64, 128, 256):
    x, out = np.ones((4, channels, extent, extent), np.float32), np.ones((4, outputs, extent, extent), np.float32)
    grad_x, grad_weight = np.ones_like(x), np.ones_like(weight)
    found = []
    for call in (
        lambda: K.conv_forward(x, weight, None, *options, "none", out),
        lambda: K.conv_grad_input(out, weight, None, *options, grad_x),
        lambda: K.conv_grad_weight(out, x, *options, grad_weight),
    ):
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")
        before = field("VmRSS")
        call()
        found.append(field("VmHWM") - before)
    print(*found)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize(("channels", "outputs", "kernel"), [(8, 12, 5), (24, 24, 3), (16, 3, 9)])
def test_memory_does_not_grow_with_the_image(channels: int, outputs: int, kernel: int) -> None:
    command = [sys.executable, "-c", MEASURE, str(channels), str(outputs), str(kernel)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if "PermissionError" in run.stderr:
        pytest.skip("this system does not let a process reset its peak")
    assert run.returncode == 0, run.stderr
    rows = [[int(word) for word in line.split()] for line in run.stdout.splitlines()]
    assert len(rows) == 4
    # The largest image has 64 times the pixels of the smallest; its patches would take 200 MB and more.
    assert max(max(row) for row in rows) < 24 << 20
