"""Sorting along a dimension, and what is picked from sorted lines. NaN counts as the largest number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, ops
from .._operands import takes_arrays
from ._method import method
from ._results import ValuesIndices
from .reduction import _one
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor


def _along(name: str, input: Any, dim: Any, axis: Any) -> int:
    """A dimension, the last one if none is named."""
    dim = -1 if dim is None and axis is None else _one(name, dim, axis)
    return normalize_dim(name, dim, len(input.shape))


@takes_arrays
@method()
def sort(
    input: Any, dim: Any = None, descending: bool = False, stable: bool = False, *, axis: Any = None
) -> ValuesIndices:
    """The elements in order along `dim` (the last one), and their indices; equal ones always stay in their order."""
    if isinstance(dim, bool):
        # PyTorch also takes `sort(input, stable, dim, descending)` by keyword only; a bool is no dimension.
        raise TypeError(f"sort: dim: expected an integer, got {dim}")
    return ValuesIndices(*ops.sort(input, dim=_along("sort", input, dim, axis), descending=descending))


@takes_arrays
@method()
def argsort(input: Any, dim: Any = None, descending: bool = False, stable: bool = False, *, axis: Any = None) -> Tensor:
    """The indices that put the elements in order along `dim` (the last one); equal ones stay in their order."""
    return sort(input, dim, descending, stable, axis=axis).indices  # type: ignore[no-any-return]


@takes_arrays
@method()
def msort(input: Any) -> Tensor:
    """The elements in order along the first dimension."""
    return sort(input, 0).values  # type: ignore[no-any-return]


def _rank(name: str, k: Any) -> int:
    if not hasattr(k, "__index__"):
        raise TypeError(f"{name}: k: expected an integer, got {k!r}")
    if k < 0:
        raise _core.ShapeError(f"{name}: k: expected a number from 0, got {k}")
    return int(k)


@takes_arrays
@method()
def topk(
    input: Any, k: int, dim: Any = None, largest: bool = True, sorted: bool = True, *, axis: Any = None
) -> ValuesIndices:
    """The k largest (or smallest) elements along `dim` (the last one), always in order, and their indices."""
    d = _along("topk", input, dim, axis)
    return ValuesIndices(*ops.topk(input, k=_rank("topk", k), dim=d, largest=largest))


@takes_arrays
@method()
def kthvalue(input: Any, k: int, dim: Any = None, keepdim: bool = False, *, axis: Any = None) -> ValuesIndices:
    """The k-th smallest element along `dim` (the last one), counted from 1, and its index."""
    d = _along("kthvalue", input, dim, axis)
    return ValuesIndices(*ops.kthvalue(input, k=_rank("kthvalue", k), dim=d, keepdim=keepdim))


def _median(name: str, input: Any, dim: Any, keepdim: bool, axis: Any, ignore_nan: bool) -> Any:
    if dim is None and axis is None:
        flat = ops.reshape(input, shape=(-1,))
        if not flat.shape[0]:
            return ops.mean(flat, dim=(), keepdim=False)
        return ops.median(flat, dim=0, keepdim=False, ignore_nan=ignore_nan)[0]
    d = _along(name, input, dim, axis)
    return ValuesIndices(*ops.median(input, dim=d, keepdim=keepdim, ignore_nan=ignore_nan))


@method()
def median(input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The median, of two the lower one, NaN where there is one; along a dimension, `(values, indices)`."""
    return _median("median", input, dim, keepdim or keepdims, axis, False)


@method()
def nanmedian(input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The median of what is not NaN, of two the lower one; along a dimension, `(values, indices)`."""
    return _median("nanmedian", input, dim, keepdim or keepdims, axis, True)


@takes_arrays
@method()
def mode(input: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None) -> ValuesIndices:
    """The most frequent element along `dim` (the last one), the smallest of several, and its last index."""
    return ValuesIndices(*ops.mode(input, dim=_along("mode", input, dim, axis), keepdim=keepdim))


__all__ = ["argsort", "kthvalue", "median", "mode", "msort", "nanmedian", "sort", "topk"]
