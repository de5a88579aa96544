"""Every in-place form stores what its function gives, at the same place on the tape."""

from __future__ import annotations

import numpy as np
import pytest

import fastnn
from fastnn.ops import in_place_forms

UNIT = np.linspace(0.1, 0.9, 6).reshape(2, 3)
OTHER = np.linspace(1.5, 0.2, 6).reshape(2, 3)
INTS = np.array([[4, 6, 9], [1, 0, 12]])

# name -> further arguments; the first is UNIT, or INTS where those are integers
FLOATS = {
    **dict.fromkeys(
        [
            "acos",
            "acosh",
            "asin",
            "asinh",
            "atan",
            "atanh",
            "cosh",
            "sinh",
            "tan",
            "erf",
            "exp2",
            "expm1",
            "frac",
            "log10",
            "log1p",
            "log2",
            "sign",
            "deg2rad",
            "rad2deg",
            "sinc",
            "logit",
            "nan_to_num",
            "fix",
            "erfc",
            "erfinv",
            "lgamma",
            "digamma",
            "i0",
            "logical_not",
            "tril",
            "triu",
        ],
        (),
    ),
    "mvlgamma": (1,),
    "polygamma": (1,),
    "lerp": (OTHER, 0.3),
    "addcmul": (OTHER, UNIT),
    "addcdiv": (UNIT, OTHER),
    **dict.fromkeys(
        [
            "atan2",
            "copysign",
            "hypot",
            "xlogy",
            "nextafter",
            "fmod",
            "remainder",
            "floor_divide",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "logical_and",
            "logical_or",
            "logical_xor",
            "heaviside",
            "ldexp",
        ],
        (OTHER,),
    ),
    "igamma": (OTHER,),
    "igammac": (OTHER,),
    "clamp_min": (0.4,),
    "clamp_max": (0.4,),
    "cumsum": (1,),
    "cumprod": (0,),
    "renorm": (2.0, 0, 0.5),
    "addmm": (OTHER, np.eye(3)),
    "addmv": (OTHER @ np.eye(3), np.ones(3)),
    "addr": (np.ones(2), np.ones(3)),
}
WHOLE = dict.fromkeys(
    ["bitwise_left_shift", "bitwise_right_shift", "bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"],
    (INTS.T.reshape(2, 3),),
)
SELF = {"igamma", "igammac"}  # not differentiable by the tensor that is changed


def given(arguments):
    return [fastnn.tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]


def run(name, start, arguments, form):
    x = fastnn.tensor(start)
    if x.is_floating_point() and name not in SELF:
        x.requires_grad_()
    y = x * 1
    out = getattr(y, f"{name}_")(*given(arguments)) if form else getattr(y, name)(*given(arguments))
    if form:
        assert out is y
    gradient = None
    if out.requires_grad:
        gradient = fastnn.autograd.grad((out * out).sum(), x)[0].numpy()
    return out.detach().numpy(), gradient


@pytest.mark.parametrize("name", FLOATS)
def test_float_forms(name):
    start = OTHER if name == "addmv" else UNIT
    if name == "addmv":  # the target is a vector
        start = UNIT[:, 0]
    if name == "acosh":
        start = UNIT + 1
    value, gradient = run(name, start, FLOATS[name], False)
    stored, its_gradient = run(name, start, FLOATS[name], True)
    assert stored.dtype == np.float64
    np.testing.assert_array_equal(stored, value.astype(np.float64))
    if gradient is None:
        assert its_gradient is None or not its_gradient.any()
    else:
        np.testing.assert_allclose(its_gradient, gradient, rtol=1e-12)


@pytest.mark.parametrize("name", WHOLE)
def test_integer_forms(name):
    np.testing.assert_array_equal(run(name, INTS, WHOLE[name], True)[0], run(name, INTS, WHOLE[name], False)[0])


def test_the_table_is_whole() -> None:
    forms = {name[:-1] for name in vars(in_place_forms) if name.endswith("_") and not name.startswith("_")}
    elsewhere = {
        "squeeze",
        "unsqueeze",
        "transpose",
        "t",
        "as_strided",
        "float_power",
        "baddbmm",
        "addbmm",
        "bitwise_not",
    }
    assert forms == {*FLOATS, *WHOLE, *elsewhere}


def test_a_leaf_is_refused_and_stays() -> None:
    x = fastnn.full((2,), 0.5).requires_grad_()
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.acos_()
    assert x.tolist() == [0.5, 0.5]


def test_what_the_dtype_cannot_hold_is_refused() -> None:
    x = fastnn.tensor([1, 2])
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.acos_()
    with pytest.raises(RuntimeError, match="requires dtype"):
        fastnn.ones(2).float_power_(2)
    assert x.tolist() == [1, 2]


def test_another_shape_in_place() -> None:
    x = fastnn.arange(6.0).reshape(2, 3).requires_grad_()
    y = x * 1
    v = y.view(-1)
    assert y.t_() is y and y.shape == (3, 2)
    y.unsqueeze_(0).squeeze_(0).transpose_(0, 1)
    assert y.shape == (2, 3)
    (y * v.view(2, 3)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == (2 * x.detach()).tolist()


def test_a_saved_value_that_a_form_changes_is_an_error() -> None:
    y = fastnn.ones(2).requires_grad_() * 1
    z = y * y
    y.erf_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_fill_diagonal_and_resize() -> None:
    x = fastnn.zeros(4, 2)
    assert x.fill_diagonal_(1.0, wrap=True).tolist() == [[1, 0], [0, 1], [0, 0], [1, 0]]
    y = fastnn.arange(6)
    assert y.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    assert y.resize_as_(fastnn.zeros(3)).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="require grad"):
        fastnn.ones(2).requires_grad_().resize_(1)


def test_operators_in_place() -> None:
    x = fastnn.tensor([12, 7])
    x //= 2
    x %= 4
    x <<= 2
    x >>= 1
    x |= 1
    x &= 7
    x ^= 2
    assert x.tolist() == [((12 // 2 % 4 << 2 >> 1) | 1) & 7 ^ 2, ((7 // 2 % 4 << 2 >> 1) | 1) & 7 ^ 2]
