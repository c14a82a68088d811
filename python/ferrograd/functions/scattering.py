"""Writing to computed places: scatter and its reductions, index_add and its like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core, ops
from .._operands import takes_arrays
from ..creation import as_tensor
from ..ops.scattering import groups, halved
from ._items import take_apart
from ._method import in_place_of, method
from .shape import from_front, normalize_dim

if TYPE_CHECKING:
    from .._tensor import Tensor

__all__ = [
    "index_add", "index_copy", "index_fill", "index_put", "index_reduce", "masked_scatter", "put", "scatter", "scatter_add",
    "scatter_reduce", "select_scatter", "slice_scatter", "take", "take_along_dim",
]  # fmt: skip

_REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")
_ALL = slice(None)


@method()
@takes_arrays
def scatter(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """A copy of `input` with y[…, index[…, i, …], …] = src[…, i, …] along `dim`; `src` may be a number, as `value` is.

    With `reduce` 'add' or 'multiply', what is there takes part.
    """
    if (src is None) == (value is None):
        raise TypeError("scatter: src: expected a tensor (or value, a number), got both or none")
    src = value if src is None else src
    if reduce is None:
        return ops.scatter(input, from_front("scatter", index), src, dim=dim)  # type: ignore[no-any-return]
    if reduce not in ("add", "multiply"):
        raise RuntimeError(f"scatter: reduce: expected 'add' or 'multiply', got {reduce!r}")
    if not hasattr(src, "shape"):
        src = ops.expand(_core.backend.full((), src, as_tensor(input)._dtype), shape=tuple(index.shape))
    return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")


@method()
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Tensor:
    """A copy of `input` with y[…, index[…, i, …], …] += src[…, i, …] along `dim`."""
    return ops.scatter_add(input, from_front("scatter_add", index), src, dim=dim)  # type: ignore[no-any-return]


@method()
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Tensor:
    """A copy of `input` with the sum, prod, mean, amax or amin of what `src` sends to each place along `dim`.

    y[…, index[…, i, …], …] is reduced over src[…, i, …], and over input there with `include_self`; places to which
    nothing is sent keep the input. The gradient of amax and amin is shared among equals.
    """
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"scatter_reduce: reduce: expected one of {', '.join(_REDUCTIONS)}, got {reduce!r}")
    x, source, places = as_tensor(input), as_tensor(src), from_front("scatter_reduce", index)
    if x._dtype != source._dtype:
        raise _core.DTypeError(f"scatter_reduce: src: expected the dtype of input, {x._dtype}, got {source._dtype}")
    shape = x.shape
    x, source, places = (ops.reshape(y, shape=(1,)) if not y.ndim else y for y in (x, source, places))
    d = normalize_dim("scatter_reduce", dim, x.ndim)
    if reduce in ("sum", "mean"):
        y = x if include_self else ops.scatter(x, places, 0, dim=d)
        y = ops.scatter_add(y, places, source, dim=d)
        if reduce == "mean":
            counts = _core.backend.full(x.shape, 1, x._dtype)
            counts = counts if include_self else ops.scatter(counts, places, 0, dim=d)
            ones = _core.backend.full(places.shape, 1, x._dtype)
            counts = _core.backend.maximum(ops.scatter_add(counts, places, ones, dim=d), 1)
            y = ops.div(y, counts) if y.is_floating_point() else ops.floor_divide(y, counts)
    else:
        # Sees to it that index and src fit, with the messages of scatter.
        with_no_effect = ops.scatter(ops.detach(x), places, ops.detach(source), dim=d)
        del with_no_effect
        if source.shape != places.shape:
            source = ops.getitem(source, index=tuple(slice(0, n) for n in places.shape))
        if reduce == "prod":
            y = _product(x, places, source, d, include_self)
        else:
            y = ops.scatter_extreme(x, places, source, dim=d, largest=reduce == "amax", include_self=include_self)
    return y if y.shape == shape else ops.reshape(y, shape=shape)  # type: ignore[no-any-return]


def _product(x: Any, index: Any, src: Any, dim: int, include_self: bool) -> Any:
    """Products of what goes to one place, pair by pair, so that zeros keep their gradients."""
    order, places = groups(index, x.shape, dim)
    values = ops.index_get(ops.reshape(src, shape=(-1,)), order, dims=(0,))
    while len(places) > len(np.unique(places)):
        left, right, alone = halved(places)
        neighbours = ops.where(alone, 1, ops.index_get(values, right, dims=(0,)))
        values = ops.mul(ops.index_get(values, left, dims=(0,)), neighbours)
        places = places[left]
    flat = ops.reshape(x, shape=(-1,))
    if include_self:
        values = ops.mul(values, ops.index_get(flat, places, dims=(0,)))
    return ops.reshape(ops.index_put(flat, values, places, dims=(0,), accumulate=False), shape=x.shape)


def _along(name: str, input: Any, dim: int, index: Any, source: Any) -> tuple[int, Any]:
    """The dimension, and the index as a vector that fits a source."""
    x, index = as_tensor(input), as_tensor(index)
    d = normalize_dim(name, dim, x.ndim)
    if index.ndim > 1:
        raise IndexError(f"{name}: index: expected a vector, got shape {index.shape}")
    index = ops.reshape(index, shape=(-1,))
    if source is not None:
        wanted = (*x.shape[:d], index.shape[0], *x.shape[d + 1 :])
        got = tuple(source.shape)
        if got != wanted and not (x.ndim == 0 and got in ((), (1,))):
            raise _core.ShapeError(f"{name}: source: expected shape {wanted}, got {got}")
        if as_tensor(source)._dtype != x._dtype:
            raise _core.DTypeError(
                f"{name}: source: expected the dtype of input, {x._dtype}, got {as_tensor(source)._dtype}"
            )
    return d, index


@method()
@takes_arrays
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Tensor:
    """A copy of `input` with alpha · source[…, i, …] added at the place index[i] of dimension `dim`."""
    d, index = _along("index_add", input, dim, from_front("index_add", index), source)
    source = source if alpha == 1 else ops.mul(source, alpha)
    return _put_along(input, source, index, d, True)  # type: ignore[no-any-return]


@method()
@takes_arrays
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Tensor:
    """A copy of `input` with source[…, i, …] at the place index[i] of dimension `dim`."""
    d, index = _along("index_copy", input, dim, from_front("index_copy", index), source)
    return _put_along(input, source, index, d, False)  # type: ignore[no-any-return]


@method()
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Tensor:
    """A copy of `input` with one value, a number or a 0-d tensor, at the places `index` of dimension `dim`."""
    d, index = _along("index_fill", input, dim, index, None)
    if getattr(value, "shape", ()) != ():
        raise _core.ShapeError(f"index_fill: value: expected a number or a 0-d tensor, got shape {tuple(value.shape)}")
    return _put_along(input, ops.cast(value, dtype=as_tensor(input)._dtype), index, d, False)  # type: ignore[no-any-return]


def _put_along(input: Any, values: Any, index: Any, dim: int, accumulate: bool) -> Any:
    if len(input.shape):
        return ops.index_put(input, values, index, dims=(dim,), accumulate=accumulate)
    one = ops.index_put(ops.reshape(input, shape=(1,)), values, index, dims=(0,), accumulate=accumulate)
    return ops.reshape(one, shape=())


@method()
def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Tensor:
    """As `index_add` with the prod, mean, amax or amin of what `source` sends to each place; see `scatter_reduce`."""
    if reduce not in _REDUCTIONS[1:]:
        raise RuntimeError(f"index_reduce: reduce: expected one of {', '.join(_REDUCTIONS[1:])}, got {reduce!r}")
    d, index = _along("index_reduce", input, dim, from_front("index_reduce", index), source)
    shape = tuple(source.shape)
    wide = ops.expand(ops.reshape(index, shape=(1,) * d + (-1,) + (1,) * (len(shape) - 1 - d)), shape=shape)
    return scatter_reduce(input, d, wide, source, reduce, include_self=include_self)


@method()
@takes_arrays
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """A copy of `input` with input[indices] = values, or += with `accumulate`, for a tuple of index tensors or masks."""
    base, places, dims = take_apart("index_put", tuple(input.shape), tuple(indices))
    values = as_tensor(values)
    if values._dtype != as_tensor(input)._dtype:
        raise _core.DTypeError(
            f"index_put: values: expected the dtype of input, {as_tensor(input)._dtype}, got {values._dtype}"
        )
    if any(item is None for item in base):
        raise IndexError("index_put: indices: expected index tensors or masks of at least one dimension")
    return ops.index_put(input, values, *places, dims=dims, accumulate=accumulate)  # type: ignore[no-any-return]


@method()
def take(input: Any, index: Any) -> Tensor:
    """The elements at places of the flattened input, in the shape of `index`."""
    return ops.index_get(ops.reshape(input, shape=(-1,)), index, dims=(0,))  # type: ignore[no-any-return]


@method()
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Tensor:
    """A copy of `input` with the elements of `source` at places of the flattened tensor (or added there)."""
    index, source = as_tensor(index), as_tensor(source)
    if index.numel() != source.numel():
        raise _core.ShapeError(f"put: source: expected {index.numel()} elements, as index has, got {source.numel()}")
    if source._dtype != as_tensor(input)._dtype:
        raise _core.DTypeError(f"put: source: expected the dtype of input, got {source._dtype}")
    flat = ops.reshape(input, shape=(-1,))
    values, places = ops.reshape(source, shape=(-1,)), ops.reshape(index, shape=(-1,))
    y = ops.index_put(flat, values, places, dims=(0,), accumulate=accumulate)
    return ops.reshape(y, shape=tuple(input.shape))  # type: ignore[no-any-return]


@method()
def take_along_dim(input: Any, indices: Any, dim: int | None = None, *, axis: int | None = None) -> Tensor:
    """As `gather`, with the other dimensions broadcast; without `dim` both are flattened."""
    dim = axis if dim is None else dim
    x, index = as_tensor(input), as_tensor(indices)
    if dim is None:
        return ops.gather(ops.reshape(x, shape=(-1,)), ops.reshape(index, shape=(-1,)), dim=0)  # type: ignore[no-any-return]
    if x.ndim != index.ndim:
        raise _core.ShapeError(f"take_along_dim: indices: expected {x.ndim} dimensions, as input has, got {index.ndim}")
    d = normalize_dim("take_along_dim", dim, x.ndim)
    try:
        shape = list(
            np.broadcast_shapes((*x.shape[:d], 1, *x.shape[d + 1 :]), (*index.shape[:d], 1, *index.shape[d + 1 :]))
        )
    except ValueError:
        raise _core.ShapeError(
            f"take_along_dim: indices: expected a shape that broadcasts with {x.shape} but for dimension {d}, "
            f"got {index.shape}"
        ) from None
    x = ops.expand(x, shape=(*shape[:d], x.shape[d], *shape[d + 1 :]))
    index = ops.expand(index, shape=(*shape[:d], index.shape[d], *shape[d + 1 :]))
    return ops.gather(x, index, dim=d)  # type: ignore[no-any-return]


@method()
def masked_scatter(input: Any, mask: Any, source: Any) -> Tensor:
    """A copy of `input` with the elements of `source`, one after the other, where the mask is set."""
    x, mask, source = as_tensor(input), as_tensor(mask), as_tensor(source)
    if mask._dtype != "bool":
        raise _core.DTypeError(f"masked_scatter: mask: expected bool, got {mask._dtype}")
    if x._dtype != source._dtype:
        raise _core.DTypeError(f"masked_scatter: source: expected the dtype of input, {x._dtype}, got {source._dtype}")
    shape = np.broadcast_shapes(x.shape, mask.shape)
    places = _core.backend.nonzero(_core.backend.reshape(_core.backend.expand(mask, shape), (-1,)))
    count = places.shape[0]
    if source.numel() < count:
        raise _core.ShapeError(
            f"masked_scatter: source: expected at least {count} elements, as the mask has, got {source.numel()}"
        )
    values = ops.getitem(ops.reshape(source, shape=(-1,)), index=(slice(0, count),))
    flat = ops.reshape(ops.expand(x, shape=shape), shape=(-1,))
    y = ops.index_put(flat, values, ops.reshape(places, shape=(-1,)), dims=(0,), accumulate=False)
    return ops.reshape(y, shape=shape)  # type: ignore[no-any-return]


@method()
@takes_arrays
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Tensor:
    """A copy of `input` with `src` at one index of one dimension."""
    d = normalize_dim("select_scatter", dim, len(input.shape))
    return ops.setitem(input, src, index=(*(_ALL,) * d, index))  # type: ignore[no-any-return]


@method()
@takes_arrays
def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of `input` with `src` at start, start + step, … below `end` of one dimension."""
    d = normalize_dim("slice_scatter", dim, len(input.shape))
    if step <= 0:
        raise RuntimeError(f"slice_scatter: step: expected a number above 0, got {step}")
    return ops.setitem(input, src, index=(*(_ALL,) * d, slice(start, end, step)))  # type: ignore[no-any-return]


for _name, _function in (
    ("scatter_", scatter), ("scatter_add_", scatter_add), ("scatter_reduce_", scatter_reduce), ("index_add_", index_add),
    ("index_copy_", index_copy), ("index_fill_", index_fill), ("index_put_", index_put), ("index_reduce_", index_reduce),
    ("put_", put),
    ("masked_scatter_", masked_scatter),
):  # fmt: skip
    in_place_of(_name, _function)
