"""out=: a public function's result in a tensor that the caller gives, as PyTorch's top-level functions take it.

The result is computed, then checked, then copied: nothing is written where the tensor can't hold it. Methods and
operators, which have no out=, do not pass through here.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array
from fastnn.ops.in_place import CATEGORY
from fastnn.ops.renorm import resize_

# These make their result in the dtype of out where no other is asked for.
_CREATE = {"arange", "empty", "eye", "full", "linspace", "logspace", "ones", "range", "zeros"}
_CREATE |= {"rand", "randint", "randn", "randperm"}
# What is moved, not computed, keeps its dtype, and indices are int64.
_EXACT = {"argmax", "argmin", "gather", "index_select", "masked_select", "multinomial", "nonzero", "take"}
# These may not even write to the very elements that they read.
_APART = {"cat", "gather", "index_select", "kthvalue", "masked_select", "take"}
_OVERLAP = (
    "unsupported operation: {} to a single memory location. Please clone() the tensor before performing the operation."
)

# The functions that take out= in PyTorch, by the module that holds them.
TOP_LEVEL = """
abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr all amax amin aminmax any arange arccos arccosh
arcsin arcsinh arctan arctan2 arctanh argmax argmin asin asinh atan atan2 atanh baddbmm bartlett_window bernoulli
bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman_window bmm bucketize
cat ceil chain_matmul cholesky clamp clamp_max clamp_min clip column_stack concat concatenate copysign cos cosh cross
cummax cummin cumprod cumsum deg2rad diag diff digamma div divide dot dstack empty eq erf erfc erfinv exp exp2 expm1
eye fix float_power floor floor_divide fmax fmin fmod frac frexp full gather gcd ge ger greater greater_equal gt
hamming_window hann_window heaviside histc histogram hstack hypot index_add index_copy index_reduce index_select inner
inverse isneginf isposinf kaiser_window kron kthvalue lcm ldexp le lerp less less_equal lgamma linspace log log10
log1p log2 logaddexp logaddexp2 logcumsumexp logical_and logical_not logical_or logical_xor logit logspace logsumexp
lt masked_select matmul matrix_power max maximum mean median min minimum mm mode msort mul multinomial multiply mv
mvlgamma nan_to_num nanmean nanmedian nanquantile nansum narrow_copy ne neg negative nextafter nonzero norm normal
not_equal ones outer polygamma pow prod qr quantile rad2deg rand randint randn randperm range reciprocal remainder
renorm round row_stack rsqrt scatter scatter_add scatter_reduce searchsorted sgn sigmoid sign signbit sin sinc sinh
sort sqrt square stack std sub subtract sum svd take take_along_dim tan tanh tensordot topk tril triu true_divide
trunc var vdot vstack where xlogy zeros
"""
LINALG = """
cholesky cholesky_ex cond cross det eigh eigvalsh inv inv_ex matmul matrix_norm matrix_power matrix_rank multi_dot
norm pinv qr slogdet solve solve_ex solve_triangular svd svdvals tensorinv tensorsolve vecdot vector_norm
"""
SPECIAL = """
digamma entr erf erfc erfcx erfinv exp2 expit expm1 gammainc gammaincc gammaln i0 i0e i1 i1e log1p log_ndtr logit
logsumexp multigammaln ndtr ndtri polygamma psi round sinc xlog1py xlogy zeta
"""


def take_out(namespace: dict[str, Any], names: str) -> None:
    """Give the named functions of a module's namespace the keyword argument out."""
    for name in names.split():
        call = namespace[name] = _with_out(namespace[name], name)
        call.__module__, call.__name__, call.__qualname__ = namespace["__name__"], name, name  # where pickle finds it


def _with_out(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **options: Any) -> Any:
        if out is None:
            return function(*args, **options)
        targets = _targets(name, out)
        if name in _CREATE and options.get("dtype") is None:
            options["dtype"] = targets[0].dtype
        return put(name, function(*args, **options), out, (*args, *options.values()))

    return call


def put(name: str, result: Any, out: Any, inputs: tuple[Any, ...]) -> Any:
    """out, a tensor or as many as the result has, with the result that the function of that name made of the inputs.

    TypeError and RuntimeError as PyTorch's, before anything is written.
    """
    targets = _targets(name, out)
    several = isinstance(result, tuple)
    results = tuple(result) if several else (result,)
    if len(targets) != len(results) or several != isinstance(out, (tuple, list)):
        wanted = f"a tuple of {len(results)} Tensors" if several else "Tensor"
        got = f"a tuple of {len(targets)}" if isinstance(out, (tuple, list)) else "Tensor"
        raise TypeError(f"{name}(): argument 'out' must be {wanted}, not {got}")
    for value, target in zip(results, targets, strict=True):
        _check(name, value, target, exact=several or name in _EXACT)
    for target in targets:
        _check_overlap(target, inputs, apart=name in _APART)
    for value, target in zip(results, targets, strict=True):
        _write(value, target)
    if not several:
        return out
    return result._make(targets) if hasattr(result, "_make") else targets


def _targets(name: str, out: Any) -> tuple[Any, ...]:
    targets = tuple(out) if isinstance(out, (tuple, list)) else (out,)
    for target in targets:
        if not isinstance(target, _core.TensorBase):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(target).__name__}")
    if not targets:
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not an empty {type(out).__name__}")
    return targets


def _check(name: str, value: Any, target: Any, exact: bool) -> None:
    """RuntimeError where the target can't take the value: recorded, of a lower kind of number, or read-only.

    exact: whether it has to have the very dtype of the value.
    """
    if value.requires_grad or (target.requires_grad and _core.is_grad_enabled()):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if CATEGORY[value._array.dtype.kind] > CATEGORY[target._array.dtype.kind]:
        raise RuntimeError(f"result type {value.dtype} can't be cast to the desired output type {target.dtype}")
    if exact and value.dtype is not target.dtype:
        raise RuntimeError(f"{name}(): Expected out tensor to have dtype {value.dtype}, but got {target.dtype} instead")
    _core.check_inplace(target)


def _check_overlap(target: Any, inputs: tuple[Any, ...], apart: bool) -> None:
    """RuntimeError where elements of the target share memory, or some, but not all, of it is an input's."""
    array = target._array
    if any(step == 0 and n > 1 for n, step in zip(array.shape, array.strides, strict=True)):
        raise RuntimeError(_OVERLAP.format("more than one element of the written-to tensor refers"))
    for given in inputs:
        for item in given if isinstance(given, (tuple, list)) else (given,):
            if isinstance(item, _core.TensorBase) and np.may_share_memory(item._array, array):
                layout = item._array.__array_interface__, array.__array_interface__
                same = all(layout[0][key] == layout[1][key] for key in ("data", "strides", "shape", "typestr"))
                if (apart or not same) and _shares_memory(item._array, array):
                    raise RuntimeError(
                        _OVERLAP.format("some elements of the input tensor and the written-to tensor refer")
                    )


def _shares_memory(a: Array, b: Array) -> bool:
    """Whether some element is in both; taken for no, as in PyTorch, where strides make that too hard to say."""
    effort: Any = 100_000  # NumPy's stubs know only the two special values
    try:
        return np.shares_memory(a, b, max_work=effort)
    except np.exceptions.TooHardError:
        return False


def _write(value: Any, target: Any) -> None:
    shape = value._array.shape
    if target._array.shape != shape:
        if target._array.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(target._array.shape)}, "
                f"which does not match the required output shape {list(shape)}. Give an empty one or one of that.",
                UserWarning,
                stacklevel=5,
            )
        resize_(target, shape)
    np.copyto(target._array, value._array, casting="unsafe")
    _core.bump_version(target)
