"""What values there are, how often, and where one would stand. None of these has a gradient but `bincount`'s weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core, ops
from .._operands import takes_arrays
from ..creation import as_tensor
from ._method import method
from .shape import normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

_REST, _BUT_LAST = slice(1, None), slice(0, -1)


def _flat(x: Any) -> Any:
    return ops.reshape(ops.detach(as_tensor(x)), shape=(-1,))


def _groups(
    rows: Any, order: Any, input: Any, dim: int | None, inverse_shape: tuple[int, ...], inverse: bool, counts: bool
) -> Any:
    """One of each run of equal `rows`: the results of `unique` for the elements (or slices) `order` of `input`."""
    n = rows.shape[0]
    differs = ops.ne(ops.getitem(rows, index=(_REST,)), ops.getitem(rows, index=(_BUT_LAST,)))
    if len(rows.shape) > 1:
        differs = ops.any(differs, dim=(1,), keepdim=False)
    first = ops.concatenate(_core.backend.full((min(n, 1),), True, "bool"), differs, dim=0)
    starts = ops.reshape(ops.nonzero(first), shape=(-1,))
    picked = starts if order is None else ops.index_get(order, starts, dims=(0,))
    results = [ops.index_get(input, picked, dims=(dim or 0,))]
    if inverse:
        number = ops.sub(ops.cumsum(first, dim=0, reverse=False), 1)
        if order is not None:
            number = ops.scatter(_core.backend.full((n,), 0, "int64"), order, number, dim=0)
        results.append(ops.reshape(number, shape=inverse_shape))
    if counts:
        ends = ops.concatenate(starts, _core.backend.full((1,), n, "int64"), dim=0)
        results.append(ops.sub(ops.getitem(ends, index=(_REST,)), ops.getitem(ends, index=(_BUT_LAST,))))
    return results[0] if len(results) == 1 else tuple(results)


def _slices(name: str, input: Any, dim: int) -> tuple[int, Any]:
    """`dim` counted from the front, and the slices along it as rows."""
    d = normalize_dim(name, dim, len(input.shape))
    if not input.shape:
        return d, ops.reshape(input, shape=(1, 1))
    order = (d, *(k for k in range(len(input.shape)) if k != d))
    n = input.shape[d]
    return d, ops.reshape(ops.permute(input, dims=order), shape=(n, input.numel() // n if n else 0))


@method()
def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The different elements in order, or the different slices along `dim`; each NaN counts as different.

    With `return_inverse` also which of them each element is, with `return_counts` also how often each occurs.
    """
    x = ops.detach(as_tensor(input))
    if dim is None:
        flat = ops.reshape(x, shape=(-1,))
        values, order = ops.sort(flat, dim=0, descending=False)
        return _groups(values, order, flat, None, x.shape, return_inverse, return_counts)
    d, rows = _slices("unique", x, dim)
    order = ops.sort(_core.backend.full((rows.shape[0],), 0, "int64"), dim=0, descending=False)[1]
    # Sorted by the last column first: a stable sort keeps that order among what is equal in those before.
    for column in reversed(range(rows.shape[1])):
        keys = ops.index_get(ops.getitem(rows, index=(slice(None), column)), order, dims=(0,))
        order = ops.index_get(order, ops.sort(keys, dim=0, descending=False)[1], dims=(0,))
    rows = ops.index_get(rows, order, dims=(0,))
    return _groups(rows, order, x, d, (rows.shape[0],), return_inverse, return_counts)


@method()
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """One of each run of equal elements, or of equal slices along `dim`; further results as of `unique`."""
    x = ops.detach(as_tensor(input))
    if dim is None:
        flat = ops.reshape(x, shape=(-1,))
        return _groups(flat, None, flat, None, x.shape, return_inverse, return_counts)
    d, rows = _slices("unique_consecutive", x, dim)
    return _groups(rows, None, x, d, (rows.shape[0],), return_inverse, return_counts)


def searchsorted(
    sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Any = None,
) -> Tensor:  # fmt: skip
    """Where each input would stand in a sorted line: before equal elements, or after them with `right`.

    `sorted_sequence` is one line, or (…, n) for an input (…, m); `sorter` gives the order of one that is not sorted.
    """
    if side not in (None, "left", "right"):
        raise ValueError(f"searchsorted: side: expected 'left' or 'right', got {side!r}")
    if side == "left" and right:
        raise ValueError("searchsorted: side: expected 'right' with right=True, got 'left'")
    sequence = ops.detach(as_tensor(sorted_sequence))
    if sorter is not None:
        if tuple(sorter.shape) != tuple(sequence.shape):
            raise _core.ShapeError(
                f"searchsorted: sorter: expected shape {tuple(sequence.shape)}, got {tuple(sorter.shape)}"
            )
        sequence = ops.gather(sequence, sorter, dim=-1)
    places = ops.searchsorted(sequence, input, right=right or side == "right")
    return ops.cast(places, dtype="int32") if out_int32 else places  # type: ignore[no-any-return]


@takes_arrays
def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the bucket between sorted `boundaries`, a vector; one on a boundary is below it, above with `right`."""
    if len(boundaries.shape) != 1:
        raise _core.ShapeError(f"bucketize: boundaries: expected one dimension, got shape {tuple(boundaries.shape)}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@method()
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Tensor:
    """How often each whole number from 0 occurs in a vector, or the sum of its weights: a vector of `minlength` or more."""
    x = as_tensor(input)
    if x._dtype not in ("uint8", "int32", "int64"):
        raise _core.DTypeError(f"bincount: input: expected an integer dtype, got {x._dtype}")
    if len(x.shape) != 1:
        raise _core.ShapeError(f"bincount: input: expected one dimension, got shape {tuple(x.shape)}")
    if minlength < 0:
        raise ValueError(f"bincount: minlength: expected a number from 0, got {minlength}")
    if weights is not None and tuple(weights.shape) != tuple(x.shape):
        raise _core.ShapeError(f"bincount: weights: expected shape {tuple(x.shape)}, got {tuple(weights.shape)}")
    n = minlength
    if x.shape[0]:
        if int(ops.amin(x, dim=(), keepdim=False)) < 0:
            raise ValueError("bincount: input: expected numbers from 0, got a negative one")
        n = max(n, int(ops.amax(x, dim=(), keepdim=False)) + 1)
    x = ops.cast(x, dtype="int64")
    if weights is None:
        weights = _core.backend.full(x.shape, 1, "int64")
    elif as_tensor(weights)._dtype != "float32":
        weights = ops.cast(weights, dtype="float64")
    zeros = _core.backend.full((n,), 0, weights._dtype)
    return ops.scatter_add(zeros, x, weights, dim=0) if x.shape[0] else zeros  # type: ignore[no-any-return]


@method()
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of `bins` equal parts of [min, max], of the data's range if both are 0."""
    x = _flat(input)
    if "float" not in x._dtype:
        raise _core.DTypeError(f"histc: input: expected a floating-point dtype, got {x._dtype}")
    if bins <= 0:
        raise ValueError(f"histc: bins: expected a number above 0, got {bins}")
    low, high = float(min), float(max)
    if low == high and x.shape[0]:
        low, high = (float(f(x, dim=(), keepdim=False)) for f in (ops.amin, ops.amax))
    if low == high:
        low, high = low - 1, high + 1
    if not (low < high and abs(low) != float("inf") and abs(high) != float("inf")):
        raise ValueError(f"histc: min, max: expected finite numbers min < max, got {low} and {high}")
    inside = ops.logical_and(ops.ge(x, low), ops.le(x, high))
    place = ops.div(ops.mul(ops.sub(ops.where(inside, x, low), low), float(bins)), high - low)
    place = ops.minimum(ops.cast(place, dtype="int64"), bins - 1)
    zeros = _core.backend.full((bins,), 0, x._dtype)
    return ops.scatter_add(zeros, place, ops.cast(inside, dtype=x._dtype), dim=0)  # type: ignore[no-any-return]


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is among `test_elements` (with `invert`, is not)."""
    elements, tested = ops.detach(as_tensor(elements)), _flat(test_elements)
    if not tested.shape[0]:
        return _core.backend.full(elements.shape, invert, "bool")  # type: ignore[no-any-return]
    tested = ops.sort(tested, dim=0, descending=False)[0]
    place = ops.minimum(ops.searchsorted(tested, elements, right=False), tested.shape[0] - 1)
    nearest = ops.index_get(tested, place, dims=(0,))
    return (ops.ne if invert else ops.eq)(nearest, elements)  # type: ignore[no-any-return]


__all__ = ["bincount", "bucketize", "histc", "isin", "searchsorted", "unique", "unique_consecutive"]
