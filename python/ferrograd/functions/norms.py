"""Norms, and reductions made of others: both extremes, both moments, counts, and sums that leave NaN out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import _core, ops
from .._operands import takes_arrays
from ..creation import as_tensor
from ._method import method
from ._results import MinMax
from .reduction import _cast, _correction, _dims, _is_float, _no_out, accumulated

if TYPE_CHECKING:
    from .._tensor import Tensor


def vector_norm(
    x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None,
    keepdims: bool = False, out: Any = None,
) -> Tensor:  # fmt: skip
    """(Σ |x|^p)^(1/p) over `dim` (None: over all dimensions), p = `ord`; ∞, −∞ and 0 as limits."""
    _no_out("vector_norm", out)
    if not isinstance(ord, (int, float)):
        raise TypeError(f"vector_norm: ord: expected a number, got {ord!r}")
    x = _cast(x, dtype)
    if not _is_float(x):
        raise _core.DTypeError(f"vector_norm: x: expected a floating-point dtype, got {x.dtype}")
    dims = _dims("vector_norm", dim, axis)
    return ops.vector_norm(x, ord=float(ord), dim=dims, keepdim=keepdim or keepdims)  # type: ignore[no-any-return]


@takes_arrays
def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """√Σ a² of matrices ('fro'), the largest (smallest) sum of |a| over a row (±∞) or over a column (±1)."""
    dims = _dims("matrix_norm", dim, None)
    ndim = len(A.shape)
    if len(dims) != 2 or ndim < 2 or (dims[0] - dims[1]) % ndim == 0:
        raise _core.ShapeError(
            f"matrix_norm: dim: expected two dimensions of at least two, got {dims} of shape {tuple(A.shape)}"
        )
    if ord == "fro":
        return vector_norm(A, 2, dims, keepdim, dtype=dtype)
    if ord not in (1, -1, math.inf, -math.inf):
        raise ValueError(
            f"matrix_norm: ord: expected 'fro', 1, -1, inf or -inf, got {ord!r} (it takes singular values)"
        )
    row, column = (d % ndim for d in dims)
    inner, outer = (row, column) if abs(ord) == 1 else (column, row)
    sums = vector_norm(A, 1, inner, True, dtype=dtype)
    norm = (ops.amax if ord > 0 else ops.amin)(sums, dim=(outer,), keepdim=True)
    kept = tuple(1 if k in (row, column) else d for k, d in enumerate(A.shape) if keepdim or k not in (row, column))
    return ops.reshape(norm, shape=kept)  # type: ignore[no-any-return]


@takes_arrays
def linalg_norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None,
    keepdims: bool = False, out: Any = None,
) -> Tensor:  # fmt: skip
    """`vector_norm` of all elements where `ord` is None; else of vectors or matrices by the number of `dim`."""
    _no_out("linalg.norm", out)
    keepdim = keepdim or keepdims
    dims = _dims("linalg.norm", dim, axis)
    if ord is None:
        return vector_norm(A, 2, dims, keepdim, dtype=dtype)
    count = len(dims) or len(A.shape)
    if count == 2 and len(A.shape) >= 2:
        return matrix_norm(A, ord, dims or (-2, -1), keepdim, dtype=dtype)
    if count > 1 or isinstance(ord, str):
        raise _core.ShapeError(
            f"linalg.norm: A: expected one or two dimensions for ord={ord!r}, got shape {tuple(A.shape)} and dim={dim}"
        )
    return vector_norm(A, ord, dims, keepdim, dtype=dtype)


@method()
def norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None, *, axis: Any = None,
    keepdims: bool = False, out: Any = None,
) -> Tensor:  # fmt: skip
    """The p-norm over `dim` (None: over all dimensions); 'fro' and None are the 2-norm."""
    _no_out("norm", out)
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p: expected a number, 'fro' or None, got {p!r}")
    order = 2.0 if p in ("fro", None) else p
    return vector_norm(input, order, _dims("norm", dim, axis), keepdim or keepdims, dtype=dtype)


@method()
def dist(input: Any, other: Any, p: float = 2) -> Tensor:
    """The p-norm of input − other."""
    return vector_norm(ops.sub(input, other), p)


def _moments(name: str, input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any, axis: Any) -> Any:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    dims = _dims(name, dim, axis)
    spread = getattr(ops, name)(input, dim=dims, correction=_correction(unbiased, correction, None), keepdim=keepdim)
    return spread, ops.mean(input, dim=dims, keepdim=keepdim)


def std_mean(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, axis: Any = None, keepdims: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`(std, mean)` over `dim`."""
    return _moments("std", input, dim, unbiased, keepdim or keepdims, correction, axis)  # type: ignore[no-any-return]


def var_mean(
    input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, axis: Any = None, keepdims: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`(var, mean)` over `dim`."""
    return _moments("var", input, dim, unbiased, keepdim or keepdims, correction, axis)  # type: ignore[no-any-return]


@method()
def aminmax(input: Any, *, dim: Any = None, keepdim: bool = False, axis: Any = None, keepdims: bool = False) -> MinMax:
    """The smallest and the largest element over `dim` (None: over all dimensions)."""
    dims = _dims("aminmax", dim, axis)
    return MinMax(*(f(input, dim=dims, keepdim=keepdim or keepdims) for f in (ops.amin, ops.amax)))


@method()
def count_nonzero(input: Any, dim: Any = None, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """How many elements over `dim` (None: over all dimensions) are not 0; int64."""
    return ops.sum(ops.ne(input, 0), dim=_dims("count_nonzero", dim, axis), keepdim=keepdims)  # type: ignore[no-any-return]


@method()
def nansum(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: bool = False
) -> Tensor:
    """The sum over `dim` of what is not NaN."""
    x = ops.where(ops.isnan(input), 0, input) if _is_float(input) else input
    return accumulated(ops.sum, x, dtype, _dims("nansum", dim, axis), keepdim or keepdims)  # type: ignore[no-any-return]


@method()
def nanmean(
    input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: bool = False
) -> Tensor:
    """The mean over `dim` of what is not NaN; of nothing, NaN."""
    keepdim = keepdim or keepdims
    x = as_tensor(_cast(input, dtype))
    if not _is_float(x):
        raise _core.DTypeError(f"nanmean: input: expected a floating-point dtype, got {x.dtype}")
    counted = ops.cast(ops.logical_not(ops.isnan(x)), dtype=x._dtype)
    dims = _dims("nanmean", dim, axis)
    total = nansum(x, dims or None, keepdim)
    return ops.div(total, ops.sum(counted, dim=dims, keepdim=keepdim))  # type: ignore[no-any-return]


__all__ = ["aminmax", "count_nonzero", "dist", "nanmean", "nansum", "norm", "std_mean", "var_mean"]
