"""interpolate: images and signals of another size, by PyTorch's rules for where outputs lie in the input."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn import _core
from fastnn.ops.adaptive_pooling import adaptive_avg_pool
from fastnn.ops.dims import Array
from fastnn.ops.gate import cast, tensor_argument
from fastnn.ops.resample import Taps, resample

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

Size = int | Sequence[int] | None
Scale = float | Sequence[float] | None
_DIMS = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5, "lanczos": 4}
_ANY = ("nearest", "nearest-exact", "area")
_CUBIC = -0.75  # the cubic convolution's free number (Keys 1981), as PyTorch and OpenCV have it
_CUBIC_AA = -0.5  # as Pillow has it


def interpolate(
    input: Tensor,
    size: Size = None,
    scale_factor: Scale = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """input (N, C, L), (N, C, H, W) or (N, C, D, H, W) at another spatial size.

    size: the new extents, or scale_factor: their ratio to the old (one number, or one an axis).
    mode: "nearest", "nearest-exact", "area" (means of windows), for any input; "linear" (3-D input), "bilinear",
    "bicubic", "lanczos" (4-D), "trilinear" (5-D).
    align_corners: the centres of the corner pixels, not their outer edges, fall on each other.
    recompute_scale_factor: computes with the ratio of the sizes rather than with the scale_factor given.
    antialias: the filter is as wide as an output pixel where the size shrinks ("bilinear", "bicubic", "lanczos").
    An image of uint8 is computed in float32 and rounded; "nearest" takes any dtype, the other modes floating ones.
    ValueError or TypeError for options that exclude each other or do not fit, NotImplementedError for a mode that
    input's dimensions do not have, RuntimeError for empty sizes.
    """
    x = tensor_argument(input, "interpolate")._array
    if mode in _ANY and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    axes = x.ndim - 2
    wanted, scales = _sizes(x, axes, size, scale_factor, recompute_scale_factor, mode)
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and x.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    _check_mode(x, mode)
    if mode == "lanczos":
        if align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
    if mode == "area":
        return adaptive_avg_pool(f"adaptive_avg_pool{axes}d", axes, input, wanted)
    if x.shape[1] == 0 or min(x.shape[2:]) < 1 or min(wanted) < 1:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(x.shape)} and output {list(wanted)}"
        )
    if x.dtype == np.uint8 and not mode.startswith("nearest"):
        options = (mode, align_corners, recompute_scale_factor, antialias)
        levels = interpolate(cast(input, np.dtype(np.float32)), size, scale_factor, *options)._array
        rounded: Tensor = _core.wrap(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
        return rounded
    if x.dtype.kind != "f" and not mode.startswith("nearest"):
        raise NotImplementedError(f'interpolate: mode "{mode}" is not implemented for {input.dtype}')
    out = input
    for axis in range(axes):
        before, after = x.shape[2 + axis], wanted[axis]
        scale = None if scales is None else scales[axis]
        if antialias:
            taps = _antialiased(before, after, mode, bool(align_corners), scale)
        else:
            taps = _TAPS[mode](before, after, bool(align_corners), scale, x.dtype)
        out = resample(out, 2 + axis, taps)
    return out


def _sizes(
    x: Array, axes: int, size: Size, scale: Scale, recompute: bool | None, mode: str
) -> tuple[tuple[int, ...], list[float] | None]:
    """The output's extents, and the scale factors where they, not the extents, say where outputs lie."""
    extents = x.shape[2:]
    if size is not None and scale is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        given = list(size) if isinstance(size, (tuple, list)) else [size] * axes
        if len(given) != axes:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {list(extents)} and output size of {size}. Please provide input tensor in "
                "(N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format."
            )
        if not all(isinstance(n, (int, np.integer)) for n in given):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size "
                f"with types {[type(n) for n in given]}"
            )
        return tuple(int(n) for n in given), None  # type: ignore[arg-type]
    if scale is None:
        raise ValueError("either size or scale_factor should be defined")
    factors = list(scale) if isinstance(scale, (tuple, list)) else [scale] * axes
    if len(factors) != axes:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {list(extents)} and scale_factor of shape {scale}. Please provide input tensor in "
            "(N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format."
        )
    numbers = [float(f) for f in factors]  # type: ignore[arg-type]
    wanted = tuple(math.floor(n * f) for n, f in zip(extents, numbers, strict=True))
    return wanted, None if recompute or mode == "area" else numbers


def _check_mode(x: Array, mode: str) -> None:
    if x.ndim in (3, 4, 5):
        if mode in _ANY or _DIMS.get(mode) == x.ndim:
            return
        if mode in _DIMS and mode not in ("bicubic", "lanczos"):
            raise NotImplementedError(f"Got {x.ndim}D input, but {mode} mode needs {_DIMS[mode]}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {x.ndim}D) for the modes: nearest | linear | "
        f"bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


# ------------------------------------------------------------------------------------------------ where outputs lie


def _step(before: int, after: int, align: bool, scale: float | None) -> float:
    """How far apart neighbouring outputs lie, in input pixels."""
    if align:
        return (before - 1) / (after - 1) if after > 1 else 0.0
    return 1 / scale if scale is not None and scale > 0 else before / after


def _centres(before: int, after: int, align: bool, scale: float | None, dtype: np.dtype[Any]) -> Array:
    """The outputs' centres in input pixels: in float32 but for float64, rounded once, as by a fused multiply."""
    real = np.float64 if dtype == np.float64 else np.float32
    step, index = float(real(_step(before, after, align, scale))), np.arange(after)
    centres: Array = step * index if align else step * (index + 0.5) - 0.5
    return centres.astype(real)


def _nearest(before: int, after: int, align: bool, scale: float | None, dtype: np.dtype[Any]) -> Taps:
    real = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    steps: Array = np.arange(after, dtype=real)
    place = np.floor(steps * real.type(_step(before, after, False, scale)))
    return _single(place, before)


def _nearest_exact(before: int, after: int, align: bool, scale: float | None, dtype: np.dtype[Any]) -> Taps:
    return _single(np.floor(_centres(before, after, False, scale, dtype) + 0.5), before)


def _single(place: Array, before: int) -> Taps:
    at = np.clip(place.astype(np.int64), 0, before - 1)[:, None]
    return Taps(at, np.ones(at.shape), before)


def _linear(before: int, after: int, align: bool, scale: float | None, dtype: np.dtype[Any]) -> Taps:
    if before == after:
        return _single(np.arange(after), before)
    centres = np.maximum(_centres(before, after, align, scale, dtype), 0)
    low = np.minimum(np.floor(centres).astype(np.int64), before - 1)
    part = np.minimum(centres - low, 1).astype(np.float64)
    return Taps(np.stack([low, np.minimum(low + 1, before - 1)], 1), np.stack([1 - part, part], 1), before)


def cubic_weights(part: Any, a: float = _CUBIC) -> list[Any]:
    """The weights of the four neighbours at -1, 0, 1, 2 of a point at part in [0, 1): cubic convolution (Keys 1981)."""

    def near(t: Any) -> Any:
        return ((a + 2) * t - (a + 3)) * t * t + 1

    def far(t: Any) -> Any:
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a

    return [far(part + 1), near(part), near(1 - part), far(2 - part)]


def _cubic(before: int, after: int, align: bool, scale: float | None, dtype: np.dtype[Any]) -> Taps:
    if before == after:
        return _single(np.arange(after), before)
    centres = _centres(before, after, align, scale, dtype)
    low = np.floor(centres)
    weights = np.stack(cubic_weights((centres - low).astype(np.float64)), 1)
    place = np.clip(low.astype(np.int64)[:, None] + np.arange(-1, 3), 0, before - 1)
    return Taps(place, weights, before)


_TAPS: dict[str, Callable[[int, int, bool, float | None, np.dtype[Any]], Taps]] = {
    "nearest": _nearest,
    "nearest-exact": _nearest_exact,
    "linear": _linear,
    "bilinear": _linear,
    "trilinear": _linear,
    "bicubic": _cubic,
}


# ------------------------------------------------------------------------------------------------ with antialias


def _triangle(t: Array) -> Array:
    heights: Array = np.maximum(1 - np.abs(t), 0)
    return heights


def _cubic_filter(t: Array) -> Array:
    a, t = _CUBIC_AA, np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def _lanczos(t: Array) -> Array:
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0.0)


_FILTERS: dict[str, tuple[Callable[[Array], Array], int]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic_filter, 2),
    "lanczos": (_lanczos, 3),
}


def _antialiased(before: int, after: int, mode: str, align: bool, scale: float | None) -> Taps:
    """A filter as wide as an output pixel, its weights normalised: Pillow's resize."""
    kernel, reach = _FILTERS[mode]
    step = _step(before, after, align, scale)
    width = max(step, 1.0)
    support = reach * width
    centres = step * (np.arange(after) + 0.5)
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), before)
    count = max(int((last - first).max()), 1)
    place = first[:, None] + np.arange(count)
    weights = np.where(place < last[:, None], kernel((place - centres[:, None] + 0.5) / width), 0.0)
    total = weights.sum(1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    return Taps(np.minimum(place, before - 1), weights, before)


# ------------------------------------------------------------------------------------------------ older names


def upsample(
    input: Tensor,
    size: Size = None,
    scale_factor: Scale = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """interpolate, under its older name; warns so."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Size = None, scale_factor: Scale = None) -> Tensor:
    """interpolate of mode "nearest", under its older name; warns so."""
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Size = None, scale_factor: Scale = None) -> Tensor:
    """interpolate of mode "bilinear" with align_corners, under its older name; warns so."""
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
