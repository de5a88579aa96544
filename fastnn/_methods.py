"""The methods of Tensor that are functions of ops: one line each, so that editors and type checkers see them.

A function of ops takes the tensor as its first argument, so that the same object serves as the method: x.exp() calls
ops.elementwise.exp(x) with nothing between. A second name (divide) is given the first's function, whose signature type
checkers know before they have worked out the assignments of a module that imports this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnn import creation
from fastnn import filling as _fill
from fastnn._more_methods import MoreMethods
from fastnn.ops import activation as _activation
from fastnn.ops import activation_hard as _hard
from fastnn.ops import activation_parametric as _parametric
from fastnn.ops import arithmetic as _arithmetic
from fastnn.ops import compare as _compare
from fastnn.ops import elementwise as _elementwise
from fastnn.ops import gather as _gather
from fastnn.ops import index as _index
from fastnn.ops import join as _join
from fastnn.ops import masked as _masked
from fastnn.ops import matmul as _matmul
from fastnn.ops import norm as _norm
from fastnn.ops import pieces as _pieces
from fastnn.ops import reduce as _reduce
from fastnn.ops import reduce_extrema as _extrema
from fastnn.ops import scan as _scan
from fastnn.ops import select as _select
from fastnn.ops import shape as _shape
from fastnn.ops import softmax as _softmax
from fastnn.ops import strided as _strided

if TYPE_CHECKING:
    from fastnn.ops.gate import TensorLike
    from fastnn.tensor import Tensor


class Methods(MoreMethods):
    """What Tensor inherits: the functions of ops, of creation and of filling."""

    # ops/activation.py
    relu = _activation.relu
    relu_ = _activation.relu_
    sigmoid = _activation.sigmoid
    sigmoid_ = _activation.sigmoid_
    tanh = _activation.tanh
    tanh_ = _activation.tanh_

    # ops/activation_hard.py
    hardshrink = _hard.hardshrink

    # ops/activation_parametric.py
    prelu = _parametric.prelu

    # ops/arithmetic.py
    add = _arithmetic.add
    add_ = _arithmetic.add_
    div = _arithmetic.div
    div_ = _arithmetic.div_
    divide = _arithmetic.div
    float_power = _arithmetic.float_power
    floor_divide = _arithmetic.floor_divide
    fmod = _arithmetic.fmod
    maximum = _arithmetic.maximum
    minimum = _arithmetic.minimum
    mul = _arithmetic.mul
    mul_ = _arithmetic.mul_
    multiply = _arithmetic.mul
    pow = _arithmetic.pow
    pow_ = _arithmetic.pow_
    remainder = _arithmetic.remainder
    sub = _arithmetic.sub
    sub_ = _arithmetic.sub_
    subtract = _arithmetic.sub
    true_divide = _arithmetic.div

    # ops/compare.py
    allclose = _compare.allclose
    bitwise_and = _compare.bitwise_and
    bitwise_not = _compare.bitwise_not
    bitwise_or = _compare.bitwise_or
    bitwise_xor = _compare.bitwise_xor
    eq = _compare.eq
    equal = _compare.equal
    ge = _compare.ge
    greater = _compare.gt
    greater_equal = _compare.ge
    gt = _compare.gt
    isclose = _compare.isclose
    le = _compare.le
    less = _compare.lt
    less_equal = _compare.le
    logical_and = _compare.logical_and
    logical_not = _compare.logical_not
    logical_or = _compare.logical_or
    logical_xor = _compare.logical_xor
    lt = _compare.lt
    ne = _compare.ne
    not_equal = _compare.ne

    # ops/elementwise.py
    abs = _elementwise.abs
    abs_ = _elementwise.abs_
    absolute = _elementwise.absolute
    acos = _elementwise.acos
    acosh = _elementwise.acosh
    asin = _elementwise.asin
    asinh = _elementwise.asinh
    atan = _elementwise.atan
    atanh = _elementwise.atanh
    ceil = _elementwise.ceil
    ceil_ = _elementwise.ceil_
    cos = _elementwise.cos
    cos_ = _elementwise.cos_
    cosh = _elementwise.cosh
    erf = _elementwise.erf
    exp = _elementwise.exp
    exp2 = _elementwise.exp2
    exp_ = _elementwise.exp_
    expm1 = _elementwise.expm1
    floor = _elementwise.floor
    floor_ = _elementwise.floor_
    frac = _elementwise.frac
    isfinite = _elementwise.isfinite
    isinf = _elementwise.isinf
    isnan = _elementwise.isnan
    log = _elementwise.log
    log10 = _elementwise.log10
    log1p = _elementwise.log1p
    log2 = _elementwise.log2
    log_ = _elementwise.log_
    neg = _elementwise.neg
    neg_ = _elementwise.neg_
    negative = _elementwise.negative
    positive = _elementwise.positive
    reciprocal = _elementwise.reciprocal
    reciprocal_ = _elementwise.reciprocal_
    round = _elementwise.round
    round_ = _elementwise.round_
    rsqrt = _elementwise.rsqrt
    rsqrt_ = _elementwise.rsqrt_
    sgn = _elementwise.sgn
    sign = _elementwise.sign
    sin = _elementwise.sin
    sin_ = _elementwise.sin_
    sinh = _elementwise.sinh
    sqrt = _elementwise.sqrt
    sqrt_ = _elementwise.sqrt_
    square = _elementwise.square
    square_ = _elementwise.square_
    tan = _elementwise.tan
    trunc = _elementwise.trunc
    trunc_ = _elementwise.trunc_

    # ops/gather.py
    gather = _gather.gather
    index_add = _gather.index_add
    index_add_ = _gather.index_add_
    index_fill = _gather.index_fill
    index_fill_ = _gather.index_fill_
    index_select = _gather.index_select
    scatter = _gather.scatter
    scatter_ = _gather.scatter_
    scatter_add = _gather.scatter_add
    scatter_add_ = _gather.scatter_add_
    take_along_dim = _gather.take_along_dim

    # ops/index.py
    argwhere = _index.nonzero
    masked_select = _index.masked_select
    nonzero = _index.nonzero
    take = _index.take

    # ops/join.py
    flip = _join.flip
    fliplr = _join.fliplr
    flipud = _join.flipud
    repeat = _join.repeat
    repeat_interleave = _join.repeat_interleave
    roll = _join.roll
    tile = _join.tile
    tril = _join.tril
    triu = _join.triu

    # ops/masked.py
    masked_fill = _masked.masked_fill
    masked_fill_ = _masked.masked_fill_

    # ops/matmul.py
    addmm = _matmul.addmm
    baddbmm = _matmul.baddbmm
    bmm = _matmul.bmm
    dot = _matmul.dot
    matmul = _matmul.matmul
    mm = _matmul.mm
    mv = _matmul.mv
    outer = _matmul.outer

    # ops/norm.py
    logsumexp = _norm.logsumexp
    norm = _norm.norm

    # ops/pieces.py
    chunk = _pieces.chunk
    diagonal = _pieces.diagonal
    narrow = _pieces.narrow
    select = _pieces.select
    split = _pieces.split
    split_with_sizes = _pieces.split_with_sizes
    tensor_split = _pieces.tensor_split
    unbind = _pieces.unbind

    # ops/reduce.py
    all = _reduce.all
    any = _reduce.any
    count_nonzero = _reduce.count_nonzero
    mean = _reduce.mean
    nanmean = _reduce.nanmean
    nansum = _reduce.nansum
    prod = _reduce.prod
    std = _reduce.std
    std_mean = _reduce.std_mean
    sum = _reduce.sum
    sum_to_size = _reduce.sum_to_size
    var = _reduce.var
    var_mean = _reduce.var_mean

    # ops/reduce_extrema.py
    amax = _extrema.amax
    amin = _extrema.amin
    aminmax = _extrema.aminmax
    argmax = _extrema.argmax
    argmin = _extrema.argmin
    max = _extrema.max
    min = _extrema.min

    # ops/scan.py
    argsort = _scan.argsort
    cumprod = _scan.cumprod
    cumsum = _scan.cumsum
    sort = _scan.sort
    topk = _scan.topk

    # ops/select.py
    clamp = _select.clamp
    clamp_ = _select.clamp_
    clamp_max = _select.clamp_max
    clamp_min = _select.clamp_min
    clip = _select.clamp

    # ops/shape.py
    adjoint = _shape.adjoint
    broadcast_to = _shape.broadcast_to
    contiguous = _shape.contiguous
    expand = _shape.expand
    expand_as = _shape.expand_as
    flatten = _shape.flatten
    moveaxis = _shape.movedim
    movedim = _shape.movedim
    permute = _shape.permute
    ravel = _shape.ravel
    reshape = _shape.reshape
    reshape_as = _shape.reshape_as
    squeeze = _shape.squeeze
    swapaxes = _shape.transpose
    swapdims = _shape.transpose
    t = _shape.t
    transpose = _shape.transpose
    unflatten = _shape.unflatten
    unsqueeze = _shape.unsqueeze
    view = _shape.view
    view_as = _shape.view_as

    # ops/softmax.py
    log_softmax = _softmax.log_softmax
    softmax = _softmax.softmax

    # ops/strided.py
    as_strided = _strided.as_strided
    storage_offset = _strided.offset_in_storage

    # creation.py and filling.py
    new_zeros = creation.new_zeros
    new_ones = creation.new_ones
    new_empty = creation.new_empty
    new_full = creation.new_full
    new_tensor = creation.new_tensor
    uniform_ = _fill.uniform_
    normal_ = _fill.normal_
    bernoulli_ = _fill.bernoulli_
    exponential_ = _fill.exponential_
    random_ = _fill.random_

    def where(self: Any, condition: Tensor, other: TensorLike) -> Tensor:
        """self where condition, else other."""
        return _select.where(condition, self, other)
