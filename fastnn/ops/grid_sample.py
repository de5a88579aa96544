"""affine_grid and grid_sample: images read at any places (Jaderberg et al. 2015), of one gather a neighbour."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastnn import _core
from fastnn.ops.dims import Array
from fastnn.ops.embedding import embedding
from fastnn.ops.gate import tensor_argument
from fastnn.ops.interpolate import cubic_weights
from fastnn.ops.matmul import matmul
from fastnn.ops.select import where
from fastnn.ops.shape import permute, reshape

if TYPE_CHECKING:
    from fastnn.tensor import Tensor

__all__ = ["affine_grid", "grid_sample"]

_FAR = -100.0  # where coordinates go that are NaN or beyond any image: outside


def _warn_default(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired.",
            stacklevel=3,
        )
    return bool(align_corners)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The places that affine maps send the pixels of an image of that size to, as grid_sample takes them.

    theta: (N, 2, 3) for size (N, C, H, W), (N, 3, 4) for (N, C, D, H, W); returns (N, H, W, 2) or (N, D, H, W, 3), with
    coordinates (x, y) or (x, y, z) that run from -1 to 1 across the image: between the centres of its corner pixels
    where align_corners, else between its edges. ValueError for shapes that do not fit, NotImplementedError for a size
    of another length.
    """
    align = _warn_default(align_corners)
    matrix = tensor_argument(theta, "affine_grid", "theta")._array
    wanted = [int(n) for n in size]
    if matrix.dtype.kind != "f":
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(wanted) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {wanted}."
        )
    axes = len(wanted) - 2
    if matrix.ndim != 3 or matrix.shape[1:] != (axes, axes + 1):
        raise ValueError(
            f"Expected a batch of {axes}D affine matrices of shape Nx{axes}x{axes + 1} for size {wanted}. "
            f"Got {list(matrix.shape)}."
        )
    if min(wanted) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {wanted}")
    if matrix.shape[0] != wanted[0]:
        raise RuntimeError(f"affine_grid(): expected theta of batch size {wanted[0]}, got {list(matrix.shape)}")
    spatial = wanted[2:]
    lines = []
    for extent in spatial:
        line = np.linspace(-1, 1, extent) if extent > 1 else np.zeros(1)
        lines.append(line if align else line * ((extent - 1) / extent))
    mesh = np.meshgrid(*lines, indexing="ij")
    base = np.stack([*reversed(mesh), np.ones(spatial)], -1).astype(matrix.dtype).reshape(1, -1, axes + 1)
    return reshape(matmul(_core.wrap(base), permute(theta, (0, 2, 1))), (wanted[0], *spatial, axes))


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """input's values at the places of grid.

    input: (N, C, H, W) with grid (N, P, Q, 2), or (N, C, D, H, W) with grid (N, O, P, Q, 3); returns (N, C, P, Q) or
    (N, C, O, P, Q). grid: (x, y) or (x, y, z), see affine_grid. mode: "bilinear" (in 3-D trilinear), "nearest",
    "bicubic" (4-D input alone). padding_mode, for places outside: "zeros", "border" (the nearest edge) or
    "reflection". ValueError for another word, RuntimeError for shapes and dtypes that do not fit.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    align = _warn_default(align_corners)
    x, g = tensor_argument(input, "grid_sample")._array, tensor_argument(grid, "grid_sample", "grid")._array
    _check(input, grid, mode)
    size = x.shape[2:]
    axes = len(size)
    picker = _Picker(input, padding_mode, align)
    # grid names the last axis first
    at = [_to_pixels(grid[..., axes - 1 - axis], size[axis], align) for axis in range(axes)]
    if mode == "bicubic":
        parts = [_neighbours(c, size[axis], cubic=True) for axis, c in enumerate(at)]
    else:
        at = [_inside(c, size[axis], padding_mode, align) for axis, c in enumerate(at)]
        if mode == "nearest":
            return picker.sum([(None, [np.rint(c._array).astype(np.int64) for c in at])], g.shape[1:-1])
        parts = [_neighbours(c, size[axis], cubic=False) for axis, c in enumerate(at)]
    terms: list[tuple[Tensor | None, list[Array]]] = []
    for corner in itertools.product(*parts):
        weight = corner[0][1]
        for _, factor in corner[1:]:
            weight = weight * factor
        terms.append((weight, [place for place, _ in corner]))
    return picker.sum(terms, g.shape[1:-1])


def _check(input: Tensor, grid: Tensor, mode: str) -> None:
    x, g = input._array, grid._array
    if x.dtype != g.dtype:
        raise RuntimeError(
            "grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{input.dtype} and grid has {grid.dtype}"
        )
    if x.dtype.kind != "f":
        raise NotImplementedError(f'"grid_sample" not implemented for {input.dtype}')
    if x.ndim not in (4, 5) or x.ndim != g.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with "
            f"sizes {list(x.shape)} and grid with sizes {list(g.shape)}"
        )
    if x.shape[0] != g.shape[0]:
        raise RuntimeError(
            f"grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(x.shape)} and grid with sizes {list(g.shape)}"
        )
    if g.shape[-1] != x.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {x.ndim - 2} in last dimension, but got grid with sizes "
            f"{list(g.shape)}"
        )
    if 0 in x.shape[2:]:
        raise RuntimeError(
            f"grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {list(x.shape)}"
        )
    if mode == "bicubic" and x.ndim != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


def _to_pixels(coordinate: Tensor, extent: int, align: bool) -> Tensor:
    """[-1, 1] to pixels, the first one's centre at 0; what no image holds goes far outside."""
    at = (coordinate + 1) * ((extent - 1) / 2) if align else (coordinate + 1) * (extent / 2) - 0.5
    wild = ~(np.abs(at._array) < 2**30)
    return where(_core.wrap(np.asarray(wild)), _FAR, at) if wild.any() else at


def _reflected(at: Array, extent: int, align: bool) -> tuple[Array, Array]:
    """(sign, shift): sign * at + shift is at reflected at the edges until it is inside."""
    low, high = (0, 2 * (extent - 1)) if align else (-1, 2 * extent - 1)
    if low == high:
        return np.zeros_like(at), np.zeros_like(at)
    least, span = low / 2, (high - low) / 2
    sign = np.where(at < least, -1.0, 1.0)
    distance = np.abs(at - least)
    flips = np.floor(distance / span)
    odd = flips % 2 == 1
    # distance - flips * span + least, or where the number of flips is odd span - (distance - flips * span) + least
    shift = np.where(odd, span * (1 + flips), -span * flips) + least
    turn = np.where(odd, -1.0, 1.0)
    return (turn * sign).astype(at.dtype), (shift - turn * sign * least).astype(at.dtype)


def _inside(at: Tensor, extent: int, padding_mode: str, align: bool) -> Tensor:
    """Coordinates as the padding mode moves them; those moved to an edge have no gradient."""
    if padding_mode == "zeros":
        return at
    if padding_mode == "reflection":
        sign, shift = _reflected(at._array, extent, align)
        at = at * _core.wrap(sign) + _core.wrap(shift)
    values = at._array
    within = (values > 0) & (values < extent - 1)
    return where(_core.wrap(np.asarray(within)), at, _core.wrap(np.clip(values, 0, extent - 1)))


def _neighbours(at: Tensor, extent: int, cubic: bool) -> list[tuple[Array, Tensor]]:
    """The places next to each coordinate, and their weights: two, or for the cubic convolution four."""
    low = np.floor(at._array)
    part = at - _core.wrap(low)
    place = low.astype(np.int64)
    if cubic:
        return [(place + k - 1, weight) for k, weight in enumerate(cubic_weights(part))]
    return [(place, 1 - part), (place + 1, part)]


class _Picker:
    """Reads an image, laid out as rows of channels, at places given axis by axis."""

    def __init__(self, input: Tensor, padding_mode: str, align: bool) -> None:
        self.batch, self.channels, *self.size = input._array.shape
        axes = len(self.size)
        rows = permute(input, (0, *range(2, 2 + axes), 1))
        self.table = reshape(rows, (self.batch * math.prod(self.size), self.channels))
        self.padding_mode, self.align = padding_mode, align

    def _flat(self, places: list[Array]) -> tuple[Array, Array]:
        """Row numbers in the table, (N, ...), and which of the places are outside and read as 0."""
        start = np.arange(self.batch).reshape(-1, *(1,) * (places[0].ndim - 1))
        flat, outside = start, np.zeros(places[0].shape, np.bool_)
        for place, extent in zip(places, self.size, strict=True):
            if self.padding_mode == "zeros":
                outside |= (place < 0) | (place >= extent)
            elif self.padding_mode == "reflection":
                real = place.astype(np.float64)
                sign, shift = _reflected(real, extent, self.align)
                place = (sign * real + shift).astype(np.int64)
            flat = flat * extent + np.clip(place, 0, extent - 1)
        return flat, outside

    def sum(self, terms: list[tuple[Tensor | None, list[Array]]], shape: tuple[int, ...]) -> Tensor:
        """The sum of weight * value over the terms, as (N, C, *shape)."""
        total: Tensor | None = None
        for weight, places in terms:
            flat, outside = self._flat(places)
            values = embedding(_core.wrap(flat), self.table)
            if outside.any():
                values = where(_core.wrap(outside[..., None]), 0.0, values)
            if weight is not None:
                values = values * weight.unsqueeze(-1)
            total = values if total is None else total + values
        assert total is not None
        return permute(total, (0, len(shape) + 1, *range(1, len(shape) + 1)))
