"""The special functions under their names in torch.special."""

from __future__ import annotations

from fastnn.ops.activation import sigmoid as expit
from fastnn.ops.elementwise import erf, exp2, expm1, log1p, round
from fastnn.ops.elementwise_more import logit, sinc
from fastnn.ops.norm import logsumexp
from fastnn.ops.out import SPECIAL, take_out
from fastnn.ops.pairs import xlog1py, xlogy
from fastnn.ops.softmax import log_softmax, softmax
from fastnn.ops.special import (
    digamma,
    entr,
    erfc,
    erfcx,
    erfinv,
    gammainc,
    gammaincc,
    i0,
    i0e,
    i1,
    i1e,
    log_ndtr,
    multigammaln,
    ndtr,
    ndtri,
    polygamma,
    psi,
    zeta,
)
from fastnn.ops.special import lgamma as gammaln

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
    "zeta",
]

take_out(globals(), SPECIAL)
