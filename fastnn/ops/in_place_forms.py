"""The in-place forms of functions that other files define: x.acos_() stores acos(x) in x.

Each checks, computes and stores as ops/in_place.py says: the target must be able to hold the result's shape and kind of
dtype, and the tape sees the change. What the gradient reads of the old values is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops import (
    arithmetic,
    compare,
    elementwise,
    elementwise_more,
    join,
    matmul,
    pairs,
    products,
    scan,
    select,
    shape,
    special,
)
from fastnn.ops import (
    renorm as _renorm,
)
from fastnn.ops.in_place import in_place

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

    Form = Callable[..., Tensor]


def _form(function: Callable[..., Tensor]) -> Form:
    def form(input: Tensor, *args: Any, **options: Any) -> Tensor:
        return in_place(function, input, *args, reads_input=True, **options)

    form.__name__ = form.__qualname__ = f"{function.__name__}_"
    form.__doc__ = f"{(function.__doc__ or '').strip()} In place; arguments as of {function.__name__}."
    return form


acos_: Form = _form(elementwise.acos)
acosh_: Form = _form(elementwise.acosh)
asin_: Form = _form(elementwise.asin)
asinh_: Form = _form(elementwise.asinh)
atan_: Form = _form(elementwise.atan)
atanh_: Form = _form(elementwise.atanh)
cosh_: Form = _form(elementwise.cosh)
sinh_: Form = _form(elementwise.sinh)
tan_: Form = _form(elementwise.tan)
erf_: Form = _form(elementwise.erf)
exp2_: Form = _form(elementwise.exp2)
expm1_: Form = _form(elementwise.expm1)
frac_: Form = _form(elementwise.frac)
log10_: Form = _form(elementwise.log10)
log1p_: Form = _form(elementwise.log1p)
log2_: Form = _form(elementwise.log2)
sign_: Form = _form(elementwise.sign)

deg2rad_: Form = _form(elementwise_more.deg2rad)
rad2deg_: Form = _form(elementwise_more.rad2deg)
sinc_: Form = _form(elementwise_more.sinc)
logit_: Form = _form(elementwise_more.logit)
nan_to_num_: Form = _form(elementwise_more.nan_to_num)
fix_: Form = _form(elementwise_more.fix)

erfc_: Form = _form(special.erfc)
erfinv_: Form = _form(special.erfinv)
lgamma_: Form = _form(special.lgamma)
digamma_: Form = _form(special.digamma)
mvlgamma_: Form = _form(special.mvlgamma)
i0_: Form = _form(special.i0)
igamma_: Form = _form(special.igamma)
igammac_: Form = _form(special.igammac)

atan2_: Form = _form(pairs.atan2)
copysign_: Form = _form(pairs.copysign)
hypot_: Form = _form(pairs.hypot)
xlogy_: Form = _form(pairs.xlogy)
lerp_: Form = _form(pairs.lerp)
addcmul_: Form = _form(pairs.addcmul)
addcdiv_: Form = _form(pairs.addcdiv)
nextafter_: Form = _form(pairs.nextafter)
heaviside_: Form = _form(pairs.heaviside)
gcd_: Form = _form(pairs.gcd)
lcm_: Form = _form(pairs.lcm)
ldexp_: Form = _form(pairs.ldexp)
bitwise_left_shift_: Form = _form(pairs.bitwise_left_shift)
bitwise_right_shift_: Form = _form(pairs.bitwise_right_shift)

fmod_: Form = _form(arithmetic.fmod)
remainder_: Form = _form(arithmetic.remainder)
floor_divide_: Form = _form(arithmetic.floor_divide)

eq_: Form = _form(compare.eq)
ne_: Form = _form(compare.ne)
lt_: Form = _form(compare.lt)
le_: Form = _form(compare.le)
gt_: Form = _form(compare.gt)
ge_: Form = _form(compare.ge)
logical_and_: Form = _form(compare.logical_and)
logical_or_: Form = _form(compare.logical_or)
logical_xor_: Form = _form(compare.logical_xor)
logical_not_: Form = _form(compare.logical_not)
bitwise_and_: Form = _form(compare.bitwise_and)
bitwise_or_: Form = _form(compare.bitwise_or)
bitwise_xor_: Form = _form(compare.bitwise_xor)
bitwise_not_: Form = _form(compare.bitwise_not)

addmm_: Form = _form(matmul.addmm)
baddbmm_: Form = _form(matmul.baddbmm)

addmv_: Form = _form(products.addmv)
addr_: Form = _form(products.addr)
addbmm_: Form = _form(products.addbmm)

clamp_min_: Form = _form(select.clamp_min)
clamp_max_: Form = _form(select.clamp_max)

cumsum_: Form = _form(scan.cumsum)
cumprod_: Form = _form(scan.cumprod)

tril_: Form = _form(join.tril)
triu_: Form = _form(join.triu)

renorm_: Form = _form(_renorm.renorm)


def float_power_(input: Tensor, exponent: Any) -> Tensor:
    """input ** exponent, in place. RuntimeError unless input is float64, the result's dtype."""
    if input._array.dtype != np.float64:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {input.dtype} but the operation's result requires dtype float64"
        )
    return in_place(arithmetic.float_power, input, exponent, reads_input=True)


def polygamma_(input: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma at input, in place."""
    return in_place(lambda x: special.polygamma(n, x), input, reads_input=True)


# ------------------------------------------------------------------------------------------------ another shape


def _reshaped(function: Callable[..., Tensor], input: Tensor, *args: Any) -> Tensor:
    """input takes the shape and strides of a view of itself."""
    _core.check_inplace(input)
    out = function(input, *args)
    input._set_data(out)
    return _core.adopt(input, out)


def squeeze_(input: Tensor, dim: Any = None) -> Tensor:
    """squeeze, in place."""
    return _reshaped(shape.squeeze, input, dim)


def unsqueeze_(input: Tensor, dim: int) -> Tensor:
    """unsqueeze, in place."""
    return _reshaped(shape.unsqueeze, input, dim)


def transpose_(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """transpose, in place."""
    return _reshaped(shape.transpose, input, dim0, dim1)


def t_(input: Tensor) -> Tensor:
    """t, in place."""
    return _reshaped(shape.t, input) if input._array.ndim == 2 else shape.t(input)


def as_strided_(input: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Tensor:
    """as_strided, in place."""
    from fastnn.ops.strided import as_strided

    return _reshaped(as_strided, input, size, stride, storage_offset)
