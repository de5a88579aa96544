"""Functions of one tensor, element by element: exp, log, trigonometry, rounding, with in-place forms.

The table holds one row a function: its name, NumPy's function for the values, and the derivative as a
function of grad, the input and the output. Integers are computed in the default floating dtype where PyTorch does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn._core import dense
from fastnn.kernels import K
from fastnn.ops.arithmetic import as_floating, quietly
from fastnn.ops.gate import KERNEL_DTYPES, tensor_argument
from fastnn.ops.in_place import in_place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastnn._core import Node
    from fastnn.tensor import Tensor

    Values = Callable[[NDArray[Any]], NDArray[Any]]
    Derivative = Callable[[Tensor, Tensor, Tensor], Tensor]
    Unary = Callable[[Tensor], Tensor]

__all__ = [
    "abs", "abs_", "absolute", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "asin",
    "asinh", "atan", "atanh", "ceil", "ceil_", "cos", "cos_", "cosh", "erf", "exp", "exp2", "exp_", "expm1", "floor",
    "floor_", "frac", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "log_", "neg", "neg_", "negative",
    "positive", "reciprocal", "reciprocal_", "round", "round_", "rsqrt", "rsqrt_", "sgn", "sign", "sin", "sin_", "sinh",
    "sqrt", "sqrt_", "square", "square_", "tan", "trunc", "trunc_",
]  # fmt: skip


def unary(name: str, values: Values, derivative: Derivative, saves: str, keeps_integers: bool, doc: str) -> Unary:
    """The public function of one row of the table. saves: "input", "output" or "" - what the derivative reads."""
    node = f"{name.capitalize()}Backward0"

    def backward(ctx: Node, grad: Tensor) -> Tensor:
        saved = ctx.saved[0] if saves else grad
        return derivative(grad, saved, saved)

    def function(input: Tensor) -> Tensor:
        tensor = tensor_argument(input, name)
        if not keeps_integers:
            tensor = as_floating(tensor)
        elif tensor._array.dtype == np.bool_ and name not in ("sign", "square"):
            raise _no_bool(name)
        out = quietly(values, tensor._array)
        return _core.record(node, backward, (tensor,), out, (tensor,) if saves == "input" else (), saves == "output")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _no_bool(name: str) -> Exception:
    if name == "neg":
        return RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return NotImplementedError(f"\"{name}\" not implemented for 'Bool'")


def _zero(grad: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return grad * 0


# ------------------------------------------------------------------------------------------------ exp, by kernel


def exp(input: Tensor) -> Tensor:
    """e ** input, element by element."""
    tensor = as_floating(tensor_argument(input, "exp"))
    x = tensor._array
    if x.dtype in KERNEL_DTYPES:
        out = np.empty(x.shape, x.dtype)
        K.exp_forward(dense(tensor), out)
    else:
        out = quietly(np.exp, x)
    return _core.record("ExpBackward0", _exp_backward, (tensor,), out, (), True)


def _exp_backward(ctx: Node, grad: Tensor) -> Tensor:
    return grad * ctx.saved[0]


# ------------------------------------------------------------------------------------------------ the table


def _by_kernel(kind: str, ufunc: Values) -> Values:
    """The kernel of that name where it takes the array as it is, else NumPy's function."""

    def values(x: NDArray[Any]) -> NDArray[Any]:
        if x.dtype not in KERNEL_DTYPES or not (x.flags.c_contiguous and x.flags.aligned):
            return ufunc(x)
        out = np.empty(x.shape, x.dtype)
        K.activation_forward(kind, x, 0.0, 0.0, out)
        return out

    return values


def _erf(x: NDArray[Any]) -> NDArray[Any]:
    """erf of an array that the kernel cannot take as it is."""
    wide = np.require(x, x.dtype if x.dtype in KERNEL_DTYPES else np.float32, ("C", "A"))
    out = np.empty(wide.shape, wide.dtype)
    K.activation_forward("erf", wide, 0.0, 0.0, out)
    return out.astype(x.dtype, copy=False)


def _erf_slope(grad: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return grad * (exp(x * x * -1) * (2 / math.sqrt(math.pi)))


def _sign(x: NDArray[Any]) -> NDArray[Any]:
    """NumPy's, but for NaN, whose sign is 0 in PyTorch, and for bools, which have none in NumPy."""
    if x.dtype == np.bool_:
        return x
    signs: NDArray[Any] = (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)
    return signs


def _square(x: NDArray[Any]) -> NDArray[Any]:
    squares: NDArray[Any] = np.square(x.astype(np.int64) if x.dtype == np.bool_ else x)
    return squares


def _frac(x: NDArray[Any]) -> NDArray[Any]:
    if x.dtype.kind != "f":
        raise NotImplementedError(f'"frac" not implemented for {x.dtype}')
    fraction: NDArray[Any] = x - np.trunc(x)
    return fraction


_ROWS: list[tuple[str, Values, Derivative, str, bool, str]] = [
    ("neg", np.negative, lambda g, x, y: -g, "", True, "-input, element by element; no bools."),
    ("abs", np.abs, lambda g, x, y: g * sign(x), "input", True, "|input|; the derivative at 0 is 0."),
    ("sign", _sign, _zero, "", True, "-1, 0 or 1 by the sign of input."),
    ("square", _square, lambda g, x, y: g * (2 * x), "input", True, "input squared."),
    ("sqrt", _by_kernel("sqrt", np.sqrt), lambda g, x, y: g / (2 * y), "output", False, "The square root."),
    ("rsqrt", lambda x: 1 / np.sqrt(x), lambda g, x, y: -0.5 * g * y * y * y, "output", False, "1 / sqrt(input)."),
    (
        "reciprocal",
        lambda x: 1 / x,
        lambda g, x, y: -g * y * y,
        "output",
        False,
        "1 / input; infinite at 0.",
    ),
    ("exp2", np.exp2, lambda g, x, y: g * y * float(np.log(2)), "output", False, "2 ** input, element by element."),
    ("expm1", np.expm1, lambda g, x, y: g * (y + 1), "output", False, "e ** input - 1, accurate near 0."),
    ("log", _by_kernel("log", np.log), lambda g, x, y: g / x, "input", False, "The natural logarithm."),
    ("log2", np.log2, lambda g, x, y: g / (x * float(np.log(2))), "input", False, "The logarithm to base 2."),
    ("log10", np.log10, lambda g, x, y: g / (x * float(np.log(10))), "input", False, "The logarithm to base 10."),
    ("log1p", np.log1p, lambda g, x, y: g / (x + 1), "input", False, "log(1 + input), accurate near 0."),
    ("erf", _by_kernel("erf", _erf), _erf_slope, "input", False, "The error function."),
    ("sin", np.sin, lambda g, x, y: g * cos(x), "input", False, "The sine of input in radians."),
    ("cos", np.cos, lambda g, x, y: -g * sin(x), "input", False, "The cosine of input in radians."),
    ("tan", np.tan, lambda g, x, y: g * (y * y + 1), "output", False, "The tangent of input in radians."),
    ("asin", np.arcsin, lambda g, x, y: g * rsqrt(1 - x * x), "input", False, "The arc sine, in radians."),
    ("acos", np.arccos, lambda g, x, y: -g * rsqrt(1 - x * x), "input", False, "The arc cosine, in radians."),
    ("atan", np.arctan, lambda g, x, y: g / (x * x + 1), "input", False, "The arc tangent, in radians."),
    ("sinh", np.sinh, lambda g, x, y: g * cosh(x), "input", False, "The hyperbolic sine."),
    ("cosh", np.cosh, lambda g, x, y: g * sinh(x), "input", False, "The hyperbolic cosine."),
    ("asinh", np.arcsinh, lambda g, x, y: g * rsqrt(x * x + 1), "input", False, "The inverse hyperbolic sine."),
    ("acosh", np.arccosh, lambda g, x, y: g * rsqrt(x * x - 1), "input", False, "The inverse hyperbolic cosine."),
    ("atanh", np.arctanh, lambda g, x, y: g / (1 - x * x), "input", False, "The inverse hyperbolic tangent."),
    ("floor", np.floor, _zero, "", True, "The largest integer not above input."),
    ("ceil", np.ceil, _zero, "", True, "The smallest integer not below input."),
    ("trunc", np.trunc, _zero, "", True, "The integer part, towards 0."),
    ("frac", _frac, lambda g, x, y: g, "", True, "The fractional part, input - trunc(input)."),
]
_BY_NAME = {row[0]: unary(*row) for row in _ROWS}

# One assignment a name, so that editors and type checkers see them.
neg: Unary = _BY_NAME["neg"]
abs: Unary = _BY_NAME["abs"]
sign: Unary = _BY_NAME["sign"]
square: Unary = _BY_NAME["square"]
sqrt: Unary = _BY_NAME["sqrt"]
rsqrt: Unary = _BY_NAME["rsqrt"]
reciprocal: Unary = _BY_NAME["reciprocal"]
exp2: Unary = _BY_NAME["exp2"]
expm1: Unary = _BY_NAME["expm1"]
log: Unary = _BY_NAME["log"]
log2: Unary = _BY_NAME["log2"]
log10: Unary = _BY_NAME["log10"]
log1p: Unary = _BY_NAME["log1p"]
erf: Unary = _BY_NAME["erf"]
sin: Unary = _BY_NAME["sin"]
cos: Unary = _BY_NAME["cos"]
tan: Unary = _BY_NAME["tan"]
asin: Unary = _BY_NAME["asin"]
acos: Unary = _BY_NAME["acos"]
atan: Unary = _BY_NAME["atan"]
sinh: Unary = _BY_NAME["sinh"]
cosh: Unary = _BY_NAME["cosh"]
asinh: Unary = _BY_NAME["asinh"]
acosh: Unary = _BY_NAME["acosh"]
atanh: Unary = _BY_NAME["atanh"]
floor: Unary = _BY_NAME["floor"]
ceil: Unary = _BY_NAME["ceil"]
trunc: Unary = _BY_NAME["trunc"]
frac: Unary = _BY_NAME["frac"]
arccos: Unary = acos
arccosh: Unary = acosh
arcsin: Unary = asin
arcsinh: Unary = asinh
arctan: Unary = atan
arctanh: Unary = atanh
negative: Unary = neg
absolute: Unary = abs
sgn: Unary = sign


def positive(input: Tensor) -> Tensor:
    """input itself."""
    return tensor_argument(input, "positive")


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest number of so many decimals, halves to even."""
    tensor = tensor_argument(input, "round")
    if tensor._array.dtype == np.bool_:
        raise _no_bool("round")
    return _core.record("RoundBackward0", _round_backward, (tensor,), np.round(tensor._array, decimals))


def _round_backward(ctx: Node, grad: Tensor) -> Tensor:
    return grad * 0


# ------------------------------------------------------------------------------------------------ tests of values


def isnan(input: Tensor) -> Tensor:
    """Where input is NaN."""
    return _core.wrap(np.isnan(tensor_argument(input, "isnan")._array))


def isinf(input: Tensor) -> Tensor:
    """Where input is +inf or -inf."""
    return _core.wrap(np.isinf(tensor_argument(input, "isinf")._array))


def isfinite(input: Tensor) -> Tensor:
    """Where input is neither infinite nor NaN."""
    return _core.wrap(np.isfinite(tensor_argument(input, "isfinite")._array))


# ------------------------------------------------------------------------------------------------ in place


def _in_place_form(function: Unary) -> Unary:
    def form(input: Tensor) -> Tensor:
        return in_place(function, input, reads_input=reads_input)

    reads_input = any(row[0] == function.__name__ and row[3] == "input" for row in _ROWS)
    form.__name__ = form.__qualname__ = f"{function.__name__}_"
    form.__doc__ = f"{function.__doc__} In place."
    return form


neg_: Unary = _in_place_form(neg)
abs_: Unary = _in_place_form(abs)
exp_: Unary = _in_place_form(exp)
log_: Unary = _in_place_form(log)
sqrt_: Unary = _in_place_form(sqrt)
rsqrt_: Unary = _in_place_form(rsqrt)
reciprocal_: Unary = _in_place_form(reciprocal)
square_: Unary = _in_place_form(square)
sin_: Unary = _in_place_form(sin)
cos_: Unary = _in_place_form(cos)
floor_: Unary = _in_place_form(floor)
ceil_: Unary = _in_place_form(ceil)
trunc_: Unary = _in_place_form(trunc)


def round_(input: Tensor, *, decimals: int = 0) -> Tensor:
    """round, in place."""
    return in_place(round, input, decimals=decimals)
