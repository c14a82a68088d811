"""Sorting along one dimension, and what is picked from a sorted line. NaN counts as the largest number.

Every op gives `(values, indices)`; the gradient of a value goes to the element at its index.
"""

from __future__ import annotations

from typing import Any

from .._core import backend
from ._op import op
from .index import scatter_add
from .reduce import _to_index


def _to_places(g: Any, shape: tuple[int, ...], index: Any, dim: int) -> Any:
    """Zeros of `shape` with `g` at `index` along `dim`."""
    return scatter_add(backend.full(shape, 0, g._dtype), index, g, dim=dim)


@op
def sort(x: Any, *, dim: int, descending: bool) -> Any:
    """The elements in order along `dim`, equal ones in the order they have, and their indices."""
    return backend.sort(x, dim, descending)


@sort.rule(saves=("x.shape", "result1"))
def _(g, needs, shape, index, *, dim, descending):
    return _to_places(g[0], shape, index, dim)


@op
def topk(x: Any, *, k: int, dim: int, largest: bool) -> Any:
    """The k largest or smallest elements along `dim`, in order, and their indices; of equal ones the first."""
    return backend.topk(x, k, dim, largest)


@topk.rule(saves=("x.shape", "result1"))
def _(g, needs, shape, index, *, k, dim, largest):
    return _to_places(g[0], shape, index, dim)


@op
def kthvalue(x: Any, *, k: int, dim: int, keepdim: bool) -> Any:
    """The k-th smallest element along `dim`, counted from 1, and its index."""
    return backend.kthvalue(x, k, dim, keepdim)


@kthvalue.rule(saves=("x.shape", "result1"))
def _(g, needs, shape, index, *, k, dim, keepdim):
    return _to_index(g[0], shape, index, dim)


@op
def median(x: Any, *, dim: int, keepdim: bool, ignore_nan: bool) -> Any:
    """The median along `dim`, the lower one of two, and its index; NaN where there is one and none is ignored."""
    return backend.median(x, dim, keepdim, ignore_nan)


@median.rule(saves=("x.shape", "result1"))
def _(g, needs, shape, index, *, dim, keepdim, ignore_nan):
    return _to_index(g[0], shape, index, dim)


@op
def mode(x: Any, *, dim: int, keepdim: bool) -> Any:
    """The most frequent element along `dim`, the smallest of several, and its last index."""
    return backend.mode(x, dim, keepdim)


@mode.rule(saves=("x.shape", "result1"))
def _(g, needs, shape, index, *, dim, keepdim):
    return _to_index(g[0], shape, index, dim)


@op
def searchsorted(sequence: Any, x: Any, *, right: bool) -> Any:
    """How many elements of each sorted line (…, n) are below x (…, m), or not above it where `right`: int64."""
    return backend.searchsorted(sequence, x, right)
