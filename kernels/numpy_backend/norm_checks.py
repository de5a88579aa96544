"""What the kernels of normalisation check before they write."""

from __future__ import annotations

from ..contract import Array
from .checks import FLOAT64, expect, floating

__all__ = ["FLOAT64", "channels", "expect", "gradients", "groups", "rows"]


def _all(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    count: int,
    statistics: dict[str, Array],
    shape: tuple[int, ...],
    other: dict[str, Array],
    written: bool,
) -> None:
    """weight, bias: (channels,); statistics: of the shape; other: of x's shape. The last two are written or not."""
    dtype = floating("x", x, count)
    for name, array in (("weight", weight), ("bias", bias)):
        if array is not None:
            expect(name, array, (x.shape[1],), dtype)
    for name, array in statistics.items():
        expect(name, array, shape, dtype, written)
    for name, array in other.items():
        expect(name, array, x.shape, dtype, written)


def rows(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    *,
    rstd: Array,
    mean: Array | None = None,
    written: bool = False,
    **other: Array,
) -> None:
    floating("x", x, 2)
    statistics = {"rstd": rstd} if mean is None else {"mean": mean, "rstd": rstd}
    _all(x, weight, bias, 2, statistics, x.shape[:1], other, written)


def channels(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    *,
    mean: Array,
    rstd: Array,
    var: Array | None = None,
    written: bool = False,
    **other: Array,
) -> None:
    floating("x", x, 3)
    statistics = {"mean": mean, "rstd": rstd} if var is None else {"mean": mean, "var": var, "rstd": rstd}
    _all(x, weight, bias, 3, statistics, x.shape[1:2], other, written)


def groups(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    rstd: Array,
    *,
    written: bool = False,
    **other: Array,
) -> None:
    floating("x", x, 3)
    if mean.ndim != 2 or mean.shape[0] != x.shape[0]:
        raise ValueError(f"mean: expected shape ({x.shape[0]}, groups), got {mean.shape}")
    if not mean.shape[1] or x.shape[1] % mean.shape[1]:
        raise ValueError(f"mean: expected a number of groups that divides {x.shape[1]} channels, got {mean.shape[1]}")
    _all(x, weight, bias, 3, {"mean": mean, "rstd": rstd}, mean.shape, other, written)


def gradients(
    x: Array, grad_x: Array | None, grad_weight: Array | None, grad_bias: Array | None, name: str = "grad_x"
) -> None:
    for label, array, shape in (
        (name, grad_x, x.shape),
        ("grad_weight", grad_weight, x.shape[1:2]),
        ("grad_bias", grad_bias, x.shape[1:2]),
    ):
        if array is not None:
            expect(label, array, shape, x.dtype, written=True)
