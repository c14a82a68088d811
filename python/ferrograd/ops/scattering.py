"""Reductions into computed places, other than sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._core import TensorBase, backend, is_grad_enabled
from ._op import op
from .elementwise import cast, div, eq, logical_not, where
from .index import gather, scatter_add


def groups(index: Any, shape: tuple[int, ...], dim: int) -> tuple[Any, Any]:
    """`(order, places)`: the elements of `index` sorted by the flat place in `shape` that each names, and these places."""
    index = np.asarray(index)
    grid = list(np.indices(index.shape, sparse=True))
    grid[dim] = np.where(index < 0, index + shape[dim], index)
    places = np.ravel_multi_index(tuple(np.broadcast_arrays(*grid)), shape).reshape(-1)
    order = np.argsort(places, kind="stable")
    return order, places[order]


def halved(places: Any) -> tuple[Any, Any, Any]:
    """`(left, right, alone)` of a sorted vector: each second element of a run with its right neighbour, if it has one."""
    n = len(places)
    starts = np.flatnonzero(np.r_[True, places[1:] != places[:-1]]) if n else np.empty(0, np.int64)
    rank = np.arange(n) - np.repeat(starts, np.diff(np.r_[starts, n]))
    left = np.flatnonzero(rank % 2 == 0)
    right = np.minimum(left + 1, n - 1)
    alone = (right == left) | (places[right] != places[left])
    return left, right, alone


def _extreme_of_runs(values: Any, places: Any, larger: Any) -> tuple[Any, Any]:
    """The extreme element of each run of equal places, found pair by pair, and the places."""
    while len(places) > len(np.unique(places)):
        left, right, alone = halved(places)
        kept = backend.index_get(values, (left,), (0,))
        values = backend.where(alone, kept, larger(kept, backend.index_get(values, (right,), (0,))))
        places = places[left]
    return values, places


@op
def scatter_extreme(x: Any, index: Any, src: Any, *, dim: int, largest: bool, include_self: bool) -> Any:
    """The largest (smallest) of what `src` sends to each place along `dim`, and of x there with `include_self`.

    x and index have as many dimensions, src the shape of index. Places to which nothing is sent keep x. The gradient is
    shared among equals.
    """
    operands = [y for y in (x, src) if isinstance(y, TensorBase)]
    plain, source = backend.detach(x), backend.detach(src)
    larger = backend.maximum if largest else backend.minimum
    order, places = groups(index, plain.shape, dim)
    flat = backend.reshape(source, (-1,))
    values, places = _extreme_of_runs(backend.index_get(flat, (order,), (0,)), places, larger)
    whole = backend.reshape(backend.contiguous(plain), (-1,))
    if include_self:
        values = larger(values, backend.index_get(whole, (places,), (0,)))
    result = backend.reshape(backend.index_put(whole, values, (places,), (0,), False), plain.shape)
    result.requires_grad = is_grad_enabled() and any(y.requires_grad for y in operands)
    return result


@scatter_extreme.rule(saves=("x", "index", "src", "result"))
def _(g, needs, x, index, src, y, *, dim, largest, include_self):
    sent = eq(src, gather(y, index, dim=dim))
    zeros = backend.full(y.shape, 0, g._dtype)
    counts = scatter_add(zeros, index, cast(sent, dtype=g._dtype), dim=dim)
    kept = eq(x, y) if include_self else logical_not(scatter_add(zeros, index, 1.0, dim=dim))
    # NaN is equal to nothing, and gets no gradient.
    total = backend.maximum(backend.add(counts, backend.cast(kept, g._dtype)), 1)
    share = div(g, total)
    from_x = where(kept, share, 0) if needs[0] else None
    return from_x, None, where(sent, gather(share, index, dim=dim), 0) if needs[2] else None
