"""Images at the places that a grid names, and grids of affine maps (Jaderberg et al. 2015, arXiv:1506.02025)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, ops
from ..._operands import takes_arrays
from ..._warn import warn
from ...dtypes import BY_NAME
from .._check import check_dtypes
from .interpolate import cubic_weights

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["affine_grid", "grid_sample"]


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Tensor:
    """The places θ (x, y, 1)ᵀ of an image of `size`, whose edges are at ±1.

    Shapes: θ (N, 2, 3) and size (N, C, H, W) give (N, H, W, 2); θ (N, 3, 4) and (N, C, D, H, W) give (N, D, H, W, 3).
    With `align_corners` ±1 are the centres of the outermost pixels.
    """
    align_corners = _aligned("affine_grid", align_corners)
    size = tuple(int(n) for n in size)
    if len(size) not in (4, 5):
        raise NotImplementedError(f"affine_grid: size: expected 4 or 5 numbers, got {size}")
    plain = ops.detach(theta)
    spatial = len(size) - 2
    if not BY_NAME[plain._dtype].is_floating_point:
        raise ValueError(f"affine_grid: theta: expected a floating-point dtype, got {plain._dtype}")
    if tuple(theta.shape) != (size[0], spatial, spatial + 1):
        raise ValueError(
            f"affine_grid: theta: expected shape {(size[0], spatial, spatial + 1)}, got {tuple(theta.shape)}"
        )
    if min(size) < 1:
        raise ValueError(f"affine_grid: size: expected numbers of at least 1, got {size}")
    axes = [np.linspace(-1, 1, n) * (1 if align_corners else (n - 1) / n) if n > 1 else np.zeros(1) for n in size[2:]]
    mesh = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(size[2:])], -1)
    base = mesh.reshape(-1, spatial + 1).astype(plain._dtype)
    grid = ops.matmul(base, ops.permute(theta, dims=(0, 2, 1)))
    return ops.reshape(grid, shape=(size[0], *size[2:], spatial))  # type: ignore[no-any-return]


@takes_arrays
def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The image at the places of a grid, in units in which its edges are at ±1.

    Shapes: input (N, C, H, W) and grid (N, OH, OW, 2), whose last dimension is (x, y), give (N, C, OH, OW); input
    (N, C, D, H, W) and grid (N, OD, OH, OW, 3) give (N, C, OD, OH, OW).

    Args:
        input: the images.
        grid: the places.
        mode: 'bilinear' (trilinear for volumes), 'nearest' (without a gradient of the grid), or 'bicubic' (images only).
        padding_mode: beyond the edges: 'zeros', 'border' (the edge), or 'reflection' (mirrored at the edge).
        align_corners: whether ±1 are the centres of the outermost pixels, or their outer edges (default).
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"grid_sample: mode: expected 'bilinear', 'nearest' or 'bicubic', got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"grid_sample: padding_mode: expected 'zeros', 'border' or 'reflection', got {padding_mode!r}")
    align_corners = _aligned("grid_sample", align_corners)
    shape, of_grid = tuple(input.shape), tuple(grid.shape)
    if (
        len(shape) not in (4, 5)
        or len(of_grid) != len(shape)
        or of_grid[0] != shape[0]
        or of_grid[-1] != len(shape) - 2
    ):
        raise _core.ShapeError(
            "grid_sample: grid: expected (N, OH, OW, 2) for an input (N, C, H, W), or (N, OD, OH, OW, 3) for "
            f"(N, C, D, H, W), got {of_grid} for {shape}"
        )
    check_dtypes("grid_sample", input, grid=grid)
    if mode == "bicubic" and len(shape) == 5:
        raise RuntimeError("grid_sample: mode: 'bicubic' takes input of 4 dimensions only")
    if min(shape[2:]) < 1:
        raise _core.ShapeError(f"grid_sample: input: expected an image of at least 1 pixel, got shape {shape}")
    extent = shape[2:]
    coordinates = [
        _in_pixels(ops.getitem(grid, index=(..., len(extent) - 1 - k)), n, align_corners) for k, n in enumerate(extent)
    ]

    def held(at: Any, n: int) -> Any:
        """A coordinate with the padding's rule applied."""
        if padding_mode == "reflection":
            at = _reflected(at, *((0, n - 1) if align_corners else (-0.5, n - 0.5)))
        return at if padding_mode == "zeros" else ops.hardtanh(at, min_val=0.0, max_val=float(n - 1))

    if mode == "bicubic":
        return _bicubic(input, coordinates, held)  # type: ignore[no-any-return]
    coordinates = [held(at, n) for at, n in zip(coordinates, extent, strict=True)]
    if mode == "nearest":
        return _pixels(input, [_whole(np.rint, at) for at in coordinates])  # type: ignore[no-any-return]
    total = None
    lower = [_whole(np.floor, at) for at in coordinates]
    for corner in itertools.product((0, 1), repeat=len(extent)):
        weight = None
        for at, low, side in zip(coordinates, lower, corner, strict=True):
            part = ops.sub(at, low) if side else ops.sub(low + 1, at)
            weight = part if weight is None else ops.mul(weight, part)
        values = _pixels(input, [low + side for low, side in zip(lower, corner, strict=True)])
        values = ops.mul(values, ops.getitem(weight, index=(slice(None), None)))
        total = values if total is None else ops.add(total, values)
    return total  # type: ignore[return-value]


def _aligned(op: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        warn(f"{op}: align_corners: False unless given, since PyTorch 1.3")
    return bool(align_corners)


def _in_pixels(x: Any, n: int, align_corners: bool) -> Any:
    """From ±1 to places among n pixels."""
    if align_corners:
        return ops.mul(ops.add(x, 1.0), (n - 1) / 2)
    return ops.div(ops.sub(ops.mul(ops.add(x, 1.0), float(n)), 1.0), 2.0)


def _reflected(at: Any, low: float, high: float) -> Any:
    """Mirrored at both ends until it lies between them."""
    span = high - low
    if span <= 0:
        return ops.mul(at, 0.0)
    folded = ops.remainder(ops.sub(at, low), 2 * span)
    return ops.add(ops.where(ops.gt(folded, span), ops.sub(2 * span, folded), folded), float(low))


def _whole(rounding: Callable[[Any], Any], at: Any) -> Any:
    """Whole places as an array of the grid's dtype; far ones are brought near, not finite ones to where no pixel is."""
    values = rounding(ops.detach(at)._readable())
    return np.clip(np.nan_to_num(values, nan=-10.0), -1e6, 1e6)


def _pixels(x: Any, places: list[Any]) -> Any:
    """x[n, c, *places[n]] in the shape (N, C, *grid); 0 where there is no pixel."""
    shape = tuple(x.shape)
    extent, of_grid = shape[2:], places[0].shape
    inside, flat = np.ones(of_grid, np.bool_), np.zeros(of_grid, np.int64)
    for place, n in zip(places, extent, strict=True):
        inside &= (place >= 0) & (place <= n - 1)
        flat = flat * n + np.clip(place, 0, n - 1).astype(np.int64)
    index = np.broadcast_to(flat.reshape(shape[0], 1, -1), (*shape[:2], flat[0].size if shape[0] else 0))
    taken = ops.gather(ops.reshape(x, shape=(*shape[:2], math.prod(extent))), index, dim=2)
    values = ops.reshape(taken, shape=(*shape[:2], *of_grid[1:]))
    return values if inside.all() else ops.where(inside[:, None], values, 0.0)


def _bicubic(x: Any, coordinates: list[Any], held: Callable[[Any, int], Any]) -> Any:
    """The sum of 16 pixels around each place; the padding's rule is applied to each of them."""
    lower = [_whole(np.floor, at) for at in coordinates]
    weights = [
        cubic_weights(ops.sub(at, low), lambda value: value, ops.add, ops.mul)
        for at, low in zip(coordinates, lower, strict=True)
    ]
    total = None
    for j, i in itertools.product(range(4), repeat=2):
        near = [low + k - 1 for low, k in zip(lower, (j, i), strict=True)]
        places = [
            np.rint(held(at, n)._readable()) if n else at
            for at, n in zip(map(ops.detach, near), x.shape[2:], strict=True)
        ]
        weight = ops.getitem(ops.mul(weights[0][j], weights[1][i]), index=(slice(None), None))
        part = ops.mul(_pixels(x, places), weight)
        total = part if total is None else ops.add(total, part)
    return total
