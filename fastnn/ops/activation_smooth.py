"""Smooth activations: the GELU and ELU families, SiLU, Mish, softplus, logsigmoid, softsign, tanhshrink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.ops.arithmetic import as_floating
from fastnn.ops.elementwise import expm1
from fastnn.ops.gate import tensor_argument
from fastnn.ops.in_place import in_place
from fastnn.ops.named_kernel import by_name
from fastnn.ops.select import where

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "logsigmoid", "mish", "selu", "selu_", "silu", "softplus", "softsign",
    "tanhshrink",
]  # fmt: skip

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """input * Phi(input), Phi the normal distribution; approximate="tanh": by tanh (Hendrycks & Gimpel 2016).

    Values and gradients have their limits at ±inf: 0 and input. RuntimeError for another word.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return by_name("gelu" if approximate == "none" else "gelu_tanh", "gelu", input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input * sigmoid(input), also called swish; 0 at -inf."""
    if inplace:
        return in_place(silu, input, reads_input=True)
    return by_name("silu", "silu", input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input * tanh(log(1 + exp(input))) (Misra 2019); 0 at -inf."""
    if inplace:
        return in_place(mish, input, reads_input=True)
    return by_name("mish", "mish", input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is positive, else alpha * (exp(input) - 1) (Clevert et al. 2015)."""
    if inplace:
        return elu_(input, alpha)
    return by_name("elu", "elu", input, alpha)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """elu in place."""
    return in_place(elu, input, alpha, reads_input=True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """elu of fixed alpha, scaled so that mean 0 and deviation 1 are kept (Klambauer et al. 2017)."""
    if inplace:
        return selu_(input)
    return by_name("selu", "selu", input, _SELU_ALPHA * _SELU_SCALE, _SELU_SCALE)


def selu_(input: Tensor) -> Tensor:
    """selu in place."""
    return in_place(selu, input, reads_input=True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is positive, else alpha * (exp(input / alpha) - 1) (Barron 2017). RuntimeError for alpha 0."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    if inplace:
        return celu_(input, alpha)
    if alpha < 0:  # exp of a positive number, which the kernel has no case for
        return where(tensor_argument(input, "celu") > 0, input, expm1(input / alpha) * alpha)
    return by_name("celu", "celu", input, alpha)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """celu in place."""
    return in_place(celu, input, alpha, reads_input=True)


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(beta * input)) / beta; input itself where beta * input > threshold."""
    return by_name("softplus", "softplus", input, beta, threshold)


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(input)), without overflow at either end."""
    return by_name("logsigmoid", "logsigmoid", input)


def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|); ±1 at ±inf."""
    return by_name("softsign", "softsign", as_floating(tensor_argument(input, "softsign")))


def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input)."""
    return by_name("tanhshrink", "tanhshrink", as_floating(tensor_argument(input, "tanhshrink")))
