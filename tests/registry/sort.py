"""Sorting, and what is picked from sorted lines."""

from __future__ import annotations

import numpy as np

import ferrograd as fg

from ._row import Arr, Bad, Row, Sample

#: Shape and dimension: along the fastest dimension and across it, around the size of a task.
CASES = [
    ((1,), 0),
    ((7,), -1),
    ((3, 10), 1),
    ((10, 3), 0),
    ((2, 5, 33), 1),
    ((0, 4), 1),
    ((60, 200), 1),
    ((200, 60), 0),
]
_PLAIN = {"low": -50, "high": 50, "distinct": True}
_TIES = {"kind": "int", "low": -3, "high": 4}


def _samples(cases=CASES, **attributes):
    """Distinct floats, and integers and booleans with ties."""
    floats = [Sample((Arr(shape, **_PLAIN),), {"dim": dim, **attributes}) for shape, dim in cases]
    ties = [
        Sample((Arr((9, 21), **_TIES),), {"dim": 1, **attributes}),
        Sample((Arr((21, 9), kind="bool"),), {"dim": 0, **attributes}),
    ]
    return [*floats, *ties]  # fmt: skip


def _order(x, dim, descending):
    keys = x.astype(np.int64) if x.dtype == bool else x
    return np.argsort(-keys if descending else keys, axis=dim, kind="stable")


def _sorted(x, *, dim, descending):
    order = _order(x, dim, descending)
    return np.take_along_axis(x, order, dim), order


def _topk(x, *, k, dim, largest):
    values, order = _sorted(x, dim=dim, descending=largest)
    return np.take(values, range(k), dim), np.take(order, range(k), dim)


def _kth(x, *, k, dim, keepdim):
    values, order = _sorted(x, dim=dim, descending=False)
    pick = lambda a: np.take(a, [k - 1] if keepdim else k - 1, dim)  # noqa: E731
    return pick(values), pick(order)


def _median(x, *, dim, keepdim, ignore_nan):
    return _kth(x, k=(x.shape[dim] - 1) // 2 + 1, dim=dim, keepdim=keepdim)


def _mode(x, *, dim, keepdim):
    lines = np.moveaxis(x, dim, -1)
    found = np.zeros((2, *lines.shape[:-1]))
    for at in np.ndindex(*lines.shape[:-1]):
        values, counts = np.unique(lines[at], return_counts=True)
        best = values[np.argmax(counts)]
        found[(0, *at)], found[(1, *at)] = best, np.flatnonzero(lines[at] == best)[-1]
    if keepdim:
        found = np.expand_dims(found, dim % x.ndim + 1)
    return found[0].astype(x.dtype), found[1].astype(np.int64)


def _dim_error(name, **attributes):
    return [
        Bad((Arr((2, 3)),), {"dim": 2, **attributes}, IndexError, rf"{name}: dim: expected an integer from -2 to 1, got 2"),
        Bad((fg.zeros(2, dtype="float16"),), {"dim": 0, **attributes}, fg.DTypeError, rf"{name}: input: expected .*float16"),
    ]  # fmt: skip


def _empty(name, **attributes):
    return Bad(
        (Arr((0, 3)),), {"dim": 0, **attributes}, IndexError, rf"{name}: dim: expected a dimension of non-zero size"
    )


#: Lines of one element at least.
_FULL = [case for case in CASES if 0 not in case[0]]


def _picked(name, reference, attributes, errors, **more):
    """A row of an op that picks one element of a line."""
    samples = [s for keep in (False, True) for s in _samples(_FULL if keep else _FULL[:5], keepdim=keep, **attributes)]
    return Row(name, reference, samples, [*_dim_error(name, keepdim=False, **attributes), *errors], **more)


def _torch_pair(name):
    def call(t, x, *, dim, keepdim, **attributes):
        return tuple(getattr(t, name)(x, dim=dim, keepdim=keepdim, **attributes))

    return call


def _lines(rows, n):
    return np.sort(np.random.default_rng(3).uniform(-2, 2, (*rows, n)).astype(np.float32).astype(np.float64), axis=-1)


def _search(sequence, x, *, right):
    side = "right" if right else "left"
    if sequence.ndim == 1:
        return np.searchsorted(sequence, x, side)
    found = np.zeros(x.shape, np.int64)
    for at in np.ndindex(*x.shape[:-1]):
        found[at] = np.searchsorted(sequence[at], x[at], side)
    return found


ROWS = [
    Row(
        "sort",
        _sorted,
        [*_samples(descending=False), *_samples(descending=True)],
        _dim_error("sort", descending=False),
        torch=lambda t, x, *, dim, descending: tuple(t.sort(x, dim=dim, descending=descending, stable=True)),
    ),
    Row(
        "topk",
        _topk,
        [*_samples([c for c in _FULL if c[0] != (1,)], k=3, largest=True), *_samples([((9, 2), 1), ((70, 90), 0)], k=2, largest=False),
         Sample((Arr((3, 4), **_PLAIN),), {"k": 0, "dim": 1, "largest": True})],
        [*_dim_error("topk", k=1, largest=True),
         Bad((Arr((3,)),), {"k": 4, "dim": 0, "largest": True}, RuntimeError, "topk: k: expected at most 3, the size of dimension 0, got 4")],
    ),
    _picked(
        "kthvalue",
        _kth,
        {"k": 1},
        [_empty("kthvalue", k=1, keepdim=False),
         Bad((Arr((3,)),), {"k": 4, "dim": 0, "keepdim": True}, RuntimeError, "kthvalue: k: expected 1 to 3, the size of dimension 0, got 4"),
         Bad((Arr((3,)),), {"k": 0, "dim": 0, "keepdim": True}, RuntimeError, "kthvalue: k: expected 1 to 3")],
    ),
    Row("kthvalue", _kth, [Sample((Arr((5, 40), **_PLAIN),), {"k": 17, "dim": 1, "keepdim": False})], id="kthvalue-inner",
        torch=lambda t, x, *, k, dim, keepdim: tuple(t.kthvalue(x, k, dim, keepdim))),
    _picked("median", _median, {"ignore_nan": False}, [_empty("median", keepdim=False, ignore_nan=False)]),
    _picked("median", _median, {"ignore_nan": True}, [], id="nanmedian"),
    _picked("mode", _mode, {}, [_empty("mode", keepdim=False)]),
    Row(
        "searchsorted",
        _search,
        [
            *[Sample((_lines((), 40), Arr(shape, -3, 3)), {"right": right}) for shape in ((), (7,), (3, 5), (0,)) for right in (False, True)],
            Sample((_lines((3, 4), 21), Arr((3, 4, 9), -3, 3)), {"right": True}),
            Sample((_lines((), 0), Arr((5,))), {"right": True}),
            Sample((np.array([-2, -1, -1, 0, 3]), Arr((2, 40), **_TIES)), {"right": False}),
            Sample((np.array([-2, -1, -1, 0, 3]), Arr((2, 40), **_TIES)), {"right": True}),
            Sample((_lines((), 300), Arr((9000,), -3, 3)), {"right": False}),
        ],
        [Bad((Arr((2, 3)), Arr((3, 3))), {"right": False}, fg.ShapeError, r"searchsorted: sorted_sequence: expected one dimension, or the leading ones of \(3, 3\)"),
         Bad((1.0, Arr((3,))), {"right": False}, fg.ShapeError, "searchsorted: sorted_sequence"),
         Bad((Arr((3,)), "a"), {"right": False}, TypeError, "searchsorted: input: expected a Tensor")],
        differentiable=False,
        torch=lambda t, s, x, *, right: t.searchsorted(s, x, right=right),
    ),
]  # fmt: skip
