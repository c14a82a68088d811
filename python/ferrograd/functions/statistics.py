"""Quantiles, covariances, areas under lines, and the larger and the smaller where NaN does not count."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import _core, ops
from .._operands import takes_arrays
from ..creation import as_tensor, get_default_dtype
from ..dtypes import dtype_name
from ._method import method
from .reduction import _is_float
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

_REST, _BUT_LAST = slice(1, None), slice(0, -1)
_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name: str, input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str, skip: bool) -> Any:
    x, ranks = as_tensor(input), as_tensor(q, dtype=as_tensor(input).dtype)
    if x._dtype not in ("float32", "float64"):
        raise _core.DTypeError(f"{name}: input: expected float32 or float64, got {x._dtype}")
    if isinstance(q, _core.TensorBase) and q._dtype != x._dtype:
        raise _core.DTypeError(f"{name}: q: expected {x._dtype}, as the input has, got {q._dtype}")
    if len(ranks.shape) > 1:
        raise _core.ShapeError(f"{name}: q: expected a number or a vector, got shape {tuple(ranks.shape)}")
    if any(not 0 <= share <= 1 for share in ops.reshape(ranks, shape=(-1,)).tolist()):
        raise _core.ShapeError(f"{name}: q: expected numbers from 0 to 1, got {ranks.tolist()}")
    if interpolation not in _INTERPOLATIONS:
        raise _core.ShapeError(f"{name}: interpolation: expected one of {_INTERPOLATIONS}, got {interpolation!r}")
    shape = tuple(x.shape)
    if dim is None:
        kept: tuple[int, ...] = (1,) * len(shape)
        lines = ops.reshape(x, shape=(-1,))
        d = 0
    else:
        d = normalize_dim(name, dim, len(shape))
        kept = (*shape[:d], 1, *shape[d + 1 :]) if shape else ()
        lines = x if shape else ops.reshape(x, shape=(1,))
    if not keepdim:
        kept = () if dim is None or not shape else shape[:d] + shape[d + 1 :]
    if not lines.shape[d]:
        raise _core.ShapeError(f"{name}: input: expected at least one element, got shape {shape}")
    last = len(lines.shape) - 1
    order = (*(k for k in range(last + 1) if k != d), d)
    values = ops.sort(ops.permute(lines, dims=order), dim=last, descending=False)[0]
    n = values.shape[-1]
    # NaN stands last: what is not skipped is counted from 0, and one NaN makes a line NaN.
    missing = ops.isnan(ops.detach(values))
    count = ops.sub(n, ops.sum(missing, dim=(last,), keepdim=True)) if skip else n
    top = ops.maximum(ops.sub(count, 1), 0) if skip else n - 1
    places = ops.mul(ops.reshape(ops.cast(ranks, dtype="float64"), shape=(-1,)), top)
    below, above = ops.floor(places), ops.neg(ops.floor(ops.neg(places)))
    if interpolation == "lower":
        above = below
    elif interpolation == "higher":
        below = above
    elif interpolation == "nearest":
        below = above = ops.round(places)
    low, high = (_picked(values, place) for place in (below, above))
    if interpolation == "midpoint":
        result = ops.lerp(low, high, 0.5)
    elif interpolation == "linear":
        result = ops.lerp(low, high, ops.cast(ops.sub(places, below), dtype=x._dtype))
    else:
        result = low
    if not skip:
        result = ops.where(ops.any(missing, dim=(last,), keepdim=True), math.nan, result)
    if not ranks.shape:
        return ops.reshape(result, shape=kept)
    return ops.reshape(ops.permute(result, dims=(last, *range(last))), shape=(ranks.shape[0], *kept))


def _picked(values: Any, places: Any) -> Any:
    """The elements of each line at `places`, which are the same for all lines or stand in the last dimension."""
    places = ops.cast(places, dtype="int64")
    return ops.gather(values, ops.expand(places, shape=(*values.shape[:-1], places.shape[-1])), dim=-1)


@method()
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear",
    axis: int | None = None,
) -> Tensor:  # fmt: skip
    """The element below which the share `q`, a number or a vector, of the elements along `dim` lies; NaN if one is NaN.

    Between two elements at place p it is, by `interpolation`, 'linear' in p, the 'lower', the 'higher' or the 'nearest'
    of the two, or their 'midpoint'. Several q stand in a first dimension.
    """
    return _quantile("quantile", input, q, axis if dim is None else dim, keepdim, interpolation, False)  # type: ignore[no-any-return]


@method()
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear",
    axis: int | None = None,
) -> Tensor:  # fmt: skip
    """As `quantile`, of what is not NaN."""
    return _quantile("nanquantile", input, q, axis if dim is None else dim, keepdim, interpolation, True)  # type: ignore[no-any-return]


@method()
def fmax(input: Any, other: Any) -> Tensor:
    """The larger of the two; of a number and NaN, the number."""
    x, y = (ops.where(ops.isnan(a), b, a) for a, b in ((input, other), (other, input)))
    return ops.maximum(x, y)  # type: ignore[no-any-return]


@method()
def fmin(input: Any, other: Any) -> Tensor:
    """The smaller of the two; of a number and NaN, the number."""
    x, y = (ops.where(ops.isnan(a), b, a) for a, b in ((input, other), (other, input)))
    return ops.minimum(x, y)  # type: ignore[no-any-return]


@method()
@takes_arrays
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
    """The covariances of the rows of (variables, observations); weighted by how often or how much each one counts.

    Of a single variable it is a number, the variance.
    """
    if len(input.shape) > 2:
        raise _core.ShapeError(f"cov: input: expected at most two dimensions, got shape {tuple(input.shape)}")
    x = input if _is_float(input) else ops.cast(input, dtype=dtype_name(get_default_dtype()))
    x = ops.reshape(x, shape=(1, -1)) if len(x.shape) < 2 else x
    weights = None
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if tuple(w.shape) != (x.shape[1],):
            raise _core.ShapeError(f"cov: {name}: expected shape {(x.shape[1],)}, got {tuple(w.shape)}")
        w = ops.cast(w, dtype=x._dtype)
        weights = w if weights is None else ops.mul(weights, w)
    if weights is None:
        centred = ops.sub(x, ops.mean(x, dim=(1,), keepdim=True))
        product, freedom = ops.matmul(centred, ops.permute(centred, dims=(1, 0))), max(0, x.shape[1] - correction)
        result = ops.div(product, float(freedom))
    else:
        total = ops.sum(weights, dim=(), keepdim=False)
        mean = ops.div(ops.sum(ops.mul(x, weights), dim=(1,), keepdim=True), total)
        centred = ops.sub(x, mean)
        lost: Any = correction
        if aweights is not None and correction:
            squares = ops.sum(ops.mul(weights, ops.cast(aweights, dtype=x._dtype)), dim=(), keepdim=False)
            lost = ops.mul(ops.div(squares, total), correction)
        product = ops.matmul(ops.mul(centred, weights), ops.permute(centred, dims=(1, 0)))
        result = ops.div(product, ops.maximum(ops.sub(total, lost), 0))
    return ops.reshape(result, shape=()) if x.shape[0] == 1 else result  # type: ignore[no-any-return]


@takes_arrays
@method()
def corrcoef(input: Any) -> Tensor:
    """The correlations of the rows of (variables, observations): covariances over both standard deviations."""
    c = cov(input)
    if not c.shape:
        return ops.div(c, c)  # type: ignore[no-any-return]
    n = c.shape[0]
    diagonal = ops.getitem(ops.reshape(c, shape=(-1,)), index=(slice(None, None, n + 1),))
    spread = ops.sqrt(diagonal)
    scaled = ops.div(ops.div(c, ops.reshape(spread, shape=(-1, 1))), spread)
    return ops.clip(scaled, -1.0, 1.0)  # type: ignore[no-any-return]


def _strips(name: str, y: Any, x: Any, dx: float, dim: int) -> tuple[Any, int]:
    """The areas between neighbours along `dim`."""
    d = normalize_dim(name, dim, len(y.shape))

    def ends(a: Any, k: int) -> tuple[Any, Any]:
        left, right = (ops.getitem(a, index=(slice(None),) * k + (part,)) for part in (_BUT_LAST, _REST))
        return left, right

    left, right = ends(y, d)
    width: Any = dx
    if x is not None:
        if len(x.shape) == 1:
            start, end = ends(x, 0)
            width = ops.reshape(ops.sub(end, start), shape=(-1, *(1,) * (len(y.shape) - 1 - d)))
        else:
            start, end = ends(x, normalize_dim(name, dim, len(x.shape)))
            width = ops.sub(end, start)
    return ops.mul(ops.mul(ops.add(left, right), 0.5), width), d


@takes_arrays
def trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """Σ (y_i + y_{i+1}) / 2 · (x_{i+1} − x_i) along `dim`; the points lie `dx` apart where there is no `x`."""
    strips, d = _strips("trapezoid", y, x, dx, dim)
    return ops.sum(strips, dim=(d,), keepdim=False)  # type: ignore[no-any-return]


@takes_arrays
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The running sums of what `trapezoid` adds up."""
    strips, d = _strips("cumulative_trapezoid", y, x, dx, dim)
    return ops.cumsum(strips, dim=d, reverse=False)  # type: ignore[no-any-return]


trapz = trapezoid

__all__ = [
    "corrcoef", "cov", "cumulative_trapezoid", "fmax", "fmin", "nanquantile", "quantile", "trapezoid", "trapz",
]  # fmt: skip
