"""exp, tanh and a maximum as arithmetic that LLVM turns into vector instructions; exp and tanh within a few ulp.

exp: x = n ln 2 + r with integer n and |r| <= ln(2)/2, exp(x) = 2**n * exp(r), exp(r) by its Taylor polynomial.
tanh: near zero the approximations of Cephes (Moshier 1989), elsewhere 1 - 2 / (exp(2 |x|) + 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ._jit import CONTRACT, jit

_f = np.float32
_d = np.float64

# Adding 1.5 * 2**mantissa_bits rounds to an integer, which then stands in the low bits.
_ROUND_F, _ROUND_D = _f(1.5 * 2**23), _d(1.5 * 2**52)
_LOG2E_F, _LOG2E_D = _f(1 / math.log(2)), _d(1 / math.log(2))
# ln 2 in two parts, the first with zeros at its end, so that its product with n is exact.
_HIGH_F, _LOW_F = _f(0.693359375), _f(-2.12194440e-4)
_HIGH_D, _LOW_D = _d(6.93147180369123816490e-1), _d(1.90821492927058770002e-10)
# Beyond these the result is 0 or inf.
_LEAST_F, _MOST_F = _f(-110), _f(89)
_LEAST_D, _MOST_D = _d(-760), _d(710)
_F2, _F3, _F4, _F5, _F6, _F7 = (_f(1 / math.factorial(i)) for i in range(2, 8))
_D2, _D3, _D4, _D5, _D6, _D7, _D8, _D9, _D10, _D11, _D12, _D13 = (_d(1 / math.factorial(i)) for i in range(2, 14))
_ONE_F, _TWO_F, _ONE_D, _TWO_D = _f(1), _f(2), _d(1), _d(2)
_BIAS_F, _BIAS_D = np.int32(127), np.int64(1023)
_BITS_F, _BITS_D = np.int32(23), np.int64(52)
_HALF_F, _HALF_D = np.int32(1), np.int64(1)
_INTEGER_F, _INTEGER_D = np.int32(0x4B400000), np.int64(0x4338000000000000)
_LOWEST_F, _LOWEST_D = np.int32(-(2**31)), np.int64(-(2**63))
_SIGN_F, _SIGN_D = np.int32(31), np.int64(63)
_REST_F, _REST_D = np.int32(2**31 - 1), np.int64(2**63 - 1)
_NEAR_F, _NEAR_D = _f(0.625), _d(0.625)
_T0, _T1, _T2, _T3, _T4 = (
    _f(value) for value in (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
)
_P0, _P1, _P2 = (
    _d(value) for value in (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
)
_Q0, _Q1, _Q2 = (_d(value) for value in (1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3))


@jit(CONTRACT)
def _exp_f(x: Any) -> Any:
    x = _MOST_F if x > _MOST_F else x  # comparisons that let NaN through
    x = _LEAST_F if x < _LEAST_F else x
    shifted = x * _LOG2E_F + _ROUND_F
    n = shifted - _ROUND_F
    r = x - n * _HIGH_F - n * _LOW_F
    p = _F6 + r * _F7
    p = _F5 + r * p
    p = _F4 + r * p
    p = _F3 + r * p
    p = _F2 + r * p
    p = _ONE_F + r * (_ONE_F + r * p)
    # 2**n in two factors: n = 128 and n < -126 have no normal number of their own.
    k = np.int32(np.float32(shifted).view(np.int32) - _INTEGER_F)
    half = np.int32(k >> _HALF_F)
    first = np.int32(np.int32(half + _BIAS_F) << _BITS_F).view(np.float32)
    second = np.int32(np.int32(np.int32(k - half) + _BIAS_F) << _BITS_F).view(np.float32)
    return p * first * second


@jit(CONTRACT)
def _exp_d(x: Any) -> Any:
    x = _MOST_D if x > _MOST_D else x
    x = _LEAST_D if x < _LEAST_D else x
    shifted = x * _LOG2E_D + _ROUND_D
    n = shifted - _ROUND_D
    r = x - n * _HIGH_D - n * _LOW_D
    p = _D12 + r * _D13
    p = _D11 + r * p
    p = _D10 + r * p
    p = _D9 + r * p
    p = _D8 + r * p
    p = _D7 + r * p
    p = _D6 + r * p
    p = _D5 + r * p
    p = _D4 + r * p
    p = _D3 + r * p
    p = _D2 + r * p
    p = _ONE_D + r * (_ONE_D + r * p)
    k = np.float64(shifted).view(np.int64) - _INTEGER_D
    half = k >> _HALF_D
    first = np.int64((half + _BIAS_D) << _BITS_D).view(np.float64)
    second = np.int64((k - half + _BIAS_D) << _BITS_D).view(np.float64)
    return p * first * second


@jit(CONTRACT)
def _tanh_f(x: Any) -> Any:
    size = abs(x)
    far = _ONE_F - _TWO_F / (_exp_f(_TWO_F * size) + _ONE_F)
    z = x * x
    p = _T1 + z * _T0
    p = _T2 + z * p
    p = _T3 + z * p
    p = _T4 + z * p
    near = x + x * z * p
    return near if size < _NEAR_F else math.copysign(far, x)


@jit(CONTRACT)
def _tanh_d(x: Any) -> Any:
    size = abs(x)
    far = _ONE_D - _TWO_D / (_exp_d(_TWO_D * size) + _ONE_D)
    z = x * x
    p = (_P0 * z + _P1) * z + _P2
    q = ((z + _Q0) * z + _Q1) * z + _Q2
    near = x + x * z * (p / q)
    return near if size < _NEAR_D else math.copysign(far, x)


# A float's bits, the lower ones inverted where it is negative, are an integer in the same order. A maximum of integers
# becomes vector instructions; one of floats does not, unless NaN is assumed away.
@jit()
def _largest_f(row: Any) -> Any:
    keys = row.view(np.int32)
    most = _LOWEST_F
    for i in range(len(keys)):
        most = max(most, np.int32(keys[i] ^ ((keys[i] >> _SIGN_F) & _REST_F)))
    return np.int32(most ^ ((most >> _SIGN_F) & _REST_F)).view(np.float32)


@jit()
def _largest_d(row: Any) -> Any:
    keys = row.view(np.int64)
    most = _LOWEST_D
    for i in range(len(keys)):
        most = max(most, keys[i] ^ ((keys[i] >> _SIGN_D) & _REST_D))
    return np.int64(most ^ ((most >> _SIGN_D) & _REST_D)).view(np.float64)


def exp(x: Any) -> Any:
    """e ** x of a float32 or float64 number, inside compiled code."""
    raise NotImplementedError("exp is for compiled code")


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of a float32 or float64 number, inside compiled code."""
    raise NotImplementedError("tanh is for compiled code")


def largest(row: Any) -> Any:
    """The maximum of a row of at least one element, inside compiled code; a NaN counts as above inf or below -inf."""
    raise NotImplementedError("largest is for compiled code")


# Numba compares the parameters of an overload and of what it returns by name and annotation.
@overload(exp)
def _exp(x: Any) -> Callable[[Any], Any]:
    def single(x: Any) -> Any:
        return _exp_f(x)

    def double(x: Any) -> Any:
        return _exp_d(x)

    return single if x == types.float32 else double


@overload(tanh)
def _tanh(x: Any) -> Callable[[Any], Any]:
    def single(x: Any) -> Any:
        return _tanh_f(x)

    def double(x: Any) -> Any:
        return _tanh_d(x)

    return single if x == types.float32 else double


@overload(largest)
def _largest(row: Any) -> Callable[[Any], Any]:
    def single(row: Any) -> Any:
        return _largest_f(row)

    def double(row: Any) -> Any:
        return _largest_d(row)

    return single if row.dtype == types.float32 else double
