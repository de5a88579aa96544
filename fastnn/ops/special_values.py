"""Special functions of float64 arrays, array in, array out: what ops/special.py wraps. No SciPy at run time.

Errors are within a few ulp of the largest term that is added. Sources: the error functions by the rational functions of
W. J. Cody, "Rational Chebyshev approximation for the error function" (1969); the normal quantile by M. J. Wichura's
algorithm AS 241 (1988); the gamma function's kin by Stirling's series after a shift to large arguments, Hurwitz's zeta
by Euler's and Maclaurin's sum (Abramowitz & Stegun 6.1.40, 6.3.18, 23.2.7); incomplete gamma functions by their
series and Lentz's continued fraction (6.5.29, 6.5.31); Bessel functions by series and asymptote (9.6.10, 9.7.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.ops.dims import Array

# ------------------------------------------------------------------------------------------------ error functions

_ERF_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_ERFC_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_ERFC_FAR = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip
_NEAR = 0.46875


def _ratio(x: Array, table: tuple[Sequence[float], Sequence[float]]) -> Array:
    """The quotient of two polynomials, highest powers first."""
    above: Array = np.full(x.shape, table[0][0])
    below: Array = np.full(x.shape, table[1][0])
    for factor in table[0][1:]:
        above = above * x + factor
    for factor in table[1][1:]:
        below = below * x + factor
    return above / below


def _scaled_tail(y: Array) -> Array:
    """exp(y**2) * erfc(y) for y >= 0.46875."""
    middle = _ratio(np.minimum(y, 4.0), _ERFC_MIDDLE)
    inverse = 1 / (y * y)
    far = (1 / math.sqrt(math.pi) - inverse * _ratio(inverse, _ERFC_FAR)) / y
    return np.where(y <= 4, middle, far)


def _exp_of_square(y: Array, sign: float) -> Array:
    """exp(sign * y**2), the square in two parts so that its rounding doesn't show."""
    high = np.trunc(y * 16) / 16
    with np.errstate(invalid="ignore"):
        out: Array = np.exp(sign * high * high) * np.exp(sign * (y - high) * (y + high))
    return out


def erfc(x: Array) -> Array:
    """1 - erf(x), with small relative errors for large x."""
    y = np.abs(x)
    near = 1 - x * _ratio(y * y, _ERF_NEAR)
    far = np.maximum(y, _NEAR)
    tail = np.where(far > 27.5, 0.0, _exp_of_square(np.minimum(far, 28.0), -1.0) * _scaled_tail(far))
    return np.where(np.isnan(x), x, np.where(y <= _NEAR, near, np.where(x < 0, 2 - tail, tail)))


def erfcx(x: Array) -> Array:
    """exp(x**2) * erfc(x)."""
    y = np.abs(x)
    square = _exp_of_square(np.minimum(y, 28.0), 1.0)
    near = square * (1 - x * _ratio(y * y, _ERF_NEAR))
    tail = np.where(np.isinf(y), 0.0, _scaled_tail(np.where(np.isinf(y), 1.0, np.maximum(y, _NEAR))))
    return np.where(np.isnan(x), x, np.where(y <= _NEAR, near, np.where(x < 0, 2 * square - tail, tail)))


_QUANTILE_NEAR = (
    (
        2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
        13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
    ),
    (
        5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
        5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0,
    ),
)  # fmt: skip
_QUANTILE_MIDDLE = (
    (
        7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
        3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
        0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0,
    ),
)  # fmt: skip
_QUANTILE_FAR = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
        0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
    ),
    (
        2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
        0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0,
    ),
)  # fmt: skip


def _quantile(q: Array, tail: Array) -> Array:
    """The normal quantile of p, given q = p - 0.5 and tail = min(p, 1 - p)."""
    near = q * _ratio(0.180625 - np.minimum(q * q, 0.180625), _QUANTILE_NEAR)
    r = np.sqrt(-np.log(np.where(tail > 0, tail, 0.5)))
    middle = _ratio(np.minimum(r, 5.0) - 1.6, _QUANTILE_MIDDLE)
    far = _ratio(np.maximum(r, 5.0) - 5.0, _QUANTILE_FAR)
    outside = np.where(tail > 0, np.where(r <= 5, middle, far), np.where(tail == 0, np.inf, np.nan))
    return np.where(np.abs(q) <= 0.425, near, np.copysign(outside, q))


def erfinv(y: Array) -> Array:
    """The x with erf(x) = y; +-inf at +-1, NaN outside."""
    return _quantile(y / 2, (1 - np.abs(y)) / 2) / math.sqrt(2)


def ndtri(p: Array) -> Array:
    """The x below which a standard normal number lies with probability p; NaN outside of [0, 1]."""
    return _quantile(p - 0.5, np.minimum(p, 1 - p))


def ndtr(x: Array) -> Array:
    """The probability that a standard normal number is below x."""
    return erfc(x * -math.sqrt(0.5)) / 2


def log_ndtr(x: Array) -> Array:
    """log(ndtr(x)), also where ndtr(x) is too small for a float."""
    far = np.minimum(x, -1.0)
    below = np.log(erfcx(far * -math.sqrt(0.5)) / 2) - far * far / 2
    return np.where(x < -1, below, np.log1p(-erfc(np.maximum(x, -1.0) * math.sqrt(0.5)) / 2))


# ------------------------------------------------------------------------------------------------ gamma functions

_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
    854513 / 138, -236364091 / 2730,
)  # fmt: skip
_LARGE = 10.0


def _sin_pi(x: Array) -> Array:
    """sin(pi * x), exact zeros at whole numbers."""
    part = x - 2 * np.round(x / 2)
    return np.sin(math.pi * np.where(np.abs(part) > 0.5, np.copysign(1.0, part) - part, part))


def lgamma(x: Array) -> Array:
    """log|gamma(x)|; inf at 0, -1, -2 ... and at +-inf."""
    reflected = np.where(x < 0.5, 1 - x, x)
    shifted, product = reflected, np.ones(x.shape)
    for _ in range(10):
        small = shifted < _LARGE
        product = np.where(small, product * shifted, product)
        shifted = np.where(small, shifted + 1, shifted)
    series = np.zeros(x.shape)
    square = shifted * shifted
    for i in range(8, 0, -1):
        series = series / square + _BERNOULLI[i - 1] / (2 * i * (2 * i - 1))
    value = (shifted - 0.5) * np.log(shifted) - shifted + 0.5 * math.log(2 * math.pi) + series / shifted
    value = value - np.log(product)
    mirrored = np.log(math.pi / np.abs(_sin_pi(x))) - value
    out = np.where(x < 0.5, mirrored, value)
    return np.where(np.isinf(x), np.inf, out)


def digamma(x: Array) -> Array:
    """The derivative of log(gamma(x)); NaN at -1, -2 ..., -+inf at +-0."""
    reflected = np.where(x < 0.5, 1 - x, x)
    shifted, total = reflected, np.zeros(x.shape)
    for _ in range(10):
        small = shifted < _LARGE
        total = np.where(small, total - 1 / shifted, total)
        shifted = np.where(small, shifted + 1, shifted)
    series = np.zeros(x.shape)
    square = shifted * shifted
    for i in range(8, 0, -1):
        series = (series + _BERNOULLI[i - 1] / (2 * i)) / square
    value = total + np.log(shifted) - 0.5 / shifted - series
    part = x - np.round(x)
    mirrored = value - math.pi / np.tan(math.pi * part)
    out = np.where(x < 0.5, mirrored, value)
    out = np.where((x < 0) & (part == 0), np.nan, out)
    return np.where(x == 0, np.copysign(np.inf, -x), out)


def zeta(s: Array, q: Array) -> Array:
    """Hurwitz's zeta, the sum of (q + k)**-s over k = 0, 1, ...: s > 1; inf at s = 1 and at q = 0, -1 ...; else NaN."""
    s, q = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(q, np.float64))
    total = np.zeros(s.shape)
    for k in range(12):
        total = total + (q + k) ** -s
    at = q + 12
    total = total + at ** (1 - s) / (s - 1) + 0.5 * at**-s
    factor, power = s, at ** (-s - 1)
    for i, number in enumerate(_BERNOULLI):
        total = total + number * factor * power / math.factorial(2 * i + 2)
        factor = factor * (s + 2 * i + 1) * (s + 2 * i + 2)
        power = power / (at * at)
    total = np.where(np.isinf(q) & (q > 0), 0.0, total)
    whole = q == np.floor(q)
    total = np.where(q <= 0, np.where(whole, np.inf, np.where(s == np.floor(s), _shifted_zeta(s, q), np.nan)), total)
    return np.where(s < 1, np.nan, np.where(s == 1, np.inf, total))


def _shifted_zeta(s: Array, q: Array) -> Array:
    """The sum for negative q and whole s, from the first term with a positive argument on, and those before it."""
    if not (q < 0).any():
        return np.zeros(q.shape)
    steps = np.where(q < 0, np.ceil(-q) + 1, 0)
    total = zeta(s, np.where(q < 0, q + steps, 1.0))
    with np.errstate(all="ignore"):
        for k in range(int(min(steps.max(), 10_000))):
            total = total + np.where(k < steps, (q + k) ** -s, 0.0)
    return total


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of digamma."""
    if n == 0:
        return digamma(x)
    return (-1.0) ** (n + 1) * math.factorial(n) * zeta(np.full(x.shape, n + 1.0), x)


def gamma_ratio(a: Array, x: Array, upper: bool) -> Array:
    """The regularized incomplete gamma function, of the upper or the lower tail; NaN for negative a or x."""
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    plain = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    safe_a, safe_x = np.where(plain, a, 1.0), np.where(plain, x, 1.0)
    factor = np.exp(safe_a * np.log(safe_x) - safe_x - lgamma(safe_a))
    by_series = safe_x < safe_a + 1
    lower = factor * _lower_series(safe_a, np.where(by_series, safe_x, 0.0))
    above = factor * _upper_fraction(safe_a, np.where(by_series, safe_a + 2, safe_x))
    value = np.where(by_series, 1 - lower if upper else lower, above if upper else 1 - above)
    below = np.where((x == 0) | np.isinf(a), 0.0, 1.0)  # of the lower tail, at the ends
    ends = np.where((a == 0) & (x == 0), np.nan, 1 - below if upper else below)
    ends = np.where(np.isinf(a) & np.isinf(x), np.nan, ends)
    return np.where(plain, value, np.where((a < 0) | (x < 0) | np.isnan(a) | np.isnan(x), np.nan, ends))


def _lower_series(a: Array, x: Array) -> Array:
    term = total = 1 / a
    at = a
    for _ in range(5000):
        at = at + 1
        term = term * x / at
        total = total + term
        if (np.abs(term) <= np.abs(total) * 1e-17).all():
            break
    return total


def _upper_fraction(a: Array, x: Array) -> Array:
    tiny = 1e-300
    b = x + 1 - a
    c: Any = np.full(x.shape, 1 / tiny)
    d = 1 / b
    value = d
    for i in range(1, 5000):
        an = -i * (i - a)
        b = b + 2
        d = an * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + an / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        step = d * c
        value = value * step
        if (np.abs(step - 1) <= 1e-16).all():
            break
    return value


# ------------------------------------------------------------------------------------------------ Bessel functions


def bessel_scaled(order: int, x: Array) -> Array:
    """exp(-|x|) times the modified Bessel function of the first kind, of order 0 or 1."""
    y = np.abs(x)
    near, far = np.minimum(y, 30.0), np.where(np.isinf(y), 1.0, np.maximum(y, 30.0))
    quarter = near * near / 4
    term = total = np.ones(x.shape) if order == 0 else near / 2
    for k in range(1, 90):
        term = term * quarter / (k * (k + order))
        total = total + term
    small = total * np.exp(-near)
    term = total = np.ones(x.shape)
    for k in range(1, 25):
        term = term * -(4 * order * order - (2 * k - 1) ** 2) / (8 * k * far)
        total = total + term
    large = np.where(np.isinf(y), 0.0, total / np.sqrt(2 * math.pi * far))
    out = np.where(y <= 30, small, large)
    return np.where(np.isnan(x), x, np.copysign(out, x) if order else out)


def bessel(order: int, x: Array) -> Array:
    """The modified Bessel function of the first kind, of order 0 or 1."""
    return bessel_scaled(order, x) * np.exp(np.abs(x))
