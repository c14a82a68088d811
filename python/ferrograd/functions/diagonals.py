"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from .._operands import takes_arrays
from ..creation import as_tensor
from ._method import in_place_of, method
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = ["diag", "diag_embed", "diagflat", "diagonal", "diagonal_scatter", "trace", "tril", "triu"]


def _triangle(name: str, input: Any, below: bool, diagonal: int) -> Any:
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise _core.ShapeError(f"{name}: input: expected at least 2 dimensions, got shape {shape}")
    n, m = shape[-2:]
    inside = np.tri(n, m, diagonal, dtype=bool) if below else ~np.tri(n, m, diagonal - 1, dtype=bool)
    # A Boolean mask stays one: 0 would make integers of it.
    return ops.where(inside, input, False if as_tensor(input)._dtype == "bool" else 0)


@takes_arrays
@method()
def tril(input: Any, diagonal: int = 0) -> Tensor:
    """(*, n, m) with zeros above a diagonal: the main one at 0, others above it (+) or below (−)."""
    return _triangle("tril", input, True, diagonal)  # type: ignore[no-any-return]


@takes_arrays
@method()
def triu(input: Any, diagonal: int = 0) -> Tensor:
    """(*, n, m) with zeros below a diagonal: the main one at 0, others above it (+) or below (−)."""
    return _triangle("triu", input, False, diagonal)  # type: ignore[no-any-return]


in_place_of("tril_", tril)
in_place_of("triu_", triu)


def _places(n: int, m: int, offset: int) -> tuple[Any, Any]:
    """Rows and columns of a diagonal of an n × m matrix."""
    length = max(min(n, m - offset) if offset >= 0 else min(n + offset, m), 0)
    k = np.arange(length)
    return k + max(-offset, 0), k + max(offset, 0)


def _two_last(name: str, ndim: int, dim1: int, dim2: int) -> tuple[int, ...]:
    """The order of dimensions that puts these two last."""
    a, b = normalize_dim(name, dim1, ndim), normalize_dim(name, dim2, ndim)
    if a == b:
        raise RuntimeError(f"{name}: dim2: expected another dimension than dim1, got {dim1} and {dim2}")
    return (*(d for d in range(ndim) if d not in (a, b)), a, b)


@takes_arrays
@method()
def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A diagonal of the matrices that lie in two dimensions, as a last dimension in their place.

    A view where the two dimensions lie evenly in memory, as those of a contiguous tensor do, else a copy.
    """
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise _core.ShapeError(f"diagonal: input: expected at least 2 dimensions, got shape {shape}")
    order = _two_last("diagonal", len(shape), dim1, dim2)
    x = as_tensor(input)
    x = x if order == tuple(range(len(shape))) else ops.permute(x, dims=order)
    n, m = x.shape[-2:]
    rows, columns = _places(n, m, offset)
    if x._strides[-2] < x._strides[-1]:
        # The transposed matrix, whose rows lie one after the other, has the same diagonals.
        x, n, m, rows, columns = ops.permute(x, dims=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)), m, n, columns, rows
    if len(rows) and x._strides[-2] == m * x._strides[-1]:
        flat = ops.view(x, shape=(*x.shape[:-2], n * m))
        first = int(rows[0]) * m + int(columns[0])
        steps = slice(first, first + (len(rows) - 1) * (m + 1) + 1, m + 1)
        return ops.getitem(flat, index=(..., steps))  # type: ignore[no-any-return]
    return ops.index_get(x, rows, columns, dims=(x.ndim - 2, x.ndim - 1))  # type: ignore[no-any-return]


@takes_arrays
@method()
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """(*, n) as the diagonals of square matrices, which lie in dimensions `dim1` and `dim2` of the result."""
    shape = tuple(input.shape)
    if not shape:
        raise _core.ShapeError("diag_embed: input: expected at least 1 dimension, got shape ()")
    n, ndim = shape[-1] + abs(offset), len(shape) + 1
    order = _two_last("diag_embed", ndim, dim1, dim2)
    zeros = _core.backend.full((*shape[:-1], n, n), 0, as_tensor(input)._dtype)
    rows, columns = _places(n, n, offset)
    y = ops.index_put(zeros, input, rows, columns, dims=(ndim - 2, ndim - 1), accumulate=False)
    if order == tuple(range(ndim)):
        return y  # type: ignore[no-any-return]
    return ops.permute(y, dims=tuple(int(d) for d in np.argsort(order)))  # type: ignore[no-any-return]


@takes_arrays
@method()
def diag(input: Any, diagonal: int = 0) -> Tensor:
    """A diagonal of a matrix, or the square matrix that has the vector as this diagonal."""
    ndim = len(input.shape)
    if ndim == 1:
        return diag_embed(input, diagonal)
    if ndim != 2:
        raise _core.ShapeError(f"diag: input: expected a vector or a matrix, got shape {tuple(input.shape)}")
    return ops.clone(_diagonal(input, diagonal))  # type: ignore[no-any-return]


_diagonal = diagonal


@method()
def diagflat(input: Any, offset: int = 0) -> Tensor:
    """The square matrix that has all elements as a diagonal."""
    return diag_embed(ops.reshape(input, shape=(-1,)), offset)


@method()
@takes_arrays
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of `input` with `src` as the diagonal that `diagonal` gives."""
    ndim = len(input.shape)
    order = _two_last("diagonal_scatter", ndim, dim1, dim2)
    x = ops.permute(input, dims=order)
    rows, columns = _places(x.shape[-2], x.shape[-1], offset)
    wanted = (*x.shape[:-2], len(rows))
    if tuple(src.shape) != wanted:
        raise _core.ShapeError(f"diagonal_scatter: src: expected shape {wanted}, got {tuple(src.shape)}")
    y = ops.index_put(x, src, rows, columns, dims=(ndim - 2, ndim - 1), accumulate=False)
    return ops.permute(y, dims=tuple(int(d) for d in np.argsort(order)))  # type: ignore[no-any-return]


@takes_arrays
@method()
def trace(input: Any) -> Tensor:
    """The sum of the main diagonal of a matrix."""
    if len(input.shape) != 2:
        raise _core.ShapeError(f"trace: input: expected a matrix, got shape {tuple(input.shape)}")
    return ops.sum(diagonal(input), dim=(), keepdim=False)  # type: ignore[no-any-return]


def _fill_diagonal(input: Any, fill_value: float, wrap: bool = False) -> Any:
    shape = tuple(input.shape)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise _core.ShapeError(
            f"fill_diagonal_: self: expected a matrix, or more dimensions of one size, got shape {shape}"
        )
    n = min(shape)
    places = [np.arange(n)] * len(shape)
    if wrap and len(shape) == 2 and shape[0] > shape[1]:
        flat = np.arange(0, shape[0] * shape[1], shape[1] + 1)
        places = [flat // shape[1], flat % shape[1]]
    return ops.index_put(input, float(fill_value), *places, dims=tuple(range(len(shape))), accumulate=False)


in_place_of("fill_diagonal_", _fill_diagonal)
