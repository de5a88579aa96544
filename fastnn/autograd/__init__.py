"""The public face of the tape: backward, grad, grad modes, Function for ops of one's own, and checks of gradients.

_engine.py walks; grad_mode.py and anomaly_mode.py hold the modes; function.py the user's ops; functional.py Jacobians
and the like; graph.py nodes and what they save; gradcheck.py compares with finite differences.
"""

from __future__ import annotations

from fastnn._core import is_grad_enabled
from fastnn.autograd._engine import backward, grad
from fastnn.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from fastnn.autograd.function import Function
from fastnn.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from fastnn.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from fastnn.autograd.variable import Variable

from fastnn.autograd import functional, graph  # isort: skip # they build on the names above

__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
