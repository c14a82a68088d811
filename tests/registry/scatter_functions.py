"""Scatter with reductions, index_add and its like. Indices differ where only the last value for a place stays."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample

_UFUNCS = {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum, "mean": np.add}


def _places(index, dim):
    grid = list(np.indices(index.shape))
    grid[dim] = index
    return tuple(grid)


def _scatter_reduce(x, index, src, *, dim, reduce, include_self=True):
    places = _places(index, dim)
    src = src[tuple(slice(0, n) for n in index.shape)]
    out = np.array(x)
    if not include_self:
        neutral = {"sum": 0, "mean": 0, "prod": 1, "amax": -np.inf, "amin": np.inf}[reduce]
        out[places] = neutral
    _UFUNCS[reduce].at(out, places, src)
    if reduce == "mean":
        counts = np.full(x.shape, float(include_self))
        np.add.at(counts, places, 1)
        out /= np.maximum(counts, 1)
    return out


def _along(dim, index):
    return (*[slice(None)] * dim, index)


def _index_add(x, source, *, dim, index, alpha=1):
    out = np.array(x)
    np.add.at(out, _along(dim, np.array(index)), alpha * source)
    return out


def _index_copy(x, source, *, dim, index):
    out = np.array(x)
    out[_along(dim, np.array(index))] = source
    return out


def _masked_scatter(x, mask, source):
    x, mask = np.broadcast_arrays(x, mask)
    out = np.array(x)
    out[mask] = source.ravel()[: mask.sum()]
    return out


def _put(x, source, *, index, accumulate):
    out = np.array(x).ravel()
    if accumulate:
        np.add.at(out, np.array(index).ravel(), source.ravel())
    else:
        out[np.array(index).ravel()] = source.ravel()
    return out.reshape(x.shape)


def _select_scatter(x, src, *, dim, index):
    out = np.array(x)
    out[_along(dim, index)] = src
    return out


def _reduced(reduce, include_self):
    given = {"reduce": reduce, "include_self": include_self}
    # No element of src is equal to one of x: ties have a test of their own.
    apart, other = {"distinct": True, "low": 0.5, "high": 2.0}, {"distinct": True, "low": 0.517, "high": 2.031}
    return [
        Sample(
            (Arr((3, 4), **apart), np.array([[0, 2, 2, 0], [1, 2, 2, 2]]), Arr((2, 4), **other)), {"dim": 0, **given}
        ),
        Sample((Arr((5,), **apart), np.array([3, 3, 3, 0, 3, 3, 0]), Arr((9,), **other)), {"dim": 0, **given}),
        Sample((Arr((2, 3), **apart), np.zeros((2, 0), np.int64), Arr((2, 0), **other)), {"dim": 1, **given}),
    ]


def _call(x, index, src, **kwargs):
    return fg.scatter_reduce(x, kwargs.pop("dim"), index, src, **kwargs)


_X = Arr((4, 3))

ROWS = [
    *[
        Row(
            "scatter_extreme" if reduce[0] == "a" else "scatter_reduce",
            _scatter_reduce,
            [*_reduced(reduce, True), *_reduced(reduce, False)],
            call=_call,
            torch=lambda t, x, index, src, **kwargs: (
                x.scatter_reduce(kwargs.pop("dim"), index, src, **kwargs)
                if src.shape == index.shape
                else x.scatter_reduce(kwargs.pop("dim"), index, src[: len(index)], **kwargs)
            ),
            id=f"scatter_reduce-{reduce}",
        )
        for reduce in _UFUNCS
    ],
    Row(
        "scatter_reduce",
        None,
        [],
        [
            Bad(
                (_X, np.array([[0]]), Arr((1, 1))),
                {"dim": 0, "reduce": "max"},
                RuntimeError,
                r"scatter_reduce: reduce: expected one of sum,",
            ),
            Bad(
                (_X, np.array([[4]]), Arr((1, 1))),
                {"dim": 0, "reduce": "amax"},
                IndexError,
                r"index 4 is out of bounds",
            ),
            Bad(
                (_X, np.array([[4]]), Arr((1, 1))),
                {"dim": 0, "reduce": "prod"},
                IndexError,
                r"index 4 is out of bounds",
            ),
            Bad((_X, np.array([0]), Arr((1,))), {"dim": 0, "reduce": "amax"}, ValueError, r"scatter: index: expected"),
            Bad(
                (_X, np.array([[0]]), np.ones((1, 1), np.int64)),
                {"dim": 0, "reduce": "sum"},
                TypeError,
                r"src: expected the dtype of input",
            ),
        ],
        call=_call,
        id="scatter_reduce-errors",
    ),
    Row(
        "scatter",
        lambda x, index: _scatter_reduce(x, index, np.full(index.shape, 3.0), dim=1, reduce="prod"),
        [Sample((Arr((2, 3)), np.array([[0, 0], [2, 1]])))],
        call=lambda x, index: fg.scatter(x, 1, index, value=3.0, reduce="multiply"),
        id="scatter-multiply",
    ),
    Row(
        "index_add",
        _index_add,
        [
            Sample((_X, Arr((3, 3))), {"dim": 0, "index": (1, 1, 3)}),
            Sample((_X, Arr((4, 2))), {"dim": 1, "index": (0, 2), "alpha": -0.5}),
            Sample((Arr((4, 0)), Arr((2, 0))), {"dim": 0, "index": (1, 1)}),
        ],
        [
            Bad(
                (_X, Arr((2, 3))),
                {"dim": 0, "index": (1, 1, 3)},
                fg.ShapeError,
                r"index_add: source: expected shape \(3, 3\), got \(2, 3\)",
            ),
            Bad((_X, Arr((1, 3))), {"dim": 0, "index": (4,)}, IndexError, r"index 4 is out of bounds"),
            Bad((_X, Arr((1, 3))), {"dim": 2, "index": (0,)}, IndexError, r"index_add: dim"),
            Bad(
                (_X, np.ones((1, 3))),
                {"dim": 0, "index": (0,)},
                TypeError,
                r"index_add: source: expected the dtype of input",
            ),
            Bad((_X, Arr((1, 3))), {"dim": 0, "index": ((0,),)}, IndexError, r"index_add: index: expected a vector"),
        ],
        call=lambda x, source, *, dim, index, **kwargs: fg.index_add(x, dim, np.array(index), source, **kwargs),
        torch=lambda t, x, source, *, dim, index, **kwargs: x.index_add(dim, t.tensor(index), source, **kwargs),
    ),
    Row(
        "index_copy",
        _index_copy,
        [Sample((_X, Arr((2, 3))), {"dim": 0, "index": (3, 1)}), Sample((_X, Arr((4, 1))), {"dim": 1, "index": (2,)})],
        call=lambda x, source, *, dim, index: fg.index_copy(x, dim, np.array(index), source),
        torch=lambda t, x, source, *, dim, index: x.index_copy(dim, t.tensor(index), source),
    ),
    Row(
        "index_fill",
        lambda x, *, dim, index, value: _index_copy(x, value, dim=dim, index=index),
        [Sample((_X,), {"dim": 1, "index": (0, 2), "value": 1.5})],
        [
            Bad(
                (_X,),
                {"dim": 1, "index": (0,), "value": np.ones(2)},
                fg.ShapeError,
                r"index_fill: value: expected a number",
            )
        ],
        call=lambda x, *, dim, index, value: fg.index_fill(x, dim, np.array(index), value),
        torch=lambda t, x, *, dim, index, value: x.index_fill(dim, t.tensor(index), value),
    ),
    Row(
        "index_put",
        lambda x, values, *, accumulate: _put(
            x, np.broadcast_to(values, (3,)), index=(1, 6, 11), accumulate=accumulate
        ),
        [Sample((_X, Arr((3,))), {"accumulate": True}), Sample((_X, Arr(())), {"accumulate": False})],
        [Bad((_X, np.ones((3,), np.int64)), {"accumulate": True}, TypeError, r"index_put: values: expected the dtype")],
        call=lambda x, values, *, accumulate: fg.index_put(
            x, (np.array([0, 2, 3]), np.array([1, 0, 2])), values, accumulate
        ),
    ),
    Row(
        "take",
        lambda x, *, index: np.take(x, index),
        [Sample((_X,), {"index": ((0, 11), (5, 5))}), Sample((_X,), {"index": -1})],
        [Bad((_X,), {"index": (12,)}, IndexError, r"index 12 is out of bounds")],
        call=lambda x, *, index: fg.take(x, np.array(index)),
        torch=lambda t, x, *, index: t.take(x, t.tensor(index)),
    ),
    Row(
        "put",
        _put,
        [
            Sample((_X, Arr((3,))), {"index": (0, 5, 11), "accumulate": False}),
            Sample((_X, Arr((2, 1))), {"index": (5, 5), "accumulate": True}),
        ],
        [
            Bad(
                (_X, Arr((3,))),
                {"index": (0,), "accumulate": False},
                fg.ShapeError,
                r"put: source: expected 1 elements",
            )
        ],
        call=lambda x, source, *, index, accumulate: fg.put(x, np.array(index), source, accumulate),
        torch=lambda t, x, source, *, index, accumulate: x.put(t.tensor(index), source, accumulate),
    ),
    Row(
        "take_along_dim",
        lambda x, *, index, dim: np.take_along_axis(x, np.array(index), dim),
        [
            Sample((_X,), {"index": ((0, 2), (1, 1), (2, 0), (0, 0)), "dim": 1}),
            Sample((_X,), {"index": ((3, 1, 1),), "dim": 0}),
            Sample((_X,), {"index": ((3,), (1,)), "dim": 0}),
        ],
        [
            Bad((_X,), {"index": (0,), "dim": 0}, fg.ShapeError, r"take_along_dim: indices: expected 2 dimensions"),
            Bad(
                (_X,), {"index": ((0, 0),), "dim": 0}, fg.ShapeError, r"take_along_dim: indices: expected a shape that"
            ),
        ],
        call=lambda x, *, index, dim: fg.take_along_dim(x, np.array(index), dim),
        torch=lambda t, x, *, index, dim: t.take_along_dim(x, t.tensor(index), dim),
    ),
    Row(
        "masked_scatter",
        _masked_scatter,
        [
            Sample((_X, np.array([[True, False, True]] * 4), Arr((3, 3)))),
            Sample((Arr((3,)), np.zeros((2, 3), bool), Arr((1,)))),
        ],
        [
            Bad(
                (_X, np.ones((4, 3), bool), Arr((3,))),
                {},
                fg.ShapeError,
                r"masked_scatter: source: expected at least 12 elements",
            ),
            Bad((_X, np.ones((4, 3)), Arr((12,))), {}, TypeError, r"masked_scatter: mask: expected bool"),
        ],
        call=fg.masked_scatter,
        torch=lambda t, x, mask, source: x.masked_scatter(mask, source),
    ),
    Row(
        "select_scatter",
        _select_scatter,
        [Sample((_X, Arr((4,))), {"dim": 1, "index": -1})],
        call=lambda x, src, *, dim, index: fg.select_scatter(x, src, dim, index),
        torch=lambda t, x, src, *, dim, index: t.select_scatter(x, src, dim, index),
    ),
    Row(
        "slice_scatter",
        lambda x, src: _index_copy(x, src, dim=0, index=(0, 2)),
        [Sample((_X, Arr((2, 3))))],
        call=lambda x, src: fg.slice_scatter(x, src, 0, None, None, 2),
        torch=lambda t, x, src: t.slice_scatter(x, src, 0, None, None, 2),
    ),
]
