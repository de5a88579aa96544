"""The second half of Tensor's methods that are functions of ops; see _methods.py."""

from __future__ import annotations

from fastnn import _core
from fastnn import filling as _fill
from fastnn import sampling as _sampling
from fastnn.linalg import _older as _older
from fastnn.linalg import norms as _norms
from fastnn.linalg import solving as _solving
from fastnn.ops import arithmetic as _arithmetic
from fastnn.ops import counting as _counting
from fastnn.ops import cumulative as _cumulative
from fastnn.ops import diagonals as _diagonals
from fastnn.ops import elementwise as _elementwise
from fastnn.ops import elementwise_more as _elementwise_more
from fastnn.ops import grids as _grids
from fastnn.ops import in_place_forms as _in_place_forms
from fastnn.ops import matmul as _matmul
from fastnn.ops import odds as _odds
from fastnn.ops import order as _order
from fastnn.ops import pairs as _pairs
from fastnn.ops import products as _products
from fastnn.ops import renorm as _renorm
from fastnn.ops import scatter_more as _scatter_more
from fastnn.ops import select as _select
from fastnn.ops import special as _special


class MoreMethods(_core.TensorBase):
    """What Methods inherits."""

    # ops/special.py
    digamma = _special.digamma
    erfc = _special.erfc
    erfinv = _special.erfinv
    i0 = _special.i0
    igamma = _special.igamma
    igammac = _special.igammac
    lgamma = _special.lgamma
    mvlgamma = _special.mvlgamma

    # ops/pairs.py
    addcdiv = _pairs.addcdiv
    addcmul = _pairs.addcmul
    arctan2 = _pairs.atan2
    atan2 = _pairs.atan2
    bitwise_left_shift = _pairs.bitwise_left_shift
    bitwise_right_shift = _pairs.bitwise_right_shift
    copysign = _pairs.copysign
    dist = _pairs.dist
    fmax = _pairs.fmax
    fmin = _pairs.fmin
    gcd = _pairs.gcd
    heaviside = _pairs.heaviside
    hypot = _pairs.hypot
    lcm = _pairs.lcm
    ldexp = _pairs.ldexp
    lerp = _pairs.lerp
    logaddexp = _pairs.logaddexp
    logaddexp2 = _pairs.logaddexp2
    nextafter = _pairs.nextafter
    xlogy = _pairs.xlogy

    # ops/elementwise_more.py
    deg2rad = _elementwise_more.deg2rad
    fix = _elementwise_more.fix
    frexp = _elementwise_more.frexp
    isneginf = _elementwise_more.isneginf
    isposinf = _elementwise_more.isposinf
    isreal = _elementwise_more.isreal
    logit = _elementwise_more.logit
    nan_to_num = _elementwise_more.nan_to_num
    rad2deg = _elementwise_more.rad2deg
    signbit = _elementwise_more.signbit
    sinc = _elementwise_more.sinc

    # ops/order.py
    kthvalue = _order.kthvalue
    median = _order.median
    mode = _order.mode
    msort = _order.msort
    nanmedian = _order.nanmedian
    nanquantile = _order.nanquantile
    quantile = _order.quantile

    # ops/counting.py
    bincount = _counting.bincount
    histc = _counting.histc
    histogram = _counting.histogram
    unique = _counting.unique
    unique_consecutive = _counting.unique_consecutive

    # ops/products.py
    addbmm = _products.addbmm
    addmv = _products.addmv
    addr = _products.addr
    corrcoef = _products.corrcoef
    cov = _products.cov
    cross = _products.cross
    ger = _matmul.outer
    inner = _products.inner
    kron = _products.kron
    trace = _products.trace
    vdot = _products.vdot

    # ops/cumulative.py
    cummax = _cumulative.cummax
    cummin = _cumulative.cummin
    diff = _cumulative.diff
    logcumsumexp = _cumulative.logcumsumexp

    # ops/grids.py
    dsplit = _grids.dsplit
    hsplit = _grids.hsplit
    vsplit = _grids.vsplit

    # ops/diagonals.py
    as_strided_scatter = _diagonals.as_strided_scatter
    diag = _diagonals.diag
    diag_embed = _diagonals.diag_embed
    diagflat = _diagonals.diagflat
    diagonal_scatter = _diagonals.diagonal_scatter
    rot90 = _diagonals.rot90
    select_scatter = _diagonals.select_scatter
    slice_scatter = _diagonals.slice_scatter

    # ops/scatter_more.py
    index_copy = _scatter_more.index_copy
    index_copy_ = _scatter_more.index_copy_
    index_put = _scatter_more.index_put
    index_put_ = _scatter_more.index_put_
    index_reduce = _scatter_more.index_reduce
    index_reduce_ = _scatter_more.index_reduce_
    masked_scatter = _scatter_more.masked_scatter
    masked_scatter_ = _scatter_more.masked_scatter_
    put = _scatter_more.put
    put_ = _scatter_more.put_
    scatter_reduce = _scatter_more.scatter_reduce
    scatter_reduce_ = _scatter_more.scatter_reduce_
    unfold = _scatter_more.unfold

    # ops/renorm.py
    fill_diagonal_ = _renorm.fill_diagonal_
    renorm = _renorm.renorm
    resize_ = _renorm.resize_
    resize_as_ = _renorm.resize_as_

    # ops/odds.py
    apply_ = _odds.apply_
    get_device = _odds.get_device
    is_nonzero = _odds.is_nonzero
    is_same_size = _odds.is_same_size
    map_ = _odds.map_
    narrow_copy = _odds.narrow_copy
    new = _odds.new
    new_empty_strided = _odds.new_empty_strided

    # linalg/_older.py
    cholesky = _older.cholesky
    inverse = _older.inverse
    matrix_power = _older.matrix_power
    pinverse = _older.pinverse
    qr = _older.qr
    svd = _older.svd

    # linalg/norms.py
    det = _norms.det
    logdet = _norms.logdet
    slogdet = _norms.slogdet

    # linalg/solving.py
    cholesky_inverse = _solving.cholesky_inverse
    cholesky_solve = _solving.cholesky_solve
    matrix_exp = _solving.matrix_exp
    triangular_solve = _solving.triangular_solve

    # ops/in_place_forms.py
    acos_ = _in_place_forms.acos_
    acosh_ = _in_place_forms.acosh_
    addbmm_ = _in_place_forms.addbmm_
    addcdiv_ = _in_place_forms.addcdiv_
    addcmul_ = _in_place_forms.addcmul_
    addmm_ = _in_place_forms.addmm_
    addmv_ = _in_place_forms.addmv_
    addr_ = _in_place_forms.addr_
    as_strided_ = _in_place_forms.as_strided_
    asin_ = _in_place_forms.asin_
    asinh_ = _in_place_forms.asinh_
    atan2_ = _in_place_forms.atan2_
    atan_ = _in_place_forms.atan_
    atanh_ = _in_place_forms.atanh_
    baddbmm_ = _in_place_forms.baddbmm_
    bitwise_and_ = _in_place_forms.bitwise_and_
    bitwise_left_shift_ = _in_place_forms.bitwise_left_shift_
    bitwise_not_ = _in_place_forms.bitwise_not_
    bitwise_or_ = _in_place_forms.bitwise_or_
    bitwise_right_shift_ = _in_place_forms.bitwise_right_shift_
    bitwise_xor_ = _in_place_forms.bitwise_xor_
    clamp_max_ = _in_place_forms.clamp_max_
    clamp_min_ = _in_place_forms.clamp_min_
    copysign_ = _in_place_forms.copysign_
    cosh_ = _in_place_forms.cosh_
    cumprod_ = _in_place_forms.cumprod_
    cumsum_ = _in_place_forms.cumsum_
    deg2rad_ = _in_place_forms.deg2rad_
    digamma_ = _in_place_forms.digamma_
    eq_ = _in_place_forms.eq_
    erf_ = _in_place_forms.erf_
    erfc_ = _in_place_forms.erfc_
    erfinv_ = _in_place_forms.erfinv_
    exp2_ = _in_place_forms.exp2_
    expm1_ = _in_place_forms.expm1_
    fix_ = _in_place_forms.fix_
    float_power_ = _in_place_forms.float_power_
    floor_divide_ = _in_place_forms.floor_divide_
    fmod_ = _in_place_forms.fmod_
    frac_ = _in_place_forms.frac_
    gcd_ = _in_place_forms.gcd_
    ge_ = _in_place_forms.ge_
    gt_ = _in_place_forms.gt_
    heaviside_ = _in_place_forms.heaviside_
    hypot_ = _in_place_forms.hypot_
    i0_ = _in_place_forms.i0_
    igamma_ = _in_place_forms.igamma_
    igammac_ = _in_place_forms.igammac_
    lcm_ = _in_place_forms.lcm_
    ldexp_ = _in_place_forms.ldexp_
    le_ = _in_place_forms.le_
    lerp_ = _in_place_forms.lerp_
    lgamma_ = _in_place_forms.lgamma_
    log10_ = _in_place_forms.log10_
    log1p_ = _in_place_forms.log1p_
    log2_ = _in_place_forms.log2_
    logical_and_ = _in_place_forms.logical_and_
    logical_not_ = _in_place_forms.logical_not_
    logical_or_ = _in_place_forms.logical_or_
    logical_xor_ = _in_place_forms.logical_xor_
    logit_ = _in_place_forms.logit_
    lt_ = _in_place_forms.lt_
    mvlgamma_ = _in_place_forms.mvlgamma_
    nan_to_num_ = _in_place_forms.nan_to_num_
    ne_ = _in_place_forms.ne_
    nextafter_ = _in_place_forms.nextafter_
    polygamma_ = _in_place_forms.polygamma_
    rad2deg_ = _in_place_forms.rad2deg_
    remainder_ = _in_place_forms.remainder_
    renorm_ = _in_place_forms.renorm_
    sign_ = _in_place_forms.sign_
    sinc_ = _in_place_forms.sinc_
    sinh_ = _in_place_forms.sinh_
    squeeze_ = _in_place_forms.squeeze_
    t_ = _in_place_forms.t_
    tan_ = _in_place_forms.tan_
    transpose_ = _in_place_forms.transpose_
    tril_ = _in_place_forms.tril_
    triu_ = _in_place_forms.triu_
    unsqueeze_ = _in_place_forms.unsqueeze_
    xlogy_ = _in_place_forms.xlogy_

    # filling.py and sampling.py
    bernoulli = _sampling.bernoulli
    cauchy_ = _fill.cauchy_
    geometric_ = _fill.geometric_
    log_normal_ = _fill.log_normal_
    multinomial = _sampling.multinomial

    # second names
    absolute_ = _elementwise.abs_
    arccos = _elementwise.acos
    arccosh = _elementwise.acosh
    arcsin = _elementwise.asin
    arcsinh = _elementwise.asinh
    arctan = _elementwise.atan
    arctanh = _elementwise.atanh
    clip_ = _select.clamp_
    divide_ = _arithmetic.div_
    multiply_ = _arithmetic.mul_
    negative_ = _elementwise.neg_
    subtract_ = _arithmetic.sub_
    true_divide_ = _arithmetic.div_
    arccos_ = _in_place_forms.acos_
    arccosh_ = _in_place_forms.acosh_
    arcsin_ = _in_place_forms.asin_
    arcsinh_ = _in_place_forms.asinh_
    arctan_ = _in_place_forms.atan_
    arctan2_ = _in_place_forms.atan2_
    arctanh_ = _in_place_forms.atanh_
    greater_ = _in_place_forms.gt_
    greater_equal_ = _in_place_forms.ge_
    less_ = _in_place_forms.lt_
    less_equal_ = _in_place_forms.le_
    not_equal_ = _in_place_forms.ne_
    sgn_ = _in_place_forms.sign_
    swapaxes_ = _in_place_forms.transpose_
    swapdims_ = _in_place_forms.transpose_
