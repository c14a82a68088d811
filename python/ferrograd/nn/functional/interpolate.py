"""Other sizes of the same signal: interpolation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core, ops
from ..._operands import takes_arrays
from ..._warn import warn
from .._check import dtype_of

if TYPE_CHECKING:
    from ..._tensor import Tensor

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

#: The dimensions of input that each mode takes.
_MODES = {
    "nearest": (3, 4, 5),
    "nearest-exact": (3, 4, 5),
    "area": (3, 4, 5),
    "linear": (3,),
    "bilinear": (4,),
    "bicubic": (4,),
    "trilinear": (5,),
}
_SMOOTH = ("linear", "bilinear", "bicubic", "trilinear")


@takes_arrays
def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """x (N, C, *sizes) at another size.

    Output place i stands at (i + 1/2) · scale - 1/2 of the input, or with `align_corners` at i · scale, where the first and
    last places of both coincide.

    Args:
        input: x with one to three dimensions after N and C.
        size: the new sizes, an int for all.
        scale_factor: new over old size, in place of `size`; the new size is rounded down.
        mode: 'nearest' (place i · scale, rounded down), 'nearest-exact' (the nearest place), 'linear', 'bilinear',
            'trilinear', 'bicubic' (Keys' kernel with a = -0.75), 'area' (the mean of what an output place covers).
        align_corners: for the linear and cubic modes; default False.
        recompute_scale_factor: take the scale from the rounded sizes, not from `scale_factor`.
        antialias: not available; raises NotImplementedError.
    """
    shape = tuple(input.shape)
    if mode not in _MODES:
        raise NotImplementedError(f"interpolate: mode: expected one of {', '.join(_MODES)}, got {mode!r}")
    if len(shape) not in _MODES[mode]:
        wanted = " or ".join(f"{n}D" for n in _MODES[mode])
        raise NotImplementedError(f"interpolate: input: expected {wanted} input for mode {mode!r}, got shape {shape}")
    if align_corners is not None and mode not in _SMOOTH:
        raise ValueError(f"interpolate: align_corners: expected None for mode {mode!r}, got {align_corners}")
    if antialias:
        raise NotImplementedError("interpolate: antialias: is not available; pass antialias=False")
    old = shape[2:]
    new, factors = _sizes(old, size, scale_factor, recompute_scale_factor)
    if min(*old, *new) < 1:
        raise _core.ShapeError(f"interpolate: expected sizes of at least 1, got input {old} and output {new}")
    real = np.float64 if dtype_of(input) == "float64" else np.float32
    result = input
    for dim, (n, m, factor) in enumerate(zip(old, new, factors, strict=True), 2):
        if n == m and (factor in (None, 1.0) or mode in ("linear", "bilinear", "trilinear")):
            # As in PyTorch: in the linear modes the same size is the same signal, whatever the factor says.
            continue
        if mode in ("nearest", "nearest-exact"):
            result = _taken(result, dim, _nearest(n, m, factor, mode == "nearest-exact"))
        elif mode == "area":
            result = _area(result, dim, n, m)
        else:
            places = _places(n, m, factor, bool(align_corners), real)
            result = (_cubic if mode == "bicubic" else _linear)(result, dim, places)
    return ops.alias(result) if result is input else result  # type: ignore[no-any-return]


def _sizes(old: tuple[int, ...], size: Any, scale_factor: Any, recompute: bool | None) -> tuple[Any, Any]:
    """The new sizes, and the factors that scales are taken from (None: from the sizes)."""
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"interpolate: size: expected either size or scale_factor, got {'both' if size is not None else 'neither'}"
        )
    name, given = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    each = tuple(given) if isinstance(given, (tuple, list)) else (given,) * len(old)
    if len(each) != len(old):
        raise ValueError(f"interpolate: {name}: expected {len(old)} numbers for {len(old)} dimensions, got {given}")
    if scale_factor is None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor: has no meaning together with size")
        return tuple(int(s) for s in each), (None,) * len(old)
    new = tuple(math.floor(float(n) * float(f)) for n, f in zip(old, each, strict=True))
    return new, (None,) * len(old) if recompute else tuple(float(f) for f in each)


def _taken(x: Any, dim: int, places: Any) -> Any:
    return ops.index_get(x, places, dims=(dim,))


def _scale(n: int, m: int, factor: float | None, real: Any) -> Any:
    return real(1.0 / factor) if factor is not None and factor > 0 else real(n) / real(m)


def _nearest(n: int, m: int, factor: float | None, exact: bool) -> Any:
    # PyTorch computes these places in float32, whatever the dtype; a place may hang on the rounding. For small images it
    # takes places i or i // 2 where the sizes are equal or one is twice the other, whatever the factor; this does not.
    i = np.arange(m, dtype=np.float32) + np.float32(0.5 if exact else 0.0)
    return np.minimum(np.floor(i * _scale(n, m, factor, np.float32)).astype(np.int64), n - 1)


def _places(n: int, m: int, factor: float | None, align_corners: bool, real: Any) -> tuple[int, Any]:
    """The size of the input, and where each output place stands in it."""
    i = np.arange(m, dtype=real)
    if align_corners:
        return n, i * (real(n - 1) / real(m - 1) if m > 1 else real(0))
    return n, _scale(n, m, factor, real) * (i + real(0.5)) - real(0.5)


def _along(weight: Any, x: Any, dim: int) -> Any:
    return weight.reshape((-1,) + (1,) * (len(x.shape) - dim - 1))


def _linear(x: Any, dim: int, places: tuple[int, Any]) -> Any:
    n, at = places
    at = np.maximum(at, 0)
    left = np.minimum(np.floor(at).astype(np.int64), n - 1)
    right = np.minimum(left + 1, n - 1)
    weight = _along(np.clip(at - left.astype(at.dtype), 0, 1), x, dim)
    from_left, from_right = ops.mul(_taken(x, dim, left), 1 - weight), ops.mul(_taken(x, dim, right), weight)
    return ops.add(from_left, from_right)


def cubic_weights(t: Any, number: Any, add: Any, mul: Any) -> tuple[Any, Any, Any, Any]:
    """Keys' weights, a = -3/4, of the places -1, 0, 1, 2 at t between 0 and 1, by the arithmetic given."""
    a = -0.75

    def near(d: Any) -> Any:  # (a + 2) d³ - (a + 3) d² + 1
        return add(mul(mul(add(mul(d, number(a + 2)), number(-(a + 3))), d), d), number(1.0))

    def far(d: Any) -> Any:  # a d³ - 5a d² + 8a d - 4a
        return add(mul(add(mul(add(mul(d, number(a)), number(-5 * a)), d), number(8 * a)), d), number(-4 * a))

    rest = add(number(1.0), mul(t, number(-1.0)))
    return far(add(t, number(1.0))), near(t), near(rest), far(add(rest, number(1.0)))


def _cubic(x: Any, dim: int, places: tuple[int, Any]) -> Any:
    n, at = places
    base = np.floor(at)
    weights = cubic_weights(at - base, at.dtype.type, np.add, np.multiply)
    total = None
    for k, weight in enumerate(weights):
        index = np.clip(base.astype(np.int64) + k - 1, 0, n - 1)
        part = ops.mul(_taken(x, dim, index), _along(weight, x, dim))
        total = part if total is None else ops.add(total, part)
    return total


def _area(x: Any, dim: int, n: int, m: int) -> Any:
    """The mean of ⌊i n / m⌋ … ⌈(i + 1) n / m⌉ - 1: as many taken as the widest place covers, the rest not counted."""
    i = np.arange(m)
    start, end = i * n // m, -(-(i + 1) * n // m)
    width = int((end - start).max())
    total = None
    for k in range(width):
        inside = _along(start + k < end, x, dim)
        part = ops.where(inside, _taken(x, dim, np.minimum(start + k, n - 1)), 0.0)
        total = part if total is None else ops.add(total, part)
    counts = _along((end - start).astype(np.float64 if ops.detach(x)._dtype == "float64" else np.float32), x, dim)
    return ops.div(total, counts)


@takes_arrays
def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """PyTorch's former name of `interpolate`."""
    warn("upsample is deprecated; use interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


@takes_arrays
def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Tensor:
    """PyTorch's former name of `interpolate` with mode 'nearest'."""
    warn("upsample_nearest is deprecated; use interpolate")
    return interpolate(input, size, scale_factor, "nearest")


@takes_arrays
def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Tensor:
    """PyTorch's former name of `interpolate` with mode 'bilinear' and `align_corners`."""
    warn("upsample_bilinear is deprecated; use interpolate")
    return interpolate(input, size, scale_factor, "bilinear", True)
